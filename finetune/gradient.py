"""A tuner that trains by gradient, as it is named and configured; what trains is in `finetune.tuning`.

The two are apart so that an approach can be named, and its costs foreseen, without importing torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from advisor.approaches import TrainingSet, Tuned, Tuner
from advisor.models import LanguageModel
from finetune.stages import one_behind_the_other
from finetune.training import TrainingSettings, default_batch, default_epochs, trainings


@dataclass(frozen=True)
class GradientTuner(TrainingSettings, Tuner):
    """Decides the weights by gradient, on the answers alone unless its method says otherwise.

    Class attributes:
        effort: what a token takes of computation in training, beside one that `lora` trains on.
    """

    effort: ClassVar[float] = 1.0

    def reads(self, examples: int, own: float, shared: int) -> float:
        """All epochs, what examples have in common once a step, as often as a search trains; in tokens of `lora`."""
        a_pass = examples * (own + shared)
        chosen = self.epochs or (0 if self.budget else default_epochs(examples, own * examples, shared))
        epochs = min(chosen or math.inf, self.budget / a_pass if self.budget else math.inf)
        steps = math.ceil(examples / (self.batch or default_batch(examples * epochs)))
        times = trainings(self.search) if self.search else 1.0
        return self.effort * times * epochs * (examples * own + steps * shared)

    def followed_by(self, other: Tuner) -> Tuner | None:
        """Each is trained in its turn, where one of them says that this is its place."""
        return one_behind_the_other(self, other)

    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Train, and keep what did best on held-out examples."""
        tuned: Tuned = _tuning().tune(self, training, model, seed)
        return tuned

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        """Read what was saved."""
        tuned: Tuned = _tuning().restore(self, folder, model)
        return tuned


def _tuning() -> Any:
    """What trains; torch comes with it."""
    return import_module("finetune.tuning")
