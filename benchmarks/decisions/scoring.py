"""How often the advice is right: leave-one-task-out, each grid point advised by what the other tasks taught."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from advisor.advice.preference import worths
from advisor.forecast.expected import Expected
from advisor.forecast.features import features
from advisor.forecast.learned import Knowledge, expect_from, learn, learnable
from advisor.forecast.learning import Case
from advisor.verdict import Interval
from benchmarks.decisions.grid import APPROACHES
from benchmarks.decisions.table import Measured
from benchmarks.decisions.tree import advised_by_tree

QUERIES = 10_000  # that the cost of fitting is spread over
TENFOLD = 0.05  # quality that a tenfold cost or latency is worth, in the profiles that put these first
CONSTANT = ("zero-shot", "few-shot", "rag", "lora", "rag+lora")
STAND_IN = {"rag": "few-shot", "rag+lora": "lora"}  # what a policy does where there are no documents
CHANCES = (0.0, 0.05, 0.15, 0.25, 0.35, 1.0)
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(0.975)
PROFILES = ("quality first", "cost first", "latency first")

Utility = Callable[[Measured, str, float], float]


@dataclass(frozen=True)
class Advised:
    """One grid point with its expectations.

    Attributes:
        choices: by policy, the approach that it names.
        expected: by spec, from the profile with probes where there are some.
        regrets: by profile of limits and policy.
        similar: whether a task like this one was among those learned from.
    """

    point: Measured
    expected: Mapping[str, Expected]
    choices: Mapping[str, str]
    regrets: Mapping[str, Mapping[str, float]]
    similar: bool

    @property
    def qualities(self) -> dict[str, float]:
        """The measured qualities of the approaches that may be chosen."""
        return eligible(self.point)


def eligible(point: Measured) -> dict[str, float]:
    """The measured qualities of all approaches that may be chosen."""
    return {spec: o.quality.value for spec, o in point.outcomes.items() if learnable(spec)}


def case_of(point: Measured) -> Case:
    """The case that is learned from."""
    return Case(point.task, features(point.description, point.kind, point.metric, point.probes), eligible(point))


def advised(table: Sequence[Measured]) -> list[Advised]:
    """Advise every grid point by the other tasks."""
    found = []
    for task in dict.fromkeys(point.task for point in table):
        others = [point for point in table if point.task != task]
        known = learn([case_of(point) for point in others])
        found += advised_by(known, others, [point for point in table if point.task == task])
    return found


def advised_by(known: Knowledge, others: Sequence[Measured], points: Sequence[Measured]) -> list[Advised]:
    """Advise grid points by what was learned from others, which also give the policies their average costs."""
    seconds = _Seconds(others)
    return [_advise(point, known, seconds) for point in points]


def _advise(point: Measured, known: Knowledge, seconds: _Seconds) -> Advised:
    specs = list(eligible(point))
    expected = expect_from(known, point.description, point.kind, point.metric, point.probes, specs)
    blind = expect_from(known, point.description, point.kind, point.metric, None, specs)
    worth, blind_worth = worths(expected), worths(blind)
    choices, regrets = {}, {}
    for profile in PROFILES:

        def guess(spec: str, table: Mapping[str, Interval], profile: str = profile) -> float:
            return table[spec].value - seconds.penalty(profile, spec, None)

        truth = {spec: q - seconds.penalty(profile, spec, point) for spec, q in eligible(point).items()}
        best = max(truth.values())
        named = {
            "advice": max(specs, key=lambda s: guess(s, worth)),
            "profile without probes": max(specs, key=lambda s: guess(s, blind_worth)),
            "rule tree": _at_hand(advised_by_tree(point.description, documents_change=False), specs),
            **{f"always {spec}": _at_hand(spec, specs) for spec in CONSTANT},
        }
        if profile == PROFILES[0]:
            choices = named
        regrets[profile] = {policy: best - truth[spec] for policy, spec in named.items()}
    return Advised(point, expected, choices, regrets, known.similar(case_of(point).features))


def _at_hand(spec: str, specs: Sequence[str]) -> str:
    while spec not in specs:
        spec = STAND_IN.get(spec, "zero-shot")
        if spec == "zero-shot":
            break
    return spec


class _Seconds:
    """Average seconds of each approach on other tasks: all a policy knows of cost before it measures."""

    def __init__(self, points: Sequence[Measured]) -> None:
        self.fit = {spec: _mean_log(o.fit_seconds for o in found) for spec, found in _by_spec(points)}
        self.query = {spec: _mean_log(o.predict_seconds / o.n for o in found) for spec, found in _by_spec(points)}

    def penalty(self, profile: str, spec: str, point: Measured | None) -> float:
        """The cost in units of quality: expected, or, with a grid point, as measured there."""
        if profile == PROFILES[0]:
            return 0.0
        if point is not None:
            outcome = point.outcomes[spec]
            fit, query = outcome.fit_seconds, outcome.predict_seconds / outcome.n
        else:
            fit, query = 10 ** self.fit[spec], 10 ** self.query[spec]
        seconds = fit / QUERIES + query if profile == PROFILES[1] else query
        return TENFOLD * math.log10(max(seconds, 1e-3))


def _by_spec(points: Sequence[Measured]) -> Iterator[tuple[str, list]]:
    for spec in filter(learnable, APPROACHES):
        yield spec, [point.outcomes[spec] for point in points if spec in point.outcomes]


def _mean_log(seconds: Iterator[float]) -> float:
    return float(np.mean([math.log10(max(one, 1e-3)) for one in seconds] or [0.0]))


@dataclass(frozen=True)
class Score:
    """The score of a policy over all grid points.

    Attributes:
        top1: share of the grid points where it names the best approach.
        tied: share where what it names cannot be told apart from the best: its 95 % interval holds the best value.
        regret: by profile of limits, mean of the best minus the named; every task weighs the same.
    """

    policy: str
    top1: float
    tied: float
    regret: Mapping[str, float]
    margin: float


def scored(found: Sequence[Advised]) -> list[Score]:
    """The scores of all policies, least regret first."""
    tasks = [one.point.task for one in found]
    weights = np.array([1 / tasks.count(task) for task in tasks])
    scores = []
    for policy in found[0].choices:
        named = [one.qualities[one.choices[policy]] for one in found]
        best = [max(one.qualities.values()) for one in found]
        held = [one.point.outcomes[one.choices[policy]].quality.high >= b for one, b in zip(found, best, strict=True)]
        regret = {p: float(np.average([one.regrets[p][policy] for one in found], weights=weights)) for p in PROFILES}
        scores.append(
            Score(
                policy,
                float(np.average(np.array(named) >= np.array(best) - 1e-9, weights=weights)),
                float(np.average(held, weights=weights)),
                regret,
                _margin(found, policy),
            )
        )
    return sorted(scores, key=lambda score: score.regret[PROFILES[0]])


def _margin(found: Sequence[Advised], policy: str) -> float:
    """Half the 95 % interval of the mean regret, by resampling tasks."""
    tasks = list(dict.fromkeys(one.point.task for one in found))
    means = [np.mean([o.regrets[PROFILES[0]][policy] for o in found if o.point.task == task]) for task in tasks]
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.array(means), size=(4000, len(means))).mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(high - low) / 2


def noise_floor(found: Sequence[Advised]) -> float | None:
    """The selection noise in every regret, at most: how much better the best measured quality is, on the mean over
    tasks, than what a choice by half of the test examples is worth on the other half. None where no grid point tells
    it.
    """
    told = [
        (one.point.task, max(one.qualities.values()) - one.point.halved)
        for one in found
        if one.point.halved is not None
    ]
    tasks = [task for task, _ in told]
    weights = [1 / tasks.count(task) for task in tasks]
    return float(np.average([more for _, more in told], weights=weights)) if told else None


def coverage(found: Sequence[Advised]) -> dict[str, tuple[float, float, int]]:
    """By approach, and over all: the share of intervals that hold the measured quality, their mean width, and their
    number.
    """
    rows: dict[str, list[tuple[bool, float]]] = {"all": []}
    for one in found:
        for spec, quality in one.qualities.items():
            e = one.expected[spec]
            row = (e.low - 1e-9 <= quality <= e.high + 1e-9, e.high - e.low)
            rows.setdefault(spec, []).append(row)
            rows["all"].append(row)
    return {spec: (_mean(r[0] for r in rs), _mean(r[1] for r in rs), len(rs)) for spec, rs in rows.items()}


def chances(found: Sequence[Advised]) -> list[tuple[float, float, int]]:
    """The calibration of stated chances of rivals to be better than the advised approach, in steps (`CHANCES`): the
    mean stated chance, how often the rival was better as measured, and the number.
    """
    told = []
    for one in found:
        worth = worths({spec: one.expected[spec] for spec in one.qualities})
        advised, better = max(worth, key=lambda spec: worth[spec].value), one.qualities
        for spec in worth.keys() - {advised}:
            rival, named = worth[spec], worth[advised]
            spread = math.hypot(rival.high - rival.low, named.high - named.low) / (2 * _Z)
            chance = _NORMAL.cdf((rival.value - named.value) / max(spread, 1e-9))
            told.append((chance, (better[spec] > better[advised]) + 0.5 * (better[spec] == better[advised])))
    steps = [[pair for pair in told if low <= pair[0] < high] for low, high in itertools.pairwise(CHANCES)]
    return [(_mean(p for p, _ in rows), _mean(o for _, o in rows), len(rows)) for rows in steps if rows]


def _mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))


def without_probes(table: Sequence[Measured]) -> list[Measured]:
    """The table as known from profiles alone."""
    return [replace(point, probes=None) for point in table]
