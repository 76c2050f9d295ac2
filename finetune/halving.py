"""When a search evaluates its candidates, how many go on, and what that costs; no torch."""

from __future__ import annotations

import math

SMALLEST_SHARE = 1 / 8  # of a history; before that the learning rate is hardly where it should be
SHARES = {1 / 8: "an eighth", 1 / 4: "a quarter", 1 / 2: "half"}


def shares_for(count: int) -> list[float]:
    """Shares of the history after which so many candidates are evaluated."""
    first = max(SMALLEST_SHARE, 0.5 ** math.ceil(math.log2(count)))
    return [share for share in SHARES if share >= first]


def staying(share: float) -> int:
    """Candidates that go on after so much of the history."""
    return round(0.5 / share)


def trainings(count: int) -> float:
    """What the search among so many candidates costs, in trainings of one."""
    cost, done = 0.0, 0.0
    for share in shares_for(count):
        cost += count * (share - done)
        count, done = staying(share), share
    return cost + 1 - done
