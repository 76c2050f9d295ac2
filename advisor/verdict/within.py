"""Paired differences within parts of a test set, all parts and all pairs of rows tested together.

The same pivot as for the whole (`paired.py`), on the examples of a part. What is significant is told by one threshold
for all parts and pairs: the largest studentised difference anywhere, were there none. Its distribution is that of
sign flips: all rows' answers to an example change places together, in every part that it belongs to, so that parts that
share examples and pairs that share rows are allowed for as they are (the maximum of Westfall & Young 1993 over
sign-flip tests). All pairs are in the family, not only those with the best row: the best is named after looking at the
same answers.

Answers of a training with one seed are judged as they are: what is said of a part is said of that very training. With
several seeds the variance between them is part of the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from advisor.measuring.confusion import blocks
from advisor.tasks.power import LEVEL
from advisor.verdict.cells import Interval
from advisor.verdict.paired import pivot, turned
from advisor.verdict.sample import Sample
from advisor.verdict.simultaneous import level_of
from advisor.verdict.subsets import Places, Subset

FLIPS = 4_999
_SEED = 20_261_130
_NORMAL = NormalDist()
_TIE = 1e-4  # of single precision

Singles = NDArray[np.float32]


class Within:
    """Tests of differences between rows within parts.

    Args:
        samples: rows over the same test examples, scored by a mean.
        parts: at least one.
    """

    def __init__(self, samples: Sequence[Sample], parts: Sequence[Subset]) -> None:
        self._samples = samples
        self._parts = parts
        self._found: dict[tuple[int, int, int], tuple[Interval, bool]] = {}
        self._pairs = np.array(list(combinations(range(len(samples)), 2)), dtype=np.intp).reshape(-1, 2)

    def difference(self, at: int, first: int, second: int) -> tuple[Interval, bool]:
        """First minus second in a part, with its simultaneous 95 % interval, and whether the two are shown to differ.

        Args:
            at: place of the part.
            first, second: places of the rows.
        """
        if first > second:
            found, shown = self.difference(at, second, first)
            return turned(found), shown
        if (at, first, second) not in self._found:
            self._found[at, first, second] = self._difference(self._parts[at].places, first, second)
        return self._found[at, first, second]

    def _difference(self, places: Places, first: int, second: int) -> tuple[Interval, bool]:
        one, two = (part_of(self._samples[place], places) for place in (first, second))
        gaps = one.means - two.means
        statistic = abs(float(gaps.sum())) / math.sqrt(size) if (size := float((gaps**2).sum())) else 0.0
        found = pivot(one, two, 2 * _NORMAL.cdf(-statistic)).interval(self.level)
        return found, found.excludes_zero

    @cached_property
    def level(self) -> float:
        """The level of a single difference at which that of all parts and pairs together is 5 %."""
        number = len(self._pairs) * len(self._parts)
        if number < 2:
            return LEVEL
        return level_of(np.sort(self._maxima()), number)

    def _maxima(self) -> Singles:
        """The largest absolute studentised difference of each sign flip; shape (FLIPS,)."""
        means = np.stack([sample.means for sample in self._samples]).astype(np.float32)
        rng = np.random.default_rng(_SEED)
        largest = np.zeros(FLIPS, dtype=np.float32)
        scales = [self._scales(means[:, part.places]) for part in self._parts]
        for rows in blocks(FLIPS, means.shape[1]):
            signs = 1 - 2 * rng.integers(0, 2, (rows.stop - rows.start, means.shape[1]), dtype=np.int8)
            flips = signs.astype(np.float32)
            for part, scale in zip(self._parts, scales, strict=True):
                sums = means[:, part.places] @ flips[:, part.places].T
                np.maximum(largest[rows], self._largest(sums, scale), out=largest[rows])
        return largest + np.float32(_TIE)

    def _scales(self, means: Singles) -> Singles:
        """One over the root of the sum of squared differences of each pair, 0 where there is none; shape (pairs, 1)."""
        first, second = self._pairs.T
        squares = ((means[first] - means[second]) ** 2).sum(axis=1, keepdims=True)
        found: Singles = np.divide(1, np.sqrt(squares), out=np.zeros_like(squares), where=squares > _TIE)
        return found

    def _largest(self, sums: Singles, scale: Singles) -> Singles:
        """The largest of all pairs; shape (flips,)."""
        first, second = self._pairs.T
        found: Singles = np.abs((sums[first] - sums[second]) * scale).max(axis=0)
        return found


def part_of(sample: Sample, places: Places) -> Sample:
    """A row's answers to some of the examples; of one seed, as those of this very training."""
    return Sample(sample.spec, sample.scores[:, places], tuned=sample.tuned and sample.seeds > 1)
