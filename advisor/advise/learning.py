"""Learning what to expect of an approach from measured comparisons: ridge regression around an anchor.

The quality of an approach is predicted as an anchor (one probe's own reading, or nothing) plus a linear function of the
standardised features, whose weights are shrunk by ridge regression (Hoerl & Kennard 1970). Anchor and strength are
those with the least squared error when each task is left out in turn, all sizes of it together; every task weighs the
same. The interval is conformal, from the errors on tasks left out: the finite-sample quantile of their size, as in the
jackknife+ and CV+ of Barber et al. 2021, with tasks in place of single rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.advise.features import Features

Floats = NDArray[np.float64]
ANCHORS = ("zero-shot", "few-shot:k=4", "nearest", "head", "oracle", "rag", "best of cheap")
STRENGTHS = tuple(float(x) for x in np.geomspace(0.03, 30, 13))
"""Of the shrinkage, beside standardised features whose own squares sum up to about 1."""
COVERAGE = 0.95
FEWEST_TASKS = 5
_CONSTANT = 1e-9


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
    errors = problem.left_out()
    squares = np.average(errors**2, axis=2, weights=problem.weights)
    best, strength = np.unravel_index(int(squares.argmin()), squares.shape)
    left_out = errors[best, strength]
    intercept, weights = problem.solve(np.ones(len(cases), dtype=bool))
    return Fitted(
        spec=spec,
        anchor=problem.anchors[best],
        strength=STRENGTHS[strength],
        intercept=float(intercept[best, strength]),
        weights={
            name: Weight(float(mean), float(scale), float(weight))
            for name, mean, scale, weight in zip(
                problem.names, problem.means, problem.scales, weights[best, strength], strict=True
            )
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
    """The rows of one approach as matrices; all anchors and strengths are solved for together."""

    def __init__(self, spec: str, cases: Sequence[Case]) -> None:
        names = list(dict.fromkeys(name for case in cases for name in case.features))
        table = np.array([[_number(case.features.get(name)) for name in names] for case in cases])
        known = {name: table[:, i] for i, name in enumerate(names) if np.isfinite(table[:, i]).any()}
        self.names = [name for name, column in known.items() if np.nanstd(column) > _CONSTANT]
        used = np.array([known[name] for name in self.names]).reshape(len(self.names), len(cases)).T
        self.means, self.scales = np.nanmean(used, axis=0), np.nanstd(used, axis=0)
        self.x = np.nan_to_num((used - self.means) / self.scales)  # what is not known counts as usual
        self.y = np.array([case.qualities[spec] for case in cases])
        self.tasks = np.array([case.task for case in cases])
        sizes = {task: int(np.sum(self.tasks == task)) for task in set(self.tasks)}
        self.weights = np.array([1 / sizes[task] / len(sizes) for task in self.tasks])
        # An anchor that is missing for some rows could stand for nothing there.
        self.anchors = ["", *(name for name in ANCHORS if name in known and np.isfinite(known[name]).all())]
        self.base = np.array([known.get(name, np.zeros(len(cases))) for name in self.anchors])

    def solve(self, rows: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Intercepts, shape (anchors, strengths), and weights, shape (anchors, strengths, features)."""
        x, w = self.x[rows], self.weights[rows] / self.weights[rows].sum()
        y = self.y[rows] - self.base[:, rows]
        center, middle = w @ x, y @ w
        values, vectors = np.linalg.eigh((x - center).T * w @ (x - center))
        turned = ((y - middle[:, None]) * w @ (x - center)) @ vectors
        shrunk = turned[:, None, :] / (values + np.array(STRENGTHS)[:, None])
        weights = shrunk @ vectors.T
        return middle[:, None] - weights @ center, weights

    def left_out(self) -> Floats:
        """Errors (measured minus predicted) of each row, learned from the other tasks; (anchors, strengths, rows)."""
        errors = np.empty((len(self.anchors), len(STRENGTHS), len(self.y)))
        for task in dict.fromkeys(self.tasks):
            inside = self.tasks == task
            intercept, weights = self.solve(~inside)
            predicted = intercept[..., None] + weights @ self.x[inside].T + self.base[:, None, inside]
            errors[..., inside] = self.y[inside] - np.clip(predicted, 0, 1)
        return errors


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _known(value: float | None) -> float:
    return 0.0 if value is None else value
