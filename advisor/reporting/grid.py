"""Laying out a table on a screen: as many columns as fit beside the rows' names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rich.cells import cell_len

from advisor.cleaning import plain
from advisor.reporting.blocks import Column, Table, TableRow, Tone, Words
from advisor.reporting.characters import fold_spec, pad, shorten, visible

_Cell = str | tuple[str, ...]

_NARROW = 88
_ALWAYS_TRIED, _AMPLE = 4, 28
"""Columns of a rank above the first appear only where the names have as much room as the second says."""
_BELOW = 14
"""Parts of a cell stand below each other where that leaves the names so many columns; else the first stands alone."""


@dataclass(frozen=True)
class Grid:
    """The columns of a table that fit on a screen.

    Attributes:
        cells: the lines of each cell, by column and row.
        widths: the widths of the columns of figures.
        names: width of the names.
    """

    table: Table
    columns: tuple[Column, ...]
    cells: tuple[tuple[tuple[str, ...], ...], ...]
    widths: tuple[int, ...]
    gap: int
    names: int = 0

    @property
    def taken(self) -> int:
        """The width in characters of everything but the names."""
        return len(_head(self.table.rows[0])) + sum(width + self.gap for width in self.widths)

    def lines(self) -> Iterator[tuple[str, Tone]]:
        """Yield titles, rule and rows."""
        ruled = self.table.ruled
        depth = max(len(column.title) for column in self.columns)
        titles = [[""] * (depth - len(column.title)) + _title(column) for column in self.columns]
        for number, words in enumerate(zip(*titles, strict=True), start=1):
            name = visible(self.table.names.title) if number == depth else ""
            yield self._left("", name) + self._right(words), "strong" if ruled else ""
        if ruled:
            yield "─" * (self.taken + self.names), "quiet"
        for place, row in enumerate(self.table.rows):
            names = fold_spec(text_of(row.name), self.names)
            lines = zip_longest(*(cells[place] for cells in self.cells), fillvalue="")
            right = [" " * self.gap + self.instead(row)] if row.instead else map(self._right, lines)
            for number, (name, figures) in enumerate(zip_longest(names, right, fillvalue="")):
                yield self._left(_head(row) if number == 0 else "", name) + figures, row.tone

    def instead(self, row: TableRow) -> str:
        """The text in place of the figures, cut to their width."""
        return shorten(plain(row.instead), sum(self.widths) + self.gap * (len(self.widths) - 1))

    def _left(self, head: str, name: str) -> str:
        return pad(head, len(_head(self.table.rows[0]))) + pad(name, self.names)

    def _right(self, cells: Sequence[str]) -> str:
        columns = zip(self.columns, cells, self.widths, strict=True)
        return "".join(" " * self.gap + pad(cell, width, right=not column.left) for column, cell, width in columns)


def text_of(words: Words) -> str:
    """The words on one line, without control characters."""
    return plain(words if isinstance(words, str) else words.text)


def fit(table: Table, width: int) -> Grid:
    """Fit as many columns of a table as `width` characters have room for.

    On a narrow screen it takes short cells and stands closer. Where there is too little room still, parts of cells
    stand below each other or go, and then columns do, by rank.
    """
    columns = [column for column in table.columns if column.on != "page" and (column.rank == 0 or any(column.cells))]
    short = width < _NARROW and any(column.short for column in table.columns)
    in_parts = any(isinstance(cell, tuple) for column in columns for cell in column.cells)
    forms = [_beside, _below, _alone] if in_parts else [_beside]
    names = table.names
    longest = max(cell_len(text) for text in (names.title, *(text_of(row.name) for row in table.rows)))
    while True:
        grid = _grid(table, columns, forms[0], short)
        room = width - grid.taken
        ample = any(column.rank > _ALWAYS_TRIED for column in columns)
        wanted = _AMPLE if ample else names.narrow if short else names.wanted
        needed = {_beside: max(names.least, min(longest, wanted)), _below: _BELOW, _alone: names.least}[forms[0]]
        last = max(reversed(columns), key=lambda column: column.rank)
        fits = room >= (names.least if len(forms) == 1 and last.rank == 0 else needed)
        if fits or (len(forms) == len(columns) == 1):
            return replace(grid, names=max(names.least, min(longest, names.most, room)))
        if len(forms) > 1:
            del forms[0]
        else:
            columns.remove(last)


def _grid(table: Table, columns: Sequence[Column], form: Callable[[_Cell], tuple[str, ...]], short: bool) -> Grid:
    cells = tuple(tuple(map(form, column.short if short and column.short else column.cells)) for column in columns)
    widths = tuple(
        max([column.least, *map(cell_len, _title(column)), *(cell_len(line) for cell in found for line in cell)])
        for column, found in zip(columns, cells, strict=True)
    )
    return Grid(table, tuple(columns), cells, widths, gap=1 if short else 2)


def _head(row: TableRow) -> str:
    """Mark and key of a row; equally wide in every row of a table."""
    mark, key = "" if row.mark is None else f"{row.mark:1}", "" if row.key is None else f"{row.key:>2}"
    return f"{mark}{key} " if mark or key else ""


def _title(column: Column) -> list[str]:
    return list(map(visible, column.title))


def _beside(cell: _Cell) -> tuple[str, ...]:
    return (" ".join(filter(None, _below(cell))),)


def _below(cell: _Cell) -> tuple[str, ...]:
    return tuple(map(visible, (cell,) if isinstance(cell, str) else cell))


def _alone(cell: _Cell) -> tuple[str, ...]:
    return _below(cell)[:1]
