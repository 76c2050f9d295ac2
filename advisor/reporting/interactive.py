"""Blocks that a reader can do something with on a page; elsewhere their figures stand in other blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from advisor.reporting.pictures import Lines
from advisor.verdict.cards import Card
from advisor.verdict.exploring import Exploration


@dataclass(frozen=True, slots=True)
class CostExplorer:
    """Costs over time, and what the choice would be, under settings that a reader may vary.

    Attributes:
        keys: of the rows in tables, by spec.
        present: costs over time as they are under the limits of the report, where nothing can be varied.
        points: the break-even points, likewise, in sentences.
    """

    found: Exploration
    keys: Mapping[str, str]
    present: Lines
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestPart:
    """A part of the test set that a reader may look at alone.

    Attributes:
        by: what the test set was parted by.
        ids: of its examples.
    """

    by: str
    name: str
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Browser:
    """Test examples with what every row answered, through which a reader may look.

    Attributes:
        rows: specs, in the order of the table.
        metric: the name of what scores are of.
        graded: whether some lie between wrong and right.
        right_from: the score from which an answer is called right, to begin with.
        why_not: why there are none, as a sentence; empty where there are some.
    """

    cards: tuple[Card, ...]
    rows: tuple[str, ...]
    metric: str
    graded: bool
    right_from: float
    parts: tuple[TestPart, ...] = ()
    why_not: str = ""


Interactive = CostExplorer | Browser
