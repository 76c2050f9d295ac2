"""Approaches that adapt the language model: a context builder combined, or not, with a tuner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

from advisor.approaches.answering import TRIAL_EXAMPLES, USUAL_REASONING, LabelReading, decoding_for, trial_examples
from advisor.approaches.asking import Asker
from advisor.approaches.contract import (
    Approach,
    ContextBuilder,
    ContextSource,
    Facts,
    Prediction,
    Predictor,
    Shows,
)
from advisor.approaches.curation import AS_IT_IS, Curation, asked_of
from advisor.approaches.judging import TrialJudge
from advisor.approaches.temperature import CALIBRATED_ON
from advisor.approaches.trained import save, trained
from advisor.approaches.training_sets import training_preferences, training_set
from advisor.approaches.tuner import Tuned, Tuner
from advisor.approaches.workload import (
    MOST_AT_ONCE,
    RAMBLING,
    STEM,
    STEP,
    TAIL,
    TRIED_AGAIN,
    TURN,
    ContextLoad,
    Lengths,
    Load,
)
from advisor.errors import UserError
from advisor.models import Adaptation, Context, Decoding, LanguageModel, cut_by, note_of_cut
from advisor.models.clock import clock
from advisor.tasks import Document, Outline, Query, Task, TaskBrief, TaskShape, with_others

SAVED = "predictor.json"


@dataclass(frozen=True)
class Adapted(Approach):
    """Context x weights: `builder` decides the prompt, `tuner` (or nobody) the weights."""

    builder: ContextBuilder
    tuner: Tuner | None = None

    uses_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.builder.cot and self.tuner is not None:
            raise UserError(
                f"{self.builder.name}:cot=true+{self.tuner.name}: training examples hold answers and no reasoning to "
                "learn from",
                f"{self.builder.name}:cot=true alone, or {self.name} without cot",
            )
        if self.tuner is not None and len(asked_of(self.tuner.parts)) > 1:
            raise UserError(
                f"{self.name}: its tuners share the training examples, and ask for different things to be done to them",
                "say of one of them what is done",
            )
        if self.builder.taught and self.tuner is None:
            spec = f"{self.builder.name}:{self.builder.taught}"
            raise UserError(f"{spec} is learned, and there is no tuner to learn it", f"{spec}+lora")

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.builder.name if self.tuner is None else f"{self.builder.name}+{self.tuner.name}"

    @property
    def curation(self) -> Curation:
        """What is done to the training examples before context and weights are made of them."""
        return self.tuner.curation if self.tuner else AS_IT_IS

    @property
    def control(self) -> bool:  # type: ignore[override]
        return self.builder.control

    @property
    def seeded(self) -> bool:  # type: ignore[override]
        return self.builder.seeded or self.trains_model

    @property
    def trains_model(self) -> bool:  # type: ignore[override]
        return self.tuner is not None

    @property
    def shows(self) -> Shows:  # type: ignore[override]
        return self.builder.shows

    @property
    def follows_query(self) -> bool:  # type: ignore[override]
        return self.builder.follows_query

    @property
    def learns(self) -> bool:  # type: ignore[override]
        return self.builder.learns or self.trains_model

    @property
    def tells_likelihoods(self) -> bool:  # type: ignore[override]
        """A control finds what a query alone does not say, and what is reasoned first is not given."""
        return not (self.control or self.builder.cot)

    @property
    def unasked(self) -> bool:  # type: ignore[override]
        return self.builder.unasked if self.tuner is None else self.tuner.unasked

    @property
    def others(self) -> tuple[str, ...]:
        """Those of the tuner."""
        return self.tuner.others if self.tuner else ()

    @property
    def probed_as(self) -> str:  # type: ignore[override]
        return "" if self.trains_model else self.builder.probed_as

    def unsuited(self, task: TaskShape) -> str:
        """Why it cannot be used on `task`; empty where it can."""
        if self.trains_model and not task.train:
            return "there are no training examples"
        own = self.tuner.unsuited(task) if self.tuner else ""
        return self.builder.unsuited(task) or own or self.curation.improper(task) or self._uncalibrated(task)

    def _uncalibrated(self, task: TaskShape) -> str:
        """Why confidences cannot be calibrated; empty where they can, or are not to be."""
        if not self.builder.calibrate:
            return ""
        if task.kind != "classification":
            return "calibrate is about probabilities of labels, and the task has none"
        learned = "the weights learn from those of train" if self.tuner else "there are no training examples either"
        return f"calibrate needs dev examples: {learned}" if not task.dev and (self.tuner or not task.train) else ""

    def suggested(self, task: TaskShape) -> bool:
        """Whether it runs when the user names no approaches."""
        if self.unsuited(task):
            return False
        if self.tuner is None:
            return self.builder.suggested(task)
        return self.tuner.unasked and self.builder.suggested_tuned(task)

    def load(self, task: Outline, lengths: Lengths) -> Load | None:
        """What it will take, if the builder says what it puts beside a query."""
        beside = self.builder.load(task)
        if beside is None:
            return None
        load = self._of_a_query(task, lengths, beside)
        rows, words = len(task.train) * (1 + self.curation.augment), lengths.a_word
        own, shared = _row(load, lengths, None if beside.trained is None else beside.trained * words)
        shown = len(task.train) if self.tuner else 0  # the contexts of training rows: further ones have their example's
        asked = shown * beside.asked_written * words
        whole = _asking(load, lengths, beside)
        read = shown * whole.asked_prompt / whole.prompt if whole.prompt else 0.0  # likewise, in queries
        taken = replace(
            whole,
            tried=self._tried(task) + beside.tried + read,
            tried_written=beside.tried_written + asked,
            embedded_to_fit=beside.embedded,
            indexed=beside.indexed,
            trained_on=self._trained_on(rows, own, shared, task.documents.total * words)
            + self._preferred(task, own - lengths.answer, shared, words),
            step=min(MOST_AT_ONCE, STEP * own + shared) if self.tuner else 0.0,
            trains=self.trains_model,
        )
        return self.curation.with_curation(taken, task, lengths)

    def _of_a_query(self, task: Outline, lengths: Lengths, beside: ContextLoad) -> Load:
        shots = beside.examples * (lengths.input + lengths.answer + TURN)
        context = shots + beside.words * lengths.a_word
        scored = task.kind == "classification"
        rambling = 1.0 if self.trains_model or beside.examples else RAMBLING
        reasoned, calls = (USUAL_REASONING, 2) if self.builder.cot else (0, 1)
        follows = self.follows_query and not beside.alike
        return Load(
            prompt=calls * (lengths.stem + context + lengths.input + TAIL) + reasoned,
            shared=calls * (lengths.stem + (0.0 if follows else context)),
            scored=lengths.labels if scored else 0,
            written=reasoned + (0.0 if scored else rambling * lengths.answer),
            embedded=lengths.input / lengths.a_word if beside.embedded or beside.indexed else 0.0,
            calls=calls,
            most=beside.most,
            alike=beside.alike,
            stem=calls * lengths.stem,
        )

    def _trained_on(self, rows: int, own: float, shared: int, documents: float) -> float:
        return self.tuner.reads(rows, own, shared) + self.tuner.reads_documents(documents) if self.tuner else 0.0

    def _preferred(self, task: Outline, own: float, shared: int, words: float) -> float:
        """Tokens of preferences that are trained on; `own` and `shared` of a prompt."""
        answer = task.preferences.mean() * words / 2
        return self.tuner.reads_preferences(len(task.preferences), own + answer, shared) if self.tuner else 0.0

    def _tried(self, task: Outline) -> float:
        """Prompts by which it is tried out how labels are best compared."""
        if task.kind != "classification":
            return 0.0
        again = TRIED_AGAIN if self.follows_query and not (self.trains_model or self.builder.cot) else 1.0
        return again * min(_trials(self.builder), len(task.dev) or len(task.train))

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Build the context, tune the weights if asked, and choose how labels are read."""
        curated = self.curation.curated(task, model)
        task = curated.task
        source = self.builder.build(task, model, seed)
        decoding, tuned = source.decoding(decoding_for(task, model), model), None
        if self.tuner is not None:
            judge = TrialJudge(task.brief, model, decoding)
            beside = replace(curated, task=with_others(task, self.others))
            training = training_set(beside, source, judge, seed)
            if self.tuner.learns_preferences:
                training = replace(training, preferences=training_preferences(task, source, seed))
            tuned = trained(self.tuner, training, model, seed)
        predictor = AdaptedPredictor(source, tuned, self._asker(task.brief, model, tuned, decoding), curated.notes)
        if task.kind == "classification":
            predictor.notes += _choose_reading(predictor, task, self.builder, seed)
        elif predictor.asker.reasoning is not None:
            most = predictor.asker.reasoning.max_tokens
            predictor.notes += (f"The model reasoned before it answered, in up to {most} tokens.",)
        source.settle(task, predictor.asker, seed)
        if tuned is not None and source.embedder is not None:
            inputs = [example.input for example in task.train]
            predictor.notes += note_of_cut(source.embedder, inputs, "training inputs")
        return predictor

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Bring back what was saved, without building or tuning anything again."""
        source = self.builder.restore(folder / "context", task, model)
        tuned = self.tuner.restore(folder / "weights", model) if self.tuner is not None else None
        saved = json.loads((folder / SAVED).read_text(encoding="utf-8"))
        decoding = Decoding(saved["decoding"]["max_tokens"], tuple(saved["decoding"]["stop"]))
        asker = self._asker(task, model, tuned, decoding)
        asker.labels.reading, asker.labels_by = LabelReading(**saved["reading"]), saved["labels_by"]
        return AdaptedPredictor(source, tuned, asker, tuple(saved["notes"]))

    def _asker(self, task: TaskBrief, model: LanguageModel, tuned: Tuned | None, decoding: Decoding) -> Asker:
        return Asker(task, model, decoding, tuned.adaptation if tuned else None, self.builder.cot)


def untrained(approach: Approach) -> Approach | None:
    """The same context with the base weights, of what trains weights; None for all else."""
    if not isinstance(approach, Adapted) or approach.tuner is None or approach.builder.taught:
        return None
    return Adapted(approach.builder)


def without_others(approach: Approach) -> Approach | None:
    """The same without other tasks' training examples, of what learns from some; None for all else."""
    if not isinstance(approach, Adapted) or approach.tuner is None or not approach.others:
        return None
    return replace(approach, tuner=approach.tuner.alone())


class AdaptedPredictor(Predictor):
    """Renders each query with its context and asks the model, with tuned weights where there are some.

    Attributes:
        notes: what was found while fitting.
    """

    def __init__(self, source: ContextSource, tuned: Tuned | None, asker: Asker, notes: tuple[str, ...] = ()) -> None:
        self.source = source
        self.tuned = tuned
        self.asker = asker
        self.notes = notes

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
            self.asker.labels_by,
            weights.tokens_seen,
            weights.served,
            weights.perplexity,
        )

    @property
    def adaptation(self) -> Adaptation | None:  # type: ignore[override]
        return self.asker.adaptation

    @property
    def as_written(self) -> bool:  # type: ignore[override]
        """Where there are no labels, and the source leaves answers as they are."""
        return self.asker.task.kind != "classification" and self.source.as_written

    @property
    def pieces(self) -> int:  # type: ignore[override]
        """Those of the source."""
        return self.source.pieces

    def adapted(self, adaptation: Adaptation) -> AdaptedPredictor:
        """The same prompts, answered and read in the same way, by other weights."""
        now, asker = self.asker, Asker(self.asker.task, self.asker.model, self.asker.decoding, adaptation)
        asker.reasoning, asker.labels_by = now.reasoning, now.labels_by
        asker.labels.reading = now.labels.reading
        return AdaptedPredictor(self.source, self.tuned, asker, self.notes)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query, in order."""
        started = clock.now()
        contexts = self.source.contexts(queries)
        answers = self.source.answers(self.asker, queries, contexts, clock.now() - started)
        unread = self._unread([query.input for query in queries])
        return [_answered(*one) for one in zip(queries, contexts, answers, unread, strict=True)]

    def likelihoods(self, query: Query, answers: Sequence[str], bare: bool = False) -> tuple[float, ...]:
        """By the prompt that the query is answered with, and the weights that answer."""
        (context,) = self.source.contexts([query])
        context = replace(context, passages=()) if bare else context
        (scores,) = self.asker.model.score([self.asker.prompt(query.input, context)], answers, self.asker.adaptation)
        return scores.totals

    def after(self, documents: Sequence[Document]) -> Predictor:
        """The same weights and the same reading of labels, with the context of these documents."""
        source = self.source.reindexed(documents, self.asker.model)
        return self if source is self.source else AdaptedPredictor(source, self.tuned, self.asker, self.notes)

    def save(self, folder: Path) -> None:
        """Write context, weights, where answers end and how labels are read."""
        (folder / "context").mkdir()
        self.source.save(folder / "context")
        if self.tuned is not None:
            save(self.tuned, folder / "weights")
        saved = {
            "decoding": asdict(self.asker.decoding),
            "reading": asdict(self.asker.labels.reading),
            "labels_by": self.asker.labels_by,
            "notes": self.notes,
        }
        (folder / SAVED).write_text(json.dumps(saved), encoding="utf-8")

    def _unread(self, inputs: Sequence[str]) -> list[bool]:
        embedder = self.source.embedder
        return cut_by(embedder, inputs) if embedder else [False] * len(inputs)


def _row(load: Load, lengths: Lengths, most: float | None) -> tuple[float, int]:
    """Tokens of a training row that are its own, and those that all rows have in common.

    Args:
        most: tokens of context in a training row, where that is limited.
    """
    answer = lengths.answer + 1
    if most is None:
        return load.prompt - load.shared + answer, round(load.shared)
    bare = load.stem / load.calls + lengths.input + TAIL
    context = min(most, load.prompt / load.calls - bare)
    return lengths.input + TAIL + context + answer, round(load.stem / load.calls)


def _asking(load: Load, lengths: Lengths, beside: ContextLoad) -> Load:
    """The load with the calls by which the model finds what stands beside a query."""
    prompt = beside.asked * (STEM + lengths.input + TAIL) + beside.asked_read * lengths.a_word
    written = beside.asked_written * lengths.a_word
    return replace(
        load,
        prompt=load.prompt + prompt,
        written=load.written + written,
        calls=load.calls + beside.asked,
        asked=beside.asked,
        asked_prompt=prompt,
        asked_written=written,
    )


def _answered(query: Query, context: Context, answer: Prediction, unread: bool) -> Prediction:
    """The answer to a query with what stood beside it, which an embedder may have found by the query's beginning."""
    shown = context.size - answer.usage.dropped if answer.usage.shown is None else answer.usage.shown
    usage = replace(answer.usage.with_spent(context.spent), shown=shown, unread=unread)
    evidence = tuple(passage.source for passage in context.passages)
    return replace(answer, id=query.id, evidence=evidence, usage=usage, passages=context.passages)


def _trials(builder: ContextBuilder) -> int:
    """Labelled examples on which the reading of labels is chosen, at most."""
    return CALIBRATED_ON if builder.calibrate else TRIAL_EXAMPLES


def _choose_reading(predictor: AdaptedPredictor, task: Task, builder: ContextBuilder, seed: int) -> tuple[str, ...]:
    """Choose how labels are read, on labelled examples that the prompt does not show; returns notes for the report."""
    shown = predictor.source.contexts([Query("", "")]) if task.train else []
    without = [s.input for c in shown if c.fixed for s in c.shots]
    examples = trial_examples(task, seed, without, _trials(builder))
    contexts = predictor.source.training_contexts(examples, seed) if examples else []
    prompts = [predictor.asker.prompt(e.input, c) for e, c in zip(examples, contexts, strict=True)]
    targets = [example.target for example in examples]
    return predictor.asker.choose_reading(prompts, targets, bool(task.dev), builder.calibrate)
