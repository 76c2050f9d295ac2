"""Multiple comparisons: the p-value threshold at which the family-wise error stays at the level.

Single-step maximum test (Hothorn, Bretz & Westfall 2008): the largest of the studentised differences of all pairs, were
there no differences at all. Pairs share approaches and test examples, so their correlations, as measured, tell how much
less than Bonferroni's correction is needed; they are taken from the per-example contributions, and the maximum is
simulated as one of normal variables. A pair's own degrees of freedom are allowed for before, as its p-value is put on
the normal scale. One threshold for all pairs: what is below it is shown, and the intervals at that level are
simultaneous.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from advisor.tasks.power import LEVEL
from advisor.verdict.sample import Floats, Sample
from advisor.verdict.seeds import seed_variance

DRAWS = 19_999
_SEED = 20_241_129
_NORMAL = NormalDist()
_LEAST = 1e-12  # of p-values that are told apart
_EQUAL = 1e-12  # variance below which two approaches count as giving the same answers


def level_of(maxima: NDArray[np.floating], number: int) -> float:
    """The level of a single test at which that of all is 5 %, no less than Bonferroni's.

    Args:
        maxima: the largest absolute studentised statistic of all tests in each draw under no difference, sorted.
        number: of tests.
    """
    most = math.ceil(LEVEL * (maxima.size + 1) - 1)
    return min(LEVEL, max(2 * _NORMAL.cdf(-float(maxima[-most])), LEVEL / number))


class Family:
    """A family of pairs that are tested together.

    Args:
        samples: all over the same test examples.
        pairs: pairs of positions in `samples`; at least one.
    """

    def __init__(self, samples: Sequence[Sample], pairs: Sequence[tuple[int, int]]) -> None:
        self._pairs = np.array(pairs)
        self._covariance = covariance(samples)

    @property
    def size(self) -> int:
        """The number of pairs."""
        return len(self._pairs)

    def adjusted(self, p: float) -> float:
        """The p-value corrected for all pairs of the family."""
        normal = -_NORMAL.inv_cdf(max(p, _LEAST) / 2)
        as_extreme = self._maxima.size - int(np.searchsorted(self._maxima, normal, side="left"))
        return max(p, min((as_extreme + 1) / (DRAWS + 1), self.size * p, 1.0))

    @cached_property
    def level(self) -> float:
        """The per-pair level at which the family-wise level is 5 %: where p is below it, `adjusted(p)` is below 5 %."""
        return level_of(self._maxima, self.size)

    @cached_property
    def _maxima(self) -> Floats:
        """Sorted draws of the largest absolute studentised difference; shape (DRAWS,)."""
        rng = np.random.default_rng(_SEED)
        values = drawn(rng, self._covariance, DRAWS)
        first, second = self._pairs.T
        diagonal = np.diag(self._covariance)
        variance = diagonal[first] + diagonal[second] - 2 * self._covariance[first, second]
        largest = np.zeros(DRAWS)
        for one, two, of_pair in zip(first, second, variance, strict=True):
            if of_pair > _EQUAL:
                np.maximum(largest, np.abs(values[:, one] - values[:, two]) / math.sqrt(of_pair), out=largest)
        largest.sort()
        return largest


def covariance(samples: Sequence[Sample]) -> Floats:
    """The covariance of measured qualities, with seed variance on the diagonal; shape (samples, samples)."""
    return of_examples(samples) + np.diag([seed_variance(sample).variance for sample in samples])


def of_examples(samples: Sequence[Sample]) -> Floats:
    """The covariance of measured qualities over test examples alone; shape (samples, samples)."""
    means = np.stack([sample.values.mean(axis=0) for sample in samples])
    n = means.shape[1]
    centred = means - means.mean(axis=1, keepdims=True)
    found: Floats = centred @ centred.T / max(1, n - 1) / n
    return found


def drawn(rng: np.random.Generator, covariance: Floats, draws: int) -> Floats:
    """Draw zero-mean normal variables with that covariance; shape (draws, variables)."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    factor = vectors * np.sqrt(np.clip(values, 0.0, None))
    found: Floats = rng.standard_normal((draws, len(covariance))) @ factor.T
    return found
