"""What approaches cost on the recorded machine, and where two of them cost the same.

Queries are priced as batched use at the measured throughput, without idle time. Over the horizon come the
first fitting, the queries, and upkeep: as many times as the documents change in that span, an approach that
was trained is fitted and indexed anew, one that only uses documents is indexed anew, and any other pays
nothing. Whether the documents or the rules behind the labels change makes no difference here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from advisor.decide import words
from advisor.decide.decision import BreakEven, Cost, Interval, Row
from advisor.tasks import Limits

DEFAULT_HORIZON_DAYS = 365.0
QUERIES = "queries"
DAYS = "days between document changes"
TOLERANCE = 0.1
"""Costs and latencies nearer to each other than this, as a share of the larger, are equal: two measurements of the same
work come apart by as much where another program takes a tenth of the processor, which is not yet marked."""
CENT = 0.01  # US dollars; a smaller difference over the horizon is none
_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Measure:
    """What "cheaper" means among some approaches: the first of `MEASURES` that is known for all of them.

    Attributes:
        name: in words, as in "cheaper in ...".
        of: its value for a row with the interval of its measurement, which has no width where it was not measured
            twice; None where unknown.
        show: a value in words.
        least: a smaller difference is none, in the measure's unit.
    """

    name: str
    of: Callable[[Row], Interval | None]
    show: Callable[[float], str]
    least: float = 0.0


def _timed(row: Row, usd: float | None) -> Interval | None:
    """An amount that is proportional to measured times, with what those may be off by."""
    if usd is None:
        return None
    factor = 1.0 + (row.timing_error or 0.0)
    return Interval(usd, usd / factor, usd * factor)


def _median(row: Row) -> Interval | None:
    found = row.latency
    if found is None:
        return None
    low = found.p50 if found.p50_low is None else found.p50_low
    return Interval(found.p50, low, found.p50 if found.p50_high is None else found.p50_high)


MEASURES = (
    Measure("cost over the horizon", lambda row: _timed(row, row.cost.over_horizon), words.usd, CENT),
    Measure("cost per 1,000 queries", lambda row: _timed(row, row.cost.per_1k_queries), words.usd),
    Measure("median latency", _median, words.ms),
)


def measure_for(rows: Sequence[Row]) -> Measure | None:
    """By what these rows are compared; None where neither costs nor latencies are known for all of them."""
    return next((m for m in MEASURES if all(m.of(row) is not None for row in rows)), None)


def cheaper(row: Row, other: Row, measure: Measure | None) -> bool:
    """Whether `row` costs less than `other` beyond what the measurements may be off by; False where unknown.

    The difference has to exceed `TOLERANCE`, the measure's least, and the upper end of its interval, made from the
    intervals of the two (MOVER: Zou & Donner 2008, Statistics in Medicine 27:1693). So two may be neither cheaper.
    The relation is transitive.
    """
    mine, theirs = (measure.of(row), measure.of(other)) if measure else (None, None)
    if measure is None or mine is None or theirs is None:
        return False
    off = math.hypot(mine.high - mine.value, theirs.value - theirs.low)
    saved = theirs.value - mine.value
    return saved > 0 and saved >= measure.least and saved >= TOLERANCE * theirs.value and saved > off


@dataclass(frozen=True, slots=True)
class Expenses:
    """What one approach costs, US dollars.

    Attributes:
        fit: once: fitting and indexing.
        per_query: in batches, at the measured throughput.
        upkeep: at each change of the documents.
    """

    fit: float
    per_query: float
    upkeep: float

    def fixed(self, limits: Limits) -> float:
        """All over the horizon but the queries."""
        return self.fit + self.upkeep * changes(limits)

    def over_horizon(self, limits: Limits) -> float | None:
        """All over the horizon; None where the traffic is not known."""
        number = queries(limits)
        return None if number is None else self.fixed(limits) + self.per_query * number


def horizon(limits: Limits) -> float:
    """Days over which costs are added up; 365 unless the limits say otherwise."""
    return DEFAULT_HORIZON_DAYS if limits.horizon_days is None else limits.horizon_days


def queries(limits: Limits) -> float | None:
    """Queries over the horizon; None where the limits do not give the traffic."""
    return None if limits.queries_per_day is None else limits.queries_per_day * horizon(limits)


def changes(limits: Limits) -> float:
    """How many times the documents change over the horizon; 0 unless the limits say how often."""
    every = limits.documents_change_every_days
    return 0.0 if every is None else horizon(limits) / every


def uses_documents(row: Row) -> bool:
    """Whether the approach indexes documents."""
    return row.index_seconds is not None


def is_trained(row: Row) -> bool:
    """Whether fitting the approach trains parameters."""
    return (row.trainable_parameters or 0) > 0


def expenses(row: Row, usd_per_hour: float | None) -> Expenses | None:
    """What the approach of `row` costs; None where a price or a time is unknown."""
    if usd_per_hour is None or row.fit_seconds is None or not row.throughput_qps:
        return None
    index = row.index_seconds or 0.0
    upkeep = row.fit_seconds + index if is_trained(row) else index
    return Expenses(
        fit=(row.fit_seconds + index) / _SECONDS * usd_per_hour,
        per_query=usd_per_hour / _SECONDS / row.throughput_qps,
        upkeep=upkeep / _SECONDS * usd_per_hour,
    )


def cost(spent: Expenses | None, limits: Limits) -> Cost:
    """Expenses under the expected traffic; None wherever something is unknown."""
    if spent is None:
        return Cost(fit=None, per_1k_queries=None, over_horizon=None)
    return Cost(spent.fit, 1000 * spent.per_query, spent.over_horizon(limits))


def break_even(rows: Sequence[Row], spent: dict[str, Expenses], limits: Limits) -> tuple[BreakEven, ...]:
    """Where two of the eligible approaches cost the same: in queries, then in days between changes.

    Approaches that another one beats or equals in quality and in every kind of cost are left out. Days are
    computed only where the traffic is known, and only up to the horizon, since there is no change beyond it.
    """
    kept = _worth_it([row for row in rows if row.eligible and row.spec in spent], spent)
    both = list(combinations([row.spec for row in kept], 2))
    found = [_in_queries(a, b, spent, limits) for a, b in both] + [_in_days(a, b, spent, limits) for a, b in both]
    points = [point for point in found if point is not None]
    return tuple(sorted(points, key=lambda p: (p.variable == DAYS, p.at)))


def _worth_it(rows: Sequence[Row], spent: dict[str, Expenses]) -> list[Row]:
    def merits(row: Row) -> tuple[float, float, float, float]:
        e, quality = spent[row.spec], row.quality.value if row.quality else 0.0
        return quality, -e.fit, -e.per_query, -e.upkeep

    def beaten(row: Row) -> bool:
        mine = merits(row)
        return any(
            merits(other) != mine and all(a >= b for a, b in zip(merits(other), mine, strict=True)) for other in rows
        )

    return [row for row in rows if not beaten(row)]


def _in_queries(a: str, b: str, spent: dict[str, Expenses], limits: Limits) -> BreakEven | None:
    saved = spent[b].per_query - spent[a].per_query
    extra = spent[a].fixed(limits) - spent[b].fixed(limits)
    if saved == 0 or extra / saved < 1:  # below one query there is nothing to weigh
        return None
    few, many = (b, a) if extra > 0 else (a, b)
    return BreakEven(QUERIES, extra / saved, below=few, above=many)


def _in_days(a: str, b: str, spent: dict[str, Expenses], limits: Limits) -> BreakEven | None:
    number = queries(limits)
    if number is None:
        return None
    upkeep = (spent[a].upkeep - spent[b].upkeep) * horizon(limits)
    rest = spent[b].fit - spent[a].fit + (spent[b].per_query - spent[a].per_query) * number
    if rest == 0 or not 0 < upkeep / rest <= horizon(limits):
        return None
    often, seldom = (b, a) if upkeep > 0 else (a, b)
    return BreakEven(DAYS, upkeep / rest, below=often, above=seldom)
