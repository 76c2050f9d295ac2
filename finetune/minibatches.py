"""Which examples a step sees, and which of them are read at once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from finetune.fused.packing import TokenRow
from finetune.training import Schedule


def minibatches(
    examples: Sequence[TokenRow], schedule: Schedule, seed: int, first: int = 0
) -> Iterator[list[TokenRow]]:
    """The steps' examples, in an order of its own in each pass.

    Args:
        first: the step to begin at, counted from 0.
    """
    rng, number = random.Random(seed), 0
    for _ in range(schedule.epochs):
        order = list(examples)
        rng.shuffle(order)
        for start in range(0, len(order), schedule.batch):
            if number >= first:
                yield order[start : start + schedule.batch]
            number += 1


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
