"""Costs of approaches, by the hours of a machine or by the token.

By the hour, queries are priced as batched use at the measured throughput, without idle time unless the limits say how
busy the hardware is; beside that stands what machines cost that are kept on. By the token, they cost what was read and
written for one of them on average; what was sent again after a fault is not in it. Over the horizon come the first
fitting, the queries, and upkeep, as many times as the documents change in that span: what uses documents indexes them
anew, and what has learned is fitted anew where a change was measured to cost it quality, or, without a measurement,
where it was trained. Any other pays nothing. Where the rules behind the answers change and no document does, nothing
is indexed anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from advisor.measuring.attempt import EMBEDDED, FIT, LATENCY, PREDICT
from advisor.tasks import Limits
from advisor.verdict import words
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Cost, Row
from advisor.verdict.prices import HourlyPrice, Tariff
from advisor.verdict.token_prices import PaidTokens, TokenPrice

DEFAULT_HORIZON_DAYS = 365.0
TOLERANCE = 0.1
"""Costs and latencies nearer to each other than this, as a share of the larger, are equal: two measurements of the same
work come apart by as much where another process takes a tenth of the processor, which is not yet marked."""
CENT = 0.01  # US dollars; a smaller difference over the horizon is none
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
    stretch = 1.0 if row.cost.by_tokens else row.stretch(PREDICT)
    return _interval(row.cost.per_1k_queries, row.cost.per_1k_low, row.cost.per_1k_high, stretch)


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

    The relation is transitive.
    """
    return measure is not None and is_cheaper(measure.of(row), measure.of(other), measure)


def is_cheaper(mine: Interval | None, theirs: Interval | None, measure: Measure) -> bool:
    """Whether one amount of a measure is less than another by more than the measurement error; False where unknown.

    The difference has to exceed `TOLERANCE`, the measure's least, and the upper end of its interval, made from the
    intervals of the two (MOVER: Zou & Donner 2008, Statistics in Medicine 27:1693). So two may be neither cheaper.
    """
    if mine is None or theirs is None:
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
        fitted_anew: whether it is when the documents change.
        timing_error: relative error of its times; None where nothing was timed again.
        query: tokens of a query, where they may be paid.
        fit: tokens of all that a model was asked while it was fitted, likewise.
        embedded, embedded_to_fit: tokens that an embedder elsewhere was given for a query, and while it was fitted.
        indexed_anew, embedded_anew: seconds of indexing documents that have changed, and tokens that an embedder
            elsewhere was given for it; None where they are as many as at first.
        asked: tokens and seconds of each other model that was asked before the fit, in the order of `Tariff.asked`; the
            seconds are among `fit_seconds`.
    """

    fit_seconds: float | None = None
    index_seconds: float | None = None
    throughput_qps: float | None = None
    fitted_anew: bool = False
    timing_error: float | None = None
    query: PaidTokens | None = None
    fit: PaidTokens | None = None
    embedded: float = 0.0
    embedded_to_fit: float = 0.0
    indexed_anew: float | None = None
    embedded_anew: float | None = None
    asked: tuple[tuple[PaidTokens, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Expenses:
    """The costs of one approach in US dollars.

    Attributes:
        fit: the one-off cost of fitting and indexing.
        per_query: the cost of a query: by the hour in batches, at the measured throughput, and higher where the
            hardware is not always busy.
        upkeep: the cost of each change of the documents.
        per_hour: the price of an hour of a machine; None where tokens are paid.
        queries_per_hour: the number of queries a machine answers in an hour, at its utilisation; likewise.
        error: relative error of the times (`Quantities.timing_error`), for fitting and answering alike; 0 where tokens
            are paid, since the same work would cost the same again.
        in_batches: the cost of a query that may be answered within a day; None where there is no price for that.
    """

    fit: float
    per_query: float
    upkeep: float
    per_hour: float | None = None
    queries_per_hour: float | None = None
    error: float | None = None
    in_batches: float | None = None

    @property
    def by_tokens(self) -> bool:
        """Whether it is paid by the token."""
        return self.per_hour is None

    def fixed(self, limits: Limits) -> float:
        """The cost over the horizon without the queries."""
        return self.fit + self.upkeep * changes(limits)

    def over_horizon(self, limits: Limits) -> float | None:
        """The total cost over the horizon; None where the traffic is unknown."""
        number = queries(limits)
        return None if number is None else self.fixed(limits) + self.per_query * number

    def machines(self, limits: Limits) -> int | None:
        """The number of machines for evenly spread traffic; None where that is unknown, or tokens are paid."""
        a_day, an_hour = limits.queries_per_day, self.queries_per_hour
        return None if a_day is None or an_hour is None else max(1, math.ceil(a_day / (24 * an_hour)))

    def always_on(self, limits: Limits) -> float | None:
        """The total cost over the horizon with machines kept on day and night instead of paid by the query."""
        machines = self.machines(limits)
        if machines is None or self.per_hour is None:
            return None
        return self.fixed(limits) + machines * 24 * horizon(limits) * self.per_hour

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


def is_fitted_anew(row: Row) -> bool:
    """Whether it is when the documents change: where a change was measured to cost it quality, else what is trained.

    Fitting anew helps what has learned from examples, or shows them.
    """
    after = row.after
    if after is None or not after.settles:
        return is_trained(row)
    return after.loses and (is_trained(row) or row.shows in ("examples", "other"))


def known_cost(spent: Cost) -> float | None:
    """The cost that is certain: over the horizon, or fitting alone where the traffic is unknown."""
    return spent.fit if spent.over_horizon is None else spent.over_horizon


def stretched(row: Row) -> float:
    """The factor by which the known cost may be too high because the machine was busy; 1 where it was not, or tokens
    are paid."""
    if row.cost.by_tokens:
        return 1.0
    total, fixed = row.cost.over_horizon, row.cost.fixed
    if total is None or fixed is None:
        return row.stretch(FIT)
    quiet = fixed / row.stretch(FIT) + (total - fixed) / row.stretch(PREDICT)
    return total / quiet if quiet else 1.0


def quantities(row: Row) -> Quantities:
    """The measured quantities of an approach."""
    known = row.prompt_tokens is not None
    return Quantities(
        row.fit_seconds,
        row.index_seconds,
        row.throughput_qps,
        is_fitted_anew(row),
        row.timing_error,
        _tokens_of_a_query(row) if known else None,
        PaidTokens.of(row.calls.get(FIT, {})) if known else None,
        row.calls.get(PREDICT, {}).get(EMBEDDED, 0.0) / max(row.n, 1),
        row.calls.get(FIT, {}).get(EMBEDDED, 0.0),
        *_anew(row),
        tuple((PaidTokens.of(one.calls), one.seconds or 0.0) for one in row.asked),
    )


def _anew(row: Row) -> tuple[float | None, float | None]:
    """Seconds and tokens of indexing what has changed, which is nothing where only the rules have."""
    after = row.after
    if after is None:
        return None, None
    return (after.index_seconds, after.embedded) if after.documents else (0.0, 0.0)


def _tokens_of_a_query(row: Row) -> PaidTokens:
    """By the answers or by all that was asked for them, whichever says more.

    Answers do not count what compares labels without an input. Requests that were sent again are counted once, and what
    a server is tried with is none of a query's.
    """
    answers = PaidTokens(
        row.prompt_tokens or 0.0, row.cached_tokens, row.completion_tokens or 0.0, row.reasoning_tokens
    )
    asked = row.calls.get(PREDICT, {})
    if not asked.get("requests") or not row.n:
        return answers
    calls = PaidTokens.of(asked).times(1 / row.n)
    return max(answers, calls, key=lambda found: found.prompt + found.completion + found.reasoning)


def expenses(taken: Quantities, tariff: Tariff, limits: Limits) -> Expenses | None:
    """The costs that follow from quantities; None where a price, a time or the number of tokens is unknown."""
    found = _of_model(taken, tariff, limits)
    if found is not None and (asking := _of_asking(taken, tariff)):
        found = replace(found, fit=found.fit + asking, upkeep=found.upkeep + (asking if taken.fitted_anew else 0.0))
    if found is None or tariff.embedding is None:
        return found
    anew = taken.embedded_to_fit if taken.embedded_anew is None or taken.fitted_anew else taken.embedded_anew
    to_fit, again, each = (
        tariff.embedding.usd(PaidTokens(prompt=tokens)) for tokens in (taken.embedded_to_fit, anew, taken.embedded)
    )
    again = again if taken.index_seconds is not None or taken.fitted_anew else 0.0
    return replace(found, fit=found.fit + to_fit, per_query=found.per_query + each, upkeep=found.upkeep + again)


def _of_model(taken: Quantities, tariff: Tariff, limits: Limits) -> Expenses | None:
    """The costs but for those of an embedder that is paid."""
    index, again = (
        (seconds or 0.0) * _a_second(tariff.here)
        for seconds in (taken.index_seconds, taken.index_seconds if taken.indexed_anew is None else taken.indexed_anew)
    )
    if tariff.tokens is not None:
        return _by_tokens(taken, tariff.tokens, index, again)
    if tariff.hour is None or taken.fit_seconds is None or not taken.throughput_qps:
        return None
    fit = taken.fit_seconds * _a_second(tariff.hour)
    an_hour = _SECONDS * taken.throughput_qps * (limits.utilisation or 1.0)
    return Expenses(
        fit=fit + index,
        per_query=tariff.hour.usd / an_hour,
        upkeep=fit + again if taken.fitted_anew else again,
        per_hour=tariff.hour.usd,
        queries_per_hour=an_hour,
        error=taken.timing_error,
    )


def _of_asking(taken: Quantities, tariff: Tariff) -> float:
    """What other models took before the fit, beyond the hours of the machine that the row itself is paid by."""
    usd = 0.0
    for (tokens, seconds), price in zip(taken.asked, tariff.asked, strict=False):
        if price is not None:
            usd += price.usd(tokens)
        elif tariff.tokens is not None:  # else its seconds are paid with those of the fit
            usd += seconds * _a_second(tariff.here)
    return usd


def _by_tokens(taken: Quantities, price: TokenPrice, index: float, again: float) -> Expenses | None:
    """Expenses where tokens are paid; documents are indexed here.

    Args:
        index, again: the cost of indexing, at first and when documents have changed.
    """
    if taken.query is None or taken.fit is None:
        return None
    fit = price.usd(taken.fit)
    return Expenses(
        fit=fit + index,
        per_query=price.usd(taken.query),
        upkeep=fit + again if taken.fitted_anew else again,
        error=0.0,
        in_batches=price.batch.usd(taken.query) if price.batch else None,
    )


def _a_second(price: HourlyPrice | None) -> float:
    """The price of a second; 0 where it is not known, since it is a small part of what is."""
    return price.usd / _SECONDS if price else 0.0


def cost(spent: Expenses | None, limits: Limits) -> Cost:
    """Expenses under the expected traffic, with the timing error; None wherever something is unknown."""
    if spent is None:
        return Cost()
    each, total, error = 1000 * spent.per_query, spent.over_horizon(limits), spent.error

    def ends(usd: float | None) -> tuple[float | None, float | None]:
        return (None, None) if usd is None or not error else (usd / (1 + error), usd * (1 + error))

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
        by_tokens=spent.by_tokens,
        per_1k_in_batches=None if spent.in_batches is None else 1000 * spent.in_batches,
    )


def alone_factor(row: Row) -> float | None:
    """How many times as much a query costs that is sent alone; None where unknown, or tokens are paid."""
    if row.latency is None or not row.throughput_qps or row.cost.by_tokens:
        return None
    return row.latency.p50 / 1000 * row.throughput_qps
