"""Delimited text, row by row: CSV and its dialects."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from advisor.tasks.delimited import BadQuoting, Dialect, dialect_of, quoting, records_of
from advisor.tasks.importing.contract import ImportChoices
from advisor.tasks.importing.headers import header_of, numbered
from advisor.tasks.importing.rows import Read, SourceRow
from advisor.tasks.importing.streams import RowStream, encoding_of, ending_of, text_of
from advisor.tasks.task import Place

_HEAD = 1 << 18  # characters by which the dialect of a table is told
_CELL = 1 << 24  # characters of a cell; beyond, a quote was left open


class DelimitedRows(RowStream):
    """A CSV or TSV file; the header is the first row that names all columns."""

    def __init__(self, path: Path, asked: ImportChoices) -> None:
        super().__init__(path)
        self._encoding = encoding_of(path, asked.encoding)
        with text_of(self.path, self._encoding) as file:
            head = file.read(_HEAD)
            whole = not file.read(1)
        cut = head if whole else head[: head.rfind("\n") + 1] or head
        if not cut.strip():
            self.refuse(None, "the file is empty", "begin it with a line of column names")
        self._dialect = dialect_of(cut, ending_of(path), asked.columns, whole)
        first = list(islice(self._records(), 30))
        self._header = header_of([cells for _, cells in first], asked.columns) if asked.header else -1
        if asked.header:
            self.names = tuple(cell.strip() for cell in first[self._header][1])
        else:
            self.names = numbered(max(len(cells) for _, cells in first))
        if self._header > 0:
            at = first[self._header][0]
            self.notes.append(f"the names of the columns are read from line {at}; what stands above is not read")
        if self._encoding.startswith("utf-") and self._encoding != "utf-8-sig":
            self.notes.append(f"the file is read as {self._encoding.upper()}")

    def __iter__(self) -> Iterator[Read]:
        """All rows below the header; those with another number of cells are not read."""
        names = self.names
        width = len(names)
        for line, cells in islice(self._records(), self._header + 1, None):
            if len(cells) > width and not any(map(str.strip, cells[width:])):
                cells = cells[:width]
            if len(cells) != width:
                fix = f"cells are separated by {self._dialect.named}; put those that contain one in double quotes"
                yield self.unread(line, f"it has {len(cells)} cells, the header {width}", fix)
            else:
                yield SourceRow(dict(zip(names, cells, strict=True)), Place(self.where, line))

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        dialect: Dialect = self._dialect
        with text_of(self.path, self._encoding) as file:
            first = 0
            if dialect.told:
                next(file)
                first = 1
            near: deque[str] = deque(maxlen=50)  # the last lines, for the hint of an error
            try:
                for line, cells in records_of(_kept(file, near), dialect, _CELL):
                    yield line + first, cells
            except BadQuoting as error:
                hint = quoting("".join(near), dialect)
                self.refuse(error.line + first, f"not a valid table: {error}", hint)


def _kept(lines: Iterable[str], near: deque[str]) -> Iterator[str]:
    for line in lines:
        near.append(line)
        yield line
