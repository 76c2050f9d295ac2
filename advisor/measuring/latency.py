"""How many requests are sent alone, and quantiles of their latency with bounds that hold for every distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, lgamma, log

WARM_UPS = 2  # requests before those that count
WARM_UP_SECONDS = 5.0  # after which the device is warm
REQUESTS = 16
SECONDS = 30.0  # after which fewer have to do, but not fewer than the next
FEWEST = 5
CONFIDENCE = 0.95
"""Of each bound by itself: a limit is kept, or broken, where the one bound says so."""
P50, P95 = 0.50, 0.95
BOUNDED_FROM = ceil(log(1 - CONFIDENCE) / log(P95))
"""Requests from which the 95th percentile has an upper bound: 59. With fewer all may lie below it."""
UNDER_A_LIMIT = 93
"""Requests that are sent where a limit has to be kept, at most: the upper bound is then the second slowest of them, so
that one slow request does not decide."""
LIMIT_SECONDS = 120.0  # after which fewer have to do there
_SURE = 0.995  # of the lower bound by which sending more is spared: a look on the way, which must not cost much level


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of the requests that were sent, and bounds of that of all requests, in the unit of the requests.

    Attributes:
        value: by linear interpolation between the two nearest requests.
        low, high: each holds with 95 %, together 90 %; None where no request says so.
    """

    value: float
    low: float | None
    high: float | None


def p50_interval(seconds: Sequence[float]) -> Quantile:
    """The median of at least one request."""
    return quantile(seconds, P50)


def p95_interval(seconds: Sequence[float]) -> Quantile:
    """The 95th percentile of at least one request."""
    return quantile(seconds, P95)


def quantile(seconds: Sequence[float], share: float, confidence: float = CONFIDENCE) -> Quantile:
    """A quantile with bounds by order statistics.

    How many of n independent requests lie below the quantile is binomial whatever their distribution, so that the
    r-th smallest lies below it with probability P(B >= r), and the s-th above it with P(B < s); the bounds are the
    nearest requests for which that is `confidence` or more (David & Nagaraja 2003, Order Statistics, section 7.1).
    They are exact but for the steps from one request to the next, which make them wider.
    """
    ordered = sorted(seconds)
    n = len(ordered)
    below = _binomial(n, share)
    low = max((r for r in range(1, n + 1) if 1 - below[r - 1] >= confidence), default=None)
    high = min((s for s in range(1, n + 1) if below[s - 1] >= confidence), default=None)
    return Quantile(
        _interpolated(ordered, share),
        None if low is None else ordered[low - 1],
        None if high is None else ordered[high - 1],
    )


def wanted(seconds: Sequence[float], limit: float | None) -> int:
    """How many more requests have to be sent, so that the 95th percentile can be held against a limit (in seconds).

    None where there is no limit, or where the requests show beyond any doubt that it is broken. Whether it is kept is
    judged once, after all: looking after each request would find it kept too often.
    """
    if limit is None or sum(seconds) > LIMIT_SECONDS:
        return 0
    low = quantile(seconds, P95, _SURE).low if seconds else None
    return 0 if low is not None and low > limit else max(0, UNDER_A_LIMIT - len(seconds))


def foreseen_seconds(each: float, examples: int, limited: bool) -> float:
    """What sending requests alone takes about, at so many seconds each, of a test set of so many examples."""
    number, cap = (UNDER_A_LIMIT, LIMIT_SECONDS) if limited else (min(REQUESTS, examples), SECONDS)
    return min(each * (number + WARM_UPS), cap)


def _binomial(n: int, share: float) -> list[float]:
    """P(B <= k) for k from 0 to n."""
    total, found = 0.0, []
    for k in range(n + 1):
        ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
        total += exp(ways + k * log(share) + (n - k) * log(1 - share))
        found.append(min(total, 1.0))
    return found


def _interpolated(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    before = int(place)
    after = min(before + 1, len(ordered) - 1)
    return ordered[before] + (place - before) * (ordered[after] - ordered[before])
