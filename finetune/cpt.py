"""The tuner `cpt`, continued pre-training on raw text, as it is named and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Literal

from advisor.approaches import TrainingSet, Tuned
from advisor.models import LanguageModel
from advisor.tasks import TaskShape
from finetune.gradient import GradientTuner
from finetune.training import Objective, SearchRange, trainings

On = Literal["documents", "inputs", "both"]
PASSES = 10
LEAST_BLOCK = 16
ALL_RATE, LOW_RANK_RATE = 5e-5, 5e-4
ALL_EFFORT, LOW_RANK_EFFORT = 1.9, 1.2  # the output layer computes every token, and not those of answers alone


@dataclass(frozen=True)
class ContinuedPretraining(GradientTuner):
    """Continued pre-training: raw text, read by causal language modelling with a loss on every token (Gururangan et
    al. 2020).

    Nothing is held out of the documents, since what they say is what shall be learned, and the held-out answers to
    questions say more of the form of an answer than of what is known, which what is trained afterwards teaches. So it
    ends after `epochs` passes or `budget` tokens, whichever comes first, as it stands then (`stop=never`). With
    `stop=loss` or `metric`, which a search needs, it is judged by the answers to dev's questions, else train's, none of
    which it is trained on.

    Attributes:
        on: what is read: the documents (domain-adaptive), the inputs of the training examples without their answers
            (task-adaptive), or both.
        rank: of low-rank adapters that are trained in place of all weights (LoRA), for models that have too many; 0
            trains all.
        block: tokens of a row, of which `batch` make a step. A longer text is cut evenly; shorter ones stand one behind
            the other.
        lr: peak learning rate; 0 chooses 5e-5 for all weights, 5e-4 for adapters.
        epochs: passes over the text; 0 chooses 10, fewer where more would pass the budget.
        budget: tokens that are read at most, drawn from the whole text where it has more; 0 sets no bound.
    """

    on: On = "documents"
    rank: int = 0
    block: int = 512
    lr: float = field(default=0.0, kw_only=True)
    budget: int = field(default=400_000, kw_only=True)
    stop: Objective = field(default="never", kw_only=True)

    name: ClassVar[str] = "cpt"
    defining: ClassVar[tuple[str, ...]] = ("on",)
    chooses_lr: ClassVar[bool] = True
    learns_examples: ClassVar[bool] = False

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

    def unsuited(self, task: TaskShape) -> str:
        """There has to be something to read."""
        if self.on == "inputs" or task.documents:
            return ""
        return "there are no documents to read; cpt:on=inputs reads the training inputs"

    def reads(self, examples: int, own: float, shared: int) -> float:
        """The inputs, where they are read."""
        return 0.0 if self.on == "documents" else self._taken(examples * own)

    def reads_documents(self, tokens: float) -> float:
        """The documents, where they are read."""
        return 0.0 if self.on == "inputs" else self._taken(tokens)

    def passes(self, tokens: float) -> int:
        """Over a text of so many tokens, the last of which the budget may break off."""
        within = max(1, int(self.budget // tokens)) if self.budget else PASSES
        return self.epochs or min(PASSES, within)

    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Read, and keep what it came to."""
        tuned: Tuned = import_module("finetune.pretraining").tune(self, training, model, seed)
        return tuned

    def method(self) -> Any:
        """All weights, or low-rank adapters beside them."""
        if self.rank:
            return import_module("finetune.methods.lora").LoraMethod(rank=self.rank, alpha=2 * self.rank)
        return import_module("finetune.methods.weights").WeightsMethod()

    def _taken(self, tokens: float) -> float:
        """What reading a text takes, in tokens of `lora`."""
        if not tokens:
            return 0.0
        read = self.passes(tokens) * tokens
        times = trainings(self.search) if self.search else 1.0
        effort = LOW_RANK_EFFORT if self.rank else ALL_EFFORT
        return effort * times * (min(read, self.budget) if self.budget else read)
