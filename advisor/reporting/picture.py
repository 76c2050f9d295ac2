"""A picture of quality against cost in characters, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.reporting import figures, statements
from advisor.verdict.decision import Decision, Row

WIDTH, HEIGHT, MARGIN = 60, 12, 8
_FLOOR = 3.0
"""How far left of the cheapest approach with the model the axis reaches, as a factor."""


@dataclass(frozen=True, slots=True)
class Point:
    """One approach in the picture; `x` and `y` in their own units."""

    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Axis:
    """What the horizontal axis shows."""

    title: str
    value: Callable[[Row], float | None]
    shown: Callable[[float], str]


_COST = Axis("cost of 1,000 queries, log scale", lambda r: r.cost.per_1k_queries, figures.money)
_LATENCY = Axis("p50 latency in ms, log scale", lambda r: r.latency.p50 if r.latency else None, figures.milliseconds)


def picture(decision: Decision, width: int = WIDTH) -> list[str]:
    """The lines of the picture, `MARGIN` columns wider than `width`; none with fewer than two points."""
    by_cost, by_latency = _points(decision, _COST), _points(decision, _LATENCY)
    priced = len(by_cost) > 1 and 2 * len(by_cost) >= len(by_latency)
    axis, points = (_COST, by_cost) if priced else (_LATENCY, by_latency)
    if len(points) < 2:
        return []
    points, lowest = _floored(points, _least_of_model(decision, axis))
    highest = max(p.x for p in points)
    if highest < lowest * 1.5:
        lowest, highest = lowest / 1.25, highest * 1.25
    bottom, top = span([p.y for p in points])
    left, right = math.log10(lowest), math.log10(highest)
    grid: list[list[tuple[int, str]]] = [[] for _ in range(HEIGHT)]
    for point in points:
        column = round((math.log10(point.x) - left) / (right - left) * (width - 1))
        row = round((top - point.y) / (top - bottom) * (HEIGHT - 1))
        grid[row].append((column, point.label))
    return [
        *_body(grid, bottom, top, width),
        *_feet(left, right, axis, width),
        *_missing(decision, points, axis),
    ]


def cluster(marks: Sequence[tuple[int, str]], width: int) -> list[tuple[int, str]]:
    """Labels at columns of one line, with those that would touch joined by commas: `2,5`."""
    placed: list[tuple[int, str]] = []
    for column, label in sorted(marks, key=lambda m: (m[0], len(m[1]), m[1])):
        placed.append((column, label))
        while True:
            start, text = placed[-1]
            start = max(0, min(start, width - len(text)))
            placed[-1] = (start, text)
            if len(placed) < 2 or sum((placed[-2][0], len(placed[-2][1]))) < start:
                break
            placed.pop()
            before, other = placed.pop()
            placed.append((before, f"{other},{text}"))
    return placed


def _points(decision: Decision, axis: Axis) -> list[Point]:
    found = []
    for row in decision.rows:
        x, key = figures.known(axis.value(row)), statements.numbers(decision).get(row.spec)
        if row.quality is None or figures.known(row.quality.value) is None or _baseline(row):
            continue
        if key is not None and x is not None and x > 0:
            found.append(Point(key, x, row.quality.value))
    return found


def _baseline(row: Row) -> bool:
    """Controls that answer without the model: they would only stretch the picture."""
    return row.control and not row.uses_model


def _least_of_model(decision: Decision, axis: Axis) -> float:
    values = [figures.known(axis.value(r)) for r in decision.rows if r.uses_model and r.quality]
    return min((v for v in values if v is not None and v > 0), default=0.0)


def _floored(points: list[Point], least: float) -> tuple[list[Point], float]:
    """Points far cheaper than any with the model are put on the left edge and marked `<`."""
    floor = max(least / _FLOOR, min(p.x for p in points))
    return [p if p.x >= floor else Point(f"<{p.label}", floor, p.y) for p in points], floor


def span(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a vertical axis that shows the values."""
    low, high = min(values), max(values)
    if high - low < 0.02:
        middle = (low + high) / 2
        low, high = middle - 0.01, middle + 0.01
    return low, high


def _body(grid: Sequence[Sequence[tuple[int, str]]], bottom: float, top: float, width: int) -> list[str]:
    lines = []
    for row, marks in enumerate(grid):
        tick = row in (0, HEIGHT - 1) or row == (HEIGHT - 1) // 2
        value = top - (top - bottom) * row / (HEIGHT - 1)
        line = f"{value:.3f} ┤ " if tick else f"{'':>5} │ "
        for column, label in cluster(marks, width):
            line = line.ljust(MARGIN + column) + label
        lines.append(line)
    return lines


def _feet(left: float, right: float, axis: Axis, width: int) -> list[str]:
    rule, names = ["─"] * (width + 1), ""
    for value in _ticks(left, right):
        column = 1 + round((math.log10(value) - left) / (right - left) * (width - 1))
        text = axis.shown(value)
        start = min(max(0, column - len(text) // 2), width + 1 - len(text))
        if names and start < len(names) + 2:
            continue
        rule[column] = "┬"
        names = names.ljust(start) + text
    return [f"{'':>5} └{''.join(rule)}", f"{'':>7}{names}", f"{'':>7}{axis.title:^{width}}".rstrip()]


def _ticks(left: float, right: float) -> list[float]:
    inside: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [s * 10.0**power for power in range(math.floor(left), math.ceil(right) + 1) for s in steps]
        inside = [t for t in ticks if left <= math.log10(t) <= right]
        if len(inside) >= 3:
            return inside
    if len(inside) == 2:
        return inside
    return [10**left, 10**right]


def _missing(decision: Decision, points: Sequence[Point], axis: Axis) -> list[str]:
    labels = {p.label.lstrip("<") for p in points}
    lines = ["<: further left"] if any(p.label.startswith("<") for p in points) else []
    keys = statements.numbers(decision)
    absent = [key for key in keys.values() if key not in labels]
    outside = [keys[r.spec] for r in decision.rows if r.spec in keys and _baseline(r)]
    unknown = [key for key in absent if key not in outside]
    if unknown:
        lines.append(f"not placed, {'cost' if axis is _COST else 'latency'} unknown: {', '.join(unknown)}")
    if outside:
        lines.append(f"left out, answers without the model: {', '.join(outside)}")
    return lines
