"""What to expect of an approach before it is run, from what was measured on other tasks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.advise.expected import Expected
from advisor.advise.features import Features, features, of_profile
from advisor.advise.learning import ANCHORS, Case, Fitted, Weight, differences, fit
from advisor.advise.local import local_cases
from advisor.advise.observed import observed
from advisor.advise.readings import Probes
from advisor.advise.rules import expect_by_rules, family
from advisor.tasks.description import Description

COEFFICIENTS = "learned.json"
APPROACHES = ("nearest", "head", "zero-shot", "few-shot", "few-shot:select=nearest", "rag", "lora", "rag+lora")
"""What is learned: all that the table has measured and that may be chosen."""
REFERENCE = "lora"  # measured on every task
REACH = 1.5
"""A task counts as similar up to this many times the distance at which the table's own tasks lie from each other."""


@dataclass(frozen=True)
class Knowledge:
    """All that was learned.

    Attributes:
        probed, profiled: by spec, from profile and probes, and from the profile alone.
        edges, blind_edges: likewise, what each has more than the reference.
        cases: what it was learned from, to which the user's own are added.
    """

    probed: Mapping[str, Fitted]
    profiled: Mapping[str, Fitted]
    edges: Mapping[str, Fitted]
    blind_edges: Mapping[str, Fitted]
    cases: tuple[Case, ...]

    def expected(self, found: Features, spec: str) -> Expected | None:
        """The expectation for one approach; None where it was not learned."""
        probed = "zero-shot" in found
        fitted = (self.probed if probed else self.profiled).get(family(spec))
        if fitted is None:
            return None
        value = fitted.predict(found)
        low, high = max(0.0, value - fitted.within), min(1.0, value + fitted.within)
        source = "profile and probes" if probed else "profile alone"
        why = f"learned from {fitted.cases} comparisons on {fitted.tasks} other tasks, from the {source}"
        edge = (self.edges if probed else self.blind_edges).get(family(spec))
        if family(spec) == REFERENCE:
            return Expected(spec, value, low, high, "learned", why, 0.0)
        if edge is None:
            return Expected(spec, value, low, high, "learned", why)
        return Expected(spec, value, low, high, "learned", why, edge.total(found), edge.within)

    def edge(self, found: Features, spec: str) -> tuple[float, float] | None:
        """What one approach has more than the reference on an average task, and half the 95 % interval of that."""
        if family(spec) == REFERENCE:
            return 0.0, 0.0
        fitted = (self.edges if "zero-shot" in found else self.blind_edges).get(family(spec))
        return (fitted.total({}), fitted.within) if fitted else None

    def similar(self, found: Features) -> bool:
        """Whether a task was measured that this one is like, by its profile."""
        if not self.cases:
            return False
        apart = np.sqrt(np.mean((self._table - self._row(found)) ** 2, axis=1))
        return bool(apart.min() <= REACH * self._reach)

    @property
    def tasks(self) -> int:
        """That something was learned from."""
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
        """The farthest that any case lies from the nearest one of another task."""
        tasks = np.array([case.task for case in self.cases])
        square = np.mean((self._table[:, None] - self._table[None]) ** 2, axis=2)
        square[tasks[:, None] == tasks[None]] = np.inf
        nearest = np.sqrt(square.min(axis=1))
        return float(nearest[np.isfinite(nearest)].max(initial=0.0))


def learn(cases: Sequence[Case]) -> Knowledge:
    """Learn every approach twice: from profile and probes, and from the profile alone."""
    plain = [replace(case, features=of_profile(case.features)) for case in cases]
    probed = [case for case in cases if "zero-shot" in case.features]
    return Knowledge(
        probed=_fitted_to(probed, ANCHORS),
        profiled=_fitted_to(plain, ANCHORS),
        edges=_fitted_to(differences(probed, REFERENCE), ()),
        blind_edges=_fitted_to(differences(plain, REFERENCE), ()),
        cases=tuple(cases),
    )


def _fitted_to(cases: Sequence[Case], anchors: Sequence[str]) -> dict[str, Fitted]:
    return {spec: found for spec in APPROACHES if (found := fit(spec, cases, anchors))}


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
    """`expect` with other knowledge than that which ships."""
    found = features(description, kind, metric, probes)
    by_rules = expect_by_rules(description, kind, metric, probes, specs)
    if not known.similar(found):
        return _on_average(known, found, by_rules)
    learned = {spec: one for spec in specs if (one := known.expected(found, spec))}
    joined = {spec: learned.get(spec) or _beside(by_rules[spec], learned, by_rules) for spec in specs}
    return observed(joined, probes, description.train)


def _on_average(known: Knowledge, found: Features, by_rules: Mapping[str, Expected]) -> dict[str, Expected]:
    """For a task that is like none which was measured: how hard it is, by the rules, and how the approaches stand to
    each other, as they did on average over all tasks.

    The rules order approaches as the literature does, which has larger models and more labels in view; a small table of
    one's own knows that better (benchmarks/LOG.md).
    """
    edges = {spec: one for spec in by_rules if (one := known.edge(found, spec))}
    if not edges:
        return dict(by_rules)
    halves = {spec: (by_rules[spec].high - by_rules[spec].low) / 2 for spec in edges}
    weights = [1 / (halves[spec] ** 2 + unsure**2) for spec, (_, unsure) in edges.items()]
    level = float(np.average([by_rules[spec].value - edge for spec, (edge, _) in edges.items()], weights=weights))
    joined = {}
    for spec, (edge, unsure) in edges.items():
        rule = by_rules[spec]
        if rule.basis == "rule":
            value, half = min(1.0, max(0.0, level + edge)), math.hypot(halves[spec], unsure)
            low, high = max(0.0, value - half), min(1.0, value + half)
            rule = replace(rule, value=value, low=low, high=high, why=_UNLIKE.format(known.tasks))
        joined[spec] = replace(rule, edge=edge, unsure=unsure)
    return {spec: joined.get(spec) or _beside(one, joined, by_rules) for spec, one in by_rules.items()}


_UNLIKE = "rules of thumb for the level, and for the order the average of {} other tasks, none of them like this one"


def learned_edges(found: Mapping[str, Expected]) -> dict[str, float]:
    """By how much each is expected to be better than what all share, of those for which that was learned."""
    return {spec: one.edge for spec, one in found.items() if one.basis == "learned" and one.edge is not None}


def _beside(rule: Expected, learned: Mapping[str, Expected], by_rules: Mapping[str, Expected]) -> Expected:
    """What the rules say of an approach that was not learned, measured from one that was: by how much it is better."""
    like = "lora" if "+" in rule.spec else "zero-shot"
    if rule.basis != "rule" or like not in learned:
        return rule
    shift = learned[like].value - by_rules[like].value
    value, low, high = (min(1.0, max(0.0, one + shift)) for one in (rule.value, rule.low, rule.high))
    edge = learned[like].edge
    if edge is not None:
        edge += rule.value - by_rules[like].value
    return replace(rule, value=value, low=low, high=high, edge=edge, unsure=(rule.high - rule.low) / 2)


def knowledge() -> Knowledge:
    """What ships, and what was measured on this machine and kept with `--learn`."""
    local = local_cases()
    return learn([*shipped().cases, *local]) if local else shipped()


@cache
def shipped() -> Knowledge:
    """What comes with the program."""
    place = files("advisor.advise") / COEFFICIENTS
    return from_json(json.loads(place.read_text(encoding="utf-8")))


def to_json(known: Knowledge) -> dict[str, Any]:
    """Plain JSON values."""
    return asdict(known)


def from_json(found: Mapping[str, Any]) -> Knowledge:
    """What `to_json` gave."""
    learned = {name: {spec: _fitted(one) for spec, one in found[name].items()} for name in _LEARNED}
    return Knowledge(**learned, cases=tuple(Case(**case) for case in found["cases"]))


_LEARNED = ("probed", "profiled", "edges", "blind_edges")


def _fitted(found: Mapping[str, Any]) -> Fitted:
    return Fitted(**{**found, "weights": {name: Weight(**one) for name, one in found["weights"].items()}})
