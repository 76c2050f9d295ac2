"""The choice: limits first, then quality, then the cheaper of those shown to be no worse.

That it is the best is claimed where it beats every rival, each pair tested alone: if another were truly the best, this
one would have to beat that one too, so one test's chance of error bounds the whole claim's, however many rivals there
are (rank verification: Gutmann & Maymin 1987; Hung & Fithian 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advisor.tasks import Limits
from advisor.verdict import rule, words
from advisor.verdict.assurance import Assurance
from advisor.verdict.cells import Interval, Settling
from advisor.verdict.costs import Measure, is_cheaper, known_cost, measure_for
from advisor.verdict.decision import Row
from advisor.verdict.optimism import optimism
from advisor.verdict.rule import Bars, Costs
from advisor.verdict.statistics import Contrasts


@dataclass(frozen=True)
class Choice:
    """The chosen approach and how each eligible alternative compares with it.

    Attributes:
        chosen: None if nothing is eligible.
        best: the eligible approach of the best quality; may not be the chosen one.
        measure: the measure of "cheaper"; None where neither costs nor latencies are known for all.
        better_than: specs than which the chosen one is shown to be better.
        cheaper_than: specs than which it is cheaper and shown to be no worse by the margin.
        alternatives: specs to which neither applies.
        quality: the quality of the chosen approach, corrected for selection; None until computed.
        settling: what would settle the choice; None where it is settled or not computed.
    """

    chosen: Row | None
    best: Row | None = None
    measure: Measure | None = None
    better_than: tuple[str, ...] = ()
    cheaper_than: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    quality: Interval | None = None
    settling: Settling | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that limits are compared with, measured or expected; None where unknown.

    Attributes:
        quality: the quality in the task's metric.
        p95_ms: end-to-end latency of one request, 95th percentile.
        usd: the cost that is certain.
    """

    quality: float | None = None
    p95_ms: float | None = None
    usd: float | None = None


def figures(row: Row) -> Figures:
    """The measured figures of an approach."""
    return Figures(
        row.quality.value if row.quality else None, row.latency.p95 if row.latency else None, known_cost(row.cost)
    )


def violations(found: Figures, limits: Limits) -> tuple[str, ...]:
    """The limits that an approach breaks, in words; an unknown figure breaks none."""
    broken = []
    if limits.min_quality is not None and found.quality is not None and found.quality < limits.min_quality:
        broken.append(f"quality {words.value(found.quality)} is below {limits.min_quality:g}")
    if limits.p95_ms is not None and found.p95_ms is not None and found.p95_ms > limits.p95_ms:
        broken.append(f"p95 latency {words.ms(found.p95_ms)} is above {words.ms(limits.p95_ms)}")
    if limits.budget_usd is not None and found.usd is not None and found.usd > limits.budget_usd:
        broken.append(f"cost {words.usd(found.usd)} is above the budget of {words.usd(limits.budget_usd)}")
    return tuple(broken)


def excess(found: Figures, limits: Limits) -> float:
    """The factor by which an approach misses its worst limit; at most 1 if it misses none."""
    ratios = [1.0]
    if limits.min_quality is not None and found.quality is not None:
        ratios.append(limits.min_quality / max(found.quality, 1e-9))
    if limits.p95_ms is not None and found.p95_ms is not None:
        ratios.append(found.p95_ms / limits.p95_ms)
    if limits.budget_usd is not None and found.usd is not None:
        ratios.append(found.usd / limits.budget_usd)
    return max(ratios)


def choose(rows: Sequence[Row], contrasts: Contrasts, margin: float) -> Choice:
    """Choose among the eligible rows, which come best quality first, by the rule of `advisor.verdict.rule`.

    Shown to be better: two-sided at 5 %; shown to be no worse by `margin`: the lower end of the two-sided 95 % interval
    of the paired difference (a non-inferiority test at 2.5 %); both of the pair alone.
    """
    eligible = [row for row in rows if row.eligible]
    if not eligible:
        return Choice(None)
    measure = measure_for(eligible)
    known, specs = costs_of(eligible, measure), [row.spec for row in eligible]
    quality = np.array([[row.quality.value if row.quality else 0.0 for row in eligible]])
    better, no_worse = contrasts.better(specs), contrasts.no_worse(specs, margin)
    chosen = rule.apply(quality, better[None], no_worse[None], known)
    place = int(chosen.approach[0])
    beaten = better[place]
    cheap = (known.cheaper & no_worse)[place] & ~beaten
    others = [(i, row.spec) for i, row in enumerate(eligible) if i != place]
    return Choice(
        chosen=eligible[place],
        best=eligible[0],
        measure=measure,
        better_than=tuple(spec for i, spec in others if beaten[i]),
        cheaper_than=tuple(spec for i, spec in others if cheap[i]),
        alternatives=tuple(spec for i, spec in others if not (beaten[i] or cheap[i])),
    )


def what_settles(choice: Choice, rows: Sequence[Row], contrasts: Contrasts, margin: float) -> Settling | None:
    """What would settle a choice among the eligible `rows`; None where it is settled."""
    if not choice.alternatives:
        return None
    eligible = [row for row in rows if row.eligible]
    samples = [contrasts.samples[row.spec] for row in eligible]
    return Assurance(samples, costs_of(eligible, choice.measure), margin).settling()


def optimism_of(field: Sequence[Row], contrasts: Contrasts, margin: float) -> float:
    """The optimism (winner's curse) of whichever row is chosen from `field` (`advisor.verdict.optimism`)."""
    specs = [row.spec for row in field]
    found, half = contrasts.resampled(specs), contrasts.half_widths(specs)
    return optimism(found, Bars(half, half - margin), costs_of(field, measure_for(field))) if found else 0.0


def costs_of(rows: Sequence[Row], measure: Measure | None) -> Costs:
    """Which rows are cheaper than which, and the order of all by cost."""
    found = [measure.of(row) if measure else None for row in rows]
    table = [[measure is not None and is_cheaper(one, other, measure) for other in found] for one in found]
    return Costs(np.array(table, dtype=bool), np.argsort([one.value if one else 0.0 for one in found], kind="stable"))
