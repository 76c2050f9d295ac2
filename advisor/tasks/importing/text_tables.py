"""Tables that are text, row by row: CSV and its dialects, and JSON as lines or as one list."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from advisor.tasks.delimited import BadQuoting, Dialect, dialect_of, quoting, records_of
from advisor.tasks.faults import FaultLog
from advisor.tasks.importing.contract import Dropped, ImportChoices
from advisor.tasks.importing.headers import header_of, numbered
from advisor.tasks.importing.streams import SAMPLED, RowStream, encoding_of, text_of
from advisor.tasks.jsonfile import FileRow, parse_json, read_json, type_name
from advisor.tasks.task import Place

_HEAD = 1 << 18  # characters by which the dialect of a table is told
_CELL = 1 << 24  # characters of a cell; beyond, a quote was left open
_AT_ONCE = 1 << 20  # characters of a JSON list that are read at once
_BETWEEN = re.compile(r"[\s,]*")
_OBJECT = 1 << 26  # characters of one object of a list
_LINE = '{"input": "...", "target": "..."}'


class DelimitedRows(RowStream):
    """A CSV or TSV file; the header is the first row that names all columns."""

    def __init__(self, path: Path, asked: ImportChoices) -> None:
        super().__init__(path)
        self._encoding = encoding_of(path, asked.encoding)
        expected = tuple(filter(None, (*asked.inputs, asked.target, asked.group, asked.time)))
        with text_of(self, self._encoding) as file:
            head = file.read(_HEAD)
            whole = not file.read(1)
        cut = head if whole else head[: head.rfind("\n") + 1] or head
        if not cut.strip():
            self.refuse(None, "the file is empty", "begin it with a line of column names")
        self._dialect = dialect_of(cut, path.suffix.lower(), expected, whole)
        first = list(islice(self._records(), 30))
        self._header = header_of([cells for _, cells in first], expected) if asked.header else -1
        if asked.header:
            self.names = tuple(cell.strip() for cell in first[self._header][1])
        else:
            self.names = numbered(max(len(cells) for _, cells in first))
        if self._header > 0:
            at = first[self._header][0]
            self.notes.append(f"the names of the columns are read from line {at}; what stands above is not read")
        if self._encoding.startswith("utf-") and self._encoding != "utf-8-sig":
            self.notes.append(f"the file is read as {self._encoding.upper()}")

    def rows(self) -> Iterator[FileRow | Dropped]:
        """All rows below the header; those with another number of cells are dropped."""
        names = self.names
        width = len(names)
        for line, cells in islice(self._records(), self._header + 1, None):
            if len(cells) > width and not any(map(str.strip, cells[width:])):
                cells = cells[:width]
            if len(cells) != width:
                fix = f"cells are separated by {self._dialect.named}; put those that contain one in double quotes"
                yield Dropped(f"it has {len(cells)} cells, the header {width} ({fix})", Place(self.where, line))
            else:
                yield FileRow(line, dict(zip(names, cells, strict=True)))

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        dialect: Dialect = self._dialect
        with text_of(self, self._encoding) as file:
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


class JsonRows(RowStream):
    """A JSON file: an object on each line, or one list of objects."""

    def __init__(self, path: Path, asked: ImportChoices) -> None:
        super().__init__(path)
        self._encoding = encoding_of(path, asked.encoding)
        with text_of(self, self._encoding) as file:
            start = file.read(_HEAD).lstrip()
        if not start:
            self.refuse(None, "the file is empty", f"write one object a line: {_LINE}")
        self._list = start.startswith("[")
        self._nested = not self._list and path.suffix.lower() == ".json" and not _is_object(start)
        found = (row for row in islice(self.rows(), SAMPLED) if isinstance(row, FileRow))
        self.names = tuple(dict.fromkeys(name for row in found for name in row.values))

    def rows(self) -> Iterator[FileRow | Dropped]:
        """All rows; lines that are no object are dropped."""
        if self._nested:
            yield from self._whole()
            return
        with text_of(self, self._encoding) as file:
            yield from self._items(file) if self._list else self._lines(file)

    def _lines(self, file: TextIO) -> Iterator[FileRow | Dropped]:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                value = parse_json(line)
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                yield Dropped(f"the line is not valid JSON: {reason}", Place(self.where, number))
                continue
            if isinstance(value, dict):
                yield FileRow(number, value)
            else:
                yield Dropped(f"the line is {type_name(value)}, not an object", Place(self.where, number))

    def _items(self, file: TextIO) -> Iterator[FileRow | Dropped]:
        """The objects of one list, read piece by piece; the line is the number of the object."""
        for number, text in enumerate(self._values(file), 1):
            try:
                value = parse_json(text)
            except ValueError as error:
                self.refuse(number, f"not valid JSON: {error}", f"write one list of objects: [{_LINE}, ...]")
            if isinstance(value, dict):
                yield FileRow(number, value)
            else:
                yield Dropped(f"the entry is {type_name(value)}, not an object", Place(self.where, number))

    def _values(self, file: TextIO) -> Iterator[str]:
        """The text of each value of the list."""
        decode = json.JSONDecoder().raw_decode
        text = file.read(_AT_ONCE).lstrip()
        at, number = 1, 0  # behind the bracket
        more = file.read(_AT_ONCE)
        while True:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
            if text.startswith("]", at):
                return
            try:
                _, end = decode(text, at)
                whole = end < len(text) or not more  # a number may go on
            except (ValueError, RecursionError) as error:
                whole = False
                if not more or len(text) - at > _OBJECT:
                    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                    hint = f"write one list of objects: [{_LINE}, ...]"
                    self.refuse(number + 1, f"not valid JSON: {reason}, in this entry of the list", hint)
            if whole:
                number += 1
                yield text[at:end]
                at = end
            else:
                text, at, more = text[at:] + more, 0, file.read(max(_AT_ONCE, len(text) - at))

    def _whole(self) -> Iterator[FileRow | Dropped]:
        """The rows of an object that holds a list, which is read at once."""
        log = FaultLog()
        found = read_json(self.path, log, _LINE)
        log.raise_if_any()
        yield from found or ()


def _is_object(start: str) -> bool:
    """Whether the first line is a whole object, as in JSON lines under another ending."""
    first, cut, rest = start.partition("\n")
    try:
        return isinstance(parse_json(first), dict) and bool(cut and rest.strip())
    except ValueError:
        return False
