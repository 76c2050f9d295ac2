"""Greedy decoding of batches of prompts, each alone or together with others that come while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from advisor import progress
from advisor.models.clock import clock
from advisor.models.crew import crew
from advisor.models.language_model import Decoding, Generation
from advisor.models.local.batches import Bounds
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
    bounds: Bounds

    def restoring(self) -> Callable[[], None]: ...
    def head(self, hidden: torch.Tensor) -> torch.Tensor: ...
    def check(self, scores: torch.Tensor) -> None: ...


@dataclass(eq=False)
class DecodedRow:
    """One row: the answer to a prompt, as far as it is written.

    Attributes:
        of: the batch that it came with.
        number: among the rows of that.
        first, last: seconds until its first and last token, since the call began.
    """

    of: Greedy
    number: int
    encoded: Encoded
    tokens: list[int] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    ended: bool = False

    @property
    def text(self) -> str:
        """As the whole answer would be if it ended here."""
        text = self.of.model.renderer.tokenizer.decode(self.tokens, skip_special_tokens=True).strip()
        for stop in self.of.decoding.stop:
            text = text.split(stop)[0]
        return str(text.strip())

    def chosen(self, token: int) -> bool:
        """Note the token that was chosen; whether the row ends here."""
        now = time.perf_counter() - self.of.started
        self.first = self.first or now
        self.last = now
        if token in self.of.model.renderer.stop_ids:
            self.ended = True
        else:
            self.tokens.append(token)
            told = self.of.told
            unwanted = told is not None and not told(self.number, self.text, len(self.tokens))
            self.ended = unwanted or self.of.stopped(self.tokens)
        return self.ended

    def generation(self) -> Generation:
        """The answer."""
        read, written = len(self.encoded.ids), len(self.tokens)
        return Generation(self.text, read, written, self.first, self.last, self.encoded.dropped, self.encoded.cut)


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
        self.decoding = decoding
        self.started = started
        self.told = told
        self.rows = [DecodedRow(self, number, row) for number, row in enumerate(rows)]
        # No token is shorter than a byte.
        self._tail = EDGE + max((len(stop.encode(errors="surrogatepass")) for stop in decoding.stop), default=0)

    def run(self) -> list[Generation]:
        hidden, kept = self.model.reader.begin([row.encoded for row in self.rows], self.decoding.max_tokens)
        together = DecodedTogether(self.model, hidden, kept, self.rows)
        others = crew() if self.told is not None else None
        with clock.span("generate"):
            if others is None:
                while not together.empty:
                    clock.alarm()
                    together.step()
            else:
                others.decode(together, self._done, self.model.restoring())
        return [row.generation() for row in self.rows]

    def _done(self) -> bool:
        return all(row.ended for row in self.rows)

    def stopped(self, tokens: Sequence[int]) -> bool:
        """Whether an answer of these tokens ends by its length, or by a stop text."""
        if len(tokens) >= self.decoding.max_tokens:
            return True
        if not self.decoding.stop:
            return False
        decode = self.model.renderer.tokenizer.decode
        # Where a stop text has become whole, it stands at the end: a long answer is not read anew at every token.
        return self._stops(decode(tokens[-self._tail :])) and self._stops(decode(tokens).lstrip())

    def _stops(self, text: str) -> bool:
        return any(stop in text for stop in self.decoding.stop)


class DecodedTogether:
    """Rows that are decoded in the same steps, of one batch or of several.

    Args:
        hidden: the state of each row's last token, shape (rows, size).
        kept: keys and values of the rows.
        rows: in the order of both.
    """

    def __init__(
        self, model: Continued, hidden: torch.Tensor, kept: Rows | PaddedRows | WholeRows, rows: Sequence[DecodedRow]
    ) -> None:
        self.model = model
        self.hidden: torch.Tensor | None = hidden  # None while the last tokens have not been read
        self.kept = kept
        self.standing = list(rows)  # at each place; a row that has ended may stand on until others do
        self._chosen = hidden.new_zeros(0)

    @property
    def empty(self) -> bool:
        """Whether all rows have ended."""
        return all(row.ended for row in self.standing)

    def takes(self, other: DecodedTogether) -> bool:
        """Whether others can join: both lie packed behind the same beginning, and there is room for both."""
        if self.empty or not isinstance(self.kept, Rows) or not isinstance(other.kept, Rows):
            return False
        rows, bounds = self.kept.count + other.kept.count, self.model.bounds
        fits = rows <= bounds.rows and rows * max(self.kept.capacity, other.kept.capacity) <= bounds.tokens
        return fits and self.kept.prefix is other.kept.prefix and self.model.reader.turn is None

    def join(self, other: DecodedTogether) -> None:
        """Others join; none of their tokens is chosen yet."""
        assert isinstance(self.kept, Rows) and isinstance(other.kept, Rows) and other.hidden is not None
        hidden = self._read()
        self.kept.join(other.kept)
        self.hidden = torch.cat([hidden, other.hidden])
        self.standing += other.standing

    def step(self) -> None:
        """Choose the next token of each row, and let go of those that end with it."""
        # In float32, since on a CPU torch seeks the highest of bfloat16 numbers seven times slower.
        logits = self.model.head(self._read()).float()
        chosen = logits.argmax(-1)
        best = logits.gather(-1, chosen[:, None])[:, 0]  # what is no number is taken for the highest
        tokens = torch.where(torch.isfinite(best), chosen, -1).tolist()  # the device is waited for here alone
        alive = [place for place, row in enumerate(self.standing) if not row.ended]
        if any(tokens[place] < 0 for place in alive):
            self.model.check(best)
        finished = [place for place in alive if self.standing[place].chosen(tokens[place])]
        progress.answered(len(finished))
        self.hidden, self._chosen = None, chosen
        if finished and len(finished) < len(alive):
            order = self.kept.drop([place for place, row in enumerate(self.standing) if row.ended])
            if len(order) < len(self.standing):
                self.standing = [self.standing[place] for place in order]
                self._chosen = chosen[torch.tensor(order, device=chosen.device)]

    def _read(self) -> torch.Tensor:
        """The states of the last tokens, which are read first where they have only been chosen."""
        if self.hidden is None:
            self.hidden = self.model.reader.step(self.kept, self._chosen)
        return self.hidden
