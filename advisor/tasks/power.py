"""Statistical power: what a test set of a given size can show, at 80 % power and a two-sided 5 % level."""

from __future__ import annotations

from statistics import NormalDist

LEVEL = 0.05
"""Chance of error that every claim is allowed."""
TAILS = (LEVEL / 2, 1 - LEVEL / 2)
"""Between these quantiles lies a two-sided interval."""
MARGIN = 0.02
"""A difference in quality that is too small to matter, in units of the metric, unless the user names another."""
COVERAGE = 0.8
"""The share of the questions of whose surest answers the quality is told, unless the user names another."""
POWER = 0.80
RIVALS_DIFFER = 0.2
"""Assumed before measuring: share of the test examples that exactly one of two serious rivals gets right."""
_INVERSE = NormalDist().inv_cdf


def detectable(error: float) -> float:
    """The smallest difference shown with 80 % power, two-sided at `LEVEL`, for a given standard error.

    The normal approximation (z_(1 - level/2) + z_0.8) * error.
    """
    return (_INVERSE(1 - LEVEL / 2) + _INVERSE(POWER)) * error
