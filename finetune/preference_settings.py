"""The hyper-parameters of training on preferences, as the tuners and what trains them share them; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from finetune.training import OF_EXAMPLES, TrainingSettings

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
PolicyGradient = Literal["rloo", "grpo"]
DOUBTING = ("sigmoid", "robust", "exo_pair")  # losses that take a share of the pairs to be the wrong way round
REWARD_EPOCHS = 3
"""Passes of a reward model over the preferences; where pairs are held out, the best on these is kept."""


@dataclass(frozen=True)
class PairSettings(TrainingSettings):
    """Training on pairs of a better and a worse answer.

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

    lacks: ClassVar[tuple[str, ...]] = OF_EXAMPLES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta <= 0:
            raise ValueError("beta must be positive")
        if self.smoothing >= 0.5 or (self.smoothing and self.loss not in DOUBTING):
            raise ValueError(f"smoothing must be below 0.5, and goes with the losses {', '.join(DOUBTING)}")
        if self.loss in ("robust", "exo_pair") and not self.smoothing:
            raise ValueError(f"loss={self.loss} needs the share of pairs that are wrong, as in smoothing=0.1")


@dataclass(frozen=True)
class PolicySettings(TrainingSettings):
    """Training on answers that are drawn and rewarded.

    Attributes:
        by: RLOO, each drawn answer against the mean of the others to its prompt (Ahmadian et al. 2024), or GRPO,
            against their mean in units of their spread (Shao et al. 2024), each token alike.
        beta: weight of the divergence from the start: of RLOO part of the reward, of GRPO of the loss.
        samples: answers that are drawn to each prompt of a step, at least 2.
        prompts: that are taken at most, a seeded sample; each is seen once in a pass.
    """

    by: PolicyGradient = "rloo"
    beta: float = 0.05
    samples: int = 4
    prompts: int = 64

    lacks: ClassVar[tuple[str, ...]] = OF_EXAMPLES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta < 0 or self.samples < 2 or self.prompts < 1:
            raise ValueError("beta must not be negative, samples at least 2 and prompts at least 1")
        if self.search or self.stop != "loss" or self.smoothing:
            raise ValueError("rlhf has no held-out loss to search or to be stopped by, and no targets to smooth")
