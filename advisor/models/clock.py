"""The clock of a comparison: cold seconds, whatever was reused, and where they went.

One process does one thing at a time here, so there is one clock. Whoever times a step reads `clock.now()` before and
after; whoever finds a result ready made credits what making it took, so that no approach looks faster because
another ran before it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from advisor.models.others import Contention, Stand, between, look


@dataclass
class Span:
    """One kind of work.

    Attributes:
        seconds: spent on it, without the spans that ran inside.
        tokens: of the language model that were read, where that is what was done.
    """

    seconds: float = 0.0
    tokens: int = 0


@dataclass
class Ledger:
    """What happened between two drains.

    Attributes:
        spans: by kind of work, such as `embed`, `generate` or `train`; seconds that really passed.
        reused: seconds that were not spent, by what was found ready made.
        others: what other processes took of the machine meanwhile.
    """

    spans: dict[str, Span] = field(default_factory=lambda: defaultdict(Span))
    reused: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    others: Contention = field(default_factory=Contention)


class Clock:
    """Cold time. `now` runs ahead of the wall by what reuse has saved so far.

    Attributes:
        settle: returns when all that was begun is done; a model on a device that works on its own sets it, since a
            span would else count how long it took to give the work away.
        alarm: called between pieces of work; who has a deadline to keep sets it, and raises there.
        answered: called with how many more prompts a model has answered; who shows how far it is sets it.
        look: says how the counts of the machine stand; a model on a GPU sets one that looks there too.
    """

    def __init__(self) -> None:
        self.settle: Callable[[], object] = lambda: None
        self.alarm: Callable[[], object] = lambda: None
        self.answered: Callable[[int], object] = lambda prompts: None
        self.look: Callable[[], Stand | None] = look
        self._stand: Stand | None = None
        self._saved = 0.0
        self._ledger = Ledger()
        self._inner: list[float] = []

    def now(self) -> float:
        """Seconds on a clock that counts reused work as if it were done again."""
        return time.perf_counter() + self._saved

    def credit(self, what: str, seconds: float) -> None:
        """Count work that was found ready made.

        Args:
            what: in the plural and in words, since the report names it: `embeddings`.
            seconds: what it took when it was done.
        """
        self._saved += seconds
        self._ledger.reused[what] += seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What happens inside takes no time on this clock: looking up, keeping, loading what is loaded once."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._saved -= time.perf_counter() - began

    @contextmanager
    def span(self, name: str, tokens: int = 0) -> Iterator[None]:
        """Count what happens inside as `name`; of nested spans each counts only its own part."""
        self.alarm()
        self.settle()
        began = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
            self.settle()
        finally:
            passed = time.perf_counter() - began
            span = self._ledger.spans[name]
            span.seconds += passed - self._inner.pop()
            span.tokens += tokens
            if self._inner:
                self._inner[-1] += passed

    def drain(self) -> Ledger:
        """What was counted since the last call; counting starts anew."""
        ledger, self._ledger = self._ledger, Ledger()
        before, self._stand = self._stand, self.look()
        ledger.others = between(before, self._stand)
        return ledger


clock = Clock()
