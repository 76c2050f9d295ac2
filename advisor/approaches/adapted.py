"""Approaches that adapt the language model: a context builder combined, or not, with a tuner."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

from advisor.approaches.answering import (
    CONTENT_FREE,
    TRIAL_EXAMPLES,
    LabelReading,
    blank_prompts,
    blank_values,
    decoding_for,
    trial_examples,
)
from advisor.approaches.contract import (
    Approach,
    ContextBuilder,
    ContextSource,
    Curriculum,
    Facts,
    Lesson,
    Prediction,
    Predictor,
    Shows,
    Tuned,
    Tuner,
    Usage,
)
from advisor.approaches.load import (
    MOST_AT_ONCE,
    RAMBLING,
    STEP,
    TAIL,
    TRIED_AGAIN,
    TURN,
    ContextLoad,
    Lengths,
    Load,
)
from advisor.models import Context, LanguageModel, Prompt, Scores, Weights, asked_at_once, cut_by, note_of_cut
from advisor.models.clock import clock
from advisor.tasks import Example, Outline, Query, Task, TaskShape

UNBIASED = LabelReading(unbiased=True)


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
    def unasked(self) -> bool:  # type: ignore[override]
        return self.builder.unasked if self.tuner is None else self.tuner.unasked

    @property
    def probed_as(self) -> str:  # type: ignore[override]
        return "" if self.trains_model else self.builder.probed_as

    def unsuited(self, task: TaskShape) -> str:
        """Why it cannot be used on `task`; empty where it can."""
        if self.trains_model and not task.train:
            return "there are no training examples"
        return self.builder.unsuited(task)

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
        tried = self._tried(task)
        own, shared = _row(load, lengths)
        return replace(
            load,
            tried=tried,
            embedded_to_fit=beside.embedded,
            indexed=beside.indexed,
            trained_on=self.tuner.reads(len(task.train), own, shared) if self.tuner else 0.0,
            step=min(MOST_AT_ONCE, STEP * own + shared) if self.tuner else 0.0,
            trains=self.trains_model,
        )

    def _of_a_query(self, task: Outline, lengths: Lengths, beside: ContextLoad) -> Load:
        shots = beside.examples * (lengths.input + lengths.answer + TURN)
        context = shots + beside.words * lengths.a_word
        scored = task.kind == "classification"
        rambling = 1.0 if self.trains_model or beside.examples else RAMBLING
        return Load(
            prompt=lengths.stem + context + lengths.input + TAIL,
            shared=lengths.stem + (0.0 if self.follows_query else context),
            scored=lengths.labels if scored else 0,
            written=0.0 if scored else rambling * lengths.answer,
            embedded=lengths.input / lengths.a_word if self.follows_query else 0.0,
        )

    def _tried(self, task: Outline) -> float:
        """Prompts by which it is tried out how labels are best compared."""
        if task.kind != "classification":
            return 0.0
        again = TRIED_AGAIN if self.follows_query and not self.trains_model else 1.0
        return again * min(TRIAL_EXAMPLES, len(task.dev) or len(task.train))

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Build the context, tune the weights if asked, and choose how labels are read."""
        source = self.builder.build(task, model, seed)
        tuned = None
        if self.tuner is not None:
            tuned = self.tuner.tune(_curriculum(task, source, seed), model, seed)
        predictor = AdaptedPredictor(task, model, source, tuned)
        if task.kind == "classification":
            predictor.choose_reading(seed)
        if tuned is not None and source.embedder is not None:
            inputs = [example.input for example in task.train]
            predictor.notes += note_of_cut(source.embedder, inputs, "training inputs")
        return predictor

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> Predictor:
        """Bring back what was saved, without building or tuning anything again."""
        source = self.builder.restore(folder / "context", task, model)
        tuned = self.tuner.restore(folder / "weights", model) if self.tuner is not None else None
        predictor = AdaptedPredictor(task, model, source, tuned)
        saved = json.loads((folder / "reading.json").read_text(encoding="utf-8"))
        predictor.reading = LabelReading(**saved["reading"])
        predictor.notes = tuple(saved["notes"])
        return predictor


def untrained(approach: Approach) -> Approach | None:
    """The same context with the base weights, of what trains weights; None for all else."""
    return Adapted(approach.builder) if isinstance(approach, Adapted) and approach.tuner is not None else None


class AdaptedPredictor(Predictor):
    """Renders each query with its context and asks the model, with tuned weights where there are some.

    Attributes:
        reading: how label likelihoods become a choice (classification only).
        notes: what was found while fitting.
    """

    def __init__(self, task: Task, model: LanguageModel, source: ContextSource, tuned: Tuned | None) -> None:
        self.task = task
        self.model = model
        self.source = source
        self.tuned = tuned
        self.decoding = decoding_for(task, model)
        self.reading = LabelReading()
        self.notes: tuple[str, ...] = ()
        self._blanks: dict[Context, list[float]] = {}

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
    def weights(self) -> Weights | None:
        return self.tuned.weights if self.tuned else None

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
        """Write context, weights and reading."""
        (folder / "context").mkdir()
        self.source.save(folder / "context")
        if self.tuned is not None:
            (folder / "weights").mkdir()
            self.tuned.save(folder / "weights")
        saved = {"reading": asdict(self.reading), "notes": self.notes}
        (folder / "reading.json").write_text(json.dumps(saved), encoding="utf-8")

    def choose_reading(self, seed: int) -> None:
        """Choose how label likelihoods are read, by accuracy on dev or on training examples.

        The plain reading divides by the label's length; another takes its place only where it is right more
        often.
        """
        shown = self.source.contexts([Query("", "")]) if self.task.train else []
        examples = trial_examples(self.task, seed, [s.input for c in shown if c.fixed for s in c.shots])
        labels = self.task.labels
        gold = [labels.index(e.target) if e.target in labels else -1 for e in examples]
        if not examples:
            self.notes = ("Labels were compared by likelihood per token; there were no examples to choose by.",)
            return
        prompts = [
            _prompt(self.task, e.input, c)
            for e, c in zip(examples, self.source.training_contexts(examples, seed), strict=True)
        ]
        readings = [LabelReading(), LabelReading(normalised=False)]
        if self.tuned is None:
            readings = [LabelReading(), UNBIASED]
        scored = self._scored(prompts, blanks=self.tuned is None)
        right = [
            sum(reading.choose(scores, blank)[0] == g for (scores, blank), g in zip(scored, gold, strict=True))
            for reading in readings
        ]
        best = max(range(len(readings)), key=lambda i: (right[i], -i))
        self.reading = readings[best]
        self.notes = (_reading_note(readings, right, len(examples), best, bool(self.task.dev)),)

    def _scored(self, prompts: Sequence[Prompt], blanks: bool) -> list[tuple[Scores, list[float]]]:
        """The labels' scores behind each prompt, and the model's liking for each label in its context where `blanks`
        says so, else nothing.

        A context that is the same for every query is asked once with all inputs that say nothing; one that follows the
        query would have to be asked anew for each, so there a single such input has to do. It is asked together with
        its prompt, so that the model need read what both have in common only once.
        """
        if not blanks:
            return [(score, []) for score in self.model.score(prompts, self.task.labels, self.weights)]
        found = []
        for part in self._in_parts(prompts):
            saying_nothing = [blank_prompts(p, CONTENT_FREE[:1])[0] for p in part if not p.context.fixed]
            scores = self.model.score([*part, *saying_nothing], self.task.labels, self.weights)
            own = iter(scores[len(part) :])
            for prompt, score in zip(part, scores, strict=False):
                fixed = prompt.context.fixed
                found.append((score, self._liking(prompt) if fixed else blank_values([next(own)], UNBIASED)))
        return found

    def _in_parts(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[Prompt]]:
        """Where contexts follow the query, so few that the model answers them, each with its blank input, at once."""
        size = max(len(prompts), 1)
        if any(not p.context.fixed for p in prompts):
            size = max(asked_at_once(self.model) // 2, 1)
        for first in range(0, len(prompts), size):
            yield prompts[first : first + size]

    def _liking(self, prompt: Prompt) -> list[float]:
        """The model's liking for each label in a context that is the same for every query."""
        if prompt.context not in self._blanks:
            scores = self.model.score(blank_prompts(prompt, CONTENT_FREE), self.task.labels, self.weights)
            self._blanks[prompt.context] = blank_values(scores, UNBIASED)
        return self._blanks[prompt.context]

    def _unread(self, inputs: Sequence[str]) -> list[bool]:
        embedder = self.source.embedder
        return cut_by(embedder, inputs) if embedder else [False] * len(inputs)

    def _classify(self, prompts: Sequence[Prompt], called: float) -> list[Prediction]:
        labels = self.task.labels
        answers = []
        for score, blank in self._scored(prompts, blanks=self.reading.unbiased):
            number, confidence = self.reading.choose(score, blank)
            usage = Usage(score.prompt_tokens, score.lengths[number], score.dropped, score.cut, called + score.seconds)
            answers.append(Prediction("", labels[number], (), confidence, usage))
        return answers

    def _generate(self, prompts: Sequence[Prompt], called: float) -> list[Prediction]:
        answers = []
        for g in self.model.generate(prompts, self.decoding, self.weights):
            usage = Usage(g.prompt_tokens, g.completion_tokens, g.dropped, g.cut, called + g.ttft_seconds)
            answers.append(Prediction("", g.text, (), None, usage))
        return answers


def _prompt(task: Task, text: str, context: Context) -> Prompt:
    labels = task.labels if task.kind == "classification" else ()
    return Prompt(task.instruction, text, labels, context)


def _row(load: Load, lengths: Lengths) -> tuple[float, int]:
    """Tokens of a training row that are its own, and those that all rows have in common."""
    return load.prompt - load.shared + lengths.answer + 1, round(load.shared)


def _answered(query: Query, context: Context, answer: Prediction, unread: bool) -> Prediction:
    """The answer to a query with what stood beside it, which an embedder may have found by the query's beginning."""
    usage = replace(answer.usage, shown=context.size - answer.usage.dropped, unread=unread)
    return replace(answer, id=query.id, evidence=tuple(p.source for p in context.passages), usage=usage)


def _curriculum(task: Task, source: ContextSource, seed: int) -> Curriculum:
    def lessons(examples: Sequence[Example]) -> tuple[Lesson, ...]:
        contexts = source.training_contexts(examples, seed)
        return tuple(Lesson(_prompt(task, e.input, c), e.target) for e, c in zip(examples, contexts, strict=True))

    return Curriculum(lessons(task.train), lessons(task.dev))


def _reading_note(readings: Sequence[LabelReading], right: Sequence[int], n: int, best: int, dev: bool) -> str:
    names = {
        LabelReading(): "by likelihood per token",
        LabelReading(normalised=False): "by likelihood of the whole label",
        UNBIASED: "by likelihood per token with the model's label bias removed (Zhao et al. 2021)",
    }
    other = 1 - best
    where = "dev" if dev else "training"
    return (
        f"Labels were compared {names[readings[best]]}: right on {right[best]} of {n} {where} examples, "
        f"against {right[other]} {names[readings[other]]}."
    )
