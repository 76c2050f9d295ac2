"""Rows and documents that were left out or changed, counted by reason, with the first places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from advisor.tasks.task import Place

SHOWN = 5
_REASONS = 50


@dataclass(frozen=True, slots=True)
class RowReason:
    """Why rows were left out or changed.

    Attributes:
        count: the number of rows.
        places: the first of them.
        what: `row`, or `document`.
    """

    why: str
    count: int
    places: tuple[str, ...]
    what: str = "row"

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.places) else ""
        return f"{many(self.count, self.what)}: {self.why} ({', '.join(self.places)}{more})"


class RowTally:
    """Counts by reason; beyond fifty reasons, all further ones are one.

    Args:
        what: is counted: `row` or `document`.
    """

    def __init__(self, what: str = "row") -> None:
        self._what = what
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[str]] = {}

    def add(self, why: str, place: Place) -> None:
        """Count one row."""
        if why not in self._counts and len(self._counts) >= _REASONS:
            why = "other reasons"
        self._counts[why] = self._counts.get(why, 0) + 1
        places = self._places.setdefault(why, [])
        if len(places) < SHOWN:
            places.append(str(place))

    def found(self) -> tuple[RowReason, ...]:
        """The reasons, most frequent first."""
        order = sorted(self._counts, key=lambda why: -self._counts[why])
        return tuple(RowReason(why, self._counts[why], tuple(self._places[why]), self._what) for why in order)


def in_words(reasons: Iterable[RowReason]) -> str:
    """How many rows and documents there are for all reasons together: `2 rows and 1 document`; empty for none."""
    counts: Counter[str] = Counter()
    for reason in reasons:
        counts[reason.what] += reason.count
    return " and ".join(many(count, what) for what, count in counts.items())


def many(count: int, what: str) -> str:
    """A number of things in words: `1 row`, `2,000 rows`."""
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
