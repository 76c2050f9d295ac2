"""Greedy decoding of a batch of prompts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch

from advisor import progress
from advisor.models.clock import clock
from advisor.models.language_model import Decoding, Generation
from advisor.models.local.kv import PaddedRows
from advisor.models.local.packed import Rows
from advisor.models.local.reader import Reader
from advisor.models.render import Encoded, Renderer

EDGE = 8  # tokens before a text that is looked for: the first may lose a blank, or begin within a character


class Continued(Protocol):
    """What the engine offers to decode with; see `LocalModel`."""

    module: Any
    renderer: Renderer
    reader: Reader

    def head(self, hidden: torch.Tensor) -> torch.Tensor: ...
    def check(self, scores: torch.Tensor) -> None: ...


class Greedy:
    """One batch of greedy decoding; rows leave as they finish."""

    def __init__(self, model: Continued, rows: Sequence[Encoded], decoding: Decoding, started: float) -> None:
        self.model = model
        self.rows = rows
        self.decoding = decoding
        self.started = started
        # No token is shorter than a byte.
        self._tail = EDGE + max((len(stop.encode(errors="surrogatepass")) for stop in decoding.stop), default=0)
        self.tokens: list[list[int]] = [[] for _ in rows]
        self.first = [0.0] * len(rows)
        self.last = [0.0] * len(rows)

    def run(self) -> list[Generation]:
        with self._attention():
            hidden, rows = self._read()
            with clock.span("generate"):
                self._go_on(hidden, rows)
        return [self._answer(i) for i in range(len(self.rows))]

    def _attention(self) -> AbstractContextManager[None]:
        return self.model.reader.packed() if self.model.reader.packs else nullcontext()

    def _read(self) -> tuple[torch.Tensor, Rows | PaddedRows]:
        room = self.decoding.max_tokens
        if self.model.reader.packs:
            hidden, rows = self.model.reader.read(self.rows, None, room)
            return hidden[:, 0], rows
        with clock.span("prefill", tokens=sum(len(row.ids) for row in self.rows)):
            padded = PaddedRows(self.model.module, [row.ids for row in self.rows])
            return padded.hidden, padded

    def _go_on(self, hidden: torch.Tensor, rows: Rows | PaddedRows) -> None:
        alive = list(range(len(self.rows)))
        for _ in range(self.decoding.max_tokens):
            clock.alarm()
            # In float32, since on a CPU torch seeks the highest of bfloat16 numbers seven times slower.
            logits = self.model.head(hidden).float()
            chosen = logits.argmax(-1)
            self.model.check(logits.gather(-1, chosen[:, None]))  # what is no number is taken for the highest
            finished = self._finished(alive, chosen.tolist())
            progress.answered(len(finished))
            if len(finished) == len(alive):
                break
            for position in reversed(finished):
                rows.drop(position)
                alive[position] = alive[-1]
                chosen[position] = chosen[-1]
                alive, chosen = alive[:-1], chosen[:-1]
            hidden = rows.step(chosen) if isinstance(rows, PaddedRows) else self.model.reader.step(rows, chosen)

    def _finished(self, alive: Sequence[int], chosen: Sequence[int]) -> list[int]:
        """Note the chosen tokens; returns which of the rows alive end here."""
        now = time.perf_counter() - self.started
        ended = []
        for position, (row, token) in enumerate(zip(alive, chosen, strict=True)):
            self.first[row] = self.first[row] or now
            self.last[row] = now
            if token in self.model.renderer.stop_ids:
                ended.append(position)
                continue
            self.tokens[row].append(token)
            if self._stopped(self.tokens[row]):
                ended.append(position)
        return ended

    def _stopped(self, tokens: Sequence[int]) -> bool:
        if len(tokens) >= self.decoding.max_tokens:
            return True
        if not self.decoding.stop:
            return False
        decode = self.model.renderer.tokenizer.decode
        # Where a stop text has become whole, it stands at the end: a long answer is not read anew at every token.
        return self._stops(decode(tokens[-self._tail :])) and self._stops(decode(tokens).lstrip())

    def _stops(self, text: str) -> bool:
        return any(stop in text for stop in self.decoding.stop)

    def _answer(self, row: int) -> Generation:
        text = self.model.renderer.tokenizer.decode(self.tokens[row], skip_special_tokens=True).strip()
        for stop in self.decoding.stop:
            text = text.split(stop)[0]
        encoded = self.rows[row]
        return Generation(
            text.strip(),
            len(encoded.ids),
            len(self.tokens[row]),
            self.first[row],
            self.last[row],
            encoded.dropped,
            encoded.cut,
        )
