"""The registry of metrics: the built-in ones, and those of other packages, found through entry points; and specs.

A metric is named by a spec, as approaches are: `NAME` or `NAME:parameter=value,...`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint

from advisor import plugins
from advisor.errors import UserError
from advisor.tasks.faults import listed, quoted, suggestion
from advisor.tasks.metric_facts import Metric, MetricFacts, Parameter, Value
from advisor.tasks.metric_list import BUILT_IN
from advisor.tasks.task import KINDS, Kind

GROUP = "advisor.metrics"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_SWITCH = {"true": True, "false": False}


@dataclass(frozen=True)
class NamedMetric:
    """A metric with the values of its parameters.

    Attributes:
        values: of every parameter, by name.
    """

    facts: MetricFacts
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Its canonical text, by which records and reports name it: parameters that are as by default are left out."""
        known = self.facts.parameters
        said = [f"{name}={_written(value)}" for name, value in self.values.items() if value != known[name].default]
        return f"{self.facts.name}:{','.join(said)}" if said else self.facts.name


def other_metrics() -> dict[str, EntryPoint]:
    """The entry points of other packages' metrics by name; a built-in name cannot be overridden."""
    return {name: point for name, point in plugins.installed(GROUP).items() if name not in BUILT_IN}


def metric_names() -> tuple[str, ...]:
    """The names of all metrics, built-in ones first."""
    return (*BUILT_IN, *other_metrics())


def name_of(spec: str) -> str:
    """The name in a spec."""
    return spec.partition(":")[0].strip()


def facts_of(spec: str) -> MetricFacts:
    """Look up the description of the metric that a spec names.

    Raises:
        UserError: see `other_metric`.
    """
    name = name_of(spec)
    return BUILT_IN.get(name) or other_metric(name)


@cache
def parse_metric(spec: str) -> NamedMetric:
    """The metric that a spec names, with its parameters.

    Raises:
        UserError: the metric, or one of its parameters, is unknown; or a value is none that it takes.
    """
    facts = facts_of(spec)
    _, colon, said = spec.partition(":")
    given: dict[str, Value] = {}
    for piece in said.split(",") if colon else ():
        name, equals, value = (part.strip() for part in piece.partition("="))
        known = facts.parameters.get(name)
        if known is None or not equals or name in given:
            raise _wrong_parameter(facts, spec, piece, twice=name in given)
        given[name] = _converted(value, known, f"{name} in the metric {quoted(spec)}")
    for name, known in facts.parameters.items():
        if not known.optional and name not in given:
            raise UserError(f"the metric {quoted(spec)} lacks {name}", f"write {facts.name}:{name}=...: {known.about}")
    values = {name: given.get(name, known.default) for name, known in facts.parameters.items()}
    return NamedMetric(facts, values)


def check_metric(spec: str, kind: Kind | None, beside: bool = False) -> str:
    """The canonical text of a metric that a task of this kind is to be measured by.

    Args:
        kind: None where it is not known.
        beside: whether it is measured beside the metric of the task, which alone decides.

    Raises:
        UserError: it is none, or none for such a task.
    """
    named = parse_metric(spec)
    facts = named.facts
    if kind and kind not in facts.kinds:
        needed = " or ".join(f'"{known}"' for known in facts.kinds)
        raise UserError(
            f'the metric {quoted(spec)} needs kind {needed}, not "{kind}"', "advisor metrics lists them all"
        )
    if not beside and not facts.decides:
        why = "describes all answers together" if facts.sort == "set" else "is no quality from 0 to 1"
        why = "compares answers with those of a rival" if facts.beside else why
        hint = f'name another as the metric, and this one beside it: metrics = ["{named.text}"]'
        raise UserError(f"the metric {quoted(spec)} {why}, so approaches cannot be compared by it", hint)
    return named.text


def _wrong_parameter(facts: MetricFacts, spec: str, piece: str, twice: bool) -> UserError:
    known = listed(facts.parameters) if facts.parameters else "none"
    name = piece.partition("=")[0].strip()
    what = f"gives {name} twice" if twice else f"has {quoted(piece)}, which is no parameter=value of it"
    return UserError(f"the metric {quoted(spec)} {what}", f"parameters of {facts.name}: {known}")


def _converted(text: str, known: Parameter, where: str) -> Value:
    """A value as the type of a parameter's default.

    Raises:
        UserError: it is none.
    """
    default = known.default
    if isinstance(default, str):
        if not text or (known.choices and text not in known.choices):
            allowed = f"one of {listed(known.choices, len(known.choices))}" if known.choices else known.about
            raise UserError(f"{where} is {quoted(text)}", allowed)
        return text
    if isinstance(default, bool):
        if text.lower() not in _SWITCH:
            raise UserError(f"{where} is {quoted(text)}", "write true or false")
        return _SWITCH[text.lower()]
    kind, noun = (int, "a whole number") if isinstance(default, int) else (float, "a number")
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < known.least:
        least = "" if known.least == -math.inf else f" of at least {known.least:g}"
        raise UserError(f"{where} is {quoted(text)}", f"give {noun}{least}")
    return value


def _written(value: Value) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else f"{value:.12g}" if isinstance(value, float) else str(value)
    )


@cache
def other_metric(name: str) -> Metric:
    """Load the metric that another package registered under `name`.

    Raises:
        UserError: none is registered under that name, or what is registered cannot be used as one.
    """
    point = other_metrics().get(name)
    if point is None:
        hint = suggestion(name, metric_names(), "the metrics")
        raise UserError(f"the metric {quoted(name)} is unknown", f"{hint} (advisor metrics lists them all)")
    found = plugins.plugin(GROUP, name, "metric")
    wrong = _wrong(found, name)
    if wrong:
        raise UserError(f"{point.value} is registered as the metric {quoted(name)}, but {wrong}", "see CONTRIBUTING.md")
    metric: Metric = found
    return metric


def release_of(spec: str) -> str:
    """The package and version that a metric comes from; empty for built-in ones."""
    point = other_metrics().get(name_of(spec))
    return "" if point is None else f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _wrong(found: object, name: str) -> str:
    """The reason why an object is not a valid metric of that name; empty where it is one."""
    if not isinstance(found, Metric):
        return "it is no advisor.tasks.Metric"
    if found.name != name or not _NAME.fullmatch(name):
        return f"its name is {quoted(found.name)}"
    if not found.kinds or not set(found.kinds) <= set(KINDS):
        return f"its kinds are {quoted(found.kinds)}"
    spread = found.spread
    if not isinstance(spread, int | float) or not 0 < spread <= 1:
        return f"its spread is {quoted(spread)}"
    if found.sort == "asked":
        return "only metrics of Advisor itself ask models"
    needed = (found.score,) if found.sort == "example" else (found.corpus,)
    given = [function for function in (found.score, found.corpus) if function is not None]
    if None in needed or not all(map(callable, given)):
        return "it cannot be called"
    known = isinstance(found.parameters, Mapping) and all(isinstance(p, Parameter) for p in found.parameters.values())
    return "" if known else "its parameters are not advisor.tasks.Parameter by name"
