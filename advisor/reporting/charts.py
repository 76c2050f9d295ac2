"""The pictures of a decision: quality against what it takes, differences to the best, and how a race went."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from advisor.reporting import figures, statements
from advisor.reporting.axes import ROOM, linear_axis, log_ticks, share_axis, time_ticks
from advisor.reporting.pictures import Axis, Effect, Forest, Lines, Scatter, Spot, Stay, Stays, Trace, Weight
from advisor.reporting.race import entrants
from advisor.verdict import words
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Decision, Row
from advisor.verdict.race import Race


@dataclass(frozen=True, slots=True)
class _Taken:
    """A measure of what an approach takes."""

    name: str
    title: str
    value: Callable[[Row], float | None]
    ends: Callable[[Row], tuple[float | None, float | None]]
    shown: Callable[[float], str]


_COST = _Taken(
    "cost",
    "cost of 1,000 queries, log scale",
    lambda r: r.cost.per_1k_queries,
    lambda r: (r.cost.per_1k_low, r.cost.per_1k_high),
    figures.money,
)
_LATENCY = _Taken(
    "latency",
    "p50 latency in ms, log scale",
    lambda r: r.latency.p50 if r.latency else None,
    lambda r: (r.latency.p50_low, r.latency.p50_high) if r.latency else (None, None),
    figures.milliseconds,
)


def against_cost(decision: Decision) -> Scatter | None:
    """Quality against the cost of 1,000 queries; None with fewer than two to place."""
    return _against(_COST, decision)


def against_latency(decision: Decision) -> Scatter | None:
    """Quality against the median latency; None with fewer than two to place."""
    return _against(_LATENCY, decision)


def differences(decision: Decision) -> Forest | None:
    """The paired differences to the best row; None where there is none."""
    best, keys = statements.best_row(decision), statements.numbers(decision)
    found = [
        Effect(
            row.spec,
            keys[row.spec],
            Interval(versus.difference, versus.low, versus.high),
            _said(versus.difference, versus.low, versus.high, versus.p),
            versus.shown,
            _weight(row, decision),
        )
        for row in decision.rows
        if (versus := row.versus_best) is not None and row.spec in keys
    ]
    if best is None or not found:
        return None
    metric = words.metric(decision.comparison.task.metric)
    ends = [end for one in found for end in (one.found.low, one.found.high)]
    axis = linear_axis(f"difference in {metric} to {best.spec}", [*ends, 0.0, decision.margin], signed=True)
    notes = (
        "A filled point is a difference that is shown; a hollow one may be chance. Intervals hold 95 %, all pairs "
        f"together. Within the band (±{figures.decimals(decision.margin, 2)}) a difference is too small to matter.",
    )
    title = f"Paired differences in {metric} to {best.spec}"
    return Forest(title, axis, best.spec, tuple(found), decision.margin, notes)


def reliability(decision: Decision) -> tuple[Lines, ...]:
    """The reliability picture of each row whose answers have a confidence."""
    found = []
    for row in decision.rows:
        if row.calibration is None:
            continue
        bins = [(sure, Interval(right, right, right)) for sure, right, _ in row.calibration.bins]
        trace = Trace(row.spec, "", tuple(bins), strong=True)
        error = figures.quality(row.calibration.ece)
        axes = share_axis("mean confidence"), share_axis("share right")
        found.append(
            Lines(f"Reliability of {row.spec}", *axes, (trace,), True, (f"{row.spec}: error {error}",), small=True)
        )
    return tuple(found)


def coverage(decision: Decision) -> Lines | None:
    """Quality by the share of the questions that are answered; None where no row tells its answers apart."""
    keys = statements.numbers(decision)
    traces = tuple(
        Trace(
            row.spec,
            keys[row.spec],
            tuple((share, Interval(value, value, value)) for share, value in row.coverage.points),
            strong=row.spec == decision.recommendation.approach,
        )
        for row in decision.rows
        if row.coverage is not None and row.spec in keys
    )
    if not any(len(trace.points) > 1 for trace in traces):
        return None
    y = linear_axis(words.metric(decision.comparison.task.metric), [v.value for t in traces for _, v in t.points])
    note = "From left to right answers of less confidence come in. A single point: the row has no confidences."
    return Lines(
        "Quality at coverage", share_axis("share of the questions that are answered"), y, traces, notes=(note,)
    )


def stays(race: Race) -> Stays | None:
    """How long each approach stayed in a race; None where nothing was left out before its end."""
    fates, end = dict(entrants(race)), race.racing
    raced = [entrant for entrant in race.entrants if entrant.examples]
    if not any(entrant.left_at is not None for entrant in raced) or end <= 0:
        return None
    found = tuple(Stay(one.spec, min(one.left_at or end, end), fates[one.spec], one.left_at is None) for one in raced)
    ticks = tuple((tick, figures.duration(tick, compact=True) if tick else "0") for tick in time_ticks(end))
    return Stays("How long each approach stayed in the race", Axis("time in the race", 0.0, end, ticks), found)


def _said(value: float, low: float, high: float, p: float) -> str:
    shown, least, most = (
        figures.decimals(one, digits, signed=True) for one, digits in ((value, 3), (low, 2), (high, 2))
    )
    return f"{shown} [{least}, {most}], p {figures.p_value(p)}"


def _against(taken: _Taken, decision: Decision) -> Scatter | None:
    keys = statements.numbers(decision)
    placed = [(row, at) for row in decision.rows if row.spec in keys and (at := _placed(row, taken)) is not None]
    if len(placed) < 2:
        return None
    front = _front([(row, at.value) for row, at in placed])
    spots = [_spot(row, at, keys[row.spec], row.spec in front, decision, taken) for row, at in placed]
    spots.sort(key=lambda spot: (not spot.front, spot.x.value, spot.y.value))
    metric = words.metric(decision.comparison.task.metric)
    y = linear_axis(metric, [end for spot in spots for end in (spot.y.low, spot.y.high)])
    x = _logarithmic(taken, [end for spot in spots for end in (spot.x.low, spot.x.high)])
    title = f"{metric[:1].upper()}{metric[1:]} against {taken.name}"
    best = [spot.name for spot in spots if spot.front]
    instead = f"Nothing is better in {metric} without more {taken.name} than {words.listed(best)}."
    return Scatter(title, x, y, tuple(spots), tuple(_notes(decision, placed, taken)), instead)


def _spot(row: Row, x: Interval, key: str, front: bool, decision: Decision, taken: _Taken) -> Spot:
    assert row.quality is not None
    said = f"{figures.quality(row.quality)} at {taken.shown(x.value)}"
    return Spot(row.spec, key, x, _within(row.quality), said, front, _weight(row, decision))


def _placed(row: Row, taken: _Taken) -> Interval | None:
    """What a row takes; None where that is not known, or for what answers without the model and only stretches it."""
    value = figures.known(taken.value(row))
    if row.quality is None or figures.known(row.quality.value) is None or row.baseline or value is None or value <= 0:
        return None
    low, high = map(figures.known, taken.ends(row))
    return Interval(value, low if low and low > 0 else value, value if high is None else high)


def _within(found: Interval) -> Interval:
    """An interval whose ends are the value where they are not known."""
    low, high = figures.known(found.low), figures.known(found.high)
    return Interval(found.value, found.value if low is None else low, found.value if high is None else high)


def _front(placed: Sequence[tuple[Row, float]]) -> set[str]:
    """The rows that no other beats in both measures; controls are never chosen, and so not on it."""
    rivals = [(row.spec, x, row.quality.value) for row, x in placed if row.quality is not None and not row.control]
    return {spec for spec, x, y in rivals if not any(a <= x and b >= y and (a, b) != (x, y) for _, a, b in rivals)}


def _weight(row: Row, decision: Decision) -> Weight:
    if row.spec == decision.recommendation.approach:
        return "chosen"
    return "control" if row.control else "out" if row.violations else ""


def _logarithmic(taken: _Taken, values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    if high < low * 1.5:
        low, high = low / 1.25, high * 1.25
    room = (high / low) ** ROOM
    low, high = low / room, high * room
    ticks = tuple((tick, taken.shown(tick)) for tick in log_ticks(math.log10(low), math.log10(high)))
    return Axis(taken.title, low, high, ticks, log=True)


def _notes(decision: Decision, placed: Sequence[tuple[Row, Interval]], taken: _Taken) -> Iterable[str]:
    """What is not placed, and why."""
    there = {row.spec for row, _ in placed}
    absent = [row for row in decision.rows if row.quality is not None and row.spec not in there]
    unknown = [row.spec for row in absent if not row.baseline]
    outside = [row.spec for row in absent if row.baseline]
    if unknown:
        yield f"Not placed, {taken.name} unknown: {', '.join(unknown)}."
    if outside:
        yield f"Left out, answers without the model: {', '.join(outside)}."
