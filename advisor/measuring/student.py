"""Student's t distribution, of one variance or of a sum of several that are known differently well.

By SciPy, which is imported when it is first needed: what judges nothing starts without.

A sum of independent variances, each with its own degrees of freedom, is combined as Howe (1974) does: the squared half
width of an interval is the sum of the squared half widths that each part would have alone (also known as MOVER, Zou &
Donner 2008). Satterthwaite's effective degrees of freedom are not used: where a part that is badly known happens to
come out small they take the sum for well known, and equal approaches are shown to differ too often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_MOST = 1e6  # degrees of freedom, beyond which it is the normal distribution
_LEAST = 1e-15  # of p-values that are told apart
_TOLERANCE = 1e-10  # of a p-value, relative


@dataclass(frozen=True, slots=True)
class VariancePart:
    """A variance and how well it is known.

    Attributes:
        variance: in squared units of the metric.
        degrees: of freedom.
    """

    variance: float
    degrees: float


def half_width(parts: Sequence[VariancePart], level: float) -> float:
    """Half the width of the interval at confidence 1 - `level` around a value whose variance is the sum of `parts`."""
    return math.sqrt(sum(part.variance * critical(level, part.degrees) ** 2 for part in parts if part.variance))


def p_value(distance: float, parts: Sequence[VariancePart]) -> float:
    """The level whose half width is `distance`: two-sided."""
    known = [part for part in parts if part.variance]
    if not known:
        return 1.0 if distance == 0 else _LEAST
    t = abs(distance) / math.sqrt(sum(part.variance for part in known))
    ends = [max(_LEAST, two_sided(t, pick(part.degrees for part in known))) for pick in (max, min)]
    if ends[1] <= ends[0] * (1 + 1e-9):
        return ends[1]
    # Both ends are beyond by rounding alone, so a step further out brackets the level.
    low, high = math.log(ends[0]) - 1, min(0.0, math.log(ends[1]) + 1e-6)
    if half_width(known, math.exp(low)) <= abs(distance):
        return _LEAST
    # Halved, which is soon done: to import SciPy's root finders takes longer than all that a report has to find.
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        low, high = (middle, high) if half_width(known, math.exp(middle)) > abs(distance) else (low, middle)
    return math.exp((low + high) / 2)


def two_sided(t: float, degrees: float) -> float:
    """The chance of a value at least as far from zero as `t`."""
    from scipy.special import stdtr

    return float(2 * stdtr(min(degrees, _MOST), -abs(t)))


def critical(level: float, degrees: float) -> float:
    """The value beyond which, either way, lies the share `level`."""
    from scipy.special import stdtrit

    return -float(stdtrit(min(degrees, _MOST), level / 2))
