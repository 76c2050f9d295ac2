"""Batches of rows: similar lengths together, and smaller ones where memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from advisor.models.device import free_memory, out_of_memory
from advisor.models.render import Encoded

ROWS_AT_ONCE = 32
TOKENS_AT_ONCE = 24_576  # of one batch, padding included: bounds memory


def batches(rows: Sequence[Encoded], extra: int) -> Iterator[list[int]]:
    """Numbers of the rows in batches of similar length, longest first."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), i))
    batch: list[int] = []
    for i in order:
        longest = len(rows[batch[0]].ids) if batch else 0
        if batch and (len(batch) == ROWS_AT_ONCE or (longest + extra) * (len(batch) + 1) > TOKENS_AT_ONCE):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def gathered(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Numbers of neighbouring rows that have at most so many tokens together; a row that has more stands alone."""
    batch: list[int] = []
    tokens = 0
    for number, length in enumerate(lengths):
        if batch and tokens + length > most:
            yield batch
            batch, tokens = [], 0
        batch.append(number)
        tokens += length
    if batch:
        yield batch


def halving(batch: Sequence[int], work: Callable[[Sequence[int]], None]) -> None:
    """Do the work on the batch, or on its halves where memory does not suffice for all of it."""
    try:
        work(batch)
    except RuntimeError as error:
        if len(batch) == 1 or not out_of_memory(error):
            raise
    else:
        return
    free_memory()
    middle = len(batch) // 2
    halving(batch[:middle], work)
    halving(batch[middle:], work)
