"""The hyper-parameters of reading raw text, as the tuner and what trains it share them; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from finetune.training import OF_EXAMPLES, Objective, SearchRange, TrainingSettings

On = Literal["documents", "inputs", "both"]
PASSES = 10
LEAST_BLOCK = 16
ALL_RATE, LOW_RANK_RATE = 5e-5, 5e-4


@dataclass(frozen=True)
class RawTextSettings(TrainingSettings):
    """Raw text, read by causal language modelling with a loss on every token.

    The rates are of the order of those of `full` and `lora` and were not compared. At 5e-5 two passes over the 5,631
    tokens of handbook-qa's documents (SmolLM2-135M-Instruct, bfloat16, two blocks a step) lowered the loss on a quarter
    of their blocks from 3.87 to 3.35 a token, and that of 24 answers, closed-book, from 3.62 to 3.51; one seed.

    Attributes:
        on: what is read: the documents (domain-adaptive), the inputs of the training examples without their answers
            (task-adaptive), or both.
        rank: of low-rank adapters that are trained in place of all weights (LoRA), for models that have too many; 0
            trains all.
        block: tokens of a row. A longer text is cut evenly; shorter ones stand one behind
            the other.
        lr: peak learning rate; 0 chooses 5e-5 for all weights, 5e-4 for adapters.
        batch: blocks a step; 0 chooses 2 to 8, by their number.
        epochs: passes over the text; 0 chooses 10, fewer where more would pass the budget.
        budget: tokens that are read at most, drawn from the whole text where it has more; 0 sets no bound.
    """

    on: On = "documents"
    rank: int = 0
    block: int = 512
    lr: float = field(default=0.0, kw_only=True)
    budget: int = field(default=400_000, kw_only=True)
    stop: Objective = field(default="never", kw_only=True)

    chooses_lr: ClassVar[bool] = True
    lacks: ClassVar[tuple[str, ...]] = OF_EXAMPLES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 0 or self.block < LEAST_BLOCK:
            raise ValueError(f"rank must not be negative, block at least {LEAST_BLOCK}")

    @property
    def rate(self) -> float:
        """The peak learning rate, chosen where it was left open."""
        return self.lr or (LOW_RANK_RATE if self.rank else ALL_RATE)

    @property
    def ranges(self) -> Mapping[str, SearchRange]:  # type: ignore[override]
        """Around the rate of what is trained."""
        chosen = LOW_RANK_RATE if self.rank else ALL_RATE
        return {"lr": SearchRange((chosen / 5, chosen * 5), between=True)}

    def passes(self, tokens: float) -> int:
        """Over a text of so many tokens, the last of which the budget may break off."""
        within = max(1, int(self.budget // tokens)) if self.budget else PASSES
        return self.epochs or min(PASSES, within)
