"""Deadlines: what is not expected to end in time is not begun, and what turns out not to is broken off."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from advisor.models.clock import clock
from advisor.verdict import words

SAFETY = 1.25
"""Work is expected to take this many times its predicted time: other processes share the machine."""


class OutOfTime(BaseException):
    """Work would not end within the time that it was given.

    Like Ctrl-C it is no failure of the approach that was at work, so it is no `Exception`: code that records failures
    lets it pass.

    Attributes:
        needed: seconds that it would have taken, as far as could be told; 0 where nobody knows.
        training: the seconds of those spent on training weights; 0 for other work.
    """

    def __init__(self, why: str, needed: float = 0.0, training: float = 0.0) -> None:
        super().__init__(why)
        self.needed = needed
        self.training = training


class Deadline:
    """A deadline for some work, counted in seconds of wall time from its creation.

    Args:
        seconds: the time for all of the work; infinite for no limit.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self._began = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self.seconds - self.spent)


class Allowance(Deadline):
    """A time limit for all probes, and within it for the one that runs now.

    Embeddings that an earlier call left in the store count as if they were computed again, so that the same task
    gets the same probes the second time.

    Args:
        seconds: the time for all probes.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._until = seconds
        self._cold = clock.now()

    @property
    def spent(self) -> float:
        """Seconds since the start, on the wall clock or on the cold clock, whichever is more."""
        return max(super().spent, clock.now() - self._cold)

    @contextmanager
    def share(self, seconds: float) -> Iterator[None]:
        """Limit the work inside the context to `seconds`."""
        before, self._until = self._until, min(self._until, self.spent + seconds)
        try:
            yield
        finally:
            self._until = before

    @property
    def left_now(self) -> float:
        """Seconds left for the work that runs now."""
        return max(0.0, self._until - self.spent)

    def require(self, seconds: float) -> None:
        """Raise `OutOfTime` if work that is expected to take `seconds` would not end in time."""
        if seconds * SAFETY > self.left_now:
            left = words.duration(self.left_now)
            raise OutOfTime(f"it would take about {words.duration(seconds)}, and {left} were left for it", seconds)
