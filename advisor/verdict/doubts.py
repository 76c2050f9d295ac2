"""Doubts about a comparison as a whole that keep its choice provisional whatever was measured."""

from __future__ import annotations

from advisor.measuring.records import Comparison
from advisor.verdict import words
from advisor.verdict.rows import unfinished

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
