"""The tuner `cpt`, continued pre-training on raw text, as it is named and configured."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal

from advisor.approaches import TrainingSet, Tuned
from advisor.models import LanguageModel
from advisor.tasks import TaskShape
from finetune.gradient import GradientTuner
from finetune.raw_settings import RawTextSettings
from finetune.training import trainings

ALL_EFFORT, LOW_RANK_EFFORT = 1.9, 1.2  # the output layer computes every token, and not those of answers alone


@dataclass(frozen=True)
class ContinuedPretraining(RawTextSettings, GradientTuner):
    """Continued pre-training: raw text, read by causal language modelling with a loss on every token (Gururangan et
    al. 2020).

    Nothing is held out of the documents, since what they say is what shall be learned, and the held-out answers to
    questions say more of the form of an answer than of what is known, which what is trained afterwards teaches. So it
    ends after `epochs` passes or `budget` tokens, whichever comes first, as it stands then (`stop=never`). With
    `stop=loss` or `metric`, which a search needs, it is judged by the answers to dev's questions, else train's, none of
    which it is trained on.
    """

    name: ClassVar[str] = "cpt"
    defining: ClassVar[tuple[str, ...]] = ("on",)
    stage: ClassVar[Literal["first", "last", ""]] = "first"

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

    def rests_on(self, training: TrainingSet) -> TrainingSet:
        """The documents alone, where nothing else is read and nothing stops it early."""
        if self.on != "documents" or self.stop != "never":
            return super().rests_on(training)
        return TrainingSet((), documents=training.documents)

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
