"""Batches of rows: similar lengths together, and smaller ones where memory does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from advisor.models.local.device import device_memory, device_of
from advisor.models.local.kv import token_bytes
from advisor.models.local.shortage import give_back, out_of_memory
from advisor.models.render import Encoded

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 32
ROWS_ON_CPU = 128
ROWS_ON_GPU = 512
WEIGHTS_AT_ONCE = 2e10  # a row's weights times rows: beyond, a CPU multiplies at its full rate, and a kill costs more
SHARE_OF_CPU = 1 / 16  # of the machine's memory, for keys and values; there may be others on it
SHARE_OF_GPU = 1 / 2  # of what the weights leave free


@dataclass(frozen=True)
class Bounds:
    """How much is done at once. By the size of the machine, not by what is free now: a run that goes on later, or is
    done again, is to have the same batches, since in bfloat16 answers may depend on them.

    Attributes:
        rows: prompts of one batch at most.
        tokens: of one batch, padding included: bounds memory.
    """

    rows: int = ROWS_AT_ONCE
    tokens: int = 24_576

    @classmethod
    def of(cls, module: Any) -> Bounds:
        """The bounds for decoding with this model on its device.

        A step of decoding costs Python's time and one reading of all weights whatever the number of rows: on two
        Zen 4 cores the 135M model answers 100 prompts of covid_faq in 39 s at once, in 67 s by 32.
        """
        weights = sum(p.numel() for p in module.parameters())
        memory = device_memory(module) or 0
        if device_of(module).type == "cpu":
            rows = max(ROWS_AT_ONCE, min(ROWS_ON_CPU, int(WEIGHTS_AT_ONCE / weights)))
            share = SHARE_OF_CPU * memory
        else:
            rows = ROWS_ON_GPU
            share = SHARE_OF_GPU * max(memory - weights * module.dtype.itemsize, 0)
        return cls(rows, int(share / token_bytes(module)) if share else cls.tokens)


def batches(rows: Sequence[Encoded], extra: int, bounds: Bounds) -> Iterator[list[int]]:
    """Numbers of the rows in batches of similar length, longest first; `extra` tokens may follow each."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), i))
    batch: list[int] = []
    for i in order:
        longest = len(rows[batch[0]].ids) if batch else 0
        if batch and (len(batch) == bounds.rows or (longest + extra) * (len(batch) + 1) > bounds.tokens):
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


def halving(
    batch: Sequence[int], work: Callable[[Sequence[int]], None], alone: Callable[[Exception, int], Exception]
) -> None:
    """Do the work on the batch, or on its halves where memory does not suffice for all of it.

    Args:
        alone: what is raised where it does not suffice for a single row, given the shortage and the row's number.
    """
    try:
        work(batch)
    except Exception as error:
        if not out_of_memory(error):
            raise
        if len(batch) == 1:
            raise alone(error, batch[0]) from error
    else:
        return
    give_back()
    log.info("memory did not suffice for %d rows at once", len(batch))
    middle = len(batch) // 2
    halving(batch[:middle], work, alone)
    halving(batch[middle:], work, alone)
