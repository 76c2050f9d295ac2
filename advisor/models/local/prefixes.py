"""Rows that have more in common than all rows of a batch, so that it is read once for them.

Several queries find the same passage first; a query and an input that says nothing stand behind the same passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

SHORTEST = 16  # tokens in common that are worth a call of their own for the attention of what stands behind them

Own = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Stretch:
    """Consecutive tokens that some rows have in common; the rest of a row, where it is one row's.

    Attributes:
        rows: their numbers.
        start, stop: of the tokens in each of the rows.
        path: numbers of the stretches that come before, in order; together they hold the tokens up to `start`.
    """

    rows: tuple[int, ...]
    start: int
    stop: int
    path: tuple[int, ...]


def families(own: Own, extra: int, most: int) -> Iterator[list[int]]:
    """Numbers of the rows, those that begin alike together.

    Args:
        own: tokens of each row.
        extra: tokens that stand behind each row beside its own.
        most: tokens of a family at most, what is read once for several rows counted once; a longer row stands alone.
    """
    family: list[int] = []
    tokens = 0
    for row in sorted(range(len(own)), key=lambda row: own[row]):
        alike = _alike(own[family[-1]], own[row]) if family else 0
        # Up to so many tokens that it has in common with its neighbour may be too few to stand by themselves.
        more = len(own[row]) - max(alike - (SHORTEST - 1), 0) + extra
        if family and (alike < SHORTEST or tokens + more > most):
            yield family
            family, tokens, more = [], 0, len(own[row]) + extra
        family.append(row)
        tokens += more
    if family:
        yield family


def stretches(own: Own, family: Sequence[int]) -> list[Stretch]:
    """The tokens of a family's rows, each that several have in common once; what comes before, before.

    Args:
        family: of `families`.
    """
    found: list[Stretch] = []
    _divide(own, family, 0, (), found)
    return found


def _divide(own: Own, rows: Sequence[int], start: int, path: tuple[int, ...], found: list[Stretch]) -> None:
    """Go on from `start`, up to which the rows, in their order, are alike."""
    for run in _runs(own, rows, start + SHORTEST):
        if len(run) == 1:
            found.append(Stretch((run[0],), start, len(own[run[0]]), path))
            continue
        stop = min([common([own[run[0]], own[run[-1]]]), *(len(own[row]) - 1 for row in run)])
        found.append(Stretch(tuple(run), start, stop, path))
        _divide(own, run, stop, (*path, len(found) - 1), found)


def _runs(own: Own, rows: Sequence[int], least: int) -> list[list[int]]:
    """Neighbours that are alike up to `least` at least together."""
    runs = [[rows[0]]]
    for before, row in pairwise(rows):
        if _alike(own[before], own[row]) >= least:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


def _alike(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    """How many tokens two rows have in common; the last one of each is always its own, since it predicts."""
    return min(common([left, right]), len(left) - 1, len(right) - 1)


def common(rows: Own) -> int:
    """How many leading tokens all rows have in common."""
    first, last = min(rows), max(rows)  # in order these two have the least in common
    shared = min(len(first), len(last))
    return next((place for place in range(shared) if first[place] != last[place]), shared)
