"""What there is to know of a metric: a description, its parameters, and for those of other packages how it scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from advisor.tasks.power import RIVALS_DIFFER
from advisor.tasks.task import KINDS, Kind

RIGHT_OR_WRONG = math.sqrt(RIVALS_DIFFER)
"""Spread of metrics by which an answer is right or wrong."""
Value = str | int | float | bool
Better = Literal["higher", "lower", "neither"]
Sort = Literal["example", "set", "asked"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a metric, written `name:parameter=value`.

    Attributes:
        default: its type is the parameter's.
        about: what it does, in a sentence.
        choices: all values that a text may have; empty for any.
        least: of a number, the least that it may be.
        optional: whether it may be left out.
    """

    default: Value
    about: str
    choices: tuple[str, ...] = ()
    least: float = -math.inf
    optional: bool = True


@dataclass(frozen=True, kw_only=True)
class MetricFacts:
    """A description of a metric without its scoring function.

    Attributes:
        name: the name that `metric` in task.toml takes.
        measures: what it measures, in a sentence that has room in one line of a report.
        more: what there is to say besides; `advisor metrics` does.
        kinds: the kinds of tasks that it can judge.
        spread: assumed standard deviation of the paired difference of two rivals' scores on one test example, by which
            it is told what a test set can show. Where answers are right or wrong, its square is at most the share on
            which the rivals differ. Graded answers that are short behave almost like that; those of long texts lie
            close together.
        source: its source, such as a paper; empty where there is none.
        official: the implementation that it is tested against; empty where there is none.
        better: which way is better. What describes answers without being a virtue (their length) is neither.
        sort: whether every example has a value of its own from the recorded texts ("example"), only all answers
            together have one ("set"), or a model is asked behind the finished run and what it said is recorded
            ("asked").
        least, most: the smallest and the largest value; infinite where there is none.
        beside: whether it is never the metric of a task, by which approaches are compared.
        parameters: by name.
        geometric: whether examples are averaged by the mean of their logarithms, as perplexities are.
        by_kind: whether `score` is also given the `kind` and the `labels` of the task, by name.
    """

    name: str
    measures: str
    more: str = ""
    kinds: tuple[Kind, ...] = KINDS
    spread: float = 0.4
    source: str = ""
    official: str = ""
    better: Better = "higher"
    sort: Sort = "example"
    least: float = 0.0
    most: float = 1.0
    beside: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    geometric: bool = False
    by_kind: bool = False

    @property
    def decides(self) -> bool:
        """Whether it can be the metric of a task, by which approaches are compared: every example has a value from 0 to
        1, and higher is better."""
        return self.sort != "set" and self.better == "higher" and self.most == 1 and not self.beside


@dataclass(frozen=True, kw_only=True)
class Metric(MetricFacts):
    """A metric with its functions, registered under the entry point group `advisor.metrics` by its name.

    Its functions are given its parameters by name.

    Attributes:
        score: `score(answer, targets, **parameters)`: how well one answer matches the acceptable ones, of which there
            is at least one: from 0 to `most`, None where it has no value. The quality of an approach is the mean over
            the test examples. None for a measure of all answers together (`sort="set"`).
        corpus: `corpus(answers, targets, **parameters)`: a figure from 0 to `most` of all answers taken together: of a
            metric with `score` a second one, which the report notes beside the quality.
    """

    score: Callable[..., float | None] | None = None
    corpus: Callable[..., float] | None = None
