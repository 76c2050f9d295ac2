"""Rows of any kind as examples: their columns are named or guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from advisor.tasks import dialogue
from advisor.tasks.examples import text_in
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.choosing import ChosenColumns, choose
from advisor.tasks.importing.contract import ImportChoices, Record
from advisor.tasks.importing.naming import SPLITS
from advisor.tasks.importing.rows import SAMPLED, RowSource, SourceRow, first_rows
from advisor.tasks.importing.rowwise import NoRecord, RowFormat
from advisor.tasks.values import plain


class TableFormat(RowFormat):
    """A table: CSV and its dialects, JSON, Excel, Parquet, Arrow, or a data set of the hub."""

    name: ClassVar[str] = "table"
    called: ClassVar[str] = "a table"
    examples_of: ClassVar[str] = ".csv .tsv .jsonl .ndjson .json .xlsx .parquet .arrow .feather"
    most_wrong = 0.5
    mended = "name other columns with --input and --target, or another format with --format"

    def __init__(self, rows: RowSource, asked: ImportChoices, name: str) -> None:
        super().__init__(rows, asked, name)
        sample = [row.values for row in first_rows(rows, SAMPLED)]
        self._chosen: ChosenColumns = choose(asked, rows.names, sample, Path(name))
        self.columns = self._chosen.named

    def records(self, row: SourceRow) -> Iterator[Record]:
        """The row as an example."""
        chosen, values = self._chosen, row.values
        columns = chosen.columns
        text: str | None
        answer: object
        if columns.in_turns:
            text, answer = _exchange(values.get(columns.target))
        else:
            text, answer = self._input(values), plain(values.get(columns.target))
        if text is None or is_blank(text):
            raise NoRecord("the input is empty")
        if answer is None or (isinstance(answer, str) and is_blank(answer)):
            raise NoRecord("the answer is empty")
        found: dict[str, object] = {"input": text, "target": answer}
        taken = (*columns.inputs, columns.target)
        for name, key in (("id", "id"), ("targets", "targets"), ("evidence", "evidence"), ("group", columns.group)):
            if key and key not in taken and (value := plain(values.get(key))) not in (None, ""):
                found[name] = value
        if chosen.time:
            found["time"] = plain(values.get(chosen.time))
        split = str(values.get(chosen.split) or "").strip().casefold() if chosen.split else ""
        yield Record("examples", found, row.place, row.split or SPLITS.get(split, ""))

    def asked_of(self, asked: ImportChoices, names: Sequence[str]) -> ImportChoices:
        """What was asked for, with the columns of this table where another one has them too."""
        columns = self._chosen.columns
        if asked.inputs or asked.target or not {*columns.inputs, columns.target} <= set(names):
            return asked
        return replace(asked, inputs=columns.inputs, target=columns.target)

    def finish(self) -> None:
        """Say what was guessed."""
        self.notes += [*self._chosen.guessed, *self._chosen.notes]

    def _input(self, values: Mapping[str, object]) -> str | None:
        parts = {key: text_in(plain(values.get(key))) for key in self._chosen.columns.inputs}
        found = {key: text for key, text in parts.items() if text and not is_blank(text)}
        return self._chosen.columns.joined(found) if found else None


def _exchange(value: object) -> tuple[str | None, str | None]:
    conversation = dialogue.turns(value)
    found = dialogue.exchange(conversation) if conversation else None
    return found or (None, None)
