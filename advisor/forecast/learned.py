"""The learned prior: the expected quality of an approach, from comparisons on other tasks."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.approaches import family, known
from advisor.forecast.belief import Belief, expectations, joined, level, placed
from advisor.forecast.expected import Expected
from advisor.forecast.features import OF_SIZE, Features, features, of_profile, telling
from advisor.forecast.learning import Case, Regression, Weight, conformal, differences, fit, foretold
from advisor.forecast.observed import telling_readings
from advisor.forecast.own_cases import grouped, local_cases
from advisor.forecast.rules import expect_by_rules
from advisor.forecast.scale import angle
from advisor.pilot.readings import Probes
from advisor.tasks.description import Description

COEFFICIENTS = "learned.json"
LEARNED_WITH = "HuggingFaceTB/SmolLM2-135M-Instruct"  # the model of the comparisons that ship
EXPECTED = "expected of the reference"
"""The feature that differences are learned with beside those of the task: where little can be reached, approaches
cannot be far apart."""
TWICE = 2.0
"""An approach keeps its own prediction where that is so much more certain than its place among the others: the quality
of simply asking a model is known from asking it."""
REACH = 1.5
"""A task counts as similar up to this many times the distance at which the table's own tasks lie from each other."""


def learnable(spec: str) -> bool:
    """Whether an approach is learned from: what may be chosen, in the form that stands for its family."""
    approach = known(spec)
    return approach is not None and not approach.control and spec == family(spec)


def _learned_of(cases: Iterable[Case]) -> list[str]:
    """The approaches that cases have measured and that are learned."""
    return [spec for spec in dict.fromkeys(spec for case in cases for spec in case.qualities) if learnable(spec)]


def bare(cases: Sequence[Case], trained: bool) -> str:
    """The approach of the model alone, trained or as it is, that most cases have measured; empty where none has.

    It is measured nearly everywhere, so that others are told by their difference to it.
    """
    counts = Counter(spec for case in cases for spec in case.qualities)
    for spec, _ in counts.most_common():
        approach = known(spec) if learnable(spec) else None
        if approach and approach.uses_model and approach.shows == "nothing" and approach.trains_model == trained:
            return spec
    return ""


@dataclass(frozen=True)
class Learned:
    """The regressions learned from one set of features, by spec.

    Attributes:
        values: the regression of each approach's quality.
        edges: the regression of each approach's difference to the reference, on the arcsine scale.
        halves: half the 95 % interval of the combined prediction (`level`), on the arcsine scale.
    """

    values: Mapping[str, Regression]
    edges: Mapping[str, Regression]
    halves: Mapping[str, float]


@dataclass(frozen=True)
class Knowledge:
    """All learned regressions.

    Attributes:
        probed, profiled: the regressions on profile and probes, and on the profile alone.
        cases: the training cases, to which the user's own are added.
    """

    probed: Learned
    profiled: Learned
    cases: tuple[Case, ...]

    def believed(self, found: Features, specs: Sequence[str]) -> dict[str, Belief]:
        """The beliefs about the learned approaches before their own readings: a shared level, and each approach's
        difference.
        """
        alone = {spec: one for spec in specs if (one := self._alone(found, spec))}
        shared, halves = level(alone), self._of(found).halves
        return {
            spec: one
            if one.ahead is None or halves[family(spec)] >= TWICE * one.half
            else placed(one, shared, halves[family(spec)])
            for spec, one in alone.items()
        }

    def _of(self, found: Features) -> Learned:
        """The regressions for the features that are known of a task."""
        return self.probed if self.base in found else self.profiled

    def _alone(self, found: Features, spec: str) -> Belief | None:
        """The belief about one approach by its own regression; None where it was not learned."""
        learned = self._of(found)
        fitted = learned.values.get(family(spec))
        if fitted is None:
            return None
        source = "profile and probes" if learned is self.probed else "profile alone"
        why = f"learned from {fitted.cases} comparisons on {fitted.tasks} other tasks, from the {source}"
        one = Belief(spec, angle(fitted.predict(found)), fitted.within, None, 0.0, "learned", why, tasks=fitted.tasks)
        if family(spec) == self.reference:
            return replace(one, ahead=0.0)
        edge = learned.edges.get(family(spec))
        if edge is None:
            return one
        expected = {**telling(found), EXPECTED: learned.values[self.reference].predict(found)}
        return replace(one, ahead=edge.total(expected), apart=edge.within)

    def ahead(self, found: Features, spec: str) -> tuple[float, float] | None:
        """An approach's difference to the reference on an average task, on the arcsine scale, and half of its 95 %
        interval.
        """
        if family(spec) == self.reference:
            return 0.0, 0.0
        fitted = self._of(found).edges.get(family(spec))
        return (fitted.total({}), fitted.within) if fitted else None

    @cached_property
    def reference(self) -> str:
        """The trained model alone, to which differences are learned."""
        return bare(self.cases, trained=True)

    @cached_property
    def base(self) -> str:
        """The model alone as it is, whose probe tells that a task was probed."""
        return bare(self.cases, trained=False)

    @property
    def most(self) -> int:
        """The number of training examples of the largest training set learned from."""
        return max((round(2 ** (case.features.get("train") or 0.0)) - 1 for case in self.cases), default=0)

    def similar(self, found: Features) -> bool:
        """Whether a similar task was measured, by profile. A training set larger than any measured one does not make a
        task dissimilar.
        """
        if not self.cases:
            return False
        largest = {name: max(case.features.get(name) or 0.0 for case in self.cases) for name in OF_SIZE}
        found = {**found, **{name: min(found.get(name) or 0.0, most) for name, most in largest.items()}}
        apart = np.sqrt(np.mean((self._table - self._row(found)) ** 2, axis=1))
        return bool(apart.min() <= REACH * self._reach)

    @property
    def tasks(self) -> int:
        """The number of tasks learned from."""
        return len({case.task for case in self.cases})

    @cached_property
    def _names(self) -> list[str]:
        named = of_profile(self.cases[0].features)
        return [name for name in named if any(case.features.get(name) is not None for case in self.cases)]

    @cached_property
    def _raw(self) -> NDArray[np.float64]:
        rows = [[case.features.get(name) for name in self._names] for case in self.cases]
        return np.array(rows, dtype=np.float64)

    @cached_property
    def _scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.nanmean(self._raw, axis=0), np.maximum(np.nanstd(self._raw, axis=0), 1e-6)

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        mean, scale = self._scale
        return np.nan_to_num((self._raw - mean) / scale)

    def _row(self, found: Features) -> NDArray[np.float64]:
        mean, scale = self._scale
        return np.nan_to_num((np.array([found.get(name) for name in self._names], dtype=np.float64) - mean) / scale)

    @cached_property
    def _reach(self) -> float:
        """The largest distance of any case to the nearest one of another task."""
        tasks = np.array([case.task for case in self.cases])
        square = np.mean((self._table[:, None] - self._table[None]) ** 2, axis=2)
        square[tasks[:, None] == tasks[None]] = np.inf
        nearest = np.sqrt(square.min(axis=1))
        return float(nearest[np.isfinite(nearest)].max(initial=0.0))


def learn(cases: Sequence[Case]) -> Knowledge:
    """Fit two sets of regressions: on profile and probes, and on the profile alone."""
    plain = [replace(case, features=of_profile(case.features)) for case in cases]
    base, reference = bare(cases, trained=False), bare(cases, trained=True)
    probed = [case for case in cases if base in case.features]
    return Knowledge(_learned_from(probed, reference), _learned_from(plain, reference), tuple(cases))


def _learned_from(cases: Sequence[Case], to: str) -> Learned:
    """The regressions; `to` is the approach to which differences are learned."""
    specs = _learned_of(cases)
    values = {spec: found for spec in specs if (found := fit(spec, cases))}
    if to not in values:
        return Learned(values, {}, {})
    alone = {spec: foretold(fitted, cases) for spec, fitted in values.items()}
    reference = alone[to]
    apart = differences(
        [
            replace(case, features={**telling(case.features), EXPECTED: reference.get(place)})
            for place, case in enumerate(cases)
        ],
        to,
    )
    edges = {spec: found for spec in specs if (found := fit(spec, apart, ()))}
    return Learned(values, edges, _halves(to, cases, apart, alone, values, edges))


def _halves(
    to: str,
    cases: Sequence[Case],
    apart: Sequence[Case],
    alone: Mapping[str, Mapping[int, float]],
    values: Mapping[str, Regression],
    edges: Mapping[str, Regression],
) -> dict[str, float]:
    """Conformal half widths, from the predictions of every case with its task left out.

    Args:
        apart: the cases that measured the reference, with what each has more.
        alone: the prediction of each approach by its own regression, by the position of the case.
    """
    ahead = {spec: foretold(fitted, apart, ()) for spec, fitted in edges.items()}
    compared = [place for place, case in enumerate(cases) if to in case.qualities]
    errors: dict[str, list[tuple[str, float]]] = {}
    for number, place in enumerate(compared):
        case, found = cases[place], {}
        for spec in case.qualities:
            if spec in alone and (spec == to or spec in ahead):
                more = (0.0, 0.0) if spec == to else (ahead[spec][number], edges[spec].within)
                found[spec] = Belief(spec, angle(alone[spec][place]), values[spec].within, *more, "learned", "")
        shared = level(found)
        for spec, one in found.items():
            miss = angle(case.qualities[spec]) - placed(one, shared, one.half).middle
            errors.setdefault(spec, []).append((case.task, abs(miss)))
    return {spec: _quantile(missed) for spec, missed in errors.items()}


def _quantile(missed: Sequence[tuple[str, float]]) -> float:
    """The conformal quantile of errors with every task weighted equally."""
    tasks = [task for task, _ in missed]
    different = len(set(tasks))
    weights = np.array([1 / tasks.count(task) / different for task in tasks])
    return conformal(np.array([miss for _, miss in missed]), weights, different)


def expect(
    description: Description, kind: str, metric: str, probes: Probes | None, specs: Sequence[str]
) -> dict[str, Expected]:
    """The expected quality of each approach, by spec.

    Where no task like this one was measured, and for approaches that were not, the rules of the literature stand in.
    """
    return expect_from(knowledge(), description, kind, metric, probes, specs)


def expect_from(
    known: Knowledge,
    description: Description,
    kind: str,
    metric: str,
    probes: Probes | None,
    specs: Sequence[str],
) -> dict[str, Expected]:
    """`expect` with given knowledge in place of the shipped one."""
    found = features(description, kind, metric, probes)
    by_rules = expect_by_rules(description, kind, metric, probes, specs)
    if by_rules and not known.similar(found):
        return expectations(_on_average(known, found, by_rules), known.reference)
    learned = known.believed(found, specs)
    alike = known.base, known.reference
    prior = {spec: learned.get(spec) or _beside(by_rules[spec], learned, by_rules, alike) for spec in specs}
    return expectations(joined(prior, telling_readings(prior, probes, description)), known.reference)


def _on_average(known: Knowledge, found: Features, by_rules: Mapping[str, Expected]) -> dict[str, Belief]:
    """Beliefs about a task unlike any measured one: the level by the rules, the differences as on average over all
    tasks.

    The rules order approaches as the literature does, which has larger models and more labels in view; a small table of
    one's own knows that better (benchmarks/LOG.md).
    """
    ruled = {spec: Belief.of(one) for spec, one in by_rules.items()}
    apart = {spec: known_of for spec in by_rules if (known_of := known.ahead(found, spec))}
    if not apart:
        return ruled
    near = {spec: replace(ruled[spec], ahead=ahead, apart=unsure) for spec, (ahead, unsure) in apart.items()}
    shared, why = level(near), _UNLIKE.format(known.tasks)
    for spec, one in near.items():
        if one.basis == "rule":
            near[spec] = replace(placed(one, shared, math.hypot(one.half, one.apart)), why=why)
    alike = known.base, known.reference
    return {spec: near.get(spec) or _beside(one, near, by_rules, alike) for spec, one in by_rules.items()}


_UNLIKE = "rules of thumb for the level, and for the order the average of {} other tasks, none of them like this one"


def learned_edges(found: Mapping[str, Expected]) -> dict[str, float]:
    """The expected differences to the reference, for approaches where they were learned."""
    return {spec: one.edge for spec, one in found.items() if one.basis == "learned" and one.edge is not None}


def _beside(
    rule: Expected, learned: Mapping[str, Belief], by_rules: Mapping[str, Expected], alike: tuple[str, str]
) -> Belief:
    """Place an approach that was not learned by its difference in the rules to one that was.

    It is no surer than that one.

    Args:
        alike: the model alone as it is, and trained.
    """
    approach, own = known(rule.spec), Belief.of(rule)
    like = alike[approach is not None and approach.trains_model]
    if rule.basis != "rule" or like not in learned:
        return replace(own, tried=rule.basis == "measured")
    more, its = own.middle - angle(by_rules[like].value), learned[like].ahead or 0.0
    near = replace(own, ahead=its + more, apart=own.half, tried=False)
    return placed(near, learned[like].middle - its, max(own.half, learned[like].half))


def knowledge() -> Knowledge:
    """The shipped knowledge together with what was measured on this machine and kept with `--learn`."""
    local = local_cases()
    return _with(json.dumps([asdict(case) for case in local])) if local else shipped()


@lru_cache(maxsize=1)
def _with(local: str) -> Knowledge:
    """The knowledge with the user's own cases, cached since one piece of advice needs it many times."""
    return learn(grouped([*shipped().cases, *(Case(**case) for case in json.loads(local))]))


@cache
def shipped() -> Knowledge:
    """The knowledge that ships with Advisor."""
    place = files("advisor.forecast") / COEFFICIENTS
    return from_json(json.loads(place.read_text(encoding="utf-8")))


def from_json(found: Mapping[str, Any]) -> Knowledge:
    """Build knowledge from `dataclasses.asdict` of it."""
    sources = (_learned(found["probed"]), _learned(found["profiled"]))
    return Knowledge(*sources, cases=tuple(Case(**case) for case in found["cases"]))


def _learned(found: Mapping[str, Any]) -> Learned:
    values, edges = ({spec: _fitted(one) for spec, one in found[name].items()} for name in ("values", "edges"))
    return Learned(values, edges, dict(found["halves"]))


def _fitted(found: Mapping[str, Any]) -> Regression:
    return Regression(**{**found, "weights": {name: Weight(**one) for name, one in found["weights"].items()}})
