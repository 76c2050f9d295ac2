"""What other limits would come to: the linear quantities of costs, and what is shown at each of several margins.

Whoever varies traffic, horizon, changes of the documents and margin has to do sums and comparisons alone, since all
that is judged is judged here: which approach is shown to be better, which to be no worse by each margin, which is
fitted anew when the documents change, which limits are broken whatever is varied. All else stays as it was decided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from advisor.measuring.attempt import FIT, PREDICT
from advisor.tasks import Limits
from advisor.tasks.power import MARGIN
from advisor.verdict import costs, words
from advisor.verdict.cells import Interval
from advisor.verdict.choice import figures, violations
from advisor.verdict.costs import MEDIAN_LATENCY, Expenses
from advisor.verdict.decision import Decision, Grounds, Row
from advisor.verdict.limits import open_limits, shown_violations
from advisor.verdict.optimism import Repeated
from advisor.verdict.rule import Bools
from advisor.verdict.sample import Floats
from advisor.verdict.staleness import held_to

MARGINS = (0.0, 0.005, 0.01, 0.015, MARGIN, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2)
HORIZONS = (7.0, 14.0, 30.0, 60.0, 90.0, 182.0, 270.0, 365.0, 545.0, 730.0, 1095.0, 1460.0, 1825.0)
CHANGES = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 21.0, 30.0, 45.0, 60.0, 90.0, 120.0, 182.0, 270.0, 365.0)
QUERIES = tuple(
    step * 10.0**power for power, step in product(range(7), (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0))
)
ASSUMED_QUERIES = 1_000.0
"""Queries a day to begin with, where the limits do not say how many there are."""


@dataclass(frozen=True, slots=True)
class CostTerms:
    """What the cost of an approach adds up from.

    Attributes:
        spent: at the margin of the decision.
        upkeep: of each change of the documents, at each margin: it decides what is fitted anew.
        stretch_fit, stretch_query: the factors by which either may be too high because the machine was busy.
    """

    spent: Expenses
    upkeep: tuple[float, ...]
    stretch_fit: float
    stretch_query: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An approach that may be chosen under other limits.

    Attributes:
        terms: None where a price is unknown.
        latency: in the median; milliseconds.
        broken: what excludes it whatever is varied, in words: quality, latency, or that all its answers are alike.
        excluded: whether that stands as well where limits are left aside which it is not shown to break.
        open: whether it is neither shown to keep nor to break the limit of latency.
        alike: whether all its answers are alike.
        doubts: why it is named no more than provisionally in any case, in sentences.
    """

    spec: str
    quality: Interval
    terms: CostTerms | None
    latency: Interval | None
    broken: tuple[str, ...]
    excluded: bool
    open: bool
    alike: bool
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """What the correction for having been picked is computed from, where a least quality may hang on it.

    Attributes:
        repeats: the resamples; columns as in `field`.
        half: half widths of the intervals of all pairs; shape (field, field).
        field: places of the candidates that could be picked.
    """

    repeats: Repeated
    half: Floats
    field: tuple[int, ...]


@dataclass(frozen=True)
class Exploration:
    """All that a choice under other limits follows from.

    Attributes:
        candidates: best quality first.
        margins, queries, horizons, changes: settings to be tried, rising; days where they are times.
        now: the limits of the decision.
        margin: that of the decision.
        better: whether the candidate of the row is shown to be better than that of the column.
        no_worse: the same of no worse by the margin, for each of `margins`.
        selection: None where no least quality hangs on it.
    """

    candidates: tuple[Candidate, ...]
    margins: tuple[float, ...]
    queries: tuple[float, ...]
    horizons: tuple[float, ...]
    changes: tuple[float, ...]
    now: Limits
    margin: float
    better: tuple[tuple[bool, ...], ...]
    no_worse: tuple[tuple[tuple[bool, ...], ...], ...]
    selection: Selection | None = None


def exploration(decision: Decision) -> Exploration | None:
    """What other limits would come to; None where no cost is known of any approach that may be chosen."""
    grounds, limits = decision.grounds, decision.limits
    rows = [row for row in decision.rows if row.status == "ok" and row.quality and not row.control]
    if grounds is None:
        return None
    margins = with_value(MARGINS, decision.margin)
    found = tuple(_candidate(row, decision, grounds, margins) for row in rows)
    if not any(candidate.terms for candidate in found):
        return None
    specs = [row.spec for row in rows]
    return Exploration(
        candidates=found,
        margins=margins,
        queries=with_value(QUERIES, limits.queries_per_day or ASSUMED_QUERIES),
        horizons=with_value(HORIZONS, costs.horizon(limits)),
        changes=with_value(CHANGES, limits.documents_change_every_days),
        now=limits,
        margin=decision.margin,
        better=_table(grounds.contrasts.better(specs)),
        no_worse=tuple(_table(grounds.contrasts.no_worse(specs, margin)) for margin in margins),
        selection=_selection(rows, found, grounds, limits.min_quality),
    )


def with_value(grid: Sequence[float], value: float | None) -> tuple[float, ...]:
    """Settings to be tried with the present one among them, rising."""
    return tuple(sorted({*grid, *([] if value is None else [value])}))


def _candidate(row: Row, decision: Decision, grounds: Grounds, margins: Sequence[float]) -> Candidate:
    assert row.quality is not None
    whatever = replace(decision.limits, budget_usd=None)
    broken = (*filter(None, [row.alike]), *violations(figures(row), whatever))
    return Candidate(
        spec=row.spec,
        quality=row.quality,
        terms=_terms(row, decision, grounds, margins),
        latency=MEDIAN_LATENCY.of(row),
        broken=broken,
        excluded=bool(row.alike) or bool(shown_violations(row, whatever)),
        open="p95_ms" in open_limits(row, whatever),
        alike=bool(row.alike),
        doubts=(*grounds.doubts.get(row.spec, ()), *_not_measured(decision)),
    )


def _table(found: Bools) -> tuple[tuple[bool, ...], ...]:
    return tuple(tuple(map(bool, line)) for line in found)


def _terms(row: Row, decision: Decision, grounds: Grounds, margins: Sequence[float]) -> CostTerms | None:
    def spent(margin: float) -> Expenses | None:
        held = replace(row, after=held_to(row.after, margin) if row.after else None)
        return costs.expenses(costs.quantities(held), grounds.tariffs[row.spec], decision.limits)

    now = spent(decision.margin)
    if now is None:
        return None
    each = [spent(margin) for margin in margins] if row.after else [now] * len(margins)
    return CostTerms(
        now,
        tuple(found.upkeep for found in each if found),
        1.0 if now.by_tokens else row.stretch(FIT),
        1.0 if now.by_tokens else row.stretch(PREDICT),
    )


def _not_measured(decision: Decision) -> list[str]:
    lost = decision.recommendation.unmeasured
    return [f"The budget of the race did not allow to measure {words.listed(lost)} on the test set."] if lost else []


def _selection(
    rows: Sequence[Row], found: Sequence[Candidate], grounds: Grounds, least: float | None
) -> Selection | None:
    """What is needed where a candidate reaches the least quality that may not reach it once corrected."""
    if least is None:
        return None
    others = Limits(min_quality=least)
    field = [
        place
        for place, (row, one) in enumerate(zip(rows, found, strict=True))
        if not one.alike and set(one.broken) <= set(violations(figures(row), others))
    ]
    repeats = grounds.contrasts.resampled([rows[place].spec for place in field])
    if repeats is None:
        return None
    most = math.sqrt(2) * float(repeats.beyond.max(axis=1).mean() - repeats.beyond.mean(axis=0).min())
    if not any(least <= found[place].quality.value < least + most for place in field):
        return None
    half = grounds.contrasts.half_widths([rows[place].spec for place in field])
    return Selection(repeats, half, tuple(field))
