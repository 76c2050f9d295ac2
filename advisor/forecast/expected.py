"""The expected quality of an approach before it is run. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Basis = Literal["measured", "learned", "rule"]


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected quality of an approach on the test set, in the task's metric, with its 95 % interval.

    Attributes:
        spec: the approach, for example `rag+lora`.
        basis: `measured` by a probe of this very approach with the training examples at hand; `learned` from
            comparisons on other tasks (`advisor.forecast.learned`); `rule`: no similar task was measured, so that the
            rules of the literature are all there is.
        why: what the figure rests on, one sentence.
        edge: the expected difference to the reference that all learned approaches share; None where that was not
            learned. A choice between approaches rests on it: how hard the task is concerns all of them alike, and makes
            the values above less certain than their differences.
        unsure: half the 95 % interval of the edge.
        tried: whether anybody has measured this approach on any task; what nobody has is not advised before the others.
        tasks: the number of tasks it was learned from, where it was learned.
    """

    spec: str
    value: float
    low: float
    high: float
    basis: Basis
    why: str
    edge: float | None = None
    unsure: float = 0.0
    tried: bool = True
    tasks: int | None = None
