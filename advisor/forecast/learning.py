"""Learning to predict qualities from measured comparisons: ridge regression with an offset (anchor).

The quality of an approach is predicted, on the arcsine scale (`advisor.forecast.scale`), by an anchor (one probe's own
reading, or nothing) plus a linear function of the standardised features, whose weights are shrunk by ridge regression
(Hoerl & Kennard 1970). Anchor and strength are those with the least squared error when each task is left out in turn,
all sizes of it together; every task weighs the same. The interval is conformal, from the errors on tasks left out, as
in the jackknife+ and CV+ of Barber et al. 2021; the quantile is that of groups of rows that belong together, every
group with the same weight (Dunn, Wasserman and Ramdas, "Distribution-free prediction sets for two-layer hierarchical
models", 2023).

Which approach is better is learned from their differences on the same task, on the arcsine scale and without an anchor:
how hard a task is concerns all approaches alike and cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from advisor.forecast.features import ASKED, Features
from advisor.forecast.scale import LEAST, MOST, angle, quality
from advisor.forecast.sketch import Sketch

Floats = NDArray[np.float64]
ANCHORS = ("zero-shot", "few-shot:k=4", "nearest", "head", "oracle", "rag", "best of cheap")
STRENGTHS = tuple(float(x) for x in np.geomspace(0.03, 30, 13))
"""Strengths of the ridge penalty, beside standardised features whose own squares sum up to about 1."""
COVERAGE = 0.95
FEWEST_TASKS = 5
ENOUGH = math.ceil(COVERAGE / (1 - COVERAGE) - 1e-9)
"""Tasks, 19, from which on errors on them can be sure to hold the next one's with `COVERAGE`."""
_CONSTANT = 1e-9


@dataclass(frozen=True)
class Case:
    """One measured comparison: its features and its results.

    Attributes:
        task: rows of the same task are never on both sides of a split.
        qualities: the qualities by spec, in the task's metric; or their differences on the arcsine scale.
        sketch: the sketch of the task's inputs (`advisor.forecast.sketch`); empty where none was kept.
    """

    task: str
    features: Features
    qualities: Mapping[str, float]
    sketch: Sketch = ()


@dataclass(frozen=True)
class Weight:
    """One feature's standardisation and weight; its effect is clipped to the range of values seen in training."""

    mean: float
    scale: float
    weight: float
    least: float
    most: float


@dataclass(frozen=True)
class Regression:
    """The fitted regression of one approach.

    Attributes:
        anchor: the feature that the rest is added to; empty for none.
        within: half the width of the 95 % interval, on the arcsine scale.
        error: root mean squared error on tasks left out, on the arcsine scale.
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
        return quality(self.total(features))

    def total(self, features: Features) -> float:
        """The prediction on the arcsine scale: a quality, or a difference."""
        total = self.intercept + (angle(features.get(self.anchor) or 0.0) if self.anchor else 0.0)
        for name, weight in self.weights.items():
            value = features.get(name)
            if value is not None:
                seen = min(weight.most, max(weight.least, value))
                total += weight.weight * (seen - weight.mean) / weight.scale
        return total


def differences(cases: Sequence[Case], reference: str) -> list[Case]:
    """Cases whose targets are each approach's difference to the reference on the arcsine scale, where measured."""
    return [
        replace(
            case,
            qualities={
                spec: angle(found) - angle(case.qualities[reference])
                for spec, found in case.qualities.items()
                if spec != reference
            },
        )
        for case in cases
        if reference in case.qualities
    ]


def fit(spec: str, cases: Sequence[Case], anchors: Sequence[str] = ANCHORS) -> Regression | None:
    """Fit the regression of one approach; None where too few tasks have measured it.

    Args:
        anchors: the candidate anchors; without any, the targets are differences on the arcsine scale.
    """
    cases = [case for case in cases if spec in case.qualities]
    tasks = sorted({case.task for case in cases})
    if len(tasks) < FEWEST_TASKS:
        return None
    problem = _Problem(spec, cases, anchors)
    errors = problem.left_out()
    best, strength = problem.chosen(errors)
    left_out = errors[best, strength]
    intercept, weights = problem.solve(np.ones(len(cases), dtype=bool))
    return Regression(
        spec=spec,
        anchor=problem.anchors[best],
        strength=STRENGTHS[strength],
        intercept=float(intercept[best, strength]),
        weights={
            name: Weight(*map(float, numbers))
            for name, *numbers in zip(
                problem.names, problem.means, problem.scales, weights[best, strength], *problem.seen, strict=True
            )
        },
        within=conformal(np.abs(left_out), problem.weights, len(tasks)),
        error=float(np.sqrt(np.average(left_out**2, weights=problem.weights))),
        tasks=len(tasks),
        cases=len(cases),
    )


def foretold(fitted: Regression, cases: Sequence[Case], anchors: Sequence[str] = ANCHORS) -> dict[int, float]:
    """The out-of-sample prediction of each case that measured the approach, from the other tasks, by its position: a
    quality, or a difference on the arcsine scale.

    Args:
        fitted: the result of `fit` on the same cases and anchors.
    """
    places = [place for place, case in enumerate(cases) if fitted.spec in case.qualities]
    problem = _Problem(fitted.spec, [cases[place] for place in places], anchors)
    errors = problem.left_out()[problem.anchors.index(fitted.anchor), STRENGTHS.index(fitted.strength)]
    found = (problem.y - errors).tolist()
    return dict(zip(places, map(quality, found) if anchors else found, strict=True))


def conformal(sizes: Floats, weights: Floats, tasks: int) -> float:
    """The bound on a new task's error that holds with 95 %: the weighted quantile at 0.95 (1 + 1 / tasks).

    With fewer than `ENOUGH` tasks there is none; the largest error, and a quarter as much again, stands in, which is
    sure to hold less (`assured`).

    Args:
        sizes, weights: the size and weight of each error; the weights of a task's errors sum up to 1 / tasks.
    """
    if tasks < ENOUGH:
        return 1.25 * float(np.max(sizes))
    level = COVERAGE * (1 + 1 / tasks)
    order = np.argsort(sizes)
    reached = np.cumsum(weights[order]) >= level - 1e-9
    return float(sizes[order][int(np.argmax(reached))])


def assured(tasks: int) -> float:
    """The coverage on similar tasks that an interval from the errors of `tasks` tasks is sure to have.

    The largest of K errors that are exchangeable with the next one is exceeded by that with 1 / (K + 1).
    """
    return COVERAGE if tasks >= ENOUGH else tasks / (tasks + 1)


class _Problem:
    """The data of one approach as matrices; all anchors and regularisation strengths are solved together."""

    def __init__(self, spec: str, cases: Sequence[Case], anchors: Sequence[str]) -> None:
        names = [name for name in dict.fromkeys(n for case in cases for n in case.features) if name != ASKED]
        table = np.array([[_number(case.features.get(name)) for name in names] for case in cases])
        known = {name: table[:, i] for i, name in enumerate(names) if np.isfinite(table[:, i]).any()}
        self.names = [name for name, column in known.items() if np.nanstd(column) > _CONSTANT]
        used = np.array([known[name] for name in self.names]).reshape(len(self.names), len(cases)).T
        self.means, self.scales = np.nanmean(used, axis=0), np.nanstd(used, axis=0)
        self.seen = np.nanmin(used, axis=0), np.nanmax(used, axis=0)
        self.x = np.nan_to_num((used - self.means) / self.scales)  # what is not known counts as usual
        self.y = np.array([angle(case.qualities[spec]) if anchors else case.qualities[spec] for case in cases])
        self.tasks = np.array([case.task for case in cases])
        sizes = {task: int(np.sum(self.tasks == task)) for task in set(self.tasks)}
        self.weights = np.array([1 / sizes[task] / len(sizes) for task in self.tasks])
        # An anchor that is missing for some rows could stand for nothing there.
        self.anchors = ["", *(name for name in anchors if name in known and np.isfinite(known[name]).all())]
        self.least = LEAST if anchors else -MOST
        self.base = np.array([[angle(found) for found in known.get(n, np.zeros(len(cases)))] for n in self.anchors])

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

    def chosen(self, errors: Floats) -> tuple[int, int]:
        """The anchor with the least squared error, and the largest strength within one standard error over tasks
        (Breiman et al. 1984): with so few tasks the minimum itself is mostly noise.
        """
        tasks = list(dict.fromkeys(self.tasks))
        means = np.array([(errors[..., self.tasks == task] ** 2).mean(axis=2) for task in tasks])
        squares = means.mean(axis=0)
        best, least = np.unravel_index(int(squares.argmin()), squares.shape)
        bound = squares[best, least] + means[:, best, least].std(ddof=1) / math.sqrt(len(tasks))
        return int(best), int(np.flatnonzero(squares[best] <= bound)[-1])

    def left_out(self) -> Floats:
        """Leave-one-task-out errors (measured minus predicted) of each row; (anchors, strengths, rows)."""
        errors = np.empty((len(self.anchors), len(STRENGTHS), len(self.y)))
        for task in dict.fromkeys(self.tasks):
            inside = self.tasks == task
            intercept, weights = self.solve(~inside)
            learned = self.x[~inside]
            x = np.clip(self.x[inside], learned.min(axis=0), learned.max(axis=0))
            predicted = intercept[..., None] + weights @ x.T + self.base[:, None, inside]
            errors[..., inside] = self.y[inside] - np.clip(predicted, self.least, MOST)
        return errors


def _number(value: float | None) -> float:
    return math.nan if value is None else value
