"""The choice under uncertainty: the rule that holds after measuring, applied to expectations and to draws from them.

After measuring, the best within the limits is chosen, or what is cheaper and no worse by a margin
(`advisor.verdict.choice`). Here the same rule is applied to the expected qualities, and then to many draws of what the
intervals allow: how often a rival comes out ahead of the advised approach is its chance to be the better choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from advisor.advice.estimate import Option
from advisor.approaches import Approach
from advisor.forecast.expected import Expected
from advisor.forecast.foresight import Foreseen
from advisor.tasks import Limits
from advisor.tasks.power import MARGIN  # expected to be worse by no more, a cheaper approach is named in its place
from advisor.verdict import Interval
from advisor.verdict.choice import Figures, excess, violations
from advisor.verdict.costs import Quantities, changes, cost, expenses, known_cost, queries
from advisor.verdict.prices import Tariff

OPEN = 0.25  # chance of being the better choice from which on a rival is left open
MOST_OPEN = 3
DRAWS = 4_000
USUAL_QUERIES = 365_000.0  # over the horizon, where nobody says: a thousand a day for a year
_Z = NormalDist().inv_cdf(0.975)
_SEED = 20_251_001

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AdvisedChoice:
    """The advised approach, and how certain the choice is.

    Attributes:
        advised: None where nothing is expected to respect the limits.
        open: the approaches that may well be the right choice, likeliest first.
        chances: the chance of each rival within the limits to be the better choice, by spec.
        at_stake: quality that is lost on average by taking the advised one unmeasured.
        worth: the compared values by spec: qualities, or differences to the reference.
        gaps: in each draw, the lead of the best of the advised and open approaches over the next of them.
        nearest: the approach nearest to the limits, where nothing respects them.
    """

    advised: str | None
    open: tuple[str, ...] = ()
    chances: dict[str, float] = field(default_factory=dict)
    at_stake: float = 0.0
    worth: dict[str, Interval] = field(default_factory=dict)
    gaps: Floats = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    nearest: str | None = None


def option(approach: Approach, expected: Expected, foreseen: Foreseen | None, tariff: Tariff, limits: Limits) -> Option:
    """Build the option of one approach, with costs as `advisor.verdict` computes them after measuring."""
    taken = foreseen.quantities if foreseen else Quantities()
    spent = cost(expenses(taken, tariff if approach.uses_model else tariff.without_model, limits), limits)
    found = Option(expected.spec, approach, expected, foreseen, spent, ())
    return found if found.control else replace(found, violations=violations(_figures(found), limits))


def prefer(options: Sequence[Option], limits: Limits) -> AdvisedChoice:
    """Choose the best expected quality among what respects the limits, or the cheapest within the margin of it.

    The draws take errors as normal, with the widths of the intervals, and as independent: approaches share a model and
    a task, so that their errors have something in common, and the chances are nearer to each other than they should be:
    of rivals on tasks left out fewer were better than that (benchmarks/results/decisions.md).
    """
    candidates = [one for one in options if not one.control]
    fit = [one for one in candidates if not one.violations]
    if not fit:
        nearest = min(candidates, key=lambda one: excess(_figures(one), limits), default=None)
        return AdvisedChoice(None, nearest=nearest.spec if nearest else None)
    prices = np.array([price(one, limits) for one in fit])
    worth = worths({one.spec: one.expected for one in fit})
    tried = np.array([one.expected.tried for one in fit])
    tried |= not tried.any()
    advised = _right(np.where(tried, [found.value for found in worth.values()], -np.inf), prices)
    drawn = _drawn(list(worth.values()))
    ahead = np.where(tried, drawn - drawn[:, [advised]], -np.inf)
    shares = (ahead > np.where(prices < prices[advised], -MARGIN, MARGIN)).mean(axis=0)
    likely = [int(i) for i in np.argsort(-shares, kind="stable") if i != advised and shares[i] >= OPEN]
    named = [advised, *likely[:MOST_OPEN]]
    best = np.sort(drawn[:, named], axis=1)
    return AdvisedChoice(
        advised=fit[advised].spec,
        open=tuple(fit[i].spec for i in named[1:]),
        chances={
            one.spec: float(share)
            for i, (one, share) in enumerate(zip(fit, shares, strict=True))
            if i != advised and tried[i]
        },
        worth=worth,
        at_stake=float(np.maximum(0.0, ahead.max(axis=1)).mean()),
        gaps=best[:, -1] - best[:, -2] if len(named) > 1 else np.zeros(0),
    )


def price(one: Option, limits: Limits) -> float:
    """The certain cost in dollars; at an unknown price the work over the horizon; infinite where both are unknown."""
    spent = one.cost
    if spent.over_horizon is not None:
        return spent.over_horizon
    if spent.fit is not None and spent.per_1k_queries is not None:
        return spent.fit + spent.per_1k_queries * USUAL_QUERIES / 1_000
    foreseen = one.foreseen
    if foreseen is None or foreseen.work is None:
        return math.inf
    work, asked = foreseen.work, queries(limits)
    again = work.to_index + (work.to_fit if foreseen.trained else 0.0)
    once = work.to_fit + work.to_index + again * changes(limits)
    return once + work.per_query * (USUAL_QUERIES if asked is None else asked)


def _right(values: Floats, prices: Floats) -> int:
    """The position that the rule chooses; of equally cheap ones the better."""
    near = np.flatnonzero(values >= values.max() - MARGIN)
    return int(min(near, key=lambda i: (prices[i], -values[i])))


def worths(expected: Mapping[str, Expected]) -> dict[str, Interval]:
    """The values a choice compares: differences to the reference, or qualities where some differences are unknown."""
    found = {}
    for spec, one in expected.items():
        if one.edge is None:
            return {spec: Interval(one.value, one.low, one.high) for spec, one in expected.items()}
        found[spec] = Interval(one.edge, one.edge - one.unsure, one.edge + one.unsure)
    return found


def _drawn(worth: Sequence[Interval]) -> Floats:
    """Draws from the intervals; shape (DRAWS, approaches)."""
    means = np.array([one.value for one in worth])
    spread = np.array([(one.high - one.low) / (2 * _Z) for one in worth])
    return np.random.default_rng(_SEED).normal(means, spread, (DRAWS, len(worth)))


def _figures(one: Option) -> Figures:
    """The expected figures, in the form that limits are compared with."""
    latency = one.foreseen.latency if one.foreseen else None
    return Figures(one.expected.value, latency.p95 if latency else None, known_cost(one.cost))
