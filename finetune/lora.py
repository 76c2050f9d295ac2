"""The `lora` tuner as it is named and configured; what it does when it trains is in `finetune.tuning`.

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
from finetune.halving import trainings
from finetune.settings import Settings, default_batch, default_epochs


@dataclass(frozen=True)
class Lora(Settings, Tuner):
    """LoRA on all linear layers, loss on the answers alone (Hu et al. 2021).

    The defaults rest on SmolLM2-135M-Instruct: at two epochs, rate 1e-3 reached a held-out loss of 0.27 on trec6
    (300 examples; 5e-4: 0.43) and of 0.15 on restaurants8k (200 examples; 5e-4: 0.20); steps of 4 instead of 8
    examples gave 0.26 and 0.14 for a third more time. On 100 test examples of trec6 they reach 0.59, 0.72, 0.90, 0.93,
    0.96 and 0.97 with 8, 32, 128, 512, 1,000 and 4,000 training examples (accuracy), on legalbench_hearsay 0.39 with 5
    (macro F1; majority class: 0.35). Long rows (retrieved passages) get fewer epochs and smaller
    steps; the adapter with the lowest held-out loss is kept.
    """

    name: ClassVar[str] = "lora"
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "lora:epochs=1,batch=8"

    def reads(self, examples: int, own: float, shared: int) -> float:
        """All epochs, what examples have in common once a step, as often as a search trains."""
        epochs = self.epochs or default_epochs(examples, own * examples, shared)
        steps = math.ceil(examples / (self.batch or default_batch(examples * epochs)))
        times = trainings(self.search) if self.search else 1.0
        return times * epochs * (examples * own + steps * shared)

    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Train, and keep the adapter with the lowest loss on held-out examples."""
        tuned: Tuned = _tuning().tune(self, training, model, seed)
        return tuned

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        """Read a saved adapter."""
        tuned: Tuned = _tuning().restore(self, folder, model)
        return tuned


def _tuning() -> Any:
    """What trains; torch comes with it."""
    return import_module("finetune.tuning")
