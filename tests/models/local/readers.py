"""Readers in each of their ways, and rows for them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from advisor.models.local.reader import Reader
from advisor.models.local.scoring import ChoiceTree
from advisor.models.render import Encoded

WAYS = ("as it is", "not packed", "as on a GPU")
STEM = tuple(range(50, 62))
CHOICES = [(30, 31, 32), (30, 33), (34,), (35, 36, 37, 38)]
TREE = ChoiceTree.of(CHOICES, 0)


class OnGPU(Reader):
    """Reads as where launching kernels is what takes time."""

    launches = True


def reading(module: Any, way: str) -> Reader:
    """A reader that reads in one of `WAYS`."""
    reader = OnGPU(module) if way == "as on a GPU" else Reader(module)
    reader.packs = reader.packs and way != "not packed"
    return reader


def rows_of(lengths: Sequence[int], stem: tuple[int, ...] = STEM) -> list[Encoded]:
    """Rows with so many tokens of their own behind a stem, the same for the same lengths."""
    draw = random.Random(sum(lengths))
    return [Encoded((*stem, *(draw.randrange(5, 390) for _ in range(n))), len(stem)) for n in lengths]
