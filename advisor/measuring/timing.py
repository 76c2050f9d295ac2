"""Batches that are timed again, and by how much times may be off by what that shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp, log, sqrt
from statistics import fmean

from advisor.measuring.student import critical
from advisor.tasks.power import LEVEL

REPEATS = 3
"""How many batches are answered again for their times: with fewer than three the interval says next to nothing."""
REPEAT_SECONDS = 5.0  # that this may take

Timings = Mapping[str, Sequence[float]]
"""By the id of a batch's first query, the seconds that it took, each time that it was answered."""


def to_repeat(timings: Timings) -> str | None:
    """The batch to answer again next; None where enough were, or where there is no time for one.

    They are taken all over the run, the least often repeated first.
    """
    again = {key: seconds[1:] for key, seconds in timings.items()}
    if sum(map(len, again.values())) >= REPEATS:
        return None
    left = REPEAT_SECONDS - sum(sum(seconds) for seconds in again.values())
    keys = list(timings)
    spread = [keys[i * len(keys) // min(REPEATS, len(keys))] for i in range(min(REPEATS, len(keys)))]
    fit = [key for key in spread if timings[key][0] <= left]
    return min(fit, key=lambda key: len(again[key]), default=None)


def error(runs: Iterable[Timings]) -> float | None:
    """Relative error of times: they lie, with 95 %, between t / (1 + error) and t * (1 + error).

    The logarithms of the times that one batch took scatter alike for all batches (pooled within-batch variance,
    Student's t). This covers what the machine does otherwise the next time, not which queries come then. It does not
    shrink with the number of batches, since what slows a machine down lasts longer than one of them. None where no
    batch was timed twice.
    """
    groups = [[log(s) for s in seconds] for timings in runs for seconds in timings.values() if min(seconds) > 0]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None
    squares = sum((x - fmean(group)) ** 2 for group in groups for x in group)
    return exp(critical(LEVEL, freedom) * sqrt(squares / freedom)) - 1
