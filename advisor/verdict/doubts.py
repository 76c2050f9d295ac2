"""Doubts that keep a choice provisional whatever the limits: about the comparison as a whole, and about a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.measuring.records import Comparison
from advisor.verdict import words
from advisor.verdict.decision import Row
from advisor.verdict.rows import unfinished
from advisor.verdict.statistics import Contrasts

LEAKED = 0.05
"""Share of test examples that the approaches may have seen, from which nothing is called decided."""


def provisional_because(comparison: Comparison) -> tuple[str, ...]:
    """The reasons why the recommendation stays provisional, in sentences; empty without any."""
    return (*_leaked(comparison), *_at_work(comparison))


def _at_work(comparison: Comparison) -> tuple[str, ...]:
    if not comparison.at_work:
        return ()
    left = unfinished(comparison)
    what = f"{words.listed(left)} {'is' if len(left) == 1 else 'are'} not finished" if left else "it may add to this"
    return (f"A run is at work in this folder: {what}. The same report tells more when it is done.",)


def _leaked(comparison: Comparison) -> tuple[str, ...]:
    leaked, n = comparison.task.leaked, comparison.task.test
    if leaked is None or leaked < LEAKED:
        return ()
    seen = round(leaked * n)
    return (
        f"{seen:,} of {words.many(n, 'test example')} ({100 * leaked:.0f} %) {'is' if seen == 1 else 'are'} also in "
        "what the approaches may see: what remembers them looks better than it is. "
        f"From {100 * LEAKED:.0f} % on nothing is called decided. Take them out of train and compare again.",
    )


def constant_answer(rows: Sequence[Row]) -> Row | None:
    """The row of the control that always gives the same answer; None where it was not measured."""
    return next((row for row in rows if row.baseline and row.quality), None)


def not_above_constant(row: Row, rows: Sequence[Row], contrasts: Contrasts, kind: str) -> Iterator[str]:
    """Why a row stays provisional that is not shown to be better than what always gives the same answer.

    It is one more rival that the chosen approach has to beat, and so tested as each of them is, alone.
    """
    control = constant_answer(rows)
    if control is not None and row.quality and not contrasts.between(row.spec, control.spec).beats:
        yield (
            f"{row.spec} is named provisionally, since it is not shown to be better than always giving "
            f"{words.constant_answer(kind)} ({control.spec})."
        )
