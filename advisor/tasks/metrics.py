"""The registry of metrics: the built-in ones, and those of other packages, found through entry points.

How the built-in ones are computed is in `advisor.measuring.metrics`; here is what a task has to know of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint

from advisor import plugins
from advisor.errors import UserError
from advisor.tasks.faults import quoted, suggestion
from advisor.tasks.power import RIVALS_DIFFER
from advisor.tasks.task import KINDS, Kind

GROUP = "advisor.metrics"
_RIGHT_OR_WRONG = math.sqrt(RIVALS_DIFFER)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


@dataclass(frozen=True, kw_only=True)
class MetricFacts:
    """A description of a metric without its scoring function. Higher is better, and 1 is the best.

    Attributes:
        name: the name that `metric` in task.toml takes.
        measures: what it measures, in a sentence.
        kinds: the kinds of tasks that it can judge.
        spread: assumed standard deviation of the paired difference of two rivals' scores on one test example, by which
            it is told what a test set can show. Where answers are right or wrong, its square is at most the share on
            which the rivals differ. Graded answers that are short behave almost like that; those of long texts lie
            close together.
        source: its source, such as a paper or an official script; empty where there is none.
    """

    name: str
    measures: str
    kinds: tuple[Kind, ...] = KINDS
    spread: float = 0.4
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Metric(MetricFacts):
    """A metric with its scoring function, registered under the entry point group `advisor.metrics` by its name.

    Attributes:
        score: how well one answer matches the acceptable ones, of which there is at least one: from 0 to 1. The quality
            of an approach is the mean over the test examples.
        corpus: a second figure from 0 to 1 of all answers taken together, which the report notes beside the quality;
            None where there is none.
    """

    score: Callable[[str, Sequence[str]], float]
    corpus: Callable[[Sequence[str], Sequence[Sequence[str]]], float] | None = None


BUILT_IN: dict[str, MetricFacts] = {
    facts.name: facts
    for facts in (
        MetricFacts(
            name="accuracy",
            measures="Share of the examples whose label is right.",
            kinds=("classification",),
            spread=_RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="macro_f1",
            measures="F1 of each label, averaged, so that rare labels weigh as much as frequent ones.",
            kinds=("classification",),
            spread=_RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="exact_match",
            measures="Share of the answers that are an acceptable one, but for case, articles and punctuation.",
            spread=_RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="token_f1",
            measures="F1 of the words that an answer and the best acceptable one have in common, in any script.",
        ),
        MetricFacts(
            name="squad_em",
            measures="Exact match as SQuAD's official script computes it.",
            spread=_RIGHT_OR_WRONG,
            source="Rajpurkar et al. 2018, evaluation script 2.0",
        ),
        MetricFacts(
            name="squad_f1",
            measures="F1 of the words as SQuAD's official script computes it.",
            source="Rajpurkar et al. 2018, evaluation script 2.0",
        ),
        MetricFacts(
            name="rouge_l",
            measures="F1 of the longest common subsequence of words.",
            spread=0.15,
            source="Lin 2004",
        ),
        MetricFacts(
            name="chrf",
            measures="F2 of character n-grams, as translations are judged.",
            spread=0.15,
            source="Popović 2015, by sacrebleu",
        ),
        MetricFacts(
            name="code_exact",
            measures="Share of the answers whose tokens of code are those of an acceptable one.",
            spread=_RIGHT_OR_WRONG,
        ),
        MetricFacts(
            name="code_f1",
            measures="F1 of the tokens of code, every operator and bracket among them.",
            spread=0.3,
        ),
        MetricFacts(
            name="json_f1",
            measures="F1 of the leaves of JSON records, each with its path.",
            kinds=("extraction",),
        ),
    )
}


def other_metrics() -> dict[str, EntryPoint]:
    """The entry points of other packages' metrics by name; a built-in name cannot be overridden."""
    return {name: point for name, point in plugins.installed(GROUP).items() if name not in BUILT_IN}


def metric_names() -> tuple[str, ...]:
    """The names of all metrics, built-in ones first."""
    return (*BUILT_IN, *other_metrics())


def facts_of(name: str) -> MetricFacts:
    """Look up the description of a metric.

    Raises:
        UserError: see `other_metric`.
    """
    return BUILT_IN.get(name) or other_metric(name)


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


def release_of(name: str) -> str:
    """The package and version that a metric comes from; empty for built-in ones."""
    point = other_metrics().get(name)
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
    return "" if callable(found.score) and (found.corpus is None or callable(found.corpus)) else "it cannot be called"
