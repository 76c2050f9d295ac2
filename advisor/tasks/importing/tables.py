"""Tables of any kind as a format: a row is an example, its columns are named or guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import ClassVar, Self

from advisor.errors import UserError
from advisor.tasks import dialogue
from advisor.tasks.delimited import DELIMITED
from advisor.tasks.examples import text_in
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.binary_tables import ArrowRows
from advisor.tasks.importing.choosing import SPLITS, ChosenColumns, choose
from advisor.tasks.importing.contract import Dropped, ImportSource, Record, SourceFormat
from advisor.tasks.importing.streams import SAMPLED, RowStream, check_file
from advisor.tasks.importing.text_tables import DelimitedRows, JsonRows
from advisor.tasks.importing.workbooks import SheetRows
from advisor.tasks.jsonfile import JSON_ENDINGS, FileRow
from advisor.tasks.task import Place
from advisor.tasks.values import plain

WORKBOOKS = (".xlsx", ".xlsm")
BINARY = (".parquet", ".arrow", ".feather", ".ipc")
ENDINGS = (*DELIMITED, ".txt", *JSON_ENDINGS, *WORKBOOKS, *BINARY)
"""Of files that may hold a table."""
_ELSEWHERE = {
    ".xls": "in Excel: File, Save As, .xlsx",
    ".xlsb": "in Excel: File, Save As, .xlsx",
    ".ods": "in LibreOffice: File, Save As, .xlsx",
    ".gz": "gunzip it first",
    ".zip": "unpack it first",
}
_CHECKED_FROM, _MOST_WRONG = 20, 0.5


class TableFormat(SourceFormat):
    """One table: CSV and its dialects, JSON, Excel, Parquet or Arrow."""

    name: ClassVar[str] = "table"
    called: ClassVar[str] = "a table"
    examples_of: ClassVar[str] = ".csv .tsv .jsonl .ndjson .json .xlsx .parquet .arrow .feather"

    def __init__(self, source: ImportSource, stream: RowStream) -> None:
        super().__init__()
        self._stream = stream
        sample = [row.values for row in islice(stream.rows(), SAMPLED) if isinstance(row, FileRow)]
        if not stream.names and not sample:
            self._nothing()
        self.chosen: ChosenColumns = choose(source.asked, stream.names, sample, Path(source.name))
        self.notes = [*stream.notes, *self.chosen.guessed, *self.chosen.notes]
        self.columns = self.chosen.named

    @classmethod
    def recognise(cls, source: ImportSource) -> Self | None:
        """The table in a file with the ending of one; any text file counts as CSV where it is asked for by name."""
        path = source.path
        if path is None or path.is_dir():
            return None
        check_file(path)
        ending = path.suffix.lower()
        if ending in _ELSEWHERE:
            raise UserError(f"{source.name}: {ending} files are not read", _ELSEWHERE[ending])
        if ending not in ENDINGS and source.asked.format != cls.name:
            return None
        return cls(source, stream_of(path, source))

    def read(self) -> Iterator[Record | Dropped]:
        """The rows as examples; those that lack the input or the answer are dropped."""
        wrong = number = 0
        first: Dropped | None = None
        for number, row in enumerate(self._stream.rows(), 1):
            found = row if isinstance(row, Dropped) else self._record(row)
            if isinstance(found, Dropped):
                wrong += 1
                first = first or found
                if number >= _CHECKED_FROM and wrong == number:
                    break
            yield found
        if first and number >= _CHECKED_FROM and wrong > _MOST_WRONG * number:
            what = f"{wrong:,} of the first {number:,} rows cannot be used, the first because {first.why}"
            hint = "name other columns with --input and --target, or another format with --format"
            self._stream.refuse(first.place.line, what, hint)

    def _nothing(self) -> None:
        for row in islice(self._stream.rows(), 1):
            assert isinstance(row, Dropped)
            self._stream.refuse(row.place.line, row.why, 'write one JSON object a line: {"input": "...", ...}')
        self._stream.refuse(None, "the file holds no rows", "write one example a row")

    def _record(self, row: FileRow) -> Record | Dropped:
        place = Place(self._stream.where, row.line)
        columns, values = self.chosen.columns, row.values
        text: str | None
        answer: object
        if columns.in_turns:
            text, answer = _exchange(values.get(columns.target))
        else:
            text, answer = self._input(values), plain(values.get(columns.target))
        if text is None or is_blank(text):
            return Dropped("the input is empty", place)
        if answer is None or (isinstance(answer, str) and is_blank(answer)):
            return Dropped("the answer is empty", place)
        found: dict[str, object] = {"input": text, "target": answer}
        taken = (*columns.inputs, columns.target)
        for name, key in (("id", "id"), ("targets", "targets"), ("evidence", "evidence"), ("group", columns.group)):
            if key and key not in taken and (value := plain(values.get(key))) not in (None, ""):
                found[name] = value
        if self.chosen.time:
            found["time"] = plain(values.get(self.chosen.time))
        split = str(values.get(self.chosen.split) or "").strip().casefold() if self.chosen.split else ""
        return Record("examples", found, place, SPLITS.get(split, ""))

    def _input(self, values: Mapping[str, object]) -> str | None:
        parts = {key: text_in(plain(values.get(key))) for key in self.chosen.columns.inputs}
        found = {key: text for key, text in parts.items() if text and not is_blank(text)}
        return self.chosen.columns.joined(found) if found else None


def _exchange(value: object) -> tuple[str | None, str | None]:
    conversation = dialogue.turns(value)
    found = dialogue.exchange(conversation) if conversation else None
    return found or (None, None)


def stream_of(path: Path, source: ImportSource) -> RowStream:
    """The rows of a file, by its ending."""
    ending = path.suffix.lower()
    if ending in WORKBOOKS:
        return SheetRows(path, source.asked)
    if ending in BINARY:
        return ArrowRows(path)
    return JsonRows(path, source.asked) if ending in JSON_ENDINGS else DelimitedRows(path, source.asked)
