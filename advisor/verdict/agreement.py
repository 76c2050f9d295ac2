"""How far two graders agree: Cohen's kappa, Krippendorff's alpha, correlations, and what biases a judge.

Every figure has a percentile bootstrap interval. What is resampled are test examples, with all that was graded of
them, since answers of several approaches to one question are no independent cases. Every figure follows from sums
over answers, so that all resamples are computed at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from advisor.tasks.power import TAILS
from advisor.verdict.cells import Interval
from advisor.verdict.paired import rounded
from advisor.verdict.sample import Floats

RESAMPLES = 1_999
FEWEST = 4
"""Examples below which no interval is given: resampling three says nothing."""
_SEED = 20_261_130
_NEXT_TO_NONE = 1e-12


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a judge agrees with what it is held against.

    Attributes:
        kappa: Cohen's, over the grades of the judge's scale, weighted quadratically; plain with a scale of two.
        alpha: Krippendorff's, of the grades as they are (interval level).
        pearson, spearman: correlations.
        bias: mean of the judge's grades less the others.
        n: answers that both graded; `examples` of so many test examples.
    """

    kappa: Interval
    alpha: Interval
    pearson: Interval
    spearman: Interval
    bias: Interval
    n: int
    examples: int

    @property
    def beyond_chance(self) -> bool:
        """Whether the judge is shown to tell better answers from worse: neither its correlation nor its alpha may be
        that of a judge who does not look. A constant judge correlates with nothing."""
        return self.pearson.low > 0 and self.spearman.low > 0


def agreement(judge: Floats, other: Floats, groups: Sequence[str], grades: int) -> Agreement | None:
    """How far a judge's grades, from 0 to 1, agree with another's; None below `FEWEST` examples.

    Args:
        judge, other: of the same answers; shape (answers,).
        groups: the test example of each answer.
        grades: on the judge's scale; grades are rounded to it for kappa.
    """
    if len(set(groups)) < FEWEST:
        return None
    draws = Draws(groups)
    steps = np.rint(judge * (grades - 1)).astype(np.intp), np.rint(other * (grades - 1)).astype(np.intp)
    return Agreement(
        kappa=_interval(kappas(*steps, grades, draws)),
        alpha=_interval(alphas(np.stack([judge, other]), draws)),
        pearson=_interval(pearsons(judge, other, draws)),
        spearman=_interval(spearmans(judge, other, draws)),
        bias=_interval(draws.means(judge - other)),
        n=len(judge),
        examples=draws.examples,
    )


def length_bias(judge: Floats, other: Floats, words: Floats, groups: Sequence[str]) -> Interval | None:
    """Spearman's correlation of how much too well an answer was graded with how long it is: above 0 the judge likes
    long answers more than they deserve. None below `FEWEST` examples.

    Args:
        words: length of each answer, in words.
    """
    return None if len(set(groups)) < FEWEST else _interval(spearmans(judge - other, words, Draws(groups)))


def mean_over(values: Floats, groups: Sequence[str]) -> Interval | None:
    """A mean with its interval over test examples; None below `FEWEST` of these."""
    return None if len(set(groups)) < FEWEST else _interval(Draws(groups).means(values))


class Draws:
    """Resamples of the test examples, the first of which is what there is.

    Args:
        groups: the test example of each item.

    Attributes:
        examples: how many there are.
    """

    def __init__(self, groups: Sequence[str]) -> None:
        names, self._place = np.unique(np.asarray(groups), return_inverse=True)
        self.examples = len(names)
        self._weights = _drawn(len(names))

    def sums(self, columns: Floats) -> Floats:
        """Sums over the items in each resample, shape (1 + RESAMPLES, columns), of values (items, columns)."""
        own = np.zeros((self.examples, columns.shape[1]))
        np.add.at(own, self._place, columns)
        found: Floats = self._weights @ own
        return found

    def means(self, values: Floats) -> Floats:
        """The mean of values (items,) in each resample."""
        total, number = self.sums(np.stack([values, np.ones(len(values))], axis=1)).T
        found: Floats = total / number
        return found


def kappas(first: NDArray[np.intp], second: NDArray[np.intp], grades: int, draws: Draws) -> Floats:
    """Cohen's kappa with quadratic weights (Cohen 1968) in each resample; shape (1 + RESAMPLES,).

    0 where both give every item one and the same grade: that says nothing.

    Args:
        first, second: grades from 0 to `grades` - 1; shape (items,).
    """
    table = draws.sums(np.eye(grades * grades)[first * grades + second]).reshape(-1, grades, grades)
    table = table / table.sum(axis=(1, 2), keepdims=True)
    cost = np.subtract.outer(np.arange(grades), np.arange(grades)).astype(np.float64) ** 2
    chance = np.einsum("wi,wj->wij", table.sum(axis=2), table.sum(axis=1))
    return _one_less((table * cost).sum(axis=(1, 2)), (chance * cost).sum(axis=(1, 2)))


def alphas(values: Floats, draws: Draws) -> Floats:
    """Krippendorff's alpha of intervals (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability") in each
    resample of the units; shape (1 + RESAMPLES,).

    Args:
        values: shape (coders, units), NaN where a coder gave none; units with fewer than two values say nothing.
    """
    known = ~np.isnan(values)
    known &= known.sum(axis=0) >= 2
    number = known.sum(axis=0).astype(np.float64)
    pairs = np.maximum(number - 1, 1)
    filled = np.where(known, values, 0.0)
    total, squares = filled.sum(axis=0), (filled**2).sum(axis=0)
    within = 2 * (number * squares - total**2)
    disagreement, totals, sums, squared = draws.sums(np.column_stack([within / pairs, number, total, squares])).T
    between = 2 * (totals * squared - sums**2)
    totals = np.maximum(totals, 2.0)  # a resample without any unit of two has no disagreement either
    return _one_less(disagreement / totals, between / (totals * (totals - 1)))


def pearsons(first: Floats, second: Floats, draws: Draws) -> Floats:
    """Pearson's correlation in each resample; shape (1 + RESAMPLES,). 0 where one of them does not vary."""
    one, two = (
        each - each.mean() for each in (first, second)
    )  # so that the sums below are no differences of large ones
    columns = np.column_stack([np.ones(len(one)), one, two, one * one, two * two, one * two])
    number, x, y, xx, yy, xy = draws.sums(columns).T
    size = np.sqrt(np.maximum(xx - x * x / number, 0.0) * np.maximum(yy - y * y / number, 0.0))
    still = size <= _NEXT_TO_NONE * number
    found: Floats = np.where(still, 0.0, (xy - x * y / number) / np.where(still, 1.0, size))
    return found


def spearmans(first: Floats, second: Floats, draws: Draws) -> Floats:
    """Spearman's correlation, likewise: of the ranks that the values have among all of them, ties at their middle."""
    return pearsons(_ranks(first), _ranks(second), draws)


@lru_cache(maxsize=4)
def _drawn(number: int) -> Floats:
    """How often each of so many examples is in each resample."""
    drawn = np.random.default_rng(_SEED).multinomial(number, [1 / number] * number, RESAMPLES)
    return np.vstack([np.ones(number), drawn])


def _interval(found: Floats) -> Interval:
    """The first of these values, with the interval that the others give."""
    low, high = np.quantile(found[1:], TAILS)
    return rounded(float(found[0]), float(low), float(high))


def _one_less(observed: Floats, expected: Floats) -> Floats:
    """1 - observed / expected disagreement; 0 where none can be expected, since all grades are one."""
    none = expected <= _NEXT_TO_NONE
    found: Floats = np.where(none, 0.0, 1 - observed / np.where(none, 1.0, expected))
    return found


def _ranks(values: Floats) -> Floats:
    """Ranks from 0 to 1, the middle of each tie."""
    _, place, number = np.unique(values, return_inverse=True, return_counts=True)
    middles: Floats = ((np.cumsum(number) - number / 2) / len(values))[place]
    return middles
