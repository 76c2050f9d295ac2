"""Learning what to expect of an approach from measured comparisons: ridge regression around an anchor.

The quality of an approach is predicted as an anchor (one probe's own reading, or nothing) plus a linear function of the
standardised features, whose weights are shrunk by ridge regression (Hoerl & Kennard 1970). Anchor and strength are
those with the least squared error when each task is left out in turn, all sizes of it together; every task weighs the
same. The interval is conformal, from the errors on tasks left out: the finite-sample quantile of their size, as in the
jackknife+ and CV+ of Barber et al. 2021, with tasks in place of single rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.advise.features import Features

Floats = NDArray[np.float64]
ANCHORS = ("", "zero-shot", "few-shot:k=4", "nearest", "head", "oracle", "rag", "best of cheap")
STRENGTHS = tuple(float(x) for x in np.geomspace(0.03, 30, 13))
"""Of the shrinkage, beside standardised features whose own squares sum up to about 1."""
COVERAGE = 0.95
FEWEST_TASKS = 5


@dataclass(frozen=True)
class Case:
    """One measured comparison: what was known before, and what came out.

    Attributes:
        task: rows of the same task are never on both sides of a split.
        qualities: by spec, in the task's metric.
    """

    task: str
    features: Features
    qualities: Mapping[str, float]


@dataclass(frozen=True)
class Weight:
    """One feature: how it is standardised, and what a standard deviation of it adds."""

    mean: float
    scale: float
    weight: float


@dataclass(frozen=True)
class Fitted:
    """What was learned of one approach.

    Attributes:
        anchor: the feature that the rest is added to; empty for none.
        within: half the width of the 95 % interval.
        error: root mean squared error on tasks left out.
        tasks, cases: learned from.
    """

    spec: str
    anchor: str
    strength: float
    intercept: float
    weights: Mapping[str, Weight]
    within: float
    error: float
    tasks: int
    cases: int

    def predict(self, features: Features) -> float:
        """The expected quality, between 0 and 1."""
        total = self.intercept + (_known(features.get(self.anchor)) if self.anchor else 0.0)
        for name, weight in self.weights.items():
            value = features.get(name)
            if value is not None:
                total += weight.weight * (value - weight.mean) / weight.scale
        return min(1.0, max(0.0, total))


def fit(spec: str, cases: Sequence[Case]) -> Fitted | None:
    """Learn one approach; None where too few tasks have measured it."""
    cases = [case for case in cases if spec in case.qualities]
    tasks = sorted({case.task for case in cases})
    if len(tasks) < FEWEST_TASKS:
        return None
    problem = _Problem(spec, cases)
    settings = [(anchor, strength) for anchor in ANCHORS if problem.has(anchor) for strength in STRENGTHS]
    errors = {setting: problem.left_out(*setting) for setting in settings}
    anchor, strength = min(settings, key=lambda s: float(np.average(errors[s] ** 2, weights=problem.weights)))
    left_out = errors[anchor, strength]
    intercept, weights = problem.solve(anchor, strength, np.ones(len(cases), dtype=bool))
    return Fitted(
        spec=spec,
        anchor=anchor,
        strength=strength,
        intercept=intercept,
        weights={
            name: Weight(float(mean), float(scale), float(weight))
            for name, mean, scale, weight in zip(problem.names, problem.means, problem.scales, weights, strict=True)
        },
        within=conformal(np.abs(left_out)),
        error=float(np.sqrt(np.average(left_out**2, weights=problem.weights))),
        tasks=len(tasks),
        cases=len(cases),
    )


def conformal(sizes: Floats) -> float:
    """The quantile of the sizes of n errors that a new one stays below with 95 %: the ceil(0.95 (n + 1))-th smallest.

    With fewer than 19 errors there is none; the largest, and half as much again, stands in.
    """
    rank = math.ceil(COVERAGE * (len(sizes) + 1))
    return float(np.sort(sizes)[rank - 1]) if rank <= len(sizes) else 1.5 * float(np.max(sizes))


class _Problem:
    """The rows of one approach as matrices."""

    def __init__(self, spec: str, cases: Sequence[Case]) -> None:
        names = list(dict.fromkeys(name for case in cases for name in case.features))
        table = np.array([[_number(case.features.get(name)) for name in names] for case in cases])
        used = [i for i in range(len(names)) if np.nanstd(table[:, i]) > 1e-9] if len(names) else []
        self.names = [names[i] for i in used]
        self.raw = table
        self.column = {name: i for i, name in enumerate(names)}
        known = table[:, used]
        self.means, self.scales = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
        self.x = np.nan_to_num((known - self.means) / self.scales)  # what is not known counts as usual
        self.y = np.array([case.qualities[spec] for case in cases])
        self.tasks = np.array([case.task for case in cases])
        sizes = {task: int(np.sum(self.tasks == task)) for task in set(self.tasks)}
        self.weights = np.array([1 / sizes[task] / len(sizes) for task in self.tasks])

    def has(self, anchor: str) -> bool:
        """Whether it was measured for almost all rows; it could stand for nothing otherwise."""
        return not anchor or (anchor in self.column and float(np.mean(np.isfinite(self._anchor(anchor)))) > 0.9)

    def _anchor(self, anchor: str) -> Floats:
        return self.raw[:, self.column[anchor]] if anchor else np.zeros(len(self.y))

    def solve(self, anchor: str, strength: float, rows: NDArray[np.bool_]) -> tuple[float, Floats]:
        x, w = self.x[rows], self.weights[rows]
        y = self.y[rows] - np.nan_to_num(self._anchor(anchor)[rows])
        center, middle = np.average(x, axis=0, weights=w), float(np.average(y, weights=w))
        inner = (x - center).T * (w / w.sum())
        weights = np.linalg.solve(inner @ (x - center) + strength * np.eye(x.shape[1]), inner @ (y - middle))
        return middle - float(center @ weights), weights

    def left_out(self, anchor: str, strength: float) -> Floats:
        """Errors (measured minus predicted) of each row, learned from the other tasks."""
        errors = np.empty(len(self.y))
        base = np.nan_to_num(self._anchor(anchor))
        for inside in self._tasks():
            intercept, weights = self.solve(anchor, strength, ~inside)
            predicted = np.clip(intercept + self.x[inside] @ weights + base[inside], 0, 1)
            errors[inside] = self.y[inside] - predicted
        return errors

    def _tasks(self) -> Iterator[NDArray[np.bool_]]:
        for task in dict.fromkeys(self.tasks):
            yield self.tasks == task


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _known(value: float | None) -> float:
    return 0.0 if value is None else value
