"""The `rlhf` tuner as it is named and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Literal

from advisor.approaches import TrainingSet, Tuned
from advisor.models import LanguageModel
from advisor.tasks import TaskShape
from finetune.dpo import READ_AGAIN
from finetune.lora import Lora
from finetune.preference_settings import REWARD_EPOCHS, PolicySettings
from finetune.training import SearchRange

DRAWING = 3.0  # what a drawn token takes beside one that is trained on: it is read alone, and again by three models


@dataclass(frozen=True)
class Rlhf(Lora, PolicySettings):
    """LoRA by reinforcement learning from preferences (Ouyang et al. 2022): a reward model is trained on them, answers
    are drawn, and those that it rewards become likelier, held to the model that training began with.

    The reward model is the model itself with an adapter and a linear head on the last state of an answer, trained so
    that chosen answers get more than rejected ones (Bradley and Terry 1952). It is part of the fit and not kept.
    Prompts are those of the preferences and of the training examples. Its defaults were not chosen by measurements.
    """

    lr: float = field(default=2e-4, kw_only=True)

    name: ClassVar[str] = "rlhf"
    unasked: ClassVar[bool] = False
    probed_as: ClassVar[str] = ""
    stage: ClassVar[Literal["first", "last", ""]] = "last"
    learns_preferences: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, SearchRange]] = {}

    def __post_init__(self) -> None:
        Lora.__post_init__(self)
        PolicySettings.__post_init__(self)

    def unsuited(self, task: TaskShape) -> str:
        """There have to be preferences."""
        return (
            "" if len(task.preferences) else "there are no preferences (preferences.jsonl) to train a reward model on"
        )

    def reads(self, examples: int, own: float, shared: int) -> float:
        """Prompts and drawn answers: drawn, read by three models, and trained on."""
        drawn = min(self.prompts, examples) * self.samples * (self.epochs or 1)
        return (1 + DRAWING) * drawn * (own + shared)

    def reads_preferences(self, pairs: int, own: float, shared: int) -> float:
        """By the reward model, both answers of each pair in each pass."""
        return (REWARD_EPOCHS + READ_AGAIN) * 2 * pairs * (own + shared)

    def trainer(self) -> Any:
        """On answers that it draws."""
        return import_module("finetune.policy").PolicyTrainer

    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Train the reward model, then against it."""
        tuned: Tuned = import_module("finetune.reinforcing").tune(self, training, model, seed)
        return tuned
