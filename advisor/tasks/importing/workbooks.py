"""Excel's workbooks, row by row, as people see their cells."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from advisor.extras import needed
from advisor.tasks.faults import listed
from advisor.tasks.importing.contract import ImportChoices, Unclear
from advisor.tasks.importing.headers import filled, header_of, numbered
from advisor.tasks.importing.rows import Read, SourceRow
from advisor.tasks.importing.streams import RowStream
from advisor.tasks.task import Place

_LOOKED_AT = 50  # rows among which the header is
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_AT_ONCE = 1 << 20  # bytes of a sheet
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_DIGITS = re.compile(r"[0#?]+(?:,[0#?]+)*(?:\.([0#?]+))?")

Cells = tuple[object, ...]


class SheetRows(RowStream):
    """One sheet of a workbook."""

    def __init__(self, path: Path, asked: ImportChoices) -> None:
        super().__init__(path)
        with needed(f"{path}: reading a workbook", "documents"):
            import openpyxl
        try:
            self._book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except Exception as error:  # noqa: BLE001 - whatever a damaged archive makes the library raise
            reason = str(error).split("\n", 1)[0] or type(error).__name__
            self.refuse(None, f"not a readable workbook: {reason}", "open it in Excel and save it as .xlsx again")
        self._sheet = self._book[self._chosen(asked)]
        self._sheet.reset_dimensions()  # what the file says of them is often wrong
        self.where = f"{path.name}[{self._sheet.title}]"
        self._merged = _merged_down(path, self._sheet)
        first = list(islice(self._records(), _LOOKED_AT))
        self._header = header_of([cells for _, cells in first], asked.columns) if asked.header else -1
        self._find_names(first)
        if self._merged:
            self.notes.append("merged cells are read as if their value stood in each of their rows")

    def _find_names(self, first: Sequence[tuple[int, Cells]]) -> None:
        if self._header < 0:
            self.names = numbered(max(len(cells) for _, cells in first))
            return
        line, cells = first[self._header]
        names = ["" if cell is None else str(cell).strip() for cell in cells]
        while names and not names[-1]:
            names.pop()
        self.names = tuple(names)
        if self._header > 0:
            self.notes.append(f"the names of the columns are read from row {line}; what stands above is not read")

    def _chosen(self, asked: ImportChoices) -> str:
        """The sheet that was asked for, or the only one that is not empty."""
        titles: list[str] = [sheet.title for sheet in self._book.worksheets]
        if asked.sheet:
            if asked.sheet in titles:
                return asked.sheet
            raise Unclear(f"{self.path}: there is no sheet {asked.sheet!r}", "sheet", "--sheet", tuple(titles))
        full: list[str] = []
        for sheet in self._book.worksheets:
            sheet.reset_dimensions()
            if any(filled(row) for row in islice(sheet.iter_rows(values_only=True), _LOOKED_AT)):
                full.append(sheet.title)
        if not full:
            sheets = "its sheet is" if len(titles) == 1 else f"its {len(titles)} sheets are"
            self.refuse(None, f"{sheets} empty", "save the workbook with the table in it")
        if len(full) > 1:
            raise Unclear(f"{self.path}: {len(full)} sheets hold something", "sheet", "--sheet", tuple(full))
        empty = [title for title in titles if title not in full]
        if empty:
            what = "sheet is" if len(empty) == 1 else "sheets are"
            self.notes.append(f'"{full[0]}" is read; the other {what} empty: {listed(empty)}')
        return full[0]

    def __iter__(self) -> Iterator[Read]:
        """All rows below the header, until a second table begins."""
        names = self.names
        last = None
        second = False
        for line, cells in islice(self._records(), self._header + 1, None):
            gap = last is not None and line > last + 1
            last = line
            second = second or (gap and self._begins_another(cells))
            if second:
                yield self.unread(line, "a second table begins above it in the sheet", "move it to a sheet of its own")
                continue
            shown = [*cells[: len(names)], *[None] * (len(names) - len(cells))]
            yield SourceRow(dict(zip(names, shown, strict=True)), Place(self.where, line))

    def _begins_another(self, cells: Cells) -> bool:
        """Whether a row behind a gap names columns: the same ones again, or short texts in other places."""
        texts = [str(cell).strip() for cell in cells if cell is not None]
        if self._header >= 0 and texts == [name for name in self.names if name]:
            return True
        places = [number for number, cell in enumerate(cells) if cell is not None]
        usual = [number for number, name in enumerate(self.names) if name]
        return len(texts) > 1 and places != usual and len(set(texts)) == len(texts) and max(map(len, texts)) <= 40

    def _records(self) -> Iterator[tuple[int, Cells]]:
        """The rows that are not empty, with their numbers in the sheet."""
        values: dict[int, tuple[int, object]] = {}  # by column: the last row that shows it, and what stands there
        for number, row in enumerate(self._sheet.iter_rows(), 1):
            cells = [_shown(cell) for cell in row]
            if filled(cells):
                for column, (last, value) in values.items():
                    if number <= last:
                        cells += [None] * (column + 1 - len(cells))
                        cells[column] = value
                yield number, tuple(cells)
            for column, last in self._merged.get(number, ()):
                values[column] = last, cells[column] if column < len(cells) else None


def _shown(cell: Any) -> object:
    """A cell as Excel shows it: dates as ISO dates, numbers in their format, errors as nothing."""
    value = cell.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return None if cell.data_type == "e" else value
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
    if isinstance(value, int | float):
        return number_shown(value, cell.number_format or "General")
    return str(value)


def number_shown(value: float, form: str) -> str:
    """A number in one of Excel's formats, without separators of thousands; `General` as Excel rounds it."""
    plain = f"{value:.15g}"
    section = _QUOTED.sub("", form.split(";")[0])
    digits = _DIGITS.search(section)
    if digits is None or "E" in section or "/" in section:
        return plain
    decimals = len(digits[1] or "")
    per_cent = "%" in section
    text = f"{value * 100 if per_cent else value:.{decimals}f}"
    zeros = digits[0].split(".")[0].replace(",", "").count("0")
    if zeros > 1 and value >= 0 and not per_cent:  # a postal code, not an amount
        text = text.zfill(zeros + (decimals + 1 if decimals else 0))
    if "#" in (digits[1] or "") or "?" in (digits[1] or ""):
        text = text.rstrip("0").rstrip(".")
    return text + "%" * per_cent


def _merged_down(path: Path, sheet: Any) -> dict[int, list[tuple[int, int]]]:
    """Merged cells of more than one row: by the first row, the column of the value, from 0, and the last row."""
    found: dict[int, list[tuple[int, int]]] = {}
    left = b""
    with zipfile.ZipFile(path) as archive, archive.open(sheet._worksheet_path) as file:
        while block := file.read(_AT_ONCE):
            left += block
            end = 0
            for match in _MERGED.finditer(left):
                column, first, _, last = match.groups()
                end = match.end()
                if last != first:
                    found.setdefault(int(first), []).append((_column(column), int(last)))
            left = left[max(end, len(left) - 64) :]
    return found


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1
