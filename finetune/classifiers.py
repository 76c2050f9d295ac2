"""Small classifiers of their own, `setfit` and `encoder`, as they are named; what trains them is in
`finetune.encoders.fitting`.

The two are apart so that an approach can be named, and its costs foreseen, without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from advisor.approaches import Approach, Lengths, Load, Predictor
from advisor.approaches.linear import uncalibrated, unclassifiable
from advisor.models import LanguageModel
from advisor.tasks import Outline, Task, TaskBrief, TaskShape
from finetune.encoders.settings import LONGEST, ContrastSettings, EncoderSettings, LabellingSettings

TRAINING = 5.0
"""How much longer training on a text lasts than embedding it: about ten times, of which half is left where it stops
early."""
MASKED = 2.0  # the same of learning to fill in words, beside training for labels: each token's logits are computed


@dataclass(frozen=True)
class EncoderApproach(EncoderSettings, Approach):
    """An encoder of sentences that is trained on labels; the language model does not run."""

    uses_model: ClassVar[bool] = False
    seeded: ClassVar[bool] = True
    only_seen_labels: ClassVar[bool] = True

    def unsuited(self, task: TaskShape) -> str:
        """What speaks against any classifier."""
        return unclassifiable(task) or self.improper(task) or uncalibrated(self.calibrate, task)

    def load(self, task: Outline, lengths: Lengths) -> Load:
        """Train is read in every epoch, forth and back, and once more; a query is embedded."""
        examples, words = task.train.number * (1 + self.augment), task.train.mean(LONGEST)
        epochs, _ = self.planned(max(1, examples), words)
        read = (1 + self.rounds(epochs)) * examples * words
        return self.with_curation(Load(embedded=words, embedded_to_fit=read, trains=True), task, lengths)

    def rounds(self, epochs: int) -> float:
        """How often train could be embedded in the time of so many epochs."""
        return TRAINING * epochs

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Train a copy of the encoder.

        Raises:
            NotApplicable: it cannot be trained here.
        """
        fitted: Predictor = _fitting().fit(self, self.curated(task, model), model, seed)
        return fitted

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Read what was trained, and lay it onto the encoder that it was trained from."""
        restored: Predictor = _fitting().restore(self, folder, model)
        return restored


@dataclass(frozen=True)
class SetFit(ContrastSettings, EncoderApproach):
    """The sentence embedder tuned by contrast, and logistic regression on it (SetFit, Tunstall et al. 2022).

    Texts of one label are drawn together and texts of different ones apart, by the cosine of every pair within a
    step; the classifier is that of `head`. Where examples are held out, the embedder with the lowest loss on their
    pairs is kept, the one that was not trained included.
    """

    name: ClassVar[str] = "setfit"


@dataclass(frozen=True)
class Encoder(LabellingSettings, EncoderApproach):
    """An encoder trained as a classifier, all its layers with a linear layer on top (Devlin et al. 2019)."""

    name: ClassVar[str] = "encoder"

    def rounds(self, epochs: int) -> float:
        """As many for the labels, and twice as many to fill in words."""
        return TRAINING * epochs * (1 + MASKED * self.mlm)


def _fitting() -> Any:
    """What trains; torch comes with it."""
    return import_module("finetune.encoders.fitting")
