"""The `dpo` tuner as it is named and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Literal

from advisor.approaches import TrainingSet, Tuned
from advisor.models import LanguageModel
from advisor.tasks import TaskShape
from finetune.gradient import GradientTuner
from finetune.lora import Lora
from finetune.preference_settings import PairSettings
from finetune.training import SearchRange

READ_AGAIN = 1 / 3  # of a pass that trains: one that only reads


@dataclass(frozen=True)
class Dpo(Lora, PairSettings):
    """LoRA on preferences: the better answer to gain on the worse one, held to the model that training began with (DPO,
    Rafailov et al. 2023), which in a chain such as `lora+dpo` is what the tuner before made of it.

    No reward model and no generation: a pass reads both answers of each pair. The losses are those of TRL 1.16.

    The defaults rest on one example (support-tone, SmolLM2-135M-Instruct, behind `lora`, 49 pairs): two passes at 5e-4
    took the accuracy on 26 pairs held out from 0.69 to 1.00, one pass at 1e-4 to 0.73. The former went far: rejected
    answers lost 198 nats, chosen ones 21. A lower rate or a larger beta stays nearer.
    """

    lr: float = field(default=5e-4, kw_only=True)
    epochs: int = field(default=2, kw_only=True)

    name: ClassVar[str] = "dpo"
    unasked: ClassVar[bool] = False
    probed_as: ClassVar[str] = ""
    stage: ClassVar[Literal["first", "last", ""]] = "last"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((1e-5, 1e-3), between=True),
        "beta": SearchRange((0.01, 0.5), between=True),
    }

    @property
    def learns_preferences(self) -> bool:  # type: ignore[override]
        """Unless it makes pairs of its own."""
        return self.pairs == "preferences"

    def __post_init__(self) -> None:
        Lora.__post_init__(self)
        PairSettings.__post_init__(self)

    def unsuited(self, task: TaskShape) -> str:
        """There have to be preferences, unless the pairs are its own."""
        if self.pairs == "own" or len(task.preferences):
            return ""
        return "there are no preferences (preferences.jsonl) to train on; dpo:pairs=own makes pairs of wrong answers"

    def reads(self, examples: int, own: float, shared: int) -> float:
        """Where the pairs are its own: an answer to each example, and both answers of as many pairs."""
        return self._passes(examples, own, shared) if self.pairs == "own" else 0.0

    def reads_preferences(self, pairs: int, own: float, shared: int) -> float:
        """Both answers of each pair in each pass, and once before the first."""
        return self._passes(pairs, own, shared) if self.pairs == "preferences" and pairs else 0.0

    def _passes(self, pairs: int, own: float, shared: int) -> float:
        once = 2 * pairs * (own + shared)
        return READ_AGAIN * once + 2 * GradientTuner.reads(self, pairs, own, shared)

    def trainer(self) -> Any:
        """On pairs."""
        return import_module("finetune.preference_trainer").PreferenceTrainer

    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Train, and keep what did best on held-out pairs."""
        tuned: Tuned = import_module("finetune.preferring").tune(self, training, model, seed)
        return tuned
