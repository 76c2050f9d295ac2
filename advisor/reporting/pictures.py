"""Blocks that are pictures on a page that can show some, with all figures that they are drawn from.

Markdown and terminals have no pictures: there a block says in `instead` what is worth a sentence, or nothing where a
table has the figures already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.verdict.cells import Interval


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled point of a figure, in the units of its axes."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of points and curves over a logarithmic axis, which can be drawn in characters.

    Attributes:
        title: the title of the horizontal axis.
        reach: its ends, above 0.
        ticks: places on it, rising, and what stands there.
        curves: each as points (x, y).
        notes: the things that are not placed, and why.
    """

    title: str
    reach: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]
    curves: tuple[tuple[tuple[float, float], ...], ...] = ()
    notes: tuple[str, ...] = ()


Weight = Literal["", "chosen", "control", "out"]
"""How a thing stands among the others: the choice, a control, or what cannot be chosen."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a picture.

    Attributes:
        low, high: its ends; above 0 where it is logarithmic.
        ticks: places on it, rising, and what stands there.
    """

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """A thing by two measures.

    Attributes:
        key: its key in the table.
        x, y: with the ends of their intervals; both ends are the value itself where they are not known.
        said: both in words.
        front: whether nothing else is better in one measure and at least as good in the other.
    """

    name: str
    key: str
    x: Interval
    y: Interval
    said: str
    front: bool
    weight: Weight = ""


@dataclass(frozen=True, slots=True)
class Scatter:
    """Things by two measures, with the front of those that no other beats in both.

    Attributes:
        title: what it shows.
        spots: those of the front in its order, then the others.
        notes: what is not placed, and why.
        instead: a sentence for media without pictures.
    """

    title: str
    x: Axis
    y: Axis
    spots: tuple[Spot, ...]
    notes: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference with its interval.

    Attributes:
        said: the same in words.
        shown: whether it is shown to differ from zero.
    """

    name: str
    key: str
    found: Interval
    said: str
    shown: bool
    weight: Weight = ""


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences below each other on one axis, in which 0 lies.

    Attributes:
        against: what they are taken to.
        margin: differences within it are too small to matter; 0 for none.
    """

    title: str
    axis: Axis
    against: str
    effects: tuple[Effect, ...]
    margin: float = 0.0
    notes: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """One line of a picture.

    Attributes:
        points: what was measured: places, with intervals whose ends are the value itself where they are not known.
        curve: what is drawn through them; empty for straight lines from point to point.
        strong: whether it is the one to look at.
    """

    name: str
    key: str
    points: tuple[tuple[float, Interval], ...]
    curve: tuple[tuple[float, float], ...] = ()
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over one axis.

    Attributes:
        diagonal: whether the line on which both axes are equal is drawn too.
        plain: the same for media without pictures; None where a table has the figures already.
        small: whether it is one of several beside each other.
    """

    title: str
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    diagonal: bool = False
    notes: tuple[str, ...] = ()
    plain: Figure | None = None
    small: bool = False


@dataclass(frozen=True, slots=True)
class Stay:
    """How long one thing stayed in, and what became of it.

    Attributes:
        said: what became of it, in words.
        stayed: whether it was in to the end.
    """

    name: str
    length: float
    said: str
    stayed: bool


@dataclass(frozen=True, slots=True)
class Stays:
    """How long things stayed in, below each other on one axis from 0."""

    title: str
    axis: Axis
    stays: Sequence[Stay]


Picture = Figure | Scatter | Forest | Lines | Stays
