"""Learning curves: the measured qualities, the fitted curves, and the statements that follow from them.

Uncertainty is that of a bootstrap over the test examples, the same resamples for every approach and size, so that
approaches and sizes stay paired; where several samples of the training examples were drawn, they are resampled too,
S - 1 of S at a time, which keeps the variance unbiased (Rao & Wu 1988). A curve is fitted to each resample, of a family
that is drawn by how well each fits (`advisor.verdict.saturation`), and every statement is a percentile interval over
those curves. How often these hold a known truth is simulated by `benchmarks/growth.py`, for curves of each family, and
by `benchmarks/curves.py`. What no family foresees, a jump beyond the largest size, no interval holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from advisor.measuring.records import Run
from advisor.tasks.power import TAILS
from advisor.verdict.cells import Interval
from advisor.verdict.crossings import Crossing, crossing, flat_from, percentiles
from advisor.verdict.growth import Growth
from advisor.verdict.resampling import Bootstrap
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import Floats, Sample, samples
from advisor.verdict.saturation import FARTHEST, FittedCurves, fit

RESAMPLES = 2_000
LABELS = 100
"""How many more labels are priced."""
FLAT = 0.02
"""A curve is flat where twice as many examples add less than this, the margin of `decide`."""
_SEED = 20_240_229
_GRID = 161


@dataclass(frozen=True, slots=True)
class Point:
    """One approach at one training set size.

    Attributes:
        size: training examples.
        quality: None where there is none.
        draws: samples of the training examples (or seeds) behind it.
        trouble: the reason why there is no quality.
    """

    size: int
    quality: Interval | None
    draws: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain from more training examples: quality at `end` minus quality at `start`, by the fitted curve."""

    start: int
    end: int
    gain: Interval


@dataclass(frozen=True)
class Curve:
    """One approach's learning curve.

    Attributes:
        control: never chosen, and so left out of crossings and leaders.
        points: one for each size, rising.
        families: the weight of each family in the curve; empty where fewer than two sizes have a quality, and then
            nothing below is known either.
        line: the fitted curve from the smallest size with a quality to `FARTHEST` times the largest.
        more: the gain from the next `LABELS` examples, or from as many as the range has.
        doubling: the gain from twice as many examples as the largest size.
        flat_from: the size from which doubling adds less than `FLAT`, by the estimate; None where the curve still rises
            at the largest size.
        falls: neighbouring sizes between which the measured quality is shown to fall, against the assumption.
        misses: sizes whose measured interval the fitted curve leaves.
    """

    spec: str
    control: bool
    points: tuple[Point, ...]
    families: Mapping[str, float] = field(default_factory=dict)
    line: tuple[tuple[float, Interval], ...] = ()
    more: Gain | None = None
    doubling: Gain | None = None
    flat_from: float | None = None
    falls: tuple[tuple[int, int], ...] = ()
    misses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Leader:
    """The approach that is ahead between two sizes, by the fitted curves."""

    spec: str
    start: float
    end: float


@dataclass(frozen=True)
class Curves:
    """The learning curves of one task with all statements about them.

    Attributes:
        test: test examples that all were measured on.
        curves: the curves in the order asked for.
        leaders: the leading approaches over the measured sizes, rising.
        crossings: one for each pair of approaches that were measured at two common sizes at least.
        farthest: the last size that any statement reaches.
    """

    growth: Growth
    test: int
    curves: tuple[Curve, ...]
    leaders: tuple[Leader, ...]
    crossings: tuple[Crossing, ...]
    farthest: int


def judge(growth: Growth, resamples: int = RESAMPLES) -> Curves:
    """Fit a learning curve to each approach and find where one overtakes another; deterministic for given records.

    Raises:
        UserError: the targets cannot be judged by the metric.
    """
    by_size = {size: _measured_samples(growth, size) for size in growth.sizes}
    test = len(next(iter(growth.comparisons.values()))[0].answers)
    resampling = Resampling(test, growth.draws, resamples)
    intervals = {size: _intervals(list(found.values())) for size, found in by_size.items()}
    largest = max((size for size, found in by_size.items() if found), default=growth.sizes[-1])
    grid = np.unique(np.append(np.geomspace(growth.sizes[0], FARTHEST * largest, _GRID), growth.sizes))
    curves, lines = [], {}
    for number, spec in enumerate(growth.specs):
        known = {size: found[spec] for size, found in by_size.items() if spec in found}
        points = tuple(_point(growth, size, spec, intervals[size].get(spec), known.get(size)) for size in growth.sizes)
        curve = Curve(spec, _is_control(growth, spec), points)
        if len(known) > 1:
            qualities = np.column_stack([resampling.qualities(sample) for sample in known.values()])
            fitted = fit(tuple(known), qualities, np.random.default_rng([_SEED, number]))
            reached = grid[(grid >= min(known)) & (grid <= FARTHEST * max(known))]
            lines[spec] = _Line(reached, fitted.at(reached), max(known))
            curve = _described(curve, known, qualities, fitted, lines[spec])
        curves.append(curve)
    rivals = [curve.spec for curve in curves if curve.spec in lines and not curve.control]
    pairs = [(a, b) for i, a in enumerate(rivals) for b in rivals[i + 1 :]]
    crossings = [found for a, b in pairs if (found := _crossing(a, b, lines))]
    leaders = _leaders(grid[grid <= largest], {spec: lines[spec] for spec in rivals})
    return Curves(growth, test, tuple(curves), leaders, tuple(crossings), FARTHEST * largest)


@dataclass(frozen=True, eq=False)
class _Line:
    """A fitted curve and its resamples on a grid; `values` has shape (1 + resamples, sizes)."""

    sizes: Floats
    values: Floats
    largest: int


class Resampling:
    """One bootstrap over test examples and draws, shared by all approaches and sizes.

    Args:
        test: the number of test examples; `draws`: the number of samples of the training examples.
    """

    def __init__(self, test: int, draws: int, resamples: int = RESAMPLES, seed: int = _SEED) -> None:
        rng = np.random.default_rng(seed)
        self._examples: Floats = rng.multinomial(test, np.full(test, 1 / test), resamples).astype(np.float64)
        fewer = max(1, draws - 1)
        self._draws: Floats = rng.multinomial(fewer, np.full(draws, 1 / draws), resamples) / fewer

    def qualities(self, sample: Sample) -> Floats:
        """The quality as measured and, behind it, in each resample; shape (1 + resamples,)."""
        found = sample.reweighted(self._examples)
        resampled = (found * self._draws).sum(axis=1) if sample.seeds > 1 else found[:, 0]
        return np.append(sample.quality, resampled)


def _measured_samples(growth: Growth, size: int) -> dict[str, Sample]:
    """The judged predictions of the approaches that were measured completely at a size."""
    comparisons = growth.comparisons.get(size, ())
    if not comparisons:
        return {}
    runs = [run for comparison in comparisons for run in complete_runs(comparison)]
    complete = [run for run in runs if run.spec in growth.specs and not _trouble(growth, size, run.spec)]
    first = comparisons[0]
    return {sample.spec: sample for sample in samples(first.task.metric, first.answers, complete)}


def _trouble(growth: Growth, size: int, spec: str) -> str:
    """The reason why an approach has no quality at a size; empty where it has one."""
    comparisons = growth.comparisons.get(size, ())
    runs = _runs(growth, size, spec)
    for run in runs:
        if run.status in ("failed", "skipped"):
            return f"{run.status}: {run.error}"
    done = sum(run.spec == spec for comparison in comparisons for run in complete_runs(comparison))
    wanted = 1 if size == growth.task.train else growth.draws
    if not runs or len(comparisons) < wanted or done < len(runs):
        return "interrupted" if any(run.predictions for run in runs) else "not measured yet"
    return ""


def _runs(growth: Growth, size: int, spec: str) -> list[Run]:
    return [run for found in growth.comparisons.get(size, ()) for run in found.runs if run.spec == spec]


def _is_control(growth: Growth, spec: str) -> bool:
    return any(run.control for size in growth.sizes for run in _runs(growth, size, spec))


def _intervals(measured: Sequence[Sample]) -> dict[str, Interval]:
    """The intervals that a comparison at this size would report."""
    bootstrap = Bootstrap(measured) if measured else None
    return {sample.spec: bootstrap.interval(sample) for sample in measured} if bootstrap else {}


def _point(growth: Growth, size: int, spec: str, quality: Interval | None, sample: Sample | None) -> Point:
    return Point(size, quality, sample.seeds if sample else 0, "" if quality else _trouble(growth, size, spec))


def _described(
    curve: Curve, known: Mapping[int, Sample], qualities: Floats, fitted: FittedCurves, line: _Line
) -> Curve:
    """The curve with all that follows from its own fit."""
    largest = max(known)
    sizes = line.sizes[line.sizes <= largest]
    at_sizes = dict(zip(known, fitted.at(tuple(known))[0], strict=True))
    return Curve(
        curve.spec,
        curve.control,
        curve.points,
        families={name: round(weight, 6) for name, weight in fitted.families.items()},
        line=tuple((float(n), percentiles(line.values[:, i])) for i, n in enumerate(line.sizes)),
        more=_gain(fitted, largest, largest + min(LABELS, (FARTHEST - 1) * largest)),
        doubling=_gain(fitted, largest, 2 * largest),
        flat_from=flat_from(fitted.at(np.append(sizes, 2 * sizes))[0], sizes, FLAT),
        falls=_falls(tuple(known), qualities),
        misses=tuple(
            point.size
            for point in curve.points
            if point.quality and not point.quality.low <= at_sizes[point.size] <= point.quality.high
        ),
    )


def _gain(fitted: FittedCurves, start: int, end: int) -> Gain:
    values = fitted.at((start, end))
    return Gain(start, end, percentiles(values[:, 1] - values[:, 0]))


def _falls(sizes: Sequence[int], qualities: Floats) -> tuple[tuple[int, int], ...]:
    """Neighbouring sizes between which quality falls in 97.5 % of the resamples."""
    steps = np.diff(qualities[1:], axis=1)
    highest = np.quantile(steps, TAILS[1], axis=0)
    return tuple((sizes[i], sizes[i + 1]) for i, high in enumerate(highest) if high < 0)


def _crossing(first: str, second: str, lines: Mapping[str, _Line]) -> Crossing | None:
    a, b = lines[first], lines[second]
    common = np.intersect1d(a.sizes, b.sizes)
    largest = min(a.largest, b.largest)
    if (common <= largest).sum() < 2:
        return None
    difference = a.values[:, np.isin(a.sizes, common)] - b.values[:, np.isin(b.sizes, common)]
    return crossing((first, second), difference, common, largest, FARTHEST * largest)


def _leaders(sizes: Floats, lines: Mapping[str, _Line]) -> tuple[Leader, ...]:
    """The leading approach by stretches of size, by point estimate."""
    found: list[Leader] = []
    for size in sizes:
        there = {
            spec: line.values[0, int(np.searchsorted(line.sizes, size))]
            for spec, line in lines.items()
            if line.sizes[0] <= size <= line.largest
        }
        if not there:
            continue
        best = max(there, key=lambda spec: there[spec])
        if found and found[-1].spec == best:
            found[-1] = Leader(best, found[-1].start, float(size))
        else:
            found.append(Leader(best, float(size), float(size)))
    return tuple(found)
