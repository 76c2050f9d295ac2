"""Which examples a step sees, and which of them are read at once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from finetune.fused.packing import TokenRow
from finetune.training import Mix, Schedule

_POWER: dict[Mix, float] = {"equal": 0.0, "root": 0.5, "size": 1.0}


def by_task(rows: Sequence[TokenRow]) -> list[list[TokenRow]]:
    """The rows of each task, by its number."""
    return [[row for row in rows if row.task == task] for task in sorted({row.task for row in rows})]


def in_a_pass(tasks: Sequence[Sequence[TokenRow]], mix: Mix) -> list[int]:
    """How many examples of each task a pass takes: all of the first, of others by its number and theirs."""
    own = len(tasks[0])
    return [max(1, round(own * (len(rows) / own) ** _POWER[mix])) for rows in tasks]


def pass_size(rows: Sequence[TokenRow], mix: Mix) -> tuple[int, float]:
    """Examples of a pass, and their tokens; those of another task as long as they are on the average."""
    tasks = by_task(rows)
    counts = in_a_pass(tasks, mix)
    tokens = [sum(row.tokens for row in of) * count / len(of) for of, count in zip(tasks, counts, strict=True)]
    return sum(counts), sum(tokens)


def minibatches(
    examples: Sequence[TokenRow], schedule: Schedule, seed: int, first: int = 0
) -> Iterator[list[TokenRow]]:
    """The steps' examples, in an order of its own in each pass, but for the first one of a curriculum.

    Those of several tasks are spread evenly over a pass, so that each step sees all of them, if it is large enough.

    Args:
        first: the step to begin at, counted from 0.
    """
    rng, number = random.Random(seed), 0
    tasks = by_task(examples)
    counts = in_a_pass(tasks, schedule.mix)
    decks: list[list[TokenRow]] = [[] for _ in tasks]
    for a_pass in range(schedule.epochs):
        dealt = [_dealt(*one, rng) for one in zip(decks, tasks, counts, strict=True)]
        if schedule.curriculum != "none" and not a_pass:
            dealt = [sorted(rows, key=lambda row: row.difficulty) for rows in dealt]
        order = _interleaved(dealt)
        for start in range(0, len(order), schedule.batch):
            if number >= first:
                yield order[start : start + schedule.batch]
            number += 1


def _dealt(deck: list[TokenRow], rows: Sequence[TokenRow], count: int, rng: random.Random) -> list[TokenRow]:
    """The next of a task's examples, shuffled anew whenever all were seen."""
    while len(deck) < count:
        more = list(rows)
        rng.shuffle(more)
        deck += more
    dealt, deck[:] = deck[:count], deck[count:]
    return dealt


def _interleaved(tasks: Sequence[Sequence[TokenRow]]) -> list[TokenRow]:
    """All of them, each task's in its order and evenly spread."""
    placed = [((at + 0.5) / len(rows), row) for rows in tasks for at, row in enumerate(rows)]
    return [row for _, row in sorted(placed, key=lambda one: (one[0], one[1].task))]


def parts_of(rows: Sequence[TokenRow], tokens: int, padded: bool = False) -> Iterator[list[TokenRow]]:
    """Rows in parts of at most so many tokens; a longer row is a part of its own.

    Args:
        padded: whether padding counts, and rows of like lengths come together.
    """
    part: list[TokenRow] = []
    for row in sorted(rows, key=lambda row: row.tokens) if padded else rows:
        before = len(part) * row.tokens if padded else sum(r.tokens for r in part)
        if part and before + row.tokens > tokens:
            yield part
            part = []
        part.append(row)
    if part:
        yield part
