"""What a test set of a given size can show: paired comparisons at 80 % power, two-sided at 5 %."""

from __future__ import annotations

import math
from statistics import NormalDist

from advisor.tasks.task import Metric

LEVEL = 0.05
"""Chance of error that every claim is allowed."""
TAILS = (LEVEL / 2, 1 - LEVEL / 2)
"""Between these quantiles lies a two-sided interval."""
MARGIN = 0.02
"""A difference in quality that is too small to matter, in units of the metric, unless the user names another."""
POWER = 0.80
RIVALS_DIFFER = 0.2
"""Assumed before measuring: share of the test examples that exactly one of two serious rivals gets right."""
SPREAD: dict[Metric, float] = {
    "accuracy": math.sqrt(RIVALS_DIFFER),
    "macro_f1": math.sqrt(RIVALS_DIFFER),
    "exact_match": math.sqrt(RIVALS_DIFFER),
    "squad_em": math.sqrt(RIVALS_DIFFER),
    "code_exact": math.sqrt(RIVALS_DIFFER),
    "token_f1": 0.4,
    "squad_f1": 0.4,
    "json_f1": 0.4,
    "code_f1": 0.3,
    "rouge_l": 0.15,
    "chrf": 0.15,
}
"""Assumed standard deviation of the paired difference of two rivals' scores on one test example.

Where answers are right or wrong, its square is at most the share on which the rivals differ. Graded answers that
are short behave almost like that; those of long texts lie close together.
"""
_INVERSE = NormalDist().inv_cdf


def detectable(error: float) -> float:
    """The smallest difference that is shown with 80 % power, two-sided at `LEVEL`, by its standard error.

    The normal approximation (z_(1 - level/2) + z_0.8) * error.
    """
    return (_INVERSE(1 - LEVEL / 2) + _INVERSE(POWER)) * error
