"""Tuners that are trained one behind the other, each upon what the one before made (`cpt+lora`); no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from advisor.approaches import TrainingSet, Tuned, Tuner
from advisor.models import LanguageModel
from advisor.tasks import TaskShape


@dataclass(frozen=True)
class Stages(Tuner):
    """One tuner, and another that is trained upon what it made.

    Attributes:
        first: what it makes is merged into the weights.
        then: one tuner, or stages again.
    """

    first: Tuner
    then: Tuner

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.first.name}+{self.then.name}"

    @property
    def learns_preferences(self) -> bool:  # type: ignore[override]
        """Whether one of them does."""
        return self.first.learns_preferences or self.then.learns_preferences

    @property
    def parts(self) -> tuple[Tuner, ...]:
        """All of them, in the order in which they are trained."""
        return (*self.first.parts, *self.then.parts)

    @property
    def others(self) -> tuple[str, ...]:
        """Those of any stage; each learns from what it names itself."""
        return tuple(dict.fromkeys((*self.first.others, *self.then.others)))

    def alone(self) -> Self:
        """All stages without other tasks."""
        return replace(self, first=self.first.alone(), then=self.then.alone())

    def unsuited(self, task: TaskShape) -> str:
        """What does not suit one of them."""
        return self.first.unsuited(task) or self.then.unsuited(task)

    def followed_by(self, other: Tuner) -> Tuner | None:
        """As the last of them is."""
        joined = self.then.followed_by(other)
        return joined and Stages(self.first, joined)

    def reads_documents(self, tokens: float) -> float:
        """What all read."""
        return self.first.reads_documents(tokens) + self.then.reads_documents(tokens)

    def reads_preferences(self, pairs: int, own: float, shared: int) -> float:
        """What all read."""
        return sum(one.reads_preferences(pairs, own, shared) for one in (self.first, self.then))

    def reads(self, examples: int, own: float, shared: int) -> float:
        """What all read."""
        return self.first.reads(examples, own, shared) + self.then.reads(examples, own, shared)

    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Train each in its turn."""
        tuned: Tuned = _staging().tune((self.first, self.then), training, model, seed)
        return tuned

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        """Read what each saved."""
        tuned: Tuned = _staging().restore((self.first, self.then), folder, model)
        return tuned


def one_behind_the_other(first: Tuner, then: Tuner) -> Stages | None:
    """The stages that two tuners make where one of them says that this is its place; None where neither does.

    What is last stays last, and what is first goes behind nothing.
    """
    if first.stage == "last" or then.stage == "first" or not (first.stage == "first" or then.stage == "last"):
        return None
    return Stages(first, then)


def _staging() -> Any:
    """What trains; torch comes with it."""
    return import_module("finetune.staging")
