"""A progress listener that breaks a run off where it would not end in time. It acts when the run reports progress or
the clock begins a span, so between two pieces of work and never within one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from advisor.measuring.progress import Passing, Progress
from advisor.models.clock import clock
from advisor.pilot.deadline import Deadline, OutOfTime
from advisor.tasks import Task
from advisor.verdict.words import duration

TRAINING = "train"
"""The step in which weights are trained."""
_TELLING = 0.05  # the share of a step after which its pace tells when it will end
_EARLY, _FIRST = 0.01, 3
"""The share of a step, and the number of times its first piece of work, after which its pace tells at least whether it
will take more than twice the time."""


class Guard(Passing):
    """Forwards progress, and raises `OutOfTime` where a run exceeds its time or is bound to.

    Args:
        inner: is told what happens, and no word of approaches that were finished before.
        of: the number of approaches in all.

    Attributes:
        worked: whether anything was done since `allowing`.
    """

    def __init__(self, inner: Progress, of: int) -> None:
        super().__init__(inner)
        self._of = of
        self._number = 1
        self._words = ""
        self._deadline = Deadline()
        self._step_begun = 0.0
        self._total: int | None = None
        self._done = 0
        self._step = ""
        self._first: tuple[float, int] | None = None
        self._head: str | None = None
        self._in_race = False
        self.worked = False

    @contextmanager
    def allowing(self, seconds: float, number: int, words: str = "", in_race: bool = True) -> Iterator[None]:
        """Limit the work inside the context to `seconds`.

        Args:
            number: the number of the approach, from 1.
            words: a remark shown behind its name.
            in_race: whether it is a turn of the race, which measures no row.
        """
        self._deadline, self._number, self._words = Deadline(seconds), number, words
        self._in_race = in_race
        self.worked = False
        try:
            with clock.ringing(self._check):
                yield
        finally:
            self._deadline = Deadline()

    def tell(self, what: str, news: str) -> None:
        """Report something that is not about a run."""
        self._inner.end(what, news)

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts; it is reported once it does something."""
        self._head = spec + self._words

    def step(self, name: str, total: int | None) -> None:
        """A step starts."""
        self.worked = True
        if self._head is not None:
            self._inner.begin(self._head, self._number, self._of)
            self._head = None
        self._step, self._total, self._done, self._step_begun = name, total, 0, time.perf_counter()
        self._first = None
        self._inner.step(name, total)

    def advance(self, n: int = 1) -> None:
        """`n` more are done."""
        self._inner.advance(n)
        self._done += n
        now, total, done = time.perf_counter(), self._total, self._done
        if self._first is None:
            self._first = now, done
        elif total and total > done >= _TELLING * total:
            self._check((now - self._step_begun) * (total / done - 1))
        elif total and total > done >= _EARLY * total and done >= _FIRST * self._first[1]:
            begun, before = self._first  # the first piece of work is the slowest by far
            self._check((now - begun) * (total - done) / (done - before) / 2)

    def _check(self, more: float = 0.0) -> None:
        """Raise where the time spent and `more` needed seconds exceed the limit."""
        needed, allowed = self._deadline.spent + more, self._deadline.seconds
        if needed > allowed:
            training = time.perf_counter() - self._step_begun + more if self._step == TRAINING else 0.0
            why = f"it would have taken at least {duration(needed)}, and {duration(max(allowed, 0))} were left for it"
            raise OutOfTime(why, needed, min(training, needed))

    def row(self, spec: str, records: Sequence[Path], task: Task) -> None:
        """The approach is about to end; a turn's few examples are no row of the comparison."""
        if not self._in_race:
            self._inner.row(spec + self._words, records, task)

    def end(self, spec: str, outcome: str) -> None:
        """The approach ended."""
        if self._head is not None:
            if outcome == "already done":
                return
            self.worked = True  # copied from the store, or found not to apply
            self._inner.begin(self._head, self._number, self._of)
            self._head = None
        self._inner.end(spec + self._words, outcome)
