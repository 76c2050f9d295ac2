"""The paired difference of two approaches on the same test examples, and its uncertainty.

The difference is studentised: its variance is that over test examples plus what seeds of training add (`seeds.py`),
each with its own degrees of freedom (`student.py`). Two pseudo-examples stand at the ends of what could have been seen,
as Bonett & Price 2012 add them for paired shares: without them two approaches that happen to agree on every answer
would be shown to be equal. They are as far away as the root mean square of the deviations seen and of one of full size,
so that they matter where few answers deviate and vanish where many do.

A difference is significant at a level if this pivot says so *and* the permutation test does (`permutation.py`), which
is exact for few answers that differ but knows nothing of other seeds. The interval is the pivot's, widened to include
zero where only the permutation test finds no difference, so that interval and p-value never contradict each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from advisor.measuring.student import VariancePart, half_width, p_value
from advisor.verdict.cells import Interval
from advisor.verdict.sample import Floats, Sample
from advisor.verdict.seeds import seed_variance


@dataclass(frozen=True, slots=True)
class Pivot:
    """The studentised difference of two approaches, first minus second.

    Attributes:
        difference: the measured difference, in units of the metric.
        centre: the centre of its intervals: the mean with the pseudo-examples.
        parts: the components of its variance: over test examples, and over the seeds of either approach.
        p_permutation: two-sided, of the permutation test.
    """

    difference: float
    centre: float
    parts: tuple[VariancePart, ...]
    p_permutation: float

    @property
    def error(self) -> float:
        """Standard error."""
        return math.sqrt(sum(part.variance for part in self.parts))

    @property
    def p(self) -> float:
        """Two-sided and uncorrected: the larger of the pivot's and the permutation test's p-value."""
        return max(self.p_permutation, p_value(self.centre, self.parts))

    def half(self, level: float) -> float:
        """Half width of the interval at `level`."""
        return half_width(self.parts, level)

    def interval(self, level: float) -> Interval:
        """The differences that are not rejected at `level`, of those that there can be."""
        return bounded(rounded(self.difference, *self.ends(level)))

    def ends(self, level: float) -> tuple[float, float]:
        """The same as far as it reaches, beyond what there can be too."""
        half = self.half(level)
        low, high = self.centre - half, self.centre + half
        return (min(low, 0.0), max(high, 0.0)) if self.p_permutation >= level else (low, high)


def pivot(first: Sample, second: Sample, p_permutation: float) -> Pivot:
    """The studentised difference of two approaches on the same test examples."""
    difference = first.quality - second.quality
    size = full_size(first.means - second.means)
    seen = difference + _deviations(first) - _deviations(second)
    centre, examples = _augmented(seen, size)
    if first.counts is not None:
        examples = max(examples, _augmented(first.means - second.means, size)[1])
    parts = (VariancePart(examples, first.n + 1), seed_variance(first), seed_variance(second))
    return Pivot(difference, centre, parts, p_permutation)


def per_example(first: Sample, second: Sample) -> float:
    """The variance of a single test example's difference.

    Where the metric is no mean it is at least that of the mean of the same answers' scores: what its contributions
    lack is how they would change with other examples.
    """
    if first.n == 1:
        return 0.0
    variance = float((_deviations(first) - _deviations(second)).var(ddof=1))
    return variance if first.counts is None else max(variance, float((first.means - second.means).var(ddof=1)))


def rounded(value: float, low: float, high: float) -> Interval:
    """An interval that includes its value, rounded so that machines whose sums differ in the last bit agree."""
    # Adding 0.0 turns a negative zero into zero.
    return Interval(round(value, 12) + 0.0, round(min(low, value), 6) + 0.0, round(max(high, value), 6) + 0.0)


def turned(difference: Interval) -> Interval:
    """The same of second minus first."""
    return rounded(-difference.value, -difference.high, -difference.low)


def bounded(difference: Interval) -> Interval:
    """The part of an interval in which the difference of two means of scores from 0 to 1 can lie."""
    return Interval(difference.value, max(-1.0, difference.low), min(1.0, difference.high))


def full_size(deviations: Floats) -> float:
    """Root mean square of the non-zero deviations and of one deviation of full size (1)."""
    return math.sqrt((float((deviations**2).sum()) + 1) / (np.count_nonzero(deviations) + 1))


def _deviations(sample: Sample) -> Floats:
    mean = sample.values.mean(axis=0)
    found: Floats = mean - mean.mean()
    return found


def _augmented(seen: Floats, size: float) -> tuple[float, float]:
    """Mean and variance of the examples together with two pseudo-examples."""
    with_ends = np.concatenate([seen, [size, -size]])
    return float(with_ends.mean()), float(with_ends.var(ddof=1)) / with_ends.size
