"""Where one learning curve overtakes another and where a curve flattens, from resampled curves on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.tasks.power import TAILS
from advisor.verdict.cells import Interval
from advisor.verdict.paired import rounded
from advisor.verdict.sample import Floats


@dataclass(frozen=True, slots=True)
class Crossing:
    """The number of training examples from which one approach is ahead of another, with its 95 % interval.

    Attributes:
        later, earlier: specs; `later` is ahead where the range looked at ends.
        at: the size from which it is ahead; None where it is ahead from the smallest size on.
        low: None where in the lower 2.5 % of resamples `later` is ahead from the smallest size on.
        high: the size from which it is shown to be ahead; None where in the upper 2.5 % it is not ahead even at the
            end.
        start, end: the first and the last size looked at.
        extrapolated: whether the curves cross only beyond the largest measured size, and `end` lies beyond it.
    """

    later: str
    earlier: str
    at: float | None
    low: float | None
    high: float | None
    start: float
    end: int
    extrapolated: bool


def crossing(names: tuple[str, str], difference: Floats, sizes: Floats, largest: int, farthest: int) -> Crossing:
    """Find where one of two curves overtakes the other.

    It is the last change of places in the range: whoever is ahead at the largest measured size is `later`. Only where
    the curves do not cross among the measured sizes does it count whether they will before the farthest.

    Args:
        names: the names of the two.
        difference: first minus second; shape (1 + resamples, sizes), the first row being the estimate.
        sizes: numbers of training examples, rising, to `farthest`.
        largest: the largest size that was measured.
        farthest: the last size to look at.
    """
    inside = sizes <= largest
    sign = 1 if difference[0, inside][-1] >= 0 else -1
    points = last_change(sign * difference[:, inside], sizes[inside])
    beyond = points[0] == -np.inf and sign * difference[0, -1] < 0
    if beyond:
        sign = -sign
        points = last_change(sign * difference, sizes)
    # Quantiles that are values, since these may be infinite.
    low, high = np.quantile(points[1:], TAILS, method="nearest")
    later, earlier = names if sign > 0 else names[::-1]
    return Crossing(
        later,
        earlier,
        at=_finite(points[0]),
        low=_finite(min(low, points[0])),
        high=_finite(max(high, points[0], sizes[0])),
        start=float(sizes[0]),
        end=farthest if beyond else largest,
        extrapolated=bool(beyond),
    )


def last_change(difference: Floats, sizes: Floats) -> Floats:
    """The size after which each row stays above 0; shape (rows,).

    Minus infinity where it is above 0 everywhere, infinity where it is not at the end. Between two sizes the
    difference is taken to be linear in the log of the size.
    """
    behind = difference <= 0
    last = difference.shape[1] - 1 - behind[:, ::-1].argmax(axis=1)
    rows, before, after = np.arange(len(difference)), last, np.minimum(last + 1, difference.shape[1] - 1)
    low, high = difference[rows, before], difference[rows, after]
    span = np.where(high > low, high - low, 1.0)
    logs = np.log(sizes)
    found = np.exp(logs[before] - low / span * (logs[after] - logs[before]))
    found = np.where(last == difference.shape[1] - 1, np.inf, found)
    return np.where(behind.any(axis=1), found, -np.inf)


def percentiles(values: Floats) -> Interval:
    """The first value with the 95 % percentile interval of the others, widened to include it."""
    low, high = np.quantile(values[1:], TAILS)
    return rounded(float(values[0]), float(low), float(high))


def flat_from(curve: Floats, sizes: Floats, least: float) -> float | None:
    """The size from which doubling it adds less than `least`; None where there is none.

    Args:
        curve: qualities at `sizes` and, behind them, at twice the sizes; shape (2 * sizes,).
    """
    count = len(sizes)
    rising = curve[count:] - curve[:count] >= least
    if rising[-1]:
        return None
    return float(sizes[count - int(rising[::-1].argmax())] if rising.any() else sizes[0])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
