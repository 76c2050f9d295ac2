"""A picture of learning curves in characters: quality against the log of the number of training examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from advisor.reporting import figures
from advisor.reporting.picture import HEIGHT, MARGIN, WIDTH, cluster, span
from advisor.verdict.curves import Curve, Curves

_LINE = "."


def keys(curves: Curves) -> dict[str, str]:
    """What each approach is called in table and picture: `1`, `2`, ... in the order asked for."""
    return {curve.spec: str(number) for number, curve in enumerate(curves.curves, start=1)}


def curve_picture(curves: Curves, width: int = WIDTH) -> list[str]:
    """Measured qualities as the keys of their approaches, the fitted curves as dots between them.

    Returns:
        Lines, `MARGIN` columns wider than `width`; none where fewer than two sizes have a quality.
    """
    names = keys(curves)
    points = [
        (float(point.size), point.quality.value, names[curve.spec])
        for curve in curves.curves
        for point in curve.points
        if point.quality
    ]
    sizes = sorted({size for size, _, _ in points})
    if len(sizes) < 2:
        return []
    lines = [_line(curve, sizes[-1]) for curve in curves.curves]
    bottom, top = span([value for _, value, _ in points] + [value for line in lines for value in line.values()])
    left, right = math.log(sizes[0]), math.log(sizes[-1])

    def column(size: float) -> int:
        return round((math.log(size) - left) / (right - left) * (width - 1))

    def row(value: float) -> int:
        return round((top - value) / (top - bottom) * (HEIGHT - 1))

    marks: list[list[tuple[int, str]]] = [[] for _ in range(HEIGHT)]
    for size, value, key in points:
        marks[row(value)].append((column(size), key))
    dots: list[set[int]] = [set() for _ in range(HEIGHT)]
    for at, value in (place for line in lines for place in line.items()):
        dots[row(value)].add(column(at))
    body = [_row(number, marks[number], dots[number], (bottom, top), width) for number in range(HEIGHT)]
    return [*body, *_feet({column(size): f"{size:,.0f}" for size in sizes}, width)]


def _line(curve: Curve, largest: float) -> dict[float, float]:
    """The fitted curve over the measured sizes."""
    last = max((point.size for point in curve.points if point.quality), default=largest)
    return {size: quality.value for size, quality in curve.line if size <= last}


def _row(number: int, marks: Sequence[tuple[int, str]], dots: set[int], bounds: tuple[float, float], width: int) -> str:
    bottom, top = bounds
    cells = [_LINE if column in dots else " " for column in range(width)]
    for column, label in cluster(marks, width):
        cells[column : column + len(label)] = label
    value = top - (top - bottom) * number / (HEIGHT - 1)
    tick = number in (0, HEIGHT - 1) or number == (HEIGHT - 1) // 2
    axis = f"{figures.decimals(value)} ┤ " if tick else f"{'':>5} │ "
    return (axis.ljust(MARGIN) + "".join(cells)).rstrip()


def _feet(ticks: Mapping[int, str], width: int) -> list[str]:
    rule, names = ["─"] * (width + 1), ""
    for column, text in ticks.items():
        start = min(max(0, 1 + column - len(text) // 2), width + 1 - len(text))
        if names and start < len(names) + 1:
            continue
        rule[1 + column] = "┬"
        names = names.ljust(start) + text
    title = "training examples, log scale"
    return [f"{'':>5} └{''.join(rule)}", f"{'':>7}{names}", f"{'':>7}{title:^{width}}".rstrip()]
