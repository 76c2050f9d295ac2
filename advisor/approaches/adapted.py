"""Approaches that adapt the language model: a context builder combined, or not, with a tuner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

from advisor.approaches.answering import Reading, decoding_for, trial_examples
from advisor.approaches.contract import (
    Approach,
    ContextBuilder,
    ContextSource,
    Facts,
    Prediction,
    Predictor,
    TrainingExample,
    TrainingSet,
    Tuned,
    Tuner,
    Usage,
)
from advisor.approaches.labels import LabelReader, label_in
from advisor.models import Adaptation, Context, Decoding, LanguageModel, Prompt, cut_by, note_of_cut
from advisor.models.clock import clock
from advisor.tasks import Example, Query, Task, TaskOutline

SAVED = "predictor.json"


@dataclass(frozen=True)
class Adapted(Approach):
    """Context x weights: `builder` decides the prompt, `tuner` (or nobody) the weights."""

    builder: ContextBuilder
    tuner: Tuner | None = None

    uses_model: ClassVar[bool] = True

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.builder.name if self.tuner is None else f"{self.builder.name}+{self.tuner.name}"

    @property
    def control(self) -> bool:  # type: ignore[override]
        return self.builder.control

    @property
    def seeded(self) -> bool:  # type: ignore[override]
        return self.builder.seeded or self.tuner is not None

    def unsuited(self, task: Task) -> str:
        """Why it cannot be used on `task`; empty where it can."""
        if self.tuner is not None and not task.train:
            return "there are no training examples"
        return self.builder.unsuited(task)

    def suggested(self, task: Task) -> bool:
        """Whether it runs when the user names no approaches."""
        return not self.unsuited(task) and self.builder.suggested(task)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Build the context, tune the weights if asked, and choose how labels are read."""
        source = self.builder.build(task, model, seed)
        tuned = None
        if self.tuner is not None:
            tuned = self.tuner.tune(_training_set(task, source, seed), model, seed)
        predictor = AdaptedPredictor(task.outline, model, source, tuned, decoding_for(task, model))
        if task.kind == "classification":
            predictor.notes += (_choose_reading(predictor, task, seed),)
        if tuned is not None and source.embedder is not None:
            inputs = [example.input for example in task.train]
            predictor.notes += note_of_cut(source.embedder, inputs, "training inputs")
        return predictor

    def restore(self, folder: Path, task: TaskOutline, model: LanguageModel) -> Predictor:
        """Bring back what was saved, without building or tuning anything again."""
        source = self.builder.restore(folder / "context", task, model)
        tuned = self.tuner.restore(folder / "weights", model) if self.tuner is not None else None
        saved = json.loads((folder / SAVED).read_text(encoding="utf-8"))
        decoding = Decoding(saved["decoding"]["max_tokens"], tuple(saved["decoding"]["stop"]))
        predictor = AdaptedPredictor(task, model, source, tuned, decoding)
        predictor.labels.reading = Reading(**saved["reading"])
        predictor.notes = tuple(saved["notes"])
        return predictor


def untrained(approach: Approach) -> Approach | None:
    """The same context with the base weights, of what trains weights; None for all else."""
    return Adapted(approach.builder) if isinstance(approach, Adapted) and approach.tuner is not None else None


class AdaptedPredictor(Predictor):
    """Renders each query with its context and asks the model, with tuned weights where there are some.

    Attributes:
        decoding: where a generated answer ends.
        labels: chooses among the labels (classification, and a model that gives likelihoods).
        notes: what was found while fitting.
    """

    def __init__(
        self, task: TaskOutline, model: LanguageModel, source: ContextSource, tuned: Tuned | None, decoding: Decoding
    ) -> None:
        self.task = task
        self.model = model
        self.source = source
        self.tuned = tuned
        self.decoding = decoding
        self.labels = LabelReader(model, task.labels, self.adaptation)
        self.notes: tuple[str, ...] = ()

    @property
    def facts(self) -> Facts:  # type: ignore[override]
        context = self.source.facts
        weights = self.tuned.facts if self.tuned else Facts()
        return Facts(
            context.index_seconds,
            context.artifact_bytes + weights.artifact_bytes,
            context.trainable_parameters + weights.trainable_parameters,
            context.notes + weights.notes + self.notes,
            {**context.resolved, **weights.resolved},
        )

    @property
    def adaptation(self) -> Adaptation | None:
        return self.tuned.adaptation if self.tuned else None

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query, in order."""
        started = clock.now()
        contexts = self.source.contexts(queries)
        prompts = [_prompt(self.task, q.input, c) for q, c in zip(queries, contexts, strict=True)]
        called = clock.now() - started
        if self.task.kind == "classification":
            answers = self._classify(prompts, called)
        else:
            answers = self._generate(prompts, called)
        unread = self._unread([query.input for query in queries])
        return [_answered(*one) for one in zip(queries, contexts, answers, unread, strict=True)]

    def save(self, folder: Path) -> None:
        """Write context, weights, where answers end and how labels are read."""
        (folder / "context").mkdir()
        self.source.save(folder / "context")
        if self.tuned is not None:
            (folder / "weights").mkdir()
            self.tuned.save(folder / "weights")
        saved = {"decoding": asdict(self.decoding), "reading": asdict(self.labels.reading), "notes": self.notes}
        (folder / SAVED).write_text(json.dumps(saved), encoding="utf-8")

    def _unread(self, inputs: Sequence[str]) -> list[bool]:
        embedder = self.source.embedder
        return cut_by(embedder, inputs) if embedder else [False] * len(inputs)

    def _classify(self, prompts: Sequence[Prompt], called: float) -> list[Prediction]:
        if self.model.can.score:
            return self.labels.answers(prompts, called)
        written = self._generate(prompts, called)
        return [replace(answer, text=label_in(answer.text, self.task.labels)) for answer in written]

    def _generate(self, prompts: Sequence[Prompt], called: float) -> list[Prediction]:
        answers = []
        for g in self.model.generate(prompts, self.decoding, self.adaptation):
            usage = Usage(g.prompt_tokens, g.completion_tokens, g.dropped, g.cut, called + g.ttft_seconds)
            answers.append(Prediction("", g.text, (), None, usage))
        return answers


def _prompt(task: TaskOutline, text: str, context: Context) -> Prompt:
    labels = task.labels if task.kind == "classification" else ()
    return Prompt(task.instruction, text, labels, context)


def _answered(query: Query, context: Context, answer: Prediction, unread: bool) -> Prediction:
    """The answer to a query with what stood beside it, which an embedder may have found by the query's beginning."""
    usage = replace(answer.usage, shown=context.size - answer.usage.dropped, unread=unread)
    evidence = tuple(passage.source for passage in context.passages)
    return replace(answer, id=query.id, evidence=evidence, usage=usage, passages=context.passages)


def _choose_reading(predictor: AdaptedPredictor, task: Task, seed: int) -> str:
    """Choose how labels are read, on labelled examples that the prompt does not show; returns a note for the report."""
    if not predictor.model.can.score:
        return f"{predictor.model.name} gives no likelihoods of labels: they were read from its written answers."
    shown = predictor.source.contexts([Query("", "")]) if task.train else []
    examples = trial_examples(task, seed, [s.input for c in shown if c.fixed for s in c.shots])
    contexts = predictor.source.training_contexts(examples, seed) if examples else []
    prompts = [_prompt(task.outline, e.input, c) for e, c in zip(examples, contexts, strict=True)]
    return predictor.labels.choose_reading(prompts, [e.target for e in examples], bool(task.dev))


def _training_set(task: Task, source: ContextSource, seed: int) -> TrainingSet:
    def rendered(examples: Sequence[Example]) -> tuple[TrainingExample, ...]:
        contexts = source.training_contexts(examples, seed)
        return tuple(
            TrainingExample(_prompt(task.outline, e.input, c), e.target)
            for e, c in zip(examples, contexts, strict=True)
        )

    return TrainingSet(rendered(task.train), rendered(task.dev))
