"""Differences below each other on one axis, and stays."""

from __future__ import annotations

from advisor.reporting.html import svg
from advisor.reporting.pictures import Effect, Forest, Stay, Stays

_ROW, _TALL = 26.0, 44.0
"""Pixels of a row, where its words stand beside it and where they stand above."""


def forest_chart(block: Forest, name: str) -> str:
    """The forest plot: what is shown is filled, what may be chance is hollow, and 0 is a line."""
    said = ". ".join(f"{one.name}: {one.said}, {'shown' if one.shown else 'not shown'}" for one in block.effects)
    return svg.figure(name, [_wide(block), _narrow(block)], svg.Caption(block.title, said + ".", block.notes))


def _wide(block: Forest) -> svg.Drawing:
    """Names left, words right."""
    right = 8 + max(svg.length(one.said) for one in block.effects)
    left = min(230.0, 16 + max(svg.length(f"{one.key} {one.name}") for one in block.effects))
    top, bottom = 8.0, 8 + _ROW * len(block.effects)
    scale = svg.Scale(block.axis, left + 8, svg.WIDE - right - 12)
    parts = [_ground(block, scale, top, bottom)]
    for number, one in enumerate(block.effects):
        y = top + _ROW * (number + 0.5)
        parts.append(svg.titled(svg.words(0, y + 4, svg.cut(f"{one.key} {one.name}", left), _kind(one)), one.name))
        parts.append(_bar(one, scale, y))
        parts.append(svg.words(svg.WIDE, y + 4, one.said, "said", "end"))
    return svg.Drawing(svg.WIDE, bottom + 48, "".join(parts))


def _narrow(block: Forest) -> svg.Drawing:
    """Names and words above each bar."""
    top, bottom = 4.0, 4 + _TALL * len(block.effects)
    scale = svg.Scale(block.axis, 12, svg.NARROW - 12)
    parts = [_ground(block, scale, top, bottom)]
    for number, one in enumerate(block.effects):
        y = top + _TALL * number
        said = one.said
        if svg.length(said) > 200:  # the bar shows the interval
            value, _, rest = said.partition(" [")
            said = ", ".join(filter(None, [value, rest.partition("], ")[2]]))
        room = svg.NARROW - svg.length(said) - 12
        parts.append(svg.titled(svg.words(0, y + 14, svg.cut(f"{one.key} {one.name}", room), _kind(one)), one.name))
        parts.append(svg.words(svg.NARROW, y + 14, said, "said", "end"))
        parts.append(_bar(one, scale, y + 30))
    return svg.Drawing(svg.NARROW, bottom + 48, "".join(parts))


def _kind(one: Effect) -> str:
    return "label chosen" if one.weight == "chosen" else "label"


def _ground(block: Forest, scale: svg.Scale, top: float, bottom: float) -> str:
    """The axis, the line at 0, and the band of what is too small to matter."""
    band = ""
    if block.margin:
        left, right = scale.at(-block.margin), scale.at(block.margin)
        band = f'<rect class="band" x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}"/>'
    zero = svg.line((scale.at(0.0), top), (scale.at(0.0), bottom), "null")
    return band + svg.across(scale, top, bottom) + zero


def _bar(one: Effect, scale: svg.Scale, y: float) -> str:
    low, at, high = (scale.at(value) for value in (one.found.low, one.found.value, one.found.high))
    kind = "dot" if one.shown else "dot hollow"
    if one.weight == "control":
        point = f'<rect class="{kind} other" x="{at - 4.5:g}" y="{y - 4.5:g}" width="9" height="9"/>'
    else:
        point = f'<circle class="{kind}" cx="{at:g}" cy="{y:g}" r="5"/>'
    return svg.titled(svg.line((low, y), (high, y), "whisker") + point, f"{one.name}: {one.said}")


def stays_chart(block: Stays, name: str) -> str:
    """How long things stayed in: a point ends what stayed to the end, a cross what left before."""
    said = ". ".join(f"{one.name}: {one.said}" for one in block.stays)
    drawings = [_stays(block, svg.WIDE), _stays(block, svg.NARROW)]
    return svg.figure(name, drawings, svg.Caption(block.title, said + ".", ("● in to the end; × out.",), above=True))


def _stays(block: Stays, width: float) -> svg.Drawing:
    above = width <= svg.NARROW
    row = _TALL if above else _ROW
    left = 0.0 if above else min(230.0, 16 + max(svg.length(one.name) for one in block.stays))
    top, bottom = 4.0, 4 + row * len(block.stays)
    scale = svg.Scale(block.axis, left + 8, width - 24)
    parts = [svg.across(scale, top, bottom)]
    for number, one in enumerate(block.stays):
        y = top + row * number + (30 if above else row / 2)
        base = y - 16 if above else y + 4
        parts.append(svg.words(0, base, svg.cut(one.name, width if above else left), "label"))
        parts.append(_stay(one, scale, y))
    return svg.Drawing(width, bottom + 48, "".join(parts))


def _stay(one: Stay, scale: svg.Scale, y: float) -> str:
    start, end = scale.at(0.0), scale.at(one.length)
    bar = svg.line((start, y), (end, y), "whisker thick" if one.stayed else "whisker")
    if one.stayed:
        mark = f'<circle class="dot" cx="{end:g}" cy="{y:g}" r="5"/>'
    else:
        mark = svg.line((end - 4, y - 4), (end + 4, y + 4), "cross") + svg.line(
            (end - 4, y + 4), (end + 4, y - 4), "cross"
        )
    return svg.titled(bar + mark, f"{one.name}: {one.said}")
