"""What the formats have in common whose rows are objects: recognising, going through, counting what is dropped."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from advisor.tasks.columns import Columns
from advisor.tasks.faults import Fault, FaultLog, Faults
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.contract import Dropped, ImportChoices, Record, SourceFormat
from advisor.tasks.importing.rows import RowSource, SourceRow, Unread
from advisor.tasks.jsonfile import type_name
from advisor.tasks.task import Place
from advisor.tasks.values import plain

_CHECKED_FROM = 20  # rows
_KEPT = 1_000  # faults that are kept for the case that nothing can be imported


class NoRecord(Exception):
    """Raised for a row that gives no record; `what` has the same words for the same reason."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class RowFormat(SourceFormat):
    """A format whose rows are objects, from files or from anywhere else.

    Args:
        rows: gone through once, or twice where something is to be known of all before the first record.
        asked: what the user said.
        name: of the whole source, for faults that concern all of it.
    """

    most_wrong: ClassVar[float] = 1.0
    """The share of rows that may give no record; beyond, the source is not what it seems."""
    mended: ClassVar[str] = ""
    """What helps then."""

    def __init__(self, rows: RowSource, asked: ImportChoices, name: str) -> None:
        super().__init__()
        self.asked = asked
        self._rows = rows
        self._name = name
        self._log = FaultLog()
        self._wrong = 0
        self._first: Dropped | None = None
        self._told: dict[str, tuple[int, Place]] = {}

    @classmethod
    def fits(cls, first: Sequence[Mapping[str, object]], asked: ImportChoices) -> bool:
        """Whether rows are of this format: most of the first ones are."""
        if not asked.format and (asked.inputs or asked.target):
            return False
        return 2 * sum(map(cls.fits_row, first)) > len(first)

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether one row is of this format."""
        return False

    def read(self) -> Iterator[Record | Dropped]:
        """All rows, in order; `instruction`, `kind` and `notes` are complete behind the last one."""
        self.look()
        kept = False
        number = 0
        for number, row in enumerate(self._rows, 1):
            try:
                if isinstance(row, Unread):
                    raise NoRecord(row.what, row.hint)
                for record in self.records(row):
                    kept = kept or record.part != "documents"
                    yield record
            except NoRecord as error:
                yield self._drop(error.what, error.hint, row.place)
            if self.most_wrong < 1 and number == self._wrong == _CHECKED_FROM:
                break
        if self._first and number >= _CHECKED_FROM and self._wrong > self.most_wrong * number:
            what = f"{self._wrong:,} of the first {number:,} rows cannot be used, the first because {self._first.why}"
            place = self._first.place
            raise Faults([Fault(self._file(place), place.line or None, what, self.mended)])
        if not kept:
            self._log.raise_if_any()
            raise Faults([Fault(self._name, None, "it holds no rows", "check that it is the file that was meant")])
        self.notes += self._rows.notes
        self.finish()
        self.notes += [
            f"{text} ({count:,} row{'s' if count > 1 else ''}, first {at})" for text, (count, at) in self._told.items()
        ]

    def look(self) -> None:
        """Find out what must be known before the first record."""

    @abstractmethod
    def records(self, row: SourceRow) -> Iterator[Record]:
        """The records of one row.

        Raises:
            NoRecord: it gives none, or no more.
        """

    def finish(self) -> None:
        """Say what is known once all is read."""

    def tell(self, text: str, place: Place) -> None:
        """Note something of one row; equal notes are counted, and shown with the first place."""
        count, first = self._told.get(text, (0, place))
        self._told[text] = (count + 1, first)

    def peeked(self) -> Iterator[SourceRow]:
        """The readable rows, for `look`."""
        return (row for row in self._rows if isinstance(row, SourceRow))

    def example(self, row: SourceRow, text: str, answers: Sequence[str], **more: object) -> Record:
        """A record of an example with the row's id, group and time."""
        values: dict[str, object] = {**self._identity(row), "input": text, "target": answers[0]}
        if len(answers) > 1:
            values["targets"] = list(answers)
        values |= {key: value for key, value in more.items() if value}
        return Record("examples", values | self._marks(row), row.place, row.split)

    @staticmethod
    def _identity(row: SourceRow) -> dict[str, object]:
        identity = plain(row.values.get("id"))
        return {"id": identity} if isinstance(identity, str) and not is_blank(identity) else {}

    def _marks(self, row: SourceRow) -> dict[str, object]:
        """Group and time, where there are columns of them."""
        found: dict[str, object] = {}
        for key, column in (("group", self.asked.group or Columns.group), ("time", self.asked.time)):
            value = plain(row.values.get(column)) if column else None
            if isinstance(value, str) and not is_blank(value):
                found[key] = value
            elif column and column == getattr(self.asked, key):
                hint = "fill it in, or leave the option out"
                raise NoRecord(f'the column "{column}" ({key}) is empty or missing', hint)
        return found

    def _drop(self, what: str, hint: str, place: Place) -> Dropped:
        if len(self._log) < _KEPT:
            self._log.add(self._file(place), place.line or None, what, hint)
        self._wrong += 1
        found = Dropped(f"{what} ({hint})" if hint else what, place)
        self._first = self._first or found
        return found

    def _file(self, place: Place) -> str:
        path = Path(self._name)
        return str(path / place.file) if path.is_dir() else self._name


def text_of(values: Mapping[str, object], key: str, hint: str) -> str:
    """The text under a key, numbers and dates as text.

    Raises:
        NoRecord: it is missing, null, empty, or no text.
    """
    value = plain(values.get(key))
    if isinstance(value, str) and not is_blank(value):
        return value
    if isinstance(value, str) or value is None:
        state = "empty" if isinstance(value, str) else "null" if key in values else "missing"
        raise NoRecord(f'"{key}" is {state}', hint)
    raise NoRecord(f'"{key}" is {type_name(value)}, not a text', f'write one text: "{key}": "..."')
