"""Times as tables hold them, made comparable: dates in common forms, epochs, Excel's day numbers, plain counters."""

from __future__ import annotations

import datetime as dt
import re
from array import array
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from math import inf, isfinite, nan
from typing import Literal

Order = Literal["", "day-first", "month-first"]

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE]\+?\d+)?")
_SLASHED = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?:,?[ T]+(.+))?")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?:[ T]+(.+))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORDED = re.compile(
    r"(?:[A-Za-z]+,? )?(?:(\d{1,2})\.? ([A-Za-z]{3,9})\.?,?|([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,?)"
    r" (\d{4})(?:,? (.+))?"
)
_EXCEL = dt.datetime(1899, 12, 30, tzinfo=dt.UTC)
_DAY = 86_400.0
_NOTHING, _COUNT, _DATE, _EITHER = range(4)
_YEARS = (1900, 2100)


class Times:
    """The times of all rows, 17 bytes each; what they mean is settled once all are known.

    Dates such as 03/04/2024 are read both ways until another one (25/04/2024) tells which it is.
    """

    def __init__(self, order: Order = "") -> None:
        self._order = order
        self._kinds = bytearray()
        self._first = array("d")  # seconds since 1970, the day first; or a number as it is
        self._second = array("d")  # the month first
        self._tells = {"day-first": 0, "month-first": 0}

    def __len__(self) -> int:
        return len(self._kinds)

    def add(self, value: object) -> bool:
        """Take the time of the next row; False, and nothing is taken, where it cannot be read."""
        kind, first, second = self._read(str(value).strip()) if value is not None else (_NOTHING, nan, nan)
        if kind == _NOTHING:
            return False
        self._kinds.append(kind)
        self._first.append(first)
        self._second.append(second)
        return True

    @property
    def undecided(self) -> bool:
        """Whether days and months of some dates cannot be told apart."""
        told = self._tells
        mixed = bool(told["day-first"]) == bool(told["month-first"])
        return not self._order and _EITHER in self._kinds and mixed

    def settled(self) -> tuple[array[float], str]:
        """A number for each row, larger for later, NaN without a time; and how the times are read, in a sentence.

        Numbers are seconds since 1970 wherever they mean a date.
        """
        day_first = (self._order or ("month-first" if self._tells["month-first"] else "day-first")) == "day-first"
        found = array("d", self._first)
        counts = [self._first[at] for at, kind in enumerate(self._kinds) if kind == _COUNT]
        dated = any(kind in (_DATE, _EITHER) for kind in self._kinds)
        scale, said = _scale(counts, dated)
        for at, kind in enumerate(self._kinds):
            if kind == _COUNT:
                found[at] = scale(self._first[at])
            elif kind == _EITHER and not day_first:
                found[at] = self._second[at]
        if _EITHER in self._kinds:
            said.append(f"dates are read with the {'day' if day_first else 'month'} first")
        return found, "; ".join(said)

    def _read(self, text: str) -> tuple[int, float, float]:
        if _NUMBER.fullmatch(text):
            number = float(text)
            return (_COUNT, number, nan) if isfinite(number) else (_NOTHING, nan, nan)
        if found := _iso(text):
            return _DATE, found, nan
        if match := _SLASHED.fullmatch(text):
            return self._slashed(match)
        if match := _YEAR_FIRST.fullmatch(text):
            return _dated(_moment(int(match[1]), int(match[2]), int(match[3]), match[4]))
        if match := _WORDED.fullmatch(text):
            month, day = (match[2], match[1]) if match[1] else (match[3], match[4])
            short = month[:3].casefold()
            if short in _MONTHS:
                return _dated(_moment(int(match[5]), _MONTHS.index(short) + 1, int(day), match[6]))
        try:
            return _dated(parsedate_to_datetime(text))
        except (ValueError, TypeError, IndexError, OverflowError):
            return _NOTHING, nan, nan

    def _slashed(self, match: re.Match[str]) -> tuple[int, float, float]:
        one, other, year = int(match[1]), int(match[3]), int(match[4])
        year += (2000 if year < 70 else 1900) if len(match[4]) == 2 else 0
        day_first = _dated(_moment(year, other, one, match[5]))
        month_first = _dated(_moment(year, one, other, match[5]))
        if day_first[0] and month_first[0]:
            if match[2] == ".":  # nobody writes the month first with dots
                return day_first
            return (_EITHER, day_first[1], month_first[1]) if one != other else day_first
        if match[2] != ".":
            self._tells["day-first"] += bool(day_first[0])
            self._tells["month-first"] += bool(month_first[0])
        return day_first if day_first[0] else month_first


def _iso(text: str) -> float:
    """Seconds of an ISO date; 0 for other texts. A bare year or month is none of Python's."""
    try:
        return _seconds(dt.datetime.fromisoformat(text)) or 1e-9
    except (ValueError, OverflowError):
        pass
    if match := re.fullmatch(r"(\d{4})-(\d{2})", text):
        found = _moment(int(match[1]), int(match[2]), 1, None)
        return _seconds(found) if found else 0.0
    return 0.0


def _seconds(moment: dt.datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _dated(moment: dt.datetime | None) -> tuple[int, float, float]:
    return (_NOTHING, nan, nan) if moment is None else (_DATE, _seconds(moment), nan)


def _moment(year: int, month: int, day: int, clock: str | None) -> dt.datetime | None:
    try:
        found = dt.datetime(year, month, day, tzinfo=dt.UTC)
    except ValueError:
        return None
    if clock and (match := re.match(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)? ?([ap]m)?", clock, re.IGNORECASE)):
        hour = int(match[1]) % 12 + 12 * (match[4].lower() == "pm") if match[4] else int(match[1])
        found += dt.timedelta(hours=hour, minutes=int(match[2]), seconds=int(match[3] or 0))
    return found


def _scale(counts: list[float], dated: bool) -> tuple[Callable[[float], float], list[str]]:
    """How numbers are read as times, by where all of them lie; beside dates, Excel's day numbers are dates too."""
    if not counts:
        return float, []
    low, high = min(counts), max(counts)
    for least, most, unit, name in (
        (1e8, 5e9, 1.0, "seconds"),
        (1e11, 5e12, 1e-3, "milliseconds"),
        (1e14, 5e15, 1e-6, "microseconds"),
        (1e17, 5e18, 1e-9, "nanoseconds"),
    ):
        if least <= low and high <= most:
            return (lambda value: value * unit), [f"its numbers are read as {name} since 1970"]  # noqa: B023
    if all(_is_compact(value) for value in counts):
        return _compact, ["its numbers are read as dates, such as 20240131"]
    if low >= 20_000 and high <= 80_000:
        return _excel, ["its numbers are read as Excel's days since 1900"]
    if dated:  # a few cells of a column of dates that Excel shows as numbers
        return (lambda value: _excel(value) if 20_000 <= value <= 80_000 else -inf), [
            "numbers among the dates are read as Excel's days since 1900"
        ]
    if all(_YEARS[0] <= value <= _YEARS[1] and value == int(value) for value in counts):
        return (lambda value: _seconds(dt.datetime(int(value), 1, 1))), ["its numbers are read as years"]
    return float, ["its numbers are read as they are: larger is later"]


def _excel(value: float) -> float:
    return _EXCEL.timestamp() + value * _DAY


def _is_compact(value: float) -> bool:
    if not (19_000_101 <= value <= 21_001_231 and value == int(value)):
        return False
    return _moment(int(value) // 10_000, int(value) // 100 % 100, int(value) % 100, None) is not None


def _compact(value: float) -> float:
    found = _moment(int(value) // 10_000, int(value) // 100 % 100, int(value) % 100, None)
    return _seconds(found) if found else -inf


def shown(value: float) -> str:
    """A time as its date, or as the number that it is."""
    if abs(value) < 1e6:
        return f"{value:g}"
    return dt.datetime.fromtimestamp(value, dt.UTC).strftime("%Y-%m-%d")
