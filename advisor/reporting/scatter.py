"""A scatter plot of quality against cost, or against latency where costs are unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.reporting import figures, statements
from advisor.reporting.axes import log_ticks
from advisor.reporting.pictures import Figure, Mark
from advisor.verdict.decision import Decision, Row

_FLOOR = 3.0
"""How far left of the cheapest approach with the model the axis reaches, as a factor."""


@dataclass(frozen=True)
class _Axis:
    """The horizontal axis and its label."""

    title: str
    short: str
    value: Callable[[Row], float | None]
    shown: Callable[[float], str]


_COST = _Axis("cost of 1,000 queries, log scale", "cost", lambda r: r.cost.per_1k_queries, figures.money)
_LATENCY = _Axis(
    "p50 latency in ms, log scale", "latency", lambda r: r.latency.p50 if r.latency else None, figures.milliseconds
)


def scatter(decision: Decision) -> Figure | None:
    """The approaches by their numbers in the table; None with fewer than two to place."""
    by_cost, by_latency = _marks(decision, _COST), _marks(decision, _LATENCY)
    priced = len(by_cost) > 1 and 2 * len(by_cost) >= len(by_latency)
    axis, marks = (_COST, by_cost) if priced else (_LATENCY, by_latency)
    if len(marks) < 2:
        return None
    marks, lowest = _floored(marks, _least_of_model(decision, axis))
    highest = max(mark.x for mark in marks)
    if highest < lowest * 1.5:
        lowest, highest = lowest / 1.25, highest * 1.25
    ticks = tuple((value, axis.shown(value)) for value in log_ticks(math.log10(lowest), math.log10(highest)))
    return Figure(axis.title, (lowest, highest), ticks, tuple(marks), notes=tuple(_missing(decision, marks, axis)))


def _marks(decision: Decision, axis: _Axis) -> list[Mark]:
    found = []
    for row in decision.rows:
        x, key = figures.known(axis.value(row)), statements.numbers(decision).get(row.spec)
        if row.quality is None or figures.known(row.quality.value) is None or _baseline(row):
            continue
        if key is not None and x is not None and x > 0:
            found.append(Mark(x, row.quality.value, key))
    return found


def _baseline(row: Row) -> bool:
    """Whether a row is a control that answers without the model, which would only stretch the axis."""
    return row.control and not row.uses_model


def _least_of_model(decision: Decision, axis: _Axis) -> float:
    values = [figures.known(axis.value(r)) for r in decision.rows if r.uses_model and r.quality]
    return min((v for v in values if v is not None and v > 0), default=0.0)


def _floored(marks: list[Mark], least: float) -> tuple[list[Mark], float]:
    """The points, with those far cheaper than any with the model put on the left edge and marked `<`."""
    floor = max(least / _FLOOR, min(mark.x for mark in marks))
    return [mark if mark.x >= floor else Mark(floor, mark.y, f"<{mark.label}") for mark in marks], floor


def _missing(decision: Decision, marks: Sequence[Mark], axis: _Axis) -> list[str]:
    labels = {mark.label.lstrip("<") for mark in marks}
    lines = ["<: further left"] if any(mark.label.startswith("<") for mark in marks) else []
    keys = statements.numbers(decision)
    absent = [key for key in keys.values() if key not in labels]
    outside = [keys[r.spec] for r in decision.rows if r.spec in keys and _baseline(r)]
    unknown = [key for key in absent if key not in outside]
    if unknown:
        lines.append(f"not placed, {axis.short} unknown: {', '.join(unknown)}")
    if outside:
        lines.append(f"left out, answers without the model: {', '.join(outside)}")
    return lines
