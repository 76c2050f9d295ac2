"""Intervals by bootstrap over test examples and seeds; vectorised and seeded.

A plain percentile bootstrap is too narrow where nearly all scores are alike: 48 of 48 right would
get [1, 1], and in a simulation (48 examples, 98 % right) it covered the truth in 60 % of the cases instead
of 95 %; BCa was no better. Therefore:

- a single approach whose scores are all 0 or 1 (one seed, a mean metric) gets the Wilson score interval
  (Wilson 1927);
- all else is bootstrapped by percentiles from the test examples and two pseudo-examples at the ends of what
  could have been seen, the idea of Agresti & Coull 1998 and, for paired differences, of Bonett & Price 2012
  carried over to resampling. The ends are as far away as the root mean square of the deviations seen and of
  one full-scale deviation, so that they matter where few answers deviate and vanish where many do. Simulated
  coverage for 48 examples is 92 % or more;
- macro F1 is recomputed from the confusion counts of each resample; its interval is never narrower than that
  of the accuracy of the same predictions, and holds what labels with few examples leave open (`macro.py`).

Seeds are resampled together with the examples, and not anew within each of them, since another seed shifts
all answers of an approach together (the crossed bootstrap of Owen 2007). With very few seeds this still
understates how much they vary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from advisor.decide import macro
from advisor.decide.decision import Interval
from advisor.decide.sample import Counts, Floats, Sample
from advisor.measure.metrics import macro_f1

RESAMPLES = 4_999
_Z = NormalDist().inv_cdf(0.975)
_SEED = 20_240_229
_FLOATS_AT_ONCE = 4_000_000


def wilson(mean: float, n: int) -> Interval:
    """The 95 % score interval of a share `mean` of `n` trials (Wilson 1927)."""
    scale = 1 + _Z**2 / n
    centre = (mean + _Z**2 / (2 * n)) / scale
    half = _Z / scale * math.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2))
    return rounded(mean, max(0.0, centre - half), min(1.0, centre + half))


def rounded(value: float, low: float, high: float) -> Interval:
    """An interval that holds its value, rounded so that machines whose sums differ in the last bit agree."""
    # Adding 0.0 turns a minus nought into nought.
    return Interval(round(value, 12) + 0.0, round(min(low, value), 6) + 0.0, round(max(high, value), 6) + 0.0)


class Bootstrap:
    """The same resamples of the test examples for every approach, so that differences stay paired.

    Args:
        samples: at least one; all over the same test examples.
        seed: of the random numbers.
    """

    def __init__(self, samples: Sequence[Sample], seed: int = _SEED) -> None:
        rng = np.random.default_rng(seed)
        n = samples[0].n
        self._weights = _draws(rng, n)
        self._scores: dict[str, Floats] = {}
        self._quality: dict[str, Floats] = {}
        for sample in samples:
            seeds = rng.multinomial(sample.seeds, [1 / sample.seeds] * sample.seeds, RESAMPLES) / sample.seeds
            self._scores[sample.spec] = (self._sums(sample.scores) * seeds).sum(axis=1)
            if sample.counts is not None:
                self._quality[sample.spec] = (self._macro_f1(sample.counts) * seeds).sum(axis=1)

    def interval(self, sample: Sample) -> Interval:
        """The quality of one approach with its 95 % interval."""
        if sample.counts is not None:
            plain = self.interval(sample.accuracy)
            found = _widened(sample.quality, self._quality[sample.spec], plain, (0.0, 1.0))
            return macro.widened(found, sample.counts)
        if sample.seeds == 1 and np.isin(sample.scores, (0.0, 1.0)).all():
            return wilson(sample.quality, sample.n)
        ends = (1 - _size(1 - sample.means), _size(sample.means))
        return self._percentiles(sample.quality, self._scores[sample.spec], ends, sample.n)

    def difference(self, first: Sample, second: Sample) -> Interval:
        """The paired difference, first minus second, with its 95 % interval."""
        size = _size(first.means - second.means)
        scores = self._scores[first.spec] - self._scores[second.spec]
        plain = self._percentiles(first.accuracy.quality - second.accuracy.quality, scores, (-size, size), first.n)
        if first.counts is None:
            return plain
        quality = self._quality[first.spec] - self._quality[second.spec]
        return _widened(first.quality - second.quality, quality, plain, (-1.0, 1.0))

    def deviation(self, first: Sample, second: Sample) -> float:
        """Standard deviation of the paired differences per test example."""
        if first.counts is None or first.n < 2:
            return float((first.means - second.means).std(ddof=min(1, first.n - 1)))
        spread = (self._quality[first.spec] - self._quality[second.spec]).std()
        return float(spread) * math.sqrt(first.n)

    def _percentiles(self, value: float, sums: Floats, ends: tuple[float, float], n: int) -> Interval:
        low_end, high_end = self._weights[:, n], self._weights[:, n + 1]
        low, high = np.quantile((sums + low_end * ends[0] + high_end * ends[1]) / n, (0.025, 0.975))
        return rounded(value, float(low), float(high))

    def _sums(self, scores: Floats) -> Floats:
        """Sums of the scores in every resample and seed; shape (resamples, seeds)."""
        n = scores.shape[1]
        step = max(1, _FLOATS_AT_ONCE // n)
        parts = [
            self._weights[start : start + step, :n].astype(np.float64) @ scores.T for start in range(0, RESAMPLES, step)
        ]
        return np.concatenate(parts)

    def _macro_f1(self, counts: Counts) -> Floats:
        """Macro F1 of every resample and seed; shape (resamples, seeds)."""
        seeds, n, parts, labels = counts.shape
        step = max(1, _FLOATS_AT_ONCE // (parts * labels))
        values = np.empty((RESAMPLES, seeds))
        for seed in range(seeds):
            flat = counts[seed].reshape(n, parts * labels)
            for start in range(0, RESAMPLES, step):
                totals = self._weights[start : start + step, :n] @ flat
                values[start : start + step, seed] = macro_f1(totals.reshape(-1, parts, labels))
        return values


def _draws(rng: np.random.Generator, n: int) -> Counts:
    """How often each resample drew each of `n` examples and 2 pseudo-examples; shape (RESAMPLES, n + 2)."""
    weights = np.empty((RESAMPLES, n + 2), dtype=np.float32)
    step = max(1, _FLOATS_AT_ONCE // (n + 2))
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = rng.integers(0, n + 2, (rows, n)) + np.arange(rows)[:, None] * (n + 2)
        weights[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * (n + 2)).reshape(rows, -1)
    return weights


def _size(deviations: Floats) -> float:
    """Root mean square of the deviations that are not nought and of one of full size (1)."""
    return math.sqrt((float((deviations**2).sum()) + 1) / (np.count_nonzero(deviations) + 1))


def _widened(value: float, resampled: Floats, plain: Interval, ends: tuple[float, float]) -> Interval:
    low, high = np.quantile(resampled, (0.025, 0.975))
    low = min(float(low), value - (plain.value - plain.low))
    high = max(float(high), value + (plain.high - plain.value))
    return rounded(value, max(ends[0], low), min(ends[1], high))
