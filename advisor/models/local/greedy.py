"""Greedy decoding of a batch of prompts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from advisor import progress
from advisor.models.clock import clock
from advisor.models.language_model import Decoding, Generation
from advisor.models.local.packed import Rows
from advisor.models.local.padded import PaddedRows, WholeRows
from advisor.models.local.reader import Reader
from advisor.models.render import Encoded, Renderer

EDGE = 8  # tokens before a text that is looked for: the first may lose a blank, or begin within a character


Told = Callable[[int, str, int], bool]
"""Is told of a row that its answer is this so far, of so many tokens; says whether anybody wants more of it."""


class Continued(Protocol):
    """What the engine offers to decode with; see `LocalModel`."""

    module: Any
    renderer: Renderer
    reader: Reader

    def head(self, hidden: torch.Tensor) -> torch.Tensor: ...
    def check(self, scores: torch.Tensor) -> None: ...


class Greedy:
    """One batch of greedy decoding; rows leave as they finish.

    Args:
        told: hears each answer grow; None where nobody listens.
    """

    def __init__(
        self,
        model: Continued,
        rows: Sequence[Encoded],
        decoding: Decoding,
        started: float,
        told: Told | None = None,
    ) -> None:
        self.model = model
        self.rows = rows
        self.decoding = decoding
        self.started = started
        self.told = told
        # No token is shorter than a byte.
        self._tail = EDGE + max((len(stop.encode(errors="surrogatepass")) for stop in decoding.stop), default=0)
        self.tokens: list[list[int]] = [[] for _ in rows]
        self.first = [0.0] * len(rows)
        self.last = [0.0] * len(rows)

    def run(self) -> list[Generation]:
        hidden, rows = self.model.reader.begin(self.rows, self.decoding.max_tokens)
        with clock.span("generate"):
            self._go_on(hidden, rows)
        return [self._answer(i) for i in range(len(self.rows))]

    def _go_on(self, hidden: torch.Tensor, rows: Rows | PaddedRows | WholeRows) -> None:
        standing = list(range(len(self.rows)))  # whose row stands at each place
        ended: set[int] = set()
        for _ in range(self.decoding.max_tokens):
            clock.alarm()
            # In float32, since on a CPU torch seeks the highest of bfloat16 numbers seven times slower.
            logits = self.model.head(hidden).float()
            chosen = logits.argmax(-1)
            best = logits.gather(-1, chosen[:, None])[:, 0]  # what is no number is taken for the highest
            tokens = torch.where(torch.isfinite(best), chosen, -1).tolist()  # the device is waited for here alone
            alive = [place for place, row in enumerate(standing) if row not in ended]
            if any(tokens[place] < 0 for place in alive):
                self.model.check(best)
            finished = self._finished([standing[place] for place in alive], [tokens[place] for place in alive])
            ended.update(finished)
            progress.answered(len(finished))
            if len(finished) == len(alive):
                break
            if finished:
                order = rows.drop([place for place, row in enumerate(standing) if row in ended])
                if len(order) < len(standing):
                    standing = [standing[place] for place in order]
                    chosen = chosen[torch.tensor(order, device=chosen.device)]
            hidden = self.model.reader.step(rows, chosen)

    def _finished(self, rows: Sequence[int], chosen: Sequence[int]) -> list[int]:
        """Note the rows' chosen tokens; returns those that end here."""
        now = time.perf_counter() - self.started
        ended = []
        for row, token in zip(rows, chosen, strict=True):
            self.first[row] = self.first[row] or now
            self.last[row] = now
            if token in self.model.renderer.stop_ids:
                ended.append(row)
                continue
            self.tokens[row].append(token)
            unwanted = self.told is not None and not self.told(row, self._text(row), len(self.tokens[row]))
            if unwanted or self._stopped(self.tokens[row]):
                ended.append(row)
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

    def _text(self, row: int) -> str:
        text = self.model.renderer.tokenizer.decode(self.tokens[row], skip_special_tokens=True).strip()
        for stop in self.decoding.stop:
            text = text.split(stop)[0]
        return str(text.strip())

    def _answer(self, row: int) -> Generation:
        encoded = self.rows[row]
        return Generation(
            self._text(row),
            len(encoded.ids),
            len(self.tokens[row]),
            self.first[row],
            self.last[row],
            encoded.dropped,
            encoded.cut,
        )
