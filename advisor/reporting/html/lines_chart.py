"""Lines over one axis: learning curves, and how far confidences can be believed."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.reporting import figures
from advisor.reporting.html import svg
from advisor.reporting.pictures import Lines, Trace

_SMALL = 216.0
_NAME = 190.0
_APART = 15.0
"""Pixels between the names at the ends of lines."""
_SHAPES = 4
_ASIDE = 5.0
"""Pixels between the points of several lines at one place, so that their intervals can be told apart."""


def lines_chart(block: Lines, name: str) -> str:
    """The lines, each named at its end, with points of its own shape and a stroke of its own."""
    said = ". ".join(f"{trace.name}: {_said(trace)}" for trace in block.traces)
    if block.small:
        drawings = [_drawing(block, _SMALL, _SMALL + 24)]
    else:
        drawings = [_drawing(block, svg.WIDE, 400), _drawing(block, svg.NARROW, 340)]
    return svg.figure(name, drawings, svg.Caption(block.title, said + ".", block.notes, above=not block.small))


def _said(trace: Trace) -> str:
    return ", ".join(f"{figures.quality(found)} at {figures.amount(x)}" for x, found in trace.points)


def _drawing(block: Lines, width: float, height: float) -> svg.Drawing:
    named = len(block.traces) > 1
    room = 0.0
    if named:
        widest = max(svg.length(_label(trace, width)) for trace in block.traces)
        room = min(_NAME, widest) + 20
    left, right, top, bottom = 48.0, width - 12 - room, 28.0, height - 48
    if any(trace.curve for trace in block.traces):
        left, right = left + 8, right - 8  # room for points that stand aside
    x, y = svg.Scale(block.x, left, right), svg.Scale(block.y, bottom, top)
    parts = [svg.across(x, top, bottom), svg.upright(y, left, right)]
    if block.diagonal:
        low, high = max(block.x.low, block.y.low), min(block.x.high, block.y.high)
        parts.append(svg.line((x.at(low), y.at(low)), (x.at(high), y.at(high)), "diagonal"))
    for number, trace in enumerate(block.traces):
        aside = 0.0 if block.small else _ASIDE * (number - (len(block.traces) - 1) / 2)
        parts.append(_trace(trace, (number, aside), x, y))
    if named:
        parts.append(_names(block.traces, x, y, width))
    return svg.Drawing(width, height, "".join(parts))


def _label(trace: Trace, width: float) -> str:
    return f"{trace.key} {trace.name}".strip() if width > svg.NARROW else trace.key or trace.name


def _trace(trace: Trace, drawn: tuple[int, float], x: svg.Scale, y: svg.Scale) -> str:
    """A line; `drawn` is its number, which gives its stroke and shape, and how far aside its points stand."""
    number, aside = drawn
    kind = "strong" if trace.strong else f"s{number % _SHAPES}"
    curve = trace.curve or tuple((place, found.value) for place, found in trace.points)
    parts = [svg.path(((x.at(a), y.at(b)) for a, b in curve), f"trace {kind}")]
    for place, found in trace.points:
        at = x.at(place) + (aside if trace.curve else 0.0)
        marks = (
            svg.line((at, y.at(found.low)), (at, y.at(found.high)), "whisker thin") if found.low < found.high else ""
        )
        marks += _shape(at, y.at(found.value), number, "dot" if trace.strong else "dot other")
        parts.append(svg.titled(marks, f"{trace.name}: {figures.quality(found)} at {figures.amount(place)}"))
    return "".join(parts)


def _shape(x: float, y: float, number: int, kind: str) -> str:
    match number % _SHAPES:
        case 0:
            return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="4"/>'
        case 1:
            return f'<rect class="{kind}" x="{x - 3.5:g}" y="{y - 3.5:g}" width="7" height="7"/>'
        case 2:
            return f'<polygon class="{kind}" points="{x:g},{y - 5:g} {x + 5:g},{y + 4:g} {x - 5:g},{y + 4:g}"/>'
    return f'<polygon class="{kind}" points="{x:g},{y - 5:g} {x + 5:g},{y:g} {x:g},{y + 5:g} {x - 5:g},{y:g}"/>'


def _names(traces: Sequence[Trace], x: svg.Scale, y: svg.Scale, width: float) -> str:
    """Names right of the picture, at the height of their ends and pushed apart, each with a line from there."""
    ends = []
    for trace in traces:
        curve = trace.curve or tuple((place, found.value) for place, found in trace.points)
        if curve:
            ends.append((y.at(curve[-1][1]), x.at(curve[-1][0]), trace))
    ends.sort(key=lambda end: (end[0], end[2].name))
    places = _apart([end[0] for end in ends], y.end, y.start)
    parts = []
    for place, (height, at, trace) in zip(places, ends, strict=True):
        parts.append(svg.line((at + 6, height), (x.end + 18, place), "leader"))
        word = svg.cut(_label(trace, width), _NAME)
        parts.append(
            svg.titled(svg.words(x.end + 21, place + 4, word, "label chosen" if trace.strong else "label"), trace.name)
        )
    return "".join(parts)


def _apart(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Heights, rising, moved as little as it takes until none is nearer to the next than `_APART`."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + _APART) if placed else max(height, top))
    floor = bottom
    for number in range(len(placed) - 1, -1, -1):
        placed[number] = min(placed[number], floor)
        floor = placed[number] - _APART
    return [round(place, 1) for place in placed]
