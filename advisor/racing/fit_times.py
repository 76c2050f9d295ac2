"""Lower bounds on the time of fits that train weights, from fits that ended or were broken off."""

from __future__ import annotations

from collections.abc import Callable

SURE = 1 / 3
"""The least share of its predicted time that a fit takes: its work is estimated from the lengths of texts, and training
may stop early."""


class FitTimes:
    """The time fits took, and lower bounds on others.

    Args:
        work: gives the work of fitting an approach to a number of training examples, in any unit; 0 where unknown.
    """

    def __init__(self, work: Callable[[str, int], float]) -> None:
        self._work = work
        self._seen: list[tuple[str, int, float]] = []

    def note(self, spec: str, train: int, seconds: float) -> None:
        """Record that a fit took so long, or would have; 0 is ignored."""
        self._seen += [(spec, train, seconds)] * (seconds > 0)

    def least(self, spec: str, train: int) -> float:
        """The least seconds that this fit will take; 0 where unknown."""
        own = max((seconds for name, size, seconds in self._seen if name == spec and size <= train), default=0.0)
        rates = [seconds / work for name, size, seconds in self._seen if (work := self._work(name, size)) > 0]
        return max(own, SURE * min(rates, default=0.0) * self._work(spec, train))
