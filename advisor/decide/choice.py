"""The choice: limits first, then quality, then whatever is cheaper and shown to be no worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.decide import words
from advisor.decide.costs import Measure, cheaper, measure_for
from advisor.decide.decision import Row
from advisor.decide.statistics import Contrasts
from advisor.tasks import Limits


@dataclass(frozen=True)
class Choice:
    """What was chosen and how each eligible alternative stands to it.

    Attributes:
        chosen: None if nothing is eligible.
        best: the eligible approach of the best quality; may not be the chosen one.
        measure: what "cheaper" means here; None where neither costs nor latencies are known for all.
        better_than: specs than which the chosen one is shown to be better.
        cheaper_than: specs than which it is cheaper and shown to be no worse by the margin.
        alternatives: specs to which neither applies.
        examples_needed: test examples in all that would settle every alternative; None if none or unknown.
    """

    chosen: Row | None
    best: Row | None = None
    measure: Measure | None = None
    better_than: tuple[str, ...] = ()
    cheaper_than: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    examples_needed: int | None = None


def violations(row: Row, limits: Limits) -> tuple[str, ...]:
    """The limits that an approach breaks, in words; what is not known breaks none."""
    found = []
    if limits.min_quality is not None and row.quality and row.quality.value < limits.min_quality:
        found.append(f"quality {words.value(row.quality.value)} is below {limits.min_quality:g}")
    if limits.p95_ms is not None and row.latency and row.latency.p95 > limits.p95_ms:
        found.append(f"p95 latency {words.ms(row.latency.p95)} is above {words.ms(limits.p95_ms)}")
    total = known_cost(row)
    if limits.budget_usd is not None and total is not None and total > limits.budget_usd:
        found.append(f"cost {words.usd(total)} is above the budget of {words.usd(limits.budget_usd)}")
    return tuple(found)


def known_cost(row: Row) -> float | None:
    """What is certain to be spent: over the horizon, or on fitting alone where the traffic is not known."""
    return row.cost.fit if row.cost.over_horizon is None else row.cost.over_horizon


def excess(row: Row, limits: Limits) -> float:
    """By which factor an approach misses the limit that it misses most; at most 1 if it misses none."""
    ratios = [1.0]
    if limits.min_quality is not None and row.quality:
        ratios.append(limits.min_quality / max(row.quality.value, 1e-9))
    if limits.p95_ms is not None and row.latency:
        ratios.append(row.latency.p95 / limits.p95_ms)
    total = known_cost(row)
    if limits.budget_usd is not None and total is not None:
        ratios.append(total / limits.budget_usd)
    return max(ratios)


def choose(rows: Sequence[Row], contrasts: Contrasts, margin: float) -> Choice:
    """Choose among the eligible rows, which come best quality first.

    The best takes the first place. A cheaper approach takes it over only if it is shown to be worse than the
    best by less than `margin` (the lower end of the two-sided 95 % interval of the paired difference; a
    non-inferiority test at 2.5 %), never because the test set is too small to tell them apart. Among those
    that qualify, the cheapest wins that is settled against every other eligible approach: shown better than
    it, or cheaper and shown no worse by the margin. If none is settled, the best is named provisionally.
    """
    eligible = [row for row in rows if row.eligible]
    if not eligible:
        return Choice(None)
    best, measure = eligible[0], measure_for(eligible)
    candidates = [
        row
        for row in eligible[1:]
        if cheaper(row, best, measure) and contrasts.between(row.spec, best.spec).no_worse_by(margin)
    ]
    candidates.sort(key=lambda row: found.value if measure and (found := measure.of(row)) else 0.0)
    choices = [_stand(row, eligible, measure, contrasts, margin) for row in (*candidates, best)]
    return next((choice for choice in choices if not choice.alternatives), choices[-1])


def _stand(
    chosen: Row, eligible: Sequence[Row], measure: Measure | None, contrasts: Contrasts, margin: float
) -> Choice:
    better, saving, open_ = [], [], []
    for other in eligible:
        if other is chosen:
            continue
        contrast = contrasts.between(chosen.spec, other.spec)
        if contrast.shown and contrast.difference.value > 0:
            better.append(other.spec)
        elif cheaper(chosen, other, measure) and contrast.no_worse_by(margin):
            saving.append(other.spec)
        else:
            open_.append(other)
    return Choice(
        chosen=chosen,
        best=eligible[0],
        measure=measure,
        better_than=tuple(better),
        cheaper_than=tuple(saving),
        alternatives=tuple(row.spec for row in open_),
        examples_needed=_needed(chosen, open_, measure, contrasts, margin),
    )


def _needed(
    chosen: Row, others: Sequence[Row], measure: Measure | None, contrasts: Contrasts, margin: float
) -> int | None:
    """The largest of the sizes that settle one alternative each, by whichever way needs fewer examples."""
    sizes = []
    for other in others:
        ways = [contrasts.between(chosen.spec, other.spec).examples_needed]
        for cheap, dear in ((chosen, other), (other, chosen)):
            if cheaper(cheap, dear, measure):
                ways.append(contrasts.between(cheap.spec, dear.spec).examples_for_margin(margin))
        known = [size for size in ways if size is not None]
        if not known:
            return None
        sizes.append(min(known))
    return max(sizes, default=None)
