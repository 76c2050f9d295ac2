"""Reading delimited text (CSV and its dialects, TSV) into rows with the lines on which they begin."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from advisor.intake import Bound
from advisor.tasks.columns import Columns
from advisor.tasks.faults import FaultLog
from advisor.tasks.jsonfile import FileRow, parse_json
from advisor.tasks.textfile import BOUNDS, read_text

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
DELIMITED = (".csv", ".tsv")
_TITLES = 20  # lines above a table
_LONGEST_CELL = 2**31 - 1
_TOLD = re.compile(r'"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)  # Excel's line that names the separator
_PADDED_QUOTE = re.compile(r' +".*"\s*', re.DOTALL)

Choose = Callable[[Sequence[str]], Columns | None]
Record = tuple[int, list[str]]


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart.

    Attributes:
        spaces: whether those before a quote belong to the separator.
        quotes: whether cells may be quoted.
        told: whether the first line names the separator and nothing else.
    """

    separator: str
    spaces: bool = False
    quotes: bool = True
    told: bool = False

    @property
    def named(self) -> str:
        """The separator in words."""
        return SEPARATORS.get(self.separator, repr(self.separator))


@dataclass(frozen=True)
class _Reading:
    """A text read in one dialect; `fault` is the place and kind of an error in quoting."""

    dialect: Dialect
    records: list[Record]
    fault: tuple[int, str] | None = None

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return [cell.strip() for cell in self.records[0][1]] if self.records else []

    @property
    def even(self) -> float:
        """The share of records with as many cells as the header."""
        width = len(self.header)
        return sum(len(cells) == width for _, cells in self.records) / max(1, len(self.records))


def read_delimited(
    path: Path, expected: Sequence[str], choose: Choose, log: FaultLog, bound: Bound = BOUNDS.table
) -> tuple[Columns, list[FileRow]] | None:
    """Read the rows and the chosen columns of a .csv or .tsv file; None if the table could not be read.

    The separator is what a line `sep=;` says, else that sign among commas, semicolons, tabs and vertical bars which
    stands in the header outside quotes; where several do, the one by which the expected columns are there and rows
    have as many cells as the header. Spaces before a quote belong to the separator.

    Args:
        path: the file.
        expected: columns that should be there, to tell separators apart.
        choose: maps the header's names to the columns to read, or to None after it logged a fault.
        log: where faults go.
        bound: how large the file may be.
    """
    text = read_text(path, log, bound)
    if text is None:
        return None
    reading = _read_whole(text, path.suffix.lower(), expected)
    if reading.fault:
        line, what = reading.fault
        log.add(path, line, f"not a valid table: {what}", quoting(text, reading.dialect))
        return None
    if not reading.records:
        log.add(path, None, "the file is empty", "begin it with a line of column names")
        return None
    header = reading.header
    columns = choose(header)
    if columns is None:
        return None
    wanted = {header.index(name): name for name in columns.wanted(header)}
    lists = {"targets", "evidence"} - {*columns.inputs, columns.target}
    rows = []
    for at, cells in reading.records[1:]:
        if len(cells) != len(header):
            what = f"the row has {len(cells)} cells, the header {len(header)}"
            hint = f"cells are separated by {reading.dialect.named}: put those that contain one in double quotes"
            log.add(path, at, what, hint)
            continue
        try:
            rows.append(FileRow(at, {name: _cell(name, cells[n], name in lists) for n, name in wanted.items()}))
        except ValueError as error:
            log.add(path, at, str(error), 'write several values as a JSON list: ["...", "..."]')
    return columns, rows


def dialect_of(text: str, ending: str, expected: Sequence[str], whole: bool) -> Dialect:
    """The dialect of a table, by its beginning.

    Args:
        text: the beginning, of whole lines.
        ending: of the file's name.
        expected: columns that should be there.
        whole: whether it is all of the table; else a cell may be cut.
    """
    told = _TOLD.match(text)
    body = text[told.end() :] if told else _below_titles(text)
    if not whole:  # in a cell that is cut a quote stays open
        body += '"' * (body.count('"') % 2)
    return replace(_read(body, ending, expected, told[1] if told else None).dialect, told=bool(told))


def _below_titles(text: str) -> str:
    """The text from its first line with a separator on; all of it where there is none among the first lines."""
    rest = text
    for _ in range(_TITLES):
        line, end, rest_of_it = rest.partition("\n")
        if any(separator in line for separator in SEPARATORS):
            return rest
        if not end:
            break
        rest = rest_of_it
    return text


def records_of(lines: Iterable[str], dialect: Dialect, longest: int = _LONGEST_CELL) -> Iterator[Record]:
    """Yield the cells of each record with the 1-based line on which it begins; empty records are left out.

    Args:
        lines: with their ends.
        longest: characters of a cell.

    Raises:
        BadQuoting: an error in quoting, or a cell that is longer.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE
    reader = csv.reader(
        lines,
        delimiter=dialect.separator,
        skipinitialspace=dialect.spaces,
        strict=dialect.quotes,
        quoting=quoting,
    )
    line = 1
    while True:
        before = csv.field_size_limit(longest)  # it is one for all readers
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadQuoting(line, str(error)) from None
        finally:
            csv.field_size_limit(before)
        if cells is None:
            return
        if any(cells):
            yield line, cells
        line = reader.line_num + 1


class BadQuoting(ValueError):
    """An error in quoting, in the record that begins on a line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def _read_whole(text: str, ending: str, expected: Sequence[str]) -> _Reading:
    """A whole text read in the likeliest dialect, or in the one that its first line names, with its own lines."""
    told = _TOLD.match(text)
    if not told:
        return _read(text, ending, expected, None)
    reading = _read(text[told.end() :], ending, expected, told[1])
    fault = (reading.fault[0] + 1, reading.fault[1]) if reading.fault else None
    return replace(reading, records=[(line + 1, cells) for line, cells in reading.records], fault=fault)


def _read(text: str, ending: str, expected: Sequence[str], told: str | None) -> _Reading:
    """The text read in the likeliest dialect."""
    head = _outside_quotes(text)
    present = [separator for separator in SEPARATORS if separator in head]
    if ending == ".tsv" and "\t" in present and told is None:
        return _tabbed(text)
    candidates = [told] if told else present or [","]
    return max((_tried(text, separator) for separator in candidates), key=lambda reading: _merit(reading, expected))


def _merit(reading: _Reading, expected: Sequence[str]) -> tuple[int, bool, float, int]:
    there = sum(name in reading.header for name in expected)
    return there, reading.fault is None, reading.even, len(reading.header)


def _tried(text: str, separator: str) -> _Reading:
    """The text read with one separator; spaces between a separator and a quote are skipped."""
    reading = _parse(text, separator, spaces=False)
    sample = reading.records if reading.fault is None else ()
    padded = any(_PADDED_QUOTE.fullmatch(cell) or cell.startswith(' "') for _, cells in sample for cell in cells)
    if not padded and not (reading.fault and f'{separator} "' in text):
        return reading
    skipped = _parse(text, separator, spaces=True)
    return reading if skipped.fault or skipped.even < reading.even else skipped


def _tabbed(text: str) -> _Reading:
    """In a .tsv, quotes count only where they are well formed throughout: many hold plain text with stray quotes."""
    strict = _parse(text, "\t", spaces=False)
    return strict if strict.fault is None and strict.even == 1 else _parse(text, "\t", spaces=False, quotes=False)


def _parse(text: str, separator: str, *, spaces: bool, quotes: bool = True) -> _Reading:
    dialect = Dialect(separator, spaces, quotes)
    records: list[Record] = []
    try:
        records.extend(records_of(io.StringIO(text, newline=""), dialect))
    except BadQuoting as error:
        return _Reading(dialect, records, (error.line, str(error)))
    return _Reading(dialect, records)


def _outside_quotes(text: str) -> str:
    """The characters of the header that stand outside quotes."""
    found = []
    inside = False
    for sign in text.lstrip("\r\n"):
        if sign == '"':
            inside = not inside
        elif sign in "\r\n" and not inside:
            break
        elif not inside:
            found.append(sign)
    return "".join(found)


def quoting(text: str, dialect: Dialect) -> str:
    """The hint for a record with an error in quoting."""
    if '\\"' in text:
        return 'quotes inside a cell are doubled, not written \\": "5"" pipe"'
    return f'put cells with {dialect.named} or quotes in double quotes, and double the quotes in them: "5"" pipe"'


def _cell(name: str, text: str, is_list: bool) -> object:
    """The value of a cell: a list where `targets` or `evidence` has brackets, else the text."""
    if not is_list:
        return text
    if not text.strip():
        return None
    if not (text.strip().startswith("[") and text.strip().endswith("]")):
        return text
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f'the cell "{name}" is not a valid JSON list: {error}') from None


def records_in(text: str, ending: str, expected: Sequence[str]) -> tuple[list[Record], tuple[int, str] | None]:
    """The header and the rows of a text in its likeliest dialect, and the line and kind of an error in quoting.

    Args:
        text: the whole table.
        ending: of the file's name.
        expected: columns that may be there, to tell separators apart.
    """
    reading = _read_whole(text, ending, expected)
    return reading.records, reading.fault
