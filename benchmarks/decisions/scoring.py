"""How often the advice is right: every task left out in turn, its cells advised by what the other tasks taught."""

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
from advisor.forecast.learned import APPROACHES, Knowledge, expect_from, learn
from advisor.forecast.learning import Case
from advisor.verdict import Interval
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
    """One cell with the expectations for it.

    Attributes:
        choices: by policy, the approach that it names.
        expected: by spec, from the profile with probes where there are some.
        regrets: by profile of limits and policy.
        similar: whether a task like this one was among those learned from.
    """

    cell: Measured
    expected: Mapping[str, Expected]
    choices: Mapping[str, str]
    regrets: Mapping[str, Mapping[str, float]]
    similar: bool

    @property
    def qualities(self) -> dict[str, float]:
        """Of the approaches that may be chosen."""
        return eligible(self.cell)


def eligible(cell: Measured) -> dict[str, float]:
    """Measured quality of all that may be chosen."""
    return {spec: o.quality.value for spec, o in cell.outcomes.items() if spec in APPROACHES}


def case_of(cell: Measured) -> Case:
    """What is learned from."""
    return Case(cell.task, features(cell.description, cell.kind, cell.metric, cell.probes), eligible(cell))


def advised(table: Sequence[Measured]) -> list[Advised]:
    """Every cell, advised by the other tasks."""
    found = []
    for task in dict.fromkeys(cell.task for cell in table):
        others = [cell for cell in table if cell.task != task]
        known = learn([case_of(cell) for cell in others])
        found += advised_by(known, others, [cell for cell in table if cell.task == task])
    return found


def advised_by(known: Knowledge, others: Sequence[Measured], cells: Sequence[Measured]) -> list[Advised]:
    """Cells advised by what was learned from others, which also tell the policies what approaches take."""
    seconds = _Seconds(others)
    return [_advise(cell, known, seconds) for cell in cells]


def _advise(cell: Measured, known: Knowledge, seconds: _Seconds) -> Advised:
    specs = list(eligible(cell))
    expected = expect_from(known, cell.description, cell.kind, cell.metric, cell.probes, specs)
    blind = expect_from(known, cell.description, cell.kind, cell.metric, None, specs)
    worth, blind_worth = worths(expected), worths(blind)
    choices, regrets = {}, {}
    for profile in PROFILES:

        def guess(spec: str, table: Mapping[str, Interval], profile: str = profile) -> float:
            return table[spec].value - seconds.penalty(profile, spec, None)

        truth = {spec: q - seconds.penalty(profile, spec, cell) for spec, q in eligible(cell).items()}
        best = max(truth.values())
        named = {
            "advice": max(specs, key=lambda s: guess(s, worth)),
            "profile without probes": max(specs, key=lambda s: guess(s, blind_worth)),
            "rule tree": _at_hand(advised_by_tree(cell.description, documents_change=False), specs),
            **{f"always {spec}": _at_hand(spec, specs) for spec in CONSTANT},
        }
        if profile == PROFILES[0]:
            choices = named
        regrets[profile] = {policy: best - truth[spec] for policy, spec in named.items()}
    return Advised(cell, expected, choices, regrets, known.similar(case_of(cell).features))


def _at_hand(spec: str, specs: Sequence[str]) -> str:
    while spec not in specs:
        spec = STAND_IN.get(spec, "zero-shot")
        if spec == "zero-shot":
            break
    return spec


class _Seconds:
    """What approaches take on average, from other tasks: all that a policy knows of cost before it measures."""

    def __init__(self, cells: Sequence[Measured]) -> None:
        self.fit = {spec: _mean_log(o.fit_seconds for o in found) for spec, found in _by_spec(cells)}
        self.query = {spec: _mean_log(o.predict_seconds / o.n for o in found) for spec, found in _by_spec(cells)}

    def penalty(self, profile: str, spec: str, cell: Measured | None) -> float:
        """In units of quality: expected, or, with a cell, as measured there."""
        if profile == PROFILES[0]:
            return 0.0
        if cell is not None:
            outcome = cell.outcomes[spec]
            fit, query = outcome.fit_seconds, outcome.predict_seconds / outcome.n
        else:
            fit, query = 10 ** self.fit[spec], 10 ** self.query[spec]
        seconds = fit / QUERIES + query if profile == PROFILES[1] else query
        return TENFOLD * math.log10(max(seconds, 1e-3))


def _by_spec(cells: Sequence[Measured]) -> Iterator[tuple[str, list]]:
    for spec in APPROACHES:
        yield spec, [cell.outcomes[spec] for cell in cells if spec in cell.outcomes]


def _mean_log(seconds: Iterator[float]) -> float:
    return float(np.mean([math.log10(max(one, 1e-3)) for one in seconds] or [0.0]))


@dataclass(frozen=True)
class Score:
    """How a policy did over all cells.

    Attributes:
        top1: share of the cells where it names the best approach.
        tied: share where what it names cannot be told apart from the best: its 95 % interval holds the best value.
        regret: by profile of limits, mean of the best minus the named; every task weighs the same.
    """

    policy: str
    top1: float
    tied: float
    regret: Mapping[str, float]
    margin: float


def scored(found: Sequence[Advised]) -> list[Score]:
    """All policies, least regret first."""
    tasks = [one.cell.task for one in found]
    weights = np.array([1 / tasks.count(task) for task in tasks])
    scores = []
    for policy in found[0].choices:
        named = [one.qualities[one.choices[policy]] for one in found]
        best = [max(one.qualities.values()) for one in found]
        held = [one.cell.outcomes[one.choices[policy]].quality.high >= b for one, b in zip(found, best, strict=True)]
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
    """Half the 95 % interval of the mean regret, tasks resampled."""
    tasks = list(dict.fromkeys(one.cell.task for one in found))
    means = [np.mean([o.regrets[PROFILES[0]][policy] for o in found if o.cell.task == task]) for task in tasks]
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.array(means), size=(4000, len(means))).mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(high - low) / 2


def luck(found: Sequence[Advised]) -> float | None:
    """How much better the best measured quality is, on the mean over tasks, than what a choice by half of the test
    examples is worth on the other half: at most so much of every regret is chance. None where no cell tells it."""
    told = [
        (one.cell.task, max(one.qualities.values()) - one.cell.halved) for one in found if one.cell.halved is not None
    ]
    tasks = [task for task, _ in told]
    weights = [1 / tasks.count(task) for task in tasks]
    return float(np.average([more for _, more in told], weights=weights)) if told else None


def coverage(found: Sequence[Advised]) -> dict[str, tuple[float, float, int]]:
    """By approach, and over all: share of the intervals that hold what was measured, mean width, number."""
    rows: dict[str, list[tuple[bool, float]]] = {"all": []}
    for one in found:
        for spec, quality in one.qualities.items():
            e = one.expected[spec]
            row = (e.low - 1e-9 <= quality <= e.high + 1e-9, e.high - e.low)
            rows.setdefault(spec, []).append(row)
            rows["all"].append(row)
    return {spec: (_mean(r[0] for r in rs), _mean(r[1] for r in rs), len(rs)) for spec, rs in rows.items()}


def chances(found: Sequence[Advised]) -> list[tuple[float, float, int]]:
    """Of the chances that are told of rivals to be better than the advised approach, in steps (`CHANCES`): the mean of
    what was told, how often the rival was better as measured, and the number."""
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
    """The table as it is known from profiles alone."""
    return [replace(cell, probes=None) for cell in table]
