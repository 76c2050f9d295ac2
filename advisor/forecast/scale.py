"""The arcsine scale, on which qualities are learned and combined.

A share p of n examples varies by p (1 - p) / n, so that near 0 and 1 the same distance means more than in the middle.
On the scale arcsin(sqrt(p)), an angle, it varies by 1 / (4 n) everywhere (Anscombe, "The transformation of Poisson,
binomial and negative-binomial data", 1948); twice a distance on it is the effect size h of Cohen (1988). Intervals that
are equally wide there are narrow near 0 and 1 and never leave them. In the middle it changes as much as the quality.
"""

from __future__ import annotations

import math
from statistics import NormalDist, fmean

LEAST, MOST = 0.0, math.pi / 2  # the ends of the scale, for qualities 0 and 1
_NORMAL = NormalDist()
_SHARES = [_NORMAL.inv_cdf((place + 0.5) / 40) / _NORMAL.inv_cdf(0.975) for place in range(40)]
"""Equally likely places of a normal error, in units of half its 95 % interval."""


def angle(quality: float) -> float:
    """Transform a quality between 0 and 1 to the arcsine scale; values beyond are clipped."""
    return math.asin(math.sqrt(min(1.0, max(0.0, quality))))


def quality(found: float) -> float:
    """Transform a value on the arcsine scale back to a quality; values beyond its ends are clipped."""
    return math.sin(min(MOST, max(LEAST, found))) ** 2


def around(value: float, within: float) -> tuple[float, float]:
    """The qualities at a distance below and above a value on the arcsine scale."""
    middle = angle(value)
    return quality(middle - within), quality(middle + within)


def beside(value: float, spread: float, ahead: float, within: float) -> tuple[float, float]:
    """The expected gain in quality from a difference on the arcsine scale, and half of its 95 % interval.

    A mean over what the value may turn out to be: where it is expected to be nearly nothing, nothing lies far behind
    it, and yet it may be more.

    Args:
        spread: half the 95 % interval of the value, on the arcsine scale.
        ahead: the difference, on the arcsine scale.
        within: half the 95 % interval of the difference, on the arcsine scale.
    """
    middles = [angle(value) + spread * share for share in _SHARES]
    more = [quality(middle + ahead) - quality(middle) for middle in middles]
    reach = [quality(middle + ahead + within) - quality(middle + ahead - within) for middle in middles]
    return fmean(more), fmean(reach) / 2
