"""Rows as sources give them, one after the other, and those that cannot be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from advisor.tasks.faults import Faults
from advisor.tasks.task import Place

SAMPLED = 1_000
"""Rows by which columns are told."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as a source holds it; `split` is empty where the source does not tell."""

    values: Mapping[str, object]
    place: Place
    split: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that could not be read; `what` has the same words for the same reason."""

    what: str
    hint: str
    place: Place


Read = SourceRow | Unread


class RowSource(ABC):
    """Rows that can be gone through again and again; nothing is held that grows with them.

    Attributes:
        names: of the columns, in order; of JSON, those of the first rows; empty where rows are made, not read.
        notes: what was understood, in sentences.
    """

    names: Sequence[str] = ()
    notes: Sequence[str] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[Read]:
        """All rows, from the first one.

        Raises:
            Faults: they cannot be read on.
        """


def first_rows(rows: RowSource, count: int = 20) -> list[SourceRow]:
    """The first readable rows; fewer where there are not so many, or they cannot be read on."""
    found = []
    try:
        for row in islice(rows, 2 * count):
            if isinstance(row, SourceRow):
                found.append(row)
    except Faults:
        pass
    return found[:count]
