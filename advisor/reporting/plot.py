"""A figure in characters: labelled points and dotted curves over a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from advisor.cleaning import plain
from advisor.reporting import figures
from advisor.reporting.pictures import Figure

WIDTH, HEIGHT, MARGIN = 60, 12, 8
_DOT = "."
_APART = 2
"""Columns between the texts of two ticks; one that would come nearer is left out."""


def plot(figure: Figure, width: int = WIDTH) -> list[str]:
    """The lines of the figure, `MARGIN` columns wider than `width`."""
    left, right = map(math.log10, figure.reach)
    bottom, top = _span([mark.y for mark in figure.marks] + [y for curve in figure.curves for _, y in curve])

    def place(x: float, y: float) -> tuple[int, int]:
        row = round((top - y) / (top - bottom) * (HEIGHT - 1))
        return row, round((math.log10(x) - left) / (right - left) * (width - 1))

    labels: list[list[tuple[int, str]]] = [[] for _ in range(HEIGHT)]
    for mark in figure.marks:
        row, column = place(mark.x, mark.y)
        labels[row].append((column, plain(mark.label)))
    dots: list[set[int]] = [set() for _ in range(HEIGHT)]
    for row, column in (place(x, y) for curve in figure.curves for x, y in curve):
        dots[row].add(column)
    lines = []
    for row in range(HEIGHT):
        value = top - (top - bottom) * row / (HEIGHT - 1)
        ticked = row in (0, HEIGHT - 1) or row == (HEIGHT - 1) // 2
        axis = f"{figures.decimals(value)} ┤ " if ticked else f"{'':>5} │ "
        lines.append((axis.ljust(MARGIN) + _line(labels[row], dots[row], width)).rstrip())
    ticks = [(place(value, top)[1], plain(text)) for value, text in figure.ticks]
    return [*lines, *_feet(ticks, plain(figure.title), width), *map(plain, figure.notes)]


def cluster(labels: Sequence[tuple[int, str]], width: int) -> list[tuple[int, str]]:
    """Labels at columns of one line; labels that would touch are joined by commas: `2,5`."""
    placed: list[tuple[int, str]] = []
    for column, label in sorted(labels, key=lambda m: (m[0], len(m[1]), m[1])):
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


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The range of a vertical axis for some values."""
    low, high = min(values), max(values)
    if high - low < 0.02:
        middle = (low + high) / 2
        low, high = middle - 0.01, middle + 0.01
    return low, high


def _line(labels: Sequence[tuple[int, str]], dots: set[int], width: int) -> str:
    cells = [_DOT if column in dots else " " for column in range(width)]
    for column, label in cluster(labels, width):
        cells[column : column + len(label)] = label
    return "".join(cells)


def _feet(ticks: Sequence[tuple[int, str]], title: str, width: int) -> Iterator[str]:
    rule, names = ["─"] * (width + 1), ""
    for column, text in ticks:
        start = min(max(0, 1 + column - len(text) // 2), width + 1 - len(text))
        if names and start < len(names) + _APART:
            continue
        rule[1 + column] = "┬"
        names = names.ljust(start) + text
    yield f"{'':>5} └{''.join(rule)}"
    yield f"{'':>7}{names}"
    yield f"{'':>7}{title:^{width}}".rstrip()
