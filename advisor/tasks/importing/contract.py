"""What a format is to an import: how it is recognised, and what it gives, row by row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from advisor.errors import UserError
from advisor.tasks.faults import listed
from advisor.tasks.task import Kind, Place

Part = Literal["examples", "preferences", "documents"]
"""Which file of the task folder a record goes to."""


@dataclass(frozen=True)
class ImportChoices:
    """What the user says of a source, where it cannot be known; empty where nothing was said.

    Attributes:
        inputs: columns joined to the input. `target`: the column of the answer. `group`, `time`: columns to split by.
        format: the name of the format, in place of what is recognised.
        sheet: of a workbook. `encoding`: of a text file, in Python's names. `dates`: of dates such as 03/04/2024.
        header: whether the table begins with the names of its columns.
    """

    inputs: tuple[str, ...] = ()
    target: str = ""
    group: str = ""
    time: str = ""
    kind: Kind | None = None
    instruction: str = ""
    format: str = ""
    sheet: str = ""
    encoding: str = ""
    dates: Literal["", "day-first", "month-first"] = ""
    header: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that were named."""
        return tuple(filter(None, (*self.inputs, self.target, self.group, self.time)))


class Unclear(UserError):
    """What only the user can say; it is asked for on a terminal, and is a mistake with its flag elsewhere.

    Attributes:
        field: of `ImportChoices`, which the answer fills.
        flag: the option that fills it too.
        choices: the answers that there are; empty where there are many.
    """

    def __init__(self, what: str, field: str, flag: str, choices: tuple[str, ...] = ()) -> None:
        known = f" (there are: {listed(choices, 20)})" if choices else ""
        super().__init__(what, f"say it with {flag}{known}")
        self.field = field
        self.flag = flag
        self.choices = choices


@dataclass(frozen=True)
class ImportSource:
    """What is imported: a file, a folder, or a name such as `hf:squad`.

    Attributes:
        name: as the user typed it.
        path: the file or folder; None where the name is none.
        split: which split all of it is; empty where the source tells, or where it is to be split.
    """

    name: str
    path: Path | None = None
    split: str = ""
    asked: ImportChoices = field(default_factory=ImportChoices)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the task folder that is to be.

    Attributes:
        values: as the file of its part holds them (`input`, `target`, `targets`, `evidence`, `group`, `id`; `input`,
            `chosen`, `rejected`; `id`, `title`, `text`). Of examples also `time`, by which they may be split.
        split: train, dev or test where the source says so; empty where it is to be split.
    """

    part: Part
    values: dict[str, object]
    place: Place
    split: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that gives no record; `why` has the same words for the same reason, so that they are counted together."""

    why: str
    place: Place


class SourceFormat(ABC):
    """One format, opened on one source. Nothing is held in memory that grows with the rows.

    Class attributes:
        name: as `--format` names it.
        called: as people call it.
        examples_of: file endings or layouts, for the list of formats.

    Attributes:
        kind, instruction: what the source itself tells of them, else None and empty.
        columns: where input, target, group and time are read, by what they are; empty where the format says it all.
        notes: what was understood and how it is read, in sentences; complete once all is read.
    """

    name: ClassVar[str]
    called: ClassVar[str]
    examples_of: ClassVar[str] = ""

    kind: Kind | None = None
    instruction: str = ""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.columns: dict[str, str] = {}

    @abstractmethod
    def read(self) -> Iterator[Record | Dropped]:
        """All rows, in order.

        Raises:
            Faults: the file cannot be read as a whole, or so many rows are wrong that the source is not what it seems.
        """
