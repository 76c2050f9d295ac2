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
from finetune.training import SearchRange

PreferenceLoss = Literal[
    "sigmoid",
    "sigmoid_norm",
    "hinge",
    "ipo",
    "robust",
    "exo_pair",
    "nca_pair",
    "sppo_hard",
    "apo_zero",
    "apo_down",
    "kto",
]
Pairs = Literal["preferences", "own"]
DOUBTING = ("sigmoid", "robust", "exo_pair")  # losses that take a share of the pairs to be the wrong way round
READ_AGAIN = 1 / 3  # of a pass that trains: one that only reads


@dataclass(frozen=True)
class Dpo(Lora):
    """LoRA on preferences: the better answer to gain on the worse one, held to the model that training began with (DPO,
    Rafailov et al. 2023), which in a chain such as `lora+dpo` is what the tuner before made of it.

    No reward model and no generation: a pass reads both answers of each pair. The losses are those of TRL 1.16.

    Attributes:
        loss: `sigmoid` (DPO), per token as `sigmoid_norm` (SimPO's normalisation, Meng et al. 2024), `hinge` (SLiC,
            Zhao et al. 2023), `ipo` (Azar et al. 2023, per token), `robust` (Chowdhury et al. 2024), `exo_pair` (Ji et
            al. 2024), `nca_pair` (Chen et al. 2024), `sppo_hard` (Wu et al. 2024), `apo_zero` and `apo_down`
            (D'Oosterlinck et al. 2024), `kto`, which judges each answer alone (Ethayarajh et al. 2024).
        beta: how closely the model is held to its start; `ipo` and `sppo_hard` aim at 1/(2 beta).
        pairs: the task's preferences (`preferences.jsonl`), or the model's own mistakes: the target of each training
            example that it answers wrongly against that answer.
        smoothing: share of the pairs that are taken to be the wrong way round (conservative DPO, Mitchell 2023);
            `robust` and `exo_pair` need one.
    """

    loss: PreferenceLoss = "sigmoid"
    beta: float = 0.1
    pairs: Pairs = "preferences"
    lr: float = field(default=1e-4, kw_only=True)

    name: ClassVar[str] = "dpo"
    unasked: ClassVar[bool] = False
    probed_as: ClassVar[str] = ""
    stage: ClassVar[Literal["first", "last", ""]] = "last"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((1e-5, 1e-3), between=True),
        "beta": SearchRange((0.01, 0.5), between=True),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta <= 0:
            raise ValueError("beta must be positive")
        if self.smoothing >= 0.5 or (self.smoothing and self.loss not in DOUBTING):
            raise ValueError(f"smoothing must be below 0.5, and goes with the losses {', '.join(DOUBTING)}")
        if self.loss in ("robust", "exo_pair") and not self.smoothing:
            raise ValueError(f"loss={self.loss} needs the share of pairs that are wrong, as in smoothing=0.1")

    @property
    def learns_preferences(self) -> bool:  # type: ignore[override]
        """Unless it makes pairs of its own."""
        return self.pairs == "preferences"

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
