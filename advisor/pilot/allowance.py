"""The time that a probe may take: nothing is begun that is not expected to end within it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from advisor.models.clock import clock
from advisor.verdict import words

MARGIN = 1.25
"""Work is taken to last this many times as long as the last of its kind: other programs share the machine."""


class OutOfTime(Exception):
    """What is asked for would not end within the time that it was given."""


class Allowance:
    """Seconds for all that is probed, and for the part of it that runs now.

    Embeddings that an earlier call left in the store count as if they were computed again, so that the same task
    gets the same probes the second time.

    Args:
        seconds: for all of it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = seconds
        self._wall, self._cold = time.perf_counter(), clock.now()

    @property
    def spent(self) -> float:
        """Seconds since it began, on the wall or on the cold clock, whichever says more."""
        return max(time.perf_counter() - self._wall, clock.now() - self._cold)

    @property
    def left(self) -> float:
        """Seconds left for all; never below nought."""
        return max(0.0, self.seconds - self.spent)

    @contextmanager
    def share(self, seconds: float) -> Iterator[None]:
        """What happens inside has so many seconds."""
        before, self._until = self._until, min(self._until, self.spent + seconds)
        try:
            yield
        finally:
            self._until = before

    @property
    def left_now(self) -> float:
        """Seconds left for what runs now."""
        return max(0.0, self._until - self.spent)

    def require(self, seconds: float) -> None:
        """Raise `OutOfTime` where work that is expected to take so long would not end in time."""
        if seconds * MARGIN > self.left_now:
            raise OutOfTime(
                f"it would take about {words.duration(seconds)}, and {words.duration(self.left_now)} were left for it"
            )
