"""Quality on parts of the test set: what a whole hides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from advisor.verdict.cells import Interval


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the test set, and how good the rows are there.

    Attributes:
        by: what the test set was parted by: "group", "label", "input length", "answerable", "evidence found" or
            "language".
        name: of the part: "billing", "1 to 12 words".
        n: test examples in it.
        quality: by row, with the 95 % interval.
        versus: by row, its quality minus that of the best row of the whole, in this slice; the intervals of all slices
            and rows hold together with 95 %.
        shown: rows whose difference to the best is shown here, corrected likewise.
        pooled: whether it is several groups, labels or languages, each with too few examples to be judged alone.
        places: of its examples in the test set, from 0.
    """

    by: str
    name: str
    n: int
    quality: Mapping[str, Interval]
    versus: Mapping[str, Interval]
    shown: frozenset[str]
    pooled: bool = False
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupGap:
    """The largest difference in a row's quality between two groups.

    Attributes:
        row: whose quality it is.
        best, worst: the groups in which it is highest and lowest.
        difference: the former minus the latter; the intervals of all pairs of groups and of all rows hold together.
        shown: whether the two groups are shown to be served unequally, corrected likewise.
    """

    row: str
    best: str
    worst: str
    difference: Interval
    shown: bool
