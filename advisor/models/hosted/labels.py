"""Labels as what a served model can be asked about: the tokens that each is written with, as a tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.models.hosted.reading import END, begun_by

MOST_NODES = 128  # requests a prompt; labels that take more are told otherwise


@dataclass(frozen=True, slots=True)
class LabelTree:
    """What each label's tokens follow: the beginnings that labels have in common are asked about once.

    Attributes:
        starts: how an answer was begun where a token is to be told, the empty text first.
        tokens: those that may follow each start.
        steps: of each label, the number of a start and that of the token among those that may follow.
    """

    starts: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    steps: tuple[tuple[tuple[int, int], ...], ...]

    @classmethod
    def of(cls, pieces: Sequence[Sequence[str]]) -> LabelTree:
        """The tree of labels that are written with these tokens.

        Where one label begins another, all are closed with the end of an answer, as the engine here does it.
        """
        rows = [tuple(row) for row in pieces]
        if begin_each_other(rows):
            rows = [(*row, END) for row in rows]
        follow: dict[str, dict[str, int]] = {}
        for row in rows:
            for at, token in enumerate(row):
                known = follow.setdefault("".join(row[:at]), {})
                known.setdefault(token, len(known))
        starts = sorted(follow, key=lambda start: (len(start), start))
        number = {start: at for at, start in enumerate(starts)}
        steps = tuple(
            tuple((number[(start := "".join(row[:at]))], follow[start][token]) for at, token in enumerate(row))
            for row in rows
        )
        return cls(tuple(starts), tuple(tuple(follow[start]) for start in starts), steps)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each label."""
        return tuple(map(len, self.steps))

    def totals(self, values: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """The log-probability of each label, of those of the tokens behind each start."""
        return tuple(sum(values[start][token] for start, token in steps) for steps in self.steps)


def begin_each_other(rows: Sequence[Sequence[str]]) -> bool:
    """Whether one of several sequences begins another."""
    return any(a != b and list(b[: len(a)]) == list(a) for a in rows for b in rows)


def spelt(text: str, ask: Callable[[str], Sequence[str]]) -> list[str] | None:
    """The tokens that a text is written with, told from what may follow each beginning of it: the longest that goes
    on with the text. None where nothing does.

    Args:
        ask: the tokens that may follow a beginning.
    """
    found, done = list[str](), ""
    while done != text:
        fitting = [token for token in ask(done) if token and text.startswith(token, len(done))]
        if not fitting:
            return None
        found.append(max(fitting, key=len))
        done += found[-1]
    return found


def told_apart(labels: Sequence[str], tokens: Sequence[str]) -> bool:
    """Whether for each label there is a token that begins it and no other."""
    told = {begun[0] for token in tokens if len(begun := begun_by(token, labels)) == 1}
    return told == set(labels)
