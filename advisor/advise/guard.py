"""Listens to a run and breaks it off where it would not end in time: at a word of progress or where the clock of the
comparison begins a span, so between two pieces of work and never within one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from advisor.measure.progress import Progress
from advisor.models.clock import clock

_TELLING = 0.05  # the share of a step after which its pace tells when it will end
_EARLY, _FIRST = 0.01, 3
"""The share, and the number of reports, after which it tells at least whether it will take more than twice the time:
the first pieces of work are the slowest."""


class BrokenOff(BaseException):
    """A run would have taken too long. Like Ctrl-C it is no failure of the approach, so it is no `Exception`.

    Attributes:
        needed: seconds that it would have taken, as far as could be told; at least those that passed.
    """

    def __init__(self, needed: float) -> None:
        super().__init__(f"at least {needed:.0f} s")
        self.needed = needed


class Guard:
    """Passes progress on, and raises `BrokenOff` where a run exceeds its time or is bound to.

    Args:
        inner: is told what happens, and no word of approaches that were finished before.
        of: how many approaches there are in all.

    Attributes:
        worked: whether anything was done since `allowing`.
    """

    def __init__(self, inner: Progress, of: int) -> None:
        self._inner = inner
        self._of = of
        self._number = 1
        self._words = ""
        self._begun = self._step_begun = 0.0
        self._seconds = float("inf")
        self._total: int | None = None
        self._done = self._reports = 0
        self._head: str | None = None
        self.worked = False

    @contextmanager
    def allowing(self, seconds: float, number: int, words: str = "") -> Iterator[None]:
        """What happens inside may take so many seconds.

        Args:
            number: of the approach, from 1.
            words: what to say behind its name.
        """
        self._seconds, self._number, self._words = seconds, number, words
        self._begun, self.worked = time.monotonic(), False
        before, clock.alarm = clock.alarm, self._check
        try:
            yield
        finally:
            clock.alarm = before
            self._seconds = float("inf")

    def tell(self, what: str, news: str) -> None:
        """Say something that is not of a run."""
        self._inner.end(what, news)

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts; told when it does something."""
        self._head = spec + self._words

    def step(self, name: str, total: int | None) -> None:
        """A step starts."""
        self.worked = True
        if self._head is not None:
            self._inner.begin(self._head, self._number, self._of)
            self._head = None
        self._total, self._done, self._reports, self._step_begun = total, 0, 0, time.monotonic()
        self._inner.step(name, total)

    def advance(self, n: int = 1) -> None:
        """So many more are done."""
        self._inner.advance(n)
        self._done += n
        self._reports += 1
        if self._total and self._total > self._done:
            more = (time.monotonic() - self._step_begun) * (self._total / self._done - 1)
            if self._done >= _TELLING * self._total:
                self._check(more)
            elif self._reports >= _FIRST and self._done >= _EARLY * self._total:
                self._check(more / 2)

    def _check(self, more: float = 0.0) -> None:
        """Raise where the time that passed, and `more` seconds that are still needed, are too much."""
        needed = time.monotonic() - self._begun + more
        if needed > self._seconds:
            raise BrokenOff(needed)

    def end(self, spec: str, outcome: str) -> None:
        """It ended."""
        if self._head is not None:
            if outcome == "already done":
                return
            self.worked = True  # copied from the store, or found not to apply
            self._inner.begin(self._head, self._number, self._of)
            self._head = None
        self._inner.end(spec + self._words, outcome)
