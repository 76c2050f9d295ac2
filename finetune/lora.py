"""The `lora` tuner."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from advisor.approaches import Curriculum, Facts, Lesson, Tuned, Tuner
from advisor.errors import NotApplicable
from advisor.models import LanguageModel, Weights
from advisor.models.engine import LocalModel
from finetune import adapter
from finetune.packing import Row
from finetune.trainer import Course, Schedule, Trainer

SMALLEST_SLICE = 40  # lessons from which on a slice is held out where there is no dev split
HELD_OUT = 64


@dataclass(frozen=True)
class Lora(Tuner):
    """LoRA on all linear layers, loss on the answers alone.

    Attributes:
        rank: of the update to each weight matrix.
        alpha: scale of the update, relative to `rank`.
        lr: peak learning rate.
        epochs: passes over the training examples at most; 0 chooses by their number.
        batch: examples a step.
        dropout: on the adapter's input.
    """

    rank: int = 16
    alpha: int = 32
    lr: float = 5e-4
    epochs: int = 0
    batch: int = 8
    dropout: float = 0.0

    name: ClassVar[str] = "lora"

    def __post_init__(self) -> None:
        if min(self.rank, self.alpha, self.batch) < 1 or self.lr <= 0 or self.epochs < 0:
            raise ValueError("rank, alpha, batch and lr must be positive, epochs not negative")

    def tune(self, curriculum: Curriculum, model: LanguageModel, seed: int) -> Tuned:
        """Train, keep the adapter with the lowest loss on held-out lessons, and merge it."""
        local = _local(model)
        lessons, held_out = _split(curriculum, seed)
        rows = [_row(lesson, local) for lesson in lessons]
        dev = [_row(lesson, local) for lesson in held_out]
        epochs = self.epochs or default_epochs(len(rows))
        config = adapter.configuration(self.rank, self.alpha, self.dropout)
        torch.manual_seed(seed)
        with adapter.inserted(local, config) as wrapped:
            trainer = Trainer(local, wrapped, Schedule(self.lr, epochs, self.batch))
            course = trainer.train(rows, dev, seed)
            state = adapter.state_of(wrapped)
            names = [n for n, p in wrapped.named_parameters() if p.requires_grad]
            for name, value in zip(names, trainer.state(), strict=True):
                state[name.replace(".default", "")] = value.cpu()
        return Adapter(local, config, state, (_course_note(course, epochs, len(rows), len(dev), bool(curriculum.dev)),))

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        """Read a saved adapter and merge it."""
        config, state = adapter.load(folder)
        return Adapter(_local(model), config, state, ())


class Adapter(Tuned):
    """A trained adapter, merged into the model's weights where it is used."""

    def __init__(self, model: LocalModel, config: object, state: adapter.State, notes: tuple[str, ...]) -> None:
        self.config = config
        self.state = state
        self._weights = adapter.merged(model, config, state)
        size = sum(t.numel() for t in state.values())
        self.facts = Facts(artifact_bytes=4 * size, trainable_parameters=size, notes=notes)

    @property
    def weights(self) -> Weights:
        """The model's weights with the adapter added."""
        return self._weights

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format."""
        adapter.save(folder, self.config, self.state)


def default_epochs(examples: int) -> int:
    """Passes over the training examples where the user names none."""
    return max(2, min(20, round(600 / max(examples, 1))))


def _local(model: LanguageModel) -> LocalModel:
    if not isinstance(model, LocalModel):
        raise NotApplicable(f"the weights of {model.name} are not here to be trained")
    return model


def _row(lesson: Lesson, model: LocalModel) -> Row:
    answer = [*model.renderer.encode_answer(lesson.answer), model.renderer.end_id]
    return Row.of(model.renderer.encode(lesson.prompt, len(answer)), answer)


def _split(curriculum: Curriculum, seed: int) -> tuple[Sequence[Lesson], Sequence[Lesson]]:
    """Lessons and those held out: of dev, else a tenth of train where train is large enough."""
    rng = random.Random(seed)
    if curriculum.dev:
        dev = list(curriculum.dev)
        rng.shuffle(dev)
        return curriculum.lessons, dev[:HELD_OUT]
    lessons = list(curriculum.lessons)
    if len(lessons) < SMALLEST_SLICE:
        return lessons, ()
    rng.shuffle(lessons)
    size = min(HELD_OUT, len(lessons) // 10)
    return lessons[size:], lessons[:size]


def _course_note(course: Course, epochs: int, lessons: int, held_out: int, dev: bool) -> str:
    steps = len(course.losses)
    note = f"Trained {steps} steps on {lessons} examples ({epochs} epochs at most)"
    if not held_out:
        return note + "; too few examples to hold some out for stopping early."
    where = "dev" if dev else "training"
    loss = min(loss for _, loss in course.held_out)
    return note + f"; kept step {course.best_step}, loss {loss:.3f} on {held_out} held-out {where} examples."
