"""Which approach to advise under expectations: the same limits and costs as after measuring, without the certainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from advisor.advise.estimate import Option
from advisor.advise.expected import Expected
from advisor.advise.foresight import Foreseen
from advisor.decide import Cost, Interval, Row
from advisor.decide.choice import violations
from advisor.decide.costs import cost, expenses
from advisor.decide.rows import UNKNOWN_COST
from advisor.tasks import Limits

MARGIN = 0.02
"""A cheaper approach is named in place of one that is expected to be better by no more than this."""
OPEN = 0.2  # chance of being better from which on a rival is left open
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Preference:
    """The advised approach, and those that may well be better."""

    advised: str | None
    open: tuple[str, ...]


def option(
    control: bool, expected: Expected, foreseen: Foreseen | None, usd_per_hour: float | None, limits: Limits
) -> Option:
    """One approach under the limits, costed as `advisor.decide` does after measuring."""
    row = _row(expected, foreseen)
    spent = cost(expenses(row, usd_per_hour), limits)
    row = _row(expected, foreseen, spent)
    return Option(expected.spec, control, expected, foreseen, spent, violations(row, limits))


def prefer(options: Sequence[Option], margin: float = MARGIN) -> Preference:
    """The best expected quality among what respects the limits, or the cheapest within the margin of it.

    The chance that a rival is better takes both errors as normal and independent, with the widths of the intervals.
    """
    fit = [one for one in options if not one.control and not one.violations]
    if not fit:
        return Preference(None, ())
    best = max(fit, key=lambda one: one.expected.value)
    near = [one for one in fit if one.expected.value >= best.expected.value - margin]
    prices = {one.spec: _price(one) for one in near}
    chosen = min(near, key=lambda one: (prices[one.spec], -one.expected.value))
    chances = {one.spec: _better(one.expected, chosen.expected) for one in fit if one is not chosen}
    likely = sorted((spec for spec, p in chances.items() if p >= OPEN), key=lambda spec: -chances[spec])
    return Preference(chosen.spec, tuple(likely))


def _better(one: Expected, other: Expected) -> float:
    spread = math.hypot(*((e.high - e.low) / (2 * _Z) for e in (one, other)))
    if not spread:
        return float(one.value > other.value)
    return NormalDist().cdf((one.value - other.value) / spread)


def _price(one: Option) -> float:
    """What is certain to be spent; where prices are unknown, seconds stand in."""
    known = one.cost.over_horizon if one.cost.over_horizon is not None else one.cost.per_1k_queries
    if known is not None:
        return known
    foreseen = one.foreseen
    if foreseen is None:
        return 0.0
    return foreseen.prompt_tokens + 3 * foreseen.completion_tokens


def _row(expected: Expected, foreseen: Foreseen | None, spent: Cost = UNKNOWN_COST) -> Row:
    """The expectation in the form in which measured approaches are judged."""
    from_model = foreseen is not None and foreseen.prompt_tokens > 0
    return Row(
        spec=expected.spec,
        status="ok",
        error=None,
        control=False,
        uses_model=from_model,
        eligible=True,
        violations=(),
        quality=Interval(expected.value, expected.low, expected.high),
        n=0,
        group="",
        versus_best=None,
        latency=foreseen.latency if foreseen else None,
        throughput_qps=foreseen.throughput_qps if foreseen else None,
        prompt_tokens=foreseen.prompt_tokens if foreseen else None,
        completion_tokens=foreseen.completion_tokens if foreseen else None,
        fit_seconds=foreseen.fit_seconds if foreseen else None,
        index_seconds=foreseen.index_seconds if foreseen else None,
        peak_memory_bytes=foreseen.memory_bytes if foreseen else None,
        artifact_bytes=None,
        trainable_parameters=int(foreseen.trained) if foreseen else None,
        recall_at_k=None,
        mrr=None,
        cost=spent,
        dropped=0,
        cut=0,
        notes=(),
    )
