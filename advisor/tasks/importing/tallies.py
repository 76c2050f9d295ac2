"""Rows that were left out or changed, counted by reason, with the first places."""

from __future__ import annotations

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
    """

    why: str
    count: int
    places: tuple[str, ...]

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.places) else ""
        return f"{rows_of(self.count)}: {self.why} ({', '.join(self.places)}{more})"


class RowTally:
    """Counts by reason; beyond fifty reasons, all further ones are one."""

    def __init__(self) -> None:
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
        return tuple(RowReason(why, self._counts[why], tuple(self._places[why])) for why in order)


def rows_of(count: int) -> str:
    """A number of rows in words."""
    return "1 row" if count == 1 else f"{count:,} rows"
