"""Costs of approaches on the recorded machine, and break-even points between them.

Queries are priced as batched use at the measured throughput, without idle time unless the limits say how busy the
hardware is; beside that stands what machines cost that are kept on. Over the horizon come the first fitting, the
queries, and upkeep: as many times as the documents change in that span, an approach that
was trained is fitted and indexed anew, one that only uses documents is indexed anew, and any other pays
nothing. Whether the documents or the rules behind the labels change makes no difference here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from advisor.measuring.attempt import FIT, LATENCY, PREDICT
from advisor.tasks import Limits
from advisor.verdict import words
from advisor.verdict.decision import BreakEven, Cost, Interval, Row

DEFAULT_HORIZON_DAYS = 365.0
QUERIES = "queries"
DAYS = "days between document changes"
TOLERANCE = 0.1
"""Costs and latencies nearer to each other than this, as a share of the larger, are equal: two measurements of the same
work come apart by as much where another process takes a tenth of the processor, which is not yet marked."""
CENT = 0.01  # US dollars; a smaller difference over the horizon is none
FEWEST_QUERIES = 100.0
"""A break-even below a day's traffic, or below this where the traffic is not known, is nothing to choose by."""
SHORTEST_DAYS = 1 / 24  # nobody changes documents more often than hourly
_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Measure:
    """The measure by which some approaches are compared in cost: the first of `MEASURES` known for all of them.

    Attributes:
        name: its name in words, as in "cheaper in ...".
        of: its value for a row with the interval of its measurement, which has no width where it was not measured
            twice; None where unknown.
        show: a value in words.
        least: a smaller difference is none, in the measure's unit.
    """

    name: str
    of: Callable[[Row], Interval | None]
    show: Callable[[float], str]
    least: float = 0.0


def _interval(value: float | None, low: float | None, high: float | None, stretched: float = 1.0) -> Interval | None:
    """An interval without width on a side that has no bound; its lower end is reduced by the busy machine's stretch."""
    if value is None:
        return None
    return Interval(value, (value if low is None else low) / stretched, value if high is None else high)


def _over_horizon(row: Row) -> Interval | None:
    cost = row.cost
    return _interval(cost.over_horizon, cost.over_horizon_low, cost.over_horizon_high, stretched(row))


def _per_1k(row: Row) -> Interval | None:
    return _interval(row.cost.per_1k_queries, row.cost.per_1k_low, row.cost.per_1k_high, row.stretch(PREDICT))


def _median(row: Row) -> Interval | None:
    found = row.latency
    return _interval(found.p50, found.p50_low, found.p50_high, row.stretch(LATENCY)) if found else None


MEDIAN_LATENCY = Measure("median latency", _median, words.ms)
MEASURES = (
    Measure("cost over the horizon", _over_horizon, words.usd, CENT),
    Measure("cost per 1,000 queries", _per_1k, words.usd),
    MEDIAN_LATENCY,
)


def measure_for(rows: Sequence[Row]) -> Measure | None:
    """The measure by which these rows are compared; None where neither costs nor latencies are known for all."""
    return next((m for m in MEASURES if all(m.of(row) is not None for row in rows)), None)


def cheaper(row: Row, other: Row, measure: Measure | None) -> bool:
    """Whether `row` costs less than `other` by more than the measurement error; False where unknown.

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
class Quantities:
    """The quantities that costs follow from, measured or foreseen; None where unknown.

    Attributes:
        fit_seconds: seconds of one fit on a training set, without indexing documents.
        index_seconds: chunking, embedding and indexing documents; None without documents in use.
        throughput_qps: queries a second in batches.
        trained: whether parameters are trained, so that it is fitted anew when the documents change.
        timing_error: relative error of its times; None where nothing was timed again.
    """

    fit_seconds: float | None = None
    index_seconds: float | None = None
    throughput_qps: float | None = None
    trained: bool = False
    timing_error: float | None = None


@dataclass(frozen=True, slots=True)
class Expenses:
    """The costs of one approach in US dollars.

    Attributes:
        fit: the one-off cost of fitting and indexing.
        per_query: the cost of a query in batches, at the measured throughput; higher where the hardware is not always
            busy.
        upkeep: the cost of each change of the documents.
        per_hour: the price of an hour of a machine.
        queries_per_hour: the number of queries a machine answers in an hour, at its utilisation.
        error: relative error of the times (`Quantities.timing_error`), for fitting and answering alike.
    """

    fit: float
    per_query: float
    upkeep: float
    per_hour: float
    queries_per_hour: float
    error: float | None = None

    def fixed(self, limits: Limits) -> float:
        """The cost over the horizon without the queries."""
        return self.fit + self.upkeep * changes(limits)

    def over_horizon(self, limits: Limits) -> float | None:
        """The total cost over the horizon; None where the traffic is unknown."""
        number = queries(limits)
        return None if number is None else self.fixed(limits) + self.per_query * number

    def machines(self, limits: Limits) -> int | None:
        """The number of machines for evenly spread traffic; None where the traffic is unknown."""
        a_day = limits.queries_per_day
        return None if a_day is None else max(1, math.ceil(a_day / (24 * self.queries_per_hour)))

    def always_on(self, limits: Limits) -> float | None:
        """The total cost over the horizon with machines kept on day and night instead of paid by the query."""
        machines = self.machines(limits)
        return None if machines is None else self.fixed(limits) + machines * 24 * horizon(limits) * self.per_hour

    def off_by(self, usd: float) -> float:
        """The measurement error of an amount."""
        return usd * (self.error or 0.0)


def horizon(limits: Limits) -> float:
    """The number of days over which costs are added up; 365 unless the limits say otherwise."""
    return DEFAULT_HORIZON_DAYS if limits.horizon_days is None else limits.horizon_days


def queries(limits: Limits) -> float | None:
    """The number of queries over the horizon; None where the limits do not give the traffic."""
    return None if limits.queries_per_day is None else limits.queries_per_day * horizon(limits)


def changes(limits: Limits) -> float:
    """The number of times the documents change over the horizon; 0 unless the limits say how often."""
    every = limits.documents_change_every_days
    return 0.0 if every is None else horizon(limits) / every


def is_trained(row: Row) -> bool:
    """Whether fitting the approach trains parameters."""
    return (row.trainable_parameters or 0) > 0


def known_cost(spent: Cost) -> float | None:
    """The cost that is certain: over the horizon, or fitting alone where the traffic is unknown."""
    return spent.fit if spent.over_horizon is None else spent.over_horizon


def stretched(row: Row) -> float:
    """The factor by which the known cost may be too high because the machine was busy; 1 where it was not."""
    total, fixed = row.cost.over_horizon, row.cost.fixed
    if total is None or fixed is None:
        return row.stretch(FIT)
    quiet = fixed / row.stretch(FIT) + (total - fixed) / row.stretch(PREDICT)
    return total / quiet if quiet else 1.0


def quantities(row: Row) -> Quantities:
    """The measured quantities of an approach."""
    return Quantities(row.fit_seconds, row.index_seconds, row.throughput_qps, is_trained(row), row.timing_error)


def expenses(taken: Quantities, usd_per_hour: float | None, limits: Limits) -> Expenses | None:
    """The costs that follow from quantities; None where a price or a time is unknown."""
    if usd_per_hour is None or taken.fit_seconds is None or not taken.throughput_qps:
        return None
    index = taken.index_seconds or 0.0
    upkeep = taken.fit_seconds + index if taken.trained else index
    an_hour = _SECONDS * taken.throughput_qps * (limits.utilisation or 1.0)
    return Expenses(
        fit=(taken.fit_seconds + index) / _SECONDS * usd_per_hour,
        per_query=usd_per_hour / an_hour,
        upkeep=upkeep / _SECONDS * usd_per_hour,
        per_hour=usd_per_hour,
        queries_per_hour=an_hour,
        error=taken.timing_error,
    )


def cost(spent: Expenses | None, limits: Limits) -> Cost:
    """Expenses under the expected traffic, with the timing error; None wherever something is unknown."""
    if spent is None:
        return Cost()
    each, total, error = 1000 * spent.per_query, spent.over_horizon(limits), spent.error

    def ends(usd: float | None) -> tuple[float | None, float | None]:
        return (None, None) if usd is None or error is None else (usd / (1 + error), usd * (1 + error))

    (each_low, each_high), (low, high) = ends(each), ends(total)
    return Cost(
        fit=spent.fit,
        per_1k_queries=each,
        over_horizon=total,
        fixed=None if total is None else spent.fixed(limits),
        always_on_over_horizon=spent.always_on(limits),
        machines=spent.machines(limits),
        per_1k_low=each_low,
        per_1k_high=each_high,
        over_horizon_low=low,
        over_horizon_high=high,
    )


def alone_factor(row: Row) -> float | None:
    """How many times as much a query costs that is sent alone; None where unknown."""
    if row.latency is None or not row.throughput_qps:
        return None
    return row.latency.p50 / 1000 * row.throughput_qps


def break_even(rows: Sequence[Row], spent: dict[str, Expenses], limits: Limits) -> tuple[BreakEven, ...]:
    """The break-even points of eligible approaches: in queries, then in days between document changes.

    Approaches that another one beats or equals in quality and in every kind of cost are left out, and so is what is
    nothing to choose by: points below `FEWEST_QUERIES` or a day's traffic, or of changes that nobody makes, and two
    that cost the same but for what measurements may be off by. Days are computed only where the traffic is known, and
    only up to the horizon, since there is no change beyond it.
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
    one, two = spent[a], spent[b]
    saved, extra = two.per_query - one.per_query, one.fixed(limits) - two.fixed(limits)
    off = math.hypot(one.off_by(one.per_query), two.off_by(two.per_query))
    if abs(saved) <= max(off, TOLERANCE * max(one.per_query, two.per_query)) or extra / saved <= 0:
        return None
    number, fewest = queries(limits), limits.queries_per_day or FEWEST_QUERIES
    at_most = max(abs(extra), abs(extra - saved * number)) if number is not None else math.inf
    if extra / saved < fewest or at_most < CENT:
        return None
    few, many = (b, a) if extra > 0 else (a, b)
    extra_off = math.hypot(one.off_by(one.fixed(limits)), two.off_by(two.fixed(limits)))
    return BreakEven(QUERIES, extra / saved, few, many, *_ends(extra, extra_off, saved, off, _measured_twice(one, two)))


def _in_days(a: str, b: str, spent: dict[str, Expenses], limits: Limits) -> BreakEven | None:
    number, one, two = queries(limits), spent[a], spent[b]
    if number is None:
        return None
    upkeep = (one.upkeep - two.upkeep) * horizon(limits)
    others = [each.fit + each.per_query * number for each in (one, two)]
    rest = others[1] - others[0]
    off = math.hypot(one.off_by(others[0]), two.off_by(others[1]))
    if abs(rest) <= max(off, CENT) or not SHORTEST_DAYS <= upkeep / rest <= horizon(limits):
        return None
    often, seldom = (b, a) if upkeep > 0 else (a, b)
    upkeep_off = horizon(limits) * math.hypot(one.off_by(one.upkeep), two.off_by(two.upkeep))
    return BreakEven(
        DAYS, upkeep / rest, often, seldom, *_ends(upkeep, upkeep_off, rest, off, _measured_twice(one, two))
    )


def _measured_twice(one: Expenses, two: Expenses) -> bool:
    return one.error is not None and two.error is not None


def _ends(
    above: float, above_off: float, below: float, below_off: float, known: bool
) -> tuple[float, float] | tuple[None, None]:
    """The interval of a quotient of two differences of equal, known signs; None where nothing was timed again."""
    if not known:
        return None, None
    above, below = abs(above), abs(below)
    return max(0.0, above - above_off) / (below + below_off), (above + above_off) / (below - below_off)
