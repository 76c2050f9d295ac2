"""Metrics that ask a model, measured of a finished run and recorded, so that reports need none.

The comparison's embedder says how near an answer is to the reference, and the row's own model how likely it finds the
reference. Whatever goes wrong is recorded and leaves the run as it is; no other figure depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from advisor.approaches import Approach, Predictor
from advisor.errors import NotApplicable
from advisor.measuring.assignment import Assignment
from advisor.measuring.harmless import harmless
from advisor.measuring.judges import is_judge
from advisor.measuring.lift import LIFT, Lift
from advisor.measuring.lines import append, counted
from advisor.measuring.progress import Progress
from advisor.measuring.records import Run
from advisor.measuring.scored import AT_ONCE, SCORED, AnsweredExample, Scored
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.models.embedder import Embedder, tokens_by
from advisor.models.hosted.address import place_of, refuse_if_offline
from advisor.models.load import load_embedder
from advisor.models.store import digest
from advisor.tasks import Example, Task, facts_of, parse_metric
from advisor.tasks.metrics import NamedMetric
from advisor.tasks.task import Query


class Measurer(Protocol):
    """Values of answers by one metric."""

    def values(self, given: Sequence[AnsweredExample], predictor: Predictor | None) -> list[float | None]:
        """One value for each, None where it has none.

        Args:
            predictor: the row's own; None where it cannot be restored.

        Raises:
            NotApplicable: it cannot be told at all, with the reason.
        """
        ...


@dataclass(frozen=True)
class EmbeddingSimilarity:
    """Cosine of the vectors of an answer and of the nearest target; 0 for an empty answer, or where it is negative."""

    embedder: Embedder

    def values(self, given: Sequence[AnsweredExample], predictor: Predictor | None) -> list[float | None]:
        """From 0 to 1."""
        texts = [text for one in given for text in (one.prediction.answer, *one.example.answers)]
        vectors, found, at = self.embedder.embed(texts), list[float | None](), 0
        for one in given:
            targets = len(one.example.answers)
            near = vectors[at + 1 : at + 1 + targets] @ vectors[at]
            same = one.prediction.answer in one.example.answers
            blank = not one.prediction.answer.strip() and not same
            found.append(0.0 if blank else 1.0 if same else float(np.clip(near.max(), 0.0, 1.0)))
            at += 1 + targets
        return found


@dataclass(frozen=True)
class BertScore:
    """F1 of the greedy matches of tokens by the cosine of their vectors (Zhang et al. 2020), of the nearest target."""

    embedder: Embedder

    def values(self, given: Sequence[AnsweredExample], predictor: Predictor | None) -> list[float | None]:
        """From 0 to 1."""
        texts = [text for one in given for text in (one.prediction.answer, *one.example.answers)]
        vectors, at = tokens_by(self.embedder, texts), 0
        found: list[float | None] = []
        for one in given:
            own, *targets = vectors[at : at + 1 + len(one.example.answers)]
            found.append(max(_matched(own, target) for target in targets))
            at += 1 + len(targets)
        return found


def _matched(own: Any, target: Any) -> float:
    if not len(own) or not len(target):
        return float(len(own) == len(target))
    near = np.maximum(own @ target.T, 0.0)  # as where the tokens around a text are masked, whose products are 0
    precision, recall = float(near.max(axis=1).mean()), float(near.max(axis=0).mean())
    both = precision + recall
    return min(1.0, 2 * precision * recall / both) if both else 0.0


@dataclass(frozen=True)
class ReferencePerplexity:
    """Perplexity by token of the target that the row finds likeliest by token, with the token that ends it."""

    model: LanguageModel

    def values(self, given: Sequence[AnsweredExample], predictor: Predictor | None) -> list[float | None]:
        """At least 1."""
        if predictor is None:
            raise NotApplicable("what was fitted is gone, so nobody tells likelihoods")
        return [self._of(one.example, predictor) for one in given]

    def _of(self, example: Example, predictor: Predictor) -> float:
        totals = predictor.likelihoods(Query(example.id, example.input), example.answers)
        tokens = [self.model.count_tokens(target) + 1 for target in example.answers]
        return math.exp(min(700.0, min(-total / count for total, count in zip(totals, tokens, strict=True))))


def _embedder_of(named: NamedMetric, model: LanguageModel, task: Task) -> Embedder:
    name = str(named.values["model"])
    if name == "embedder":
        return model.embedder
    offline = bool(task.limits.local_only)
    refuse_if_offline("embedder", name, place_of(name), offline)
    return load_embedder(name, offline=offline)


SCORERS: Mapping[str, Callable[[NamedMetric, LanguageModel, Task], Measurer]] = {
    "embedding_similarity": lambda named, model, task: EmbeddingSimilarity(model.embedder),
    "bertscore": lambda named, model, task: BertScore(_embedder_of(named, model, task)),
    "reference_perplexity": lambda named, model, task: ReferencePerplexity(model),
    LIFT: lambda named, model, task: Lift(),
}
"""What gives the values of each metric that asks a model."""
_BY_EMBEDDER = ("embedding_similarity", "bertscore")


def metrics_to_ask(approach: Approach, model: LanguageModel, task: Mapping[str, Any]) -> dict[str, str]:
    """The metrics that ask a model and are to be measured of a row, each with a digest of what gives the values beside
    the row itself. Judges come when all rows are done (`judging.py`).

    Args:
        task: what the head of the comparison says of it.
    """
    asked = [one for one in (task["metric"], *task.get("metrics", ())) if facts_of(one).sort == "asked"]
    tells = approach.tells_likelihoods and model.can.score and not model.can.remote
    without = () if tells and approach.shows == "documents" else (LIFT,) if tells else (LIFT, "reference_perplexity")
    return {one: _by(one, model) for one in asked if one not in without and not is_judge(one)}


def _by(metric: str, model: LanguageModel) -> str:
    if facts_of(metric).name not in _BY_EMBEDDER:
        return ""
    return digest(model.embedder.name, model.embedder.revision)


def lacks_scores(before: Run, assignment: Assignment) -> bool:
    """Whether a finished run lacks values of a metric that asks a model."""
    return any(_left(before, metric, by) for metric, by in assignment.metrics.items())


def _left(before: Run, metric: str, by: str) -> list[str]:
    """The ids of the test examples of which values are lacking."""
    recorded = before.scored.get(metric, Scored())
    known = recorded.values if recorded.by == by else {}
    return [prediction.id for prediction in before.predictions if prediction.id not in known]


class ScoredMeasurement:
    """Asks for the values that are not recorded yet."""

    def __init__(self, assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> None:
        self.assignment = assignment
        self.task = task
        self.model = model
        self.progress = progress

    def go(self, predictor: Predictor | None, before: Run) -> None:
        """Ask for what is left of every metric; whatever goes wrong is recorded and leaves the run as it is.

        Args:
            predictor: the row's own; None where it cannot be restored, which only some metrics need.

        Raises:
            Interrupted: it cannot go on now.
            NoRoom: the disk is full.
        """
        clock.drain()
        examples = {example.id: example for example in self.task.test}
        given = {p.id: AnsweredExample(examples[p.id], p) for p in before.predictions if p.id in examples}
        for metric, by in self.assignment.metrics.items():
            left = [given[id] for id in _left(before, metric, by) if id in given]
            if left:
                self._measure(metric, by, left, predictor)

    def _measure(self, metric: str, by: str, left: Sequence[AnsweredExample], predictor: Predictor | None) -> None:
        self.progress.step(metric, len(left))
        with harmless(self.assignment.path.parent, lambda why: self._note(metric, by, error=why)):
            named = parse_metric(metric)
            scorer = SCORERS[named.facts.name](named, self.model, self.task)
            for start in range(0, len(left), AT_ONCE):
                part = left[start : start + AT_ONCE]
                found = scorer.values(part, predictor)
                values = {one.example.id: value for one, value in zip(part, found, strict=True)}
                self._note(metric, by, values=values)
                self.progress.advance(len(part))

    def _note(self, metric: str, by: str, **what: object) -> None:
        line = {"type": SCORED, "metric": metric, **({"by": by} if by else {}), **what}
        append(self.assignment.path, line | counted(clock.drain()))
