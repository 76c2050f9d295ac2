"""Student's t distribution, by SciPy, which is imported when it is first needed: what judges nothing starts without."""

from __future__ import annotations

_MOST = 1e6  # degrees of freedom, beyond which it is the normal distribution


def two_sided(t: float, degrees: float) -> float:
    """The chance of a value at least as far from nought as `t`."""
    from scipy.special import stdtr

    return float(2 * stdtr(min(degrees, _MOST), -abs(t)))


def critical(level: float, degrees: float) -> float:
    """The value beyond which, either way, lies the share `level`."""
    from scipy.special import stdtrit

    return float(stdtrit(min(degrees, _MOST), 1 - level / 2))
