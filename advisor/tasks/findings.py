"""Findings of the data audit: one for each kind of problem, with its places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.tasks.personal import masked
from advisor.tasks.task import Place

Severity = Literal["high", "medium", "low"]
SHOWN = 5
"""Places of a finding that are shown with their text."""
_WIDTH = 117
_MASKED = 2_000  # characters: far more than are shown, so that nothing personal is cut in two


@dataclass(frozen=True, slots=True)
class Sight:
    """One occurrence of a problem.

    Attributes:
        places: the place itself, then those that it collides with.
        text: an excerpt with personal data masked; empty beyond the first few sights of a finding.
    """

    places: tuple[Place, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of problem in a task's data.

    Attributes:
        code: a stable name, such as `test-input-in-train`.
        severity: high where results will be wrong, medium where they may be, low where it is good to know.
        count, total: the number of affected items, out of how many.
        what: what was seen, with the count, as a sentence.
        meaning: what it does to a comparison.
        hint: what fixes it.
        sights: the occurrences, in file order or likeliest first; for label problems, one for each label.
    """

    code: str
    severity: Severity
    count: int
    total: int
    what: str
    meaning: str
    hint: str
    sights: tuple[Sight, ...]

    @property
    def share(self) -> float:
        """The count over the total."""
        return self.count / self.total if self.total else 0.0

    @property
    def lines(self) -> dict[str, list[int]]:
        """The line numbers of all occurrences by file; empty for a file that is meant as a whole."""
        found: dict[str, set[int]] = {}
        for sight in self.sights:
            found.setdefault(sight.places[0].file, set()).add(sight.places[0].line)
        return {file: sorted(lines - {0}) for file, lines in sorted(found.items())}


def sights(seen: Iterable[tuple[Sequence[Place], str]]) -> tuple[Sight, ...]:
    """Build occurrences from places and texts; only the first few keep their text, shortened and masked."""
    return tuple(
        Sight(tuple(places), excerpt(text) if number < SHOWN else "") for number, (places, text) in enumerate(seen)
    )


def excerpt(text: str, width: int = _WIDTH) -> str:
    """The beginning of a text on one line, with personal data masked."""
    line = " ".join(masked(text[:_MASKED]).split())
    return line if len(line) <= width else line[: width - 3].rstrip() + "..."


def counted(count: int, total: int, noun: str, verbs: tuple[str, str] = ("is", "are")) -> str:
    """Phrases a count in a sentence: `1 of 500 test inputs is`, `12 of 500 test inputs are`."""
    return f"{count:,} of {total:,} {noun} {verbs[count != 1]}"


HAS = ("has", "have")
