"""What a judge's grades are worth once its errors are known: means corrected by the few answers that people graded.

A judge likes the style of some approaches, so its errors are estimated per approach, and for a difference of two on the
paired differences themselves. One rate of errors for all would move every approach alike and leave the bias in.

- `ppi`: prediction-powered inference (Angelopoulos et al. 2023) with power tuning (PPI++, Angelopoulos, Duchi & Zrnic
  2023), for any mean of grades. The answers that people graded have to be a random choice of the test examples.
- `rogan_gladen`: for shares of good answers (Rogan & Gladen 1978), with the interval of Lee et al. 2025
  (arXiv 2511.21140).

Intervals are of t, with the degrees of freedom that the few grades leave; `tests/verdict/test_correction.py` has
their coverage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from advisor.measuring.student import critical
from advisor.tasks.power import LEVEL, TAILS
from advisor.verdict.cells import Interval
from advisor.verdict.paired import rounded
from advisor.verdict.sample import Floats

FEWEST = 10
"""Graded examples below which nothing is corrected: a variance and a slope cannot be told from fewer."""
_Z = NormalDist().inv_cdf(TAILS[1])
_NEXT_TO_NONE = 1e-12


@dataclass(frozen=True, slots=True)
class Corrected:
    """A mean of what people would have graded, by a judge and the few answers that they did grade.

    Attributes:
        judged: the judge's own mean.
        power: weight of the judge's grades, from 0 (they say nothing: the mean of the grades alone) to 1.
        graded: examples that people graded; of so many in all.
        examples: of so many in all.
    """

    estimate: Interval
    judged: float
    power: float
    graded: int
    examples: int


def ppi(grades: Floats, judged: Floats, others: Floats, bounds: tuple[float, float] = (0.0, 1.0)) -> Corrected | None:
    """The mean grade of all examples, with its 95 % interval; None below `FEWEST` grades.

    Args:
        grades: by people, of some examples; or the differences of two approaches' grades. Shape (graded,).
        judged: the judge's, of the same answers.
        others: the judge's, of the examples that nobody graded. Shape (others,).
        bounds: between which the mean lies: (-1, 1) for a difference.
    """
    n, rest = len(grades), len(others)
    if n < FEWEST:
        return None
    power = _power(grades, judged, others)
    left = grades - power * judged
    estimate = float(left.mean()) + (power * float(others.mean()) if rest else power * float(judged.mean()))
    degrees = n - (2 if power else 1)
    variance = float(((left - left.mean()) ** 2).sum()) / degrees / n
    beside = power**2 * float(others.var(ddof=1)) / rest if rest > 1 else 0.0
    if rest == 0:  # everybody was graded: the judge adds nothing
        estimate, power, degrees = float(grades.mean()), 0.0, n - 1
        variance = float(grades.var(ddof=1)) / n
    t = critical(LEVEL, degrees)
    # A judge that was never seen to err may: so often as would not show in so many grades.
    unseen = (1 - (LEVEL / 2) ** (1 / n)) * (bounds[1] - bounds[0]) if variance <= _NEXT_TO_NONE else 0.0
    half = max(t * math.sqrt(variance + beside), unseen)
    low, high = max(bounds[0], estimate - half), min(bounds[1], estimate + half)
    value = min(max(estimate, bounds[0]), bounds[1])
    raw = float(np.concatenate([judged, others]).mean())
    return Corrected(rounded(value, min(low, value), max(high, value)), raw, power, n, n + rest)


def _power(grades: Floats, judged: Floats, others: Floats) -> float:
    """The weight of the judge's grades at which the variance is least (PPI++, example 6.1), from 0 to 1."""
    n, rest = len(grades), len(others)
    spread = float(np.concatenate([judged, others]).var(ddof=1))
    if rest == 0 or spread <= _NEXT_TO_NONE:
        return 0.0
    shared = float(((grades - grades.mean()) * (judged - judged.mean())).sum()) / (n - 1)
    return min(max(shared / ((1 + n / rest) * spread), 0.0), 1.0)


def rogan_gladen(good: Floats, said: Floats, others: Floats) -> Interval | None:
    """The share of good answers, corrected for the judge's sensitivity and specificity, with its 95 % interval.

    None where either cannot be told, since no graded answer is good or none is bad, or where the judge is no better
    than chance (they sum up to 1 or less): then it says nothing about the share.

    Args:
        good: 1 where people found an answer good, else 0; shape (graded,).
        said: the judge's verdicts on the same answers.
        others: its verdicts on the answers that nobody graded, by which the share is told: these are no part of what
            its errors are told by.
    """
    truth, told = good > 0.5, said > 0.5
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives or not len(others):
        return None
    sensitivity, specificity = float(told[truth].mean()), float((~told[~truth]).mean())
    if sensitivity + specificity <= 1:
        return None
    observed = float((others > 0.5).mean())
    value = (observed + specificity - 1) / (sensitivity + specificity - 1)
    low, high = _lee((observed, len(others)), (specificity, negatives), (sensitivity, positives))
    value = min(max(value, 0.0), 1.0)
    return rounded(value, min(low, value), max(high, value))


def _lee(observed: tuple[float, float], negatives: tuple[float, float], positives: tuple[float, float]) -> Floats:
    """The interval of Lee et al. 2025, section 3, of shares and the numbers that they are of: each is drawn towards a
    half, as Agresti and Coull do, and the middle moved by what that does to the quotient."""
    (p, n), (q0, m0), (q1, m1) = observed, negatives, positives
    p, n = (n * p + _Z**2 / 2) / (n + _Z**2), n + _Z**2
    q0, m0 = (m0 * q0 + 1) / (m0 + 2), m0 + 2
    q1, m1 = (m1 * q1 + 1) / (m1 + 2), m1 + 2
    slope = q0 + q1 - 1
    if slope <= _NEXT_TO_NONE:
        return np.array([0.0, 1.0])
    theta = (p + q0 - 1) / slope
    moved = 2 * _Z**2 * (theta * q1 * (1 - q1) / m1 - (1 - theta) * q0 * (1 - q0) / m0)
    spread = p * (1 - p) / n + (1 - theta) ** 2 * q0 * (1 - q0) / m0 + theta**2 * q1 * (1 - q1) / m1
    ends = theta + moved + np.array([-1.0, 1.0]) * _Z * math.sqrt(spread) / slope
    return np.clip(ends, 0.0, 1.0)
