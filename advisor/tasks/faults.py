"""Faults in the user's files, collected while reading and reported together."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import UserError

SHOWN = 3
_LONGEST, _LONGEST_HINT = 500, 1_500  # characters of a message; long paths and commands fit
_COMPARED = 100  # characters by which words are near each other; the time grows with the square


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in one place.

    Attributes:
        file: the file as the user named it, or the argument's home (`TableSource`).
        line: 1-based line of a text file, row of a Parquet file; None where no line is meant.
        what: what was seen there.
        hint: what fixes it; empty for faults that are only counted in the report.
    """

    file: str
    line: int | None
    what: str
    hint: str = ""

    @property
    def place(self) -> str:
        """The file, with the line where there is one."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"error: {self.place}: {self.what}" + (f"\n  try: {self.hint}" if self.hint else "")


class Faults(UserError):
    """All faults found while reading, as one error; its text shows the first three and counts the rest."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        super().__init__(f"{first.place}: {first.what}", first.hint)

    def __str__(self) -> str:
        shown = [str(fault) for fault in self.faults[:SHOWN]]
        rest = self.faults[SHOWN:]
        return "\n".join([*shown, _counted(rest)] if rest else shown)


class FaultLog:
    """Collects faults; a hint given as a function is only computed if the report shows it.

    Attributes:
        notes: remarks on how files were read that a reader of the results should know, each once.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.notes: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, file: str | Path, line: int | None, what: str, hint: str | Callable[[], str] = "") -> None:
        """Log one fault of `file`, in reading order; very long messages are shortened."""
        if callable(hint):
            hint = hint() if len(self._faults) < SHOWN else ""
        self._faults.append(Fault(str(file), line, short(what, _LONGEST), short(hint, _LONGEST_HINT)))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was logged so far."""
        return tuple(self._faults)

    def note(self, what: str) -> None:
        """Log a remark that becomes a caveat of the task; repeated remarks are logged once."""
        self.notes[what] = None

    def raise_if_any(self) -> None:
        """Raise `Faults` if any fault was logged."""
        if self._faults:
            raise Faults(self._faults)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most similar to `word`, ignoring case; None if none is similar."""
    by_fold = {item[:_COMPARED].casefold(): item for item in known}
    found = difflib.get_close_matches(word[:_COMPARED].casefold(), by_fold, n=1)
    return by_fold[found[0]] if found else None


def suggestion(word: str, known: Iterable[str], noun: str) -> str:
    """A hint: the nearest known word, else the known ones listed after `noun`."""
    known = tuple(known)
    near = nearest(word, known)
    return f'did you mean "{short(near)}"?' if near else f"{noun}: {listed(map(short, known), 12)}"


def listed(words: Iterable[str], most: int = 6) -> str:
    """Join words by commas, at most `most` of them, and count the rest."""
    words = list(words)
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def short(text: str, width: int = 60) -> str:
    """Shorten a text to `width` by leaving out its middle."""
    half = (width - 5) // 2
    return text if len(text) <= width else f"{text[:half]} ... {text[-half:]}"


def quoted(value: object, width: int = 60) -> str:
    """The value as JSON on one line, shortened to `width` characters."""
    if isinstance(value, str):
        value = value if len(value) <= width else value[: width - 3] + "..."
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if isinstance(value, str) or len(text) <= width else text[: width - 3] + "..."


def _counted(rest: tuple[Fault, ...]) -> str:
    by_file = Counter(Path(fault.file).name for fault in rest)
    counts = ", ".join(f"{count} in {file}" for file, count in by_file.items())
    return f"... and {len(rest)} more fault{'s' if len(rest) > 1 else ''} ({counts})"
