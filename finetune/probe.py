"""A classifier of the language model's own hidden states: its layers as they are, or the last of them tuned with it.

What trains layers is in `finetune.unfreezing`, apart, so that an approach can be named, and its costs foreseen, without
importing torch.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from advisor.approaches import Approach, Facts, Lengths, Load, Prediction, Predictor, Tuned, Usage
from advisor.approaches.asking import prompt_of
from advisor.approaches.curation import Curated, Curation
from advisor.approaches.linear import LayerRead, LinearClassifier, Pool, uncalibrated, unclassifiable
from advisor.approaches.workload import MOST_AT_ONCE, STEP, TAIL
from advisor.errors import NotApplicable
from advisor.models import Context, HiddenStates, LanguageModel, Prompt
from advisor.models.clock import clock
from advisor.tasks import Example, Outline, Query, Task, TaskBrief, TaskShape
from finetune.layer_choice import (
    HeldExamples,
    LayerChoice,
    Standardised,
    candidates,
    choose,
    layers_tried,
    vectors_of,
)
from finetune.training import Schedule

SAVED = "probe.json"
COMPARED = 1_000  # training examples that layers are compared on
FROM_DEV = 256  # of dev, likewise
EPOCHS = 5  # of layers that are trained, as early stopping leaves them
SHARE = 0.5  # of training all layers on a token: a pass forward, and a pass back through a few layers


@dataclass(frozen=True)
class LayerProbe(Schedule, Curation, Approach):
    """Logistic regression on the language model's hidden states, behind the instruction and the query.

    Attributes:
        layer: whose states are read, counted from 1; `auto` compares eight of them on dev, else by cross-validation.
        pool: the state of the prompt's last token, or the mean over the query's own tokens; `auto` compares both.
        c: inverse of the strength of regularisation, of standardised states; `auto` compares five.
        unfreeze: layers, up to the one that is read, that are trained together with the classifier; the parameters of
            training, from `lr` on, are theirs.
        calibrate: whether confidences are scaled by one temperature (`advisor.approaches.temperature`), chosen on dev;
            the answers stay the same.
    """

    layer: int | Literal["auto"] = "auto"
    pool: Pool | Literal["auto"] = "auto"
    c: float | Literal["auto"] = "auto"
    unfreeze: int = 0
    calibrate: bool = False
    lr: float = field(default=1e-4, kw_only=True)

    name: ClassVar[str] = "probe"
    defining: ClassVar[tuple[str, ...]] = ("unfreeze",)
    only_seen_labels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        Curation.__post_init__(self)
        if self.layer != "auto" and self.layer < 1:
            raise ValueError(f"layer is {self.layer}; the first is number 1")
        if self.c != "auto" and not self.c > 0:
            raise ValueError(f"c is {self.c:g}, and has to be above 0")
        if self.unfreeze < 0:
            raise ValueError("unfreeze must not be negative")
        if self.layer != "auto" and self.unfreeze > self.layer:
            raise ValueError(
                f"unfreeze is {self.unfreeze}, and there are {self.layer} layers up to number {self.layer}"
            )

    @property
    def trains_model(self) -> bool:  # type: ignore[override]
        return self.unfreeze > 0

    @property
    def seeded(self) -> bool:  # type: ignore[override]
        return self.trains_model

    def unsuited(self, task: TaskShape) -> str:
        """What speaks against any classifier."""
        return unclassifiable(task) or self.improper(task) or uncalibrated(self.calibrate, task)

    def beyond(self, layers: int) -> str:
        """A model of which no layer can be read, or not the one that is asked for."""
        if not layers:
            return "the model gives answers only, not the hidden states of its layers"
        if self.layer != "auto" and self.layer > layers:
            return f"the model has {layers} layers, and none is number {self.layer}"
        if self.unfreeze > layers:
            return f"unfreeze is {self.unfreeze}, and the model has {layers} layers"
        return ""

    def load(self, task: Outline, lengths: Lengths) -> Load:
        """Train and dev are read once; layers that are trained read train as often as there are epochs."""
        prompt, rows = lengths.stem + lengths.input + TAIL, len(task.train) * (1 + self.augment)
        read = self.trains_model * rows * (self.epochs or EPOCHS) * prompt
        load = Load(
            prompt=prompt,
            shared=lengths.stem,
            tried=rows + min(FROM_DEV, len(task.dev)),
            trained_on=SHARE * (min(read, self.budget) if self.budget else read),
            step=min(MOST_AT_ONCE, STEP * prompt) if self.trains_model else 0.0,
            trains=True,
            stem=lengths.stem,
        )
        return self.with_curation(load, task, lengths)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Read train, choose the layer and how it is read, and fit the classifier; tune layers where it is asked for.

        Raises:
            NotApplicable: the model does not give its hidden states, or not of this layer; or it cannot be trained.
        """
        layers = self._layers(model)
        curated = self.curated(task, model)
        task = curated.task
        reading = _Reading.of(task, model, layers)
        options = candidates(layers, self.pool, self.c)
        choice, found = choose(options, layers, reading.states, reading.held) if len(options) > 1 else (options[0], "")
        notes: tuple[str, ...] = (*curated.notes, _note(choice, model.can.layers, found))
        fitted = self._fitted(choice, reading, curated, seed)
        resolved = {"layer": choice.layer, "pool": choice.pool, "c": choice.c, **fitted.resolved}
        if cut := reading.cut:
            notes += (
                f"The inputs of {cut} of {len(task.train)} training examples were cut to fit the context window.",
            )
        tuned = fitted.tuned.facts if fitted.tuned else Facts()
        facts = Facts(
            artifact_bytes=4 * fitted.classifier.size + tuned.artifact_bytes,
            trainable_parameters=fitted.classifier.size + tuned.trainable_parameters,
            notes=notes + tuned.notes,
            resolved={self.name: resolved},
            tokens_seen=tuned.tokens_seen,
            served=tuned.served,
        )
        reader = LayerReader(task.brief, model, fitted, facts)
        return reader.calibrated(task.dev[:FROM_DEV]) if self.calibrate else reader

    def _fitted(self, choice: LayerChoice, reading: _Reading, curated: Curated, seed: int) -> FittedProbe:
        if not self.unfreeze:
            targets = [example.target for example in curated.taught(curated.task.train)]
            vectors = reading.taught_at(choice, curated.further)
            return FittedProbe(choice, Standardised.fitted(vectors, targets, choice.c).whole)
        found = _unfreezing().unfrozen(self, self.unfreeze, choice, curated, reading.model, seed)
        chosen = {"epochs": found.schedule.epochs, "batch": found.schedule.batch}
        return FittedProbe(choice, found.classifier, found.layers, chosen)

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Read the classifier, and the tuned layers where there are some."""
        saved = json.loads((folder / SAVED).read_text(encoding="utf-8"))
        facts = Facts(**{**saved["facts"], "notes": tuple(saved["facts"]["notes"])})
        tuned = _unfreezing().restored(folder, model) if self.unfreeze else None
        fitted = FittedProbe(LayerChoice(**saved["choice"]), LinearClassifier.load(folder), tuned)
        if fitted.choice.layer > model.can.layers:
            raise NotApplicable(f"layer {fitted.choice.layer} was read, and {model.name} has {model.can.layers}")
        return LayerReader(task, model, fitted, facts)

    def _layers(self, model: LanguageModel) -> tuple[int, ...]:
        """The layers to compare, or the one that is given."""
        count = model.can.layers
        if reason := self.beyond(count):
            raise NotApplicable(reason)
        if self.layer == "auto":
            return tuple(layer for layer in layers_tried(count) if layer >= self.unfreeze) or (count,)
        return (self.layer,)


@dataclass(frozen=True)
class FittedProbe:
    """What was fitted.

    Attributes:
        classifier: of the states as they are.
        tuned: the layers that were trained; None where none was.
        resolved: what was chosen for their training.
    """

    choice: LayerChoice
    classifier: LinearClassifier
    tuned: Tuned | None = None
    resolved: dict[str, Any] = field(default_factory=dict)


class LayerReader(Predictor):
    """Reads each query up to the chosen layer, and classifies what that makes of it."""

    def __init__(self, task: TaskBrief, model: LanguageModel, fitted: FittedProbe, facts: Facts) -> None:
        self.task = task
        self.model = model
        self.fitted = fitted
        self.facts = facts
        self.adaptation = fitted.tuned.adaptation if fitted.tuned else None

    @property
    def reads(self) -> LayerRead:
        """The layer that is read, and the classifier."""
        return LayerRead(self.fitted.choice.layer, self.fitted.choice.pool, self.fitted.classifier)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The most probable label of each query, with its probability."""
        started = clock.now()
        classifier = self.fitted.classifier
        states = self._read([query.input for query in queries])
        shares = classifier.shares(vectors_of(states, 0, self.fitted.choice.pool))
        seconds = clock.now() - started
        answers = []
        for query, state, row in zip(queries, states, shares, strict=True):
            usage = Usage(state.prompt_tokens, 0, state.dropped, state.cut, seconds)
            label = classifier.labels[int(row.argmax())]
            answers.append(Prediction(query.id, label, (), float(row.max()), usage))
        return answers

    def calibrated(self, examples: Sequence[Example]) -> LayerReader:
        """The same with confidences scaled by a temperature that is chosen on these examples of dev."""
        vectors = vectors_of(self._read([example.input for example in examples]), 0, self.fitted.choice.pool)
        classifier, note = self.fitted.classifier.calibrated(vectors, [example.target for example in examples])
        facts = replace(self.facts, notes=(*self.facts.notes, note))
        return LayerReader(self.task, self.model, replace(self.fitted, classifier=classifier), facts)

    def _read(self, inputs: Sequence[str]) -> list[HiddenStates]:
        prompts = [_prompt(self.task, text) for text in inputs]
        return self.model.hidden_states(prompts, [self.fitted.choice.layer], self.adaptation)

    def save(self, folder: Path) -> None:
        """Write what is read, the classifier, and the tuned layers where there are some."""
        facts = {name: getattr(self.facts, name) for name in _KEPT}
        saved = {"choice": vars(self.fitted.choice), "facts": facts}
        (folder / SAVED).write_text(json.dumps(saved), encoding="utf-8")
        self.fitted.classifier.save(folder)
        if self.fitted.tuned is not None:
            self.fitted.tuned.save(folder)


_KEPT = ("artifact_bytes", "trainable_parameters", "notes", "resolved", "tokens_seen", "served")


@dataclass(frozen=True)
class _Reading:
    """The training examples as the model read them.

    Attributes:
        states: of those that layers are compared on, and of dev.
        compared: numbers of these training examples.
        targets: of all training examples.
        held: by which is compared.
    """

    task: Task
    model: LanguageModel
    layers: tuple[int, ...]
    compared: tuple[int, ...]
    states: list[HiddenStates]
    held: HeldExamples

    @classmethod
    def of(cls, task: Task, model: LanguageModel, layers: tuple[int, ...]) -> _Reading:
        number = len(task.train)
        compared = range(number)
        drawn = sorted(random.Random(0).sample(compared, COMPARED)) if number > COMPARED else list(compared)
        train, dev = [task.train[i] for i in drawn], task.dev[:FROM_DEV]
        states = model.hidden_states(_prompts(task, [*train, *dev]), layers)
        held = HeldExamples.of([example.target for example in train], [example.target for example in dev])
        return cls(task, model, layers, tuple(drawn), states, held)

    @property
    def cut(self) -> int:
        """Of how many compared training examples the input was cut."""
        return sum(state.cut > 0 for state in self.states[: len(self.compared)])

    def all_at(self, choice: LayerChoice) -> Any:
        """The pooled states of all training examples, shape (examples, size)."""
        there = self.states[: len(self.compared)]
        known = vectors_of(there, self.layers.index(choice.layer), choice.pool)
        if len(known) == len(self.task.train):
            return known
        seen = set(self.compared)
        rest = [i for i in range(len(self.task.train)) if i not in seen]
        more = self.model.hidden_states(_prompts(self.task, [self.task.train[i] for i in rest]), [choice.layer])
        order = np.argsort([*self.compared, *rest])
        return np.concatenate([known, vectors_of(more, 0, choice.pool)])[order]

    def taught_at(self, choice: LayerChoice, further: Sequence[tuple[str, ...]]) -> Any:
        """The same of each training example and of what is trained on beside it, in turn."""
        own, train = self.all_at(choice), self.task.train
        others = [
            text for example, texts in zip(train, further, strict=True) for text in texts if text != example.input
        ]
        prompts = [_prompt(self.task.brief, text) for text in others]
        states = self.model.hidden_states(prompts, [choice.layer]) if prompts else []
        read = iter(vectors_of(states, 0, choice.pool) if prompts else ())
        rows = []
        for example, texts, vector in zip(train, further, own, strict=True):
            rows += [vector, *(vector if text == example.input else next(read) for text in texts)]
        return np.stack(rows)


def _prompts(task: Task, examples: Sequence[Example]) -> list[Prompt]:
    return [_prompt(task.brief, example.input) for example in examples]


def _prompt(task: TaskBrief, text: str) -> Prompt:
    return prompt_of(task, text, Context())


def _note(choice: LayerChoice, count: int, found: str) -> str:
    pooled = {"last": "at the prompt's last token", "mean": "as the mean over the query's own tokens"}[choice.pool]
    read = f"The hidden states of layer {choice.layer} of {count} were read {pooled}"
    return f"{read} (c={choice.c:g}), chosen {found}" if found.startswith(("on", "by")) else f"{read}. {found}".strip()


def _unfreezing() -> Any:
    """What trains layers; torch comes with it."""
    return import_module("finetune.unfreezing")
