"""Things by two measures, drawn with their intervals and the front of those that no other beats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.reporting.html import svg
from advisor.reporting.pictures import Scatter, Spot

_NAME = 200
"""Pixels of a label at most; a name that is longer is cut, and stands whole where a pointer rests on it."""
_RADIUS = 5.0


def scatter_chart(block: Scatter, name: str) -> str:
    """The scatter plot: the front is stairs through filled points, others are hollow, controls are squares."""
    said = ". ".join(f"{spot.name}: {spot.said}{', on the front' if spot.front else ''}" for spot in block.spots)
    kinds = ["● on the front of those that nothing beats in both", "○ not on it"]
    if any(spot.weight == "control" for spot in block.spots):
        kinds.append("□ control, never chosen")
    if any(spot.weight == "chosen" for spot in block.spots):
        kinds.append("◎ the choice")
    legend = "; ".join(kinds) + ". Bars are 95 % intervals; numbers are those of the table of results."
    drawings = [_drawing(block, svg.WIDE, 420), _drawing(block, svg.NARROW, 340)]
    return svg.figure(name, drawings, svg.Caption(block.title, said + ".", [legend, *block.notes]))


def _drawing(block: Scatter, width: float, height: float) -> svg.Drawing:
    left, right, top, bottom = 48.0, width - 12, 28.0, height - 48
    x, y = svg.Scale(block.x, left, right), svg.Scale(block.y, bottom, top)
    frame = svg.Box(left, top - 8, width, bottom)
    labels = svg.Labels(frame)
    for spot in block.spots:
        labels.block(x.at(spot.x.value), y.at(spot.y.value), _RADIUS + 1)
    front = [(x.at(spot.x.value), y.at(spot.y.value)) for spot in block.spots if spot.front]
    parts = [svg.across(x, top, bottom), svg.upright(y, left, right)]
    for spot in block.spots:
        labels.avoid([(x.at(spot.x.value), y.at(end)) for end in (spot.y.low, spot.y.high)])
        labels.avoid([(x.at(end), y.at(spot.y.value)) for end in (spot.x.low, spot.x.high)])
        parts.append(_whiskers(spot, x, y))
    if len(front) > 1:
        stairs = list(_steps(front))
        labels.avoid(stairs)
        parts.append(svg.path(stairs, "front"))
    parts += [_point(spot, x.at(spot.x.value), y.at(spot.y.value)) for spot in block.spots]
    by_weight = sorted(block.spots, key=lambda spot: (spot.weight != "chosen", not spot.front))
    whole = width > svg.NARROW
    parts += [_label(spot, labels, (x.at(spot.x.value), y.at(spot.y.value)), whole) for spot in by_weight]
    return svg.Drawing(width, height, "".join(parts))


def _steps(front: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """What there is to have for so much: level up to the next point, and only there better."""
    before = front[0][1]
    for x, y in front:
        yield x, before
        yield x, y
        before = y


def _whiskers(spot: Spot, x: svg.Scale, y: svg.Scale) -> str:
    at, above = x.at(spot.x.value), y.at(spot.y.value)
    found = [svg.line((at, y.at(spot.y.low)), (at, y.at(spot.y.high)), "whisker thin")]
    if spot.x.low < spot.x.high:
        found.append(svg.line((x.at(spot.x.low), above), (x.at(spot.x.high), above), "whisker thin"))
    return "".join(found)


def _point(spot: Spot, x: float, y: float) -> str:
    kind = "dot" if spot.front else "dot hollow"
    if spot.weight == "control":
        shape = f'<rect class="{kind} other" x="{x - 4.5:g}" y="{y - 4.5:g}" width="9" height="9"/>'
    else:
        shape = f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{_RADIUS:g}"/>'
    if spot.weight == "chosen":
        shape += f'<circle class="ring" cx="{x:g}" cy="{y:g}" r="{_RADIUS + 4:g}"/>'
    return svg.titled(shape, f"{spot.name}: {spot.said}")


def _label(spot: Spot, labels: svg.Labels, at: tuple[float, float], whole: bool) -> str:
    """The name beside the point, or its key alone where there is no room for it."""
    named = f"{spot.key} {svg.cut(spot.name, _NAME)}" if whole else spot.key
    found = labels.place(*at, named, spot.key)
    if found is None:
        return ""
    word, x, y, anchor = found
    return svg.words(x, y, word, "label chosen" if spot.weight == "chosen" else "label", anchor)
