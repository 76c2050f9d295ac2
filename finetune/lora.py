"""The `lora` tuner as it is named and configured; what it does when it trains is in `finetune.tuning`.

The two are apart so that an approach can be named, and its costs foreseen, without importing torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from advisor.approaches import Curriculum, Tuned, Tuner
from advisor.models import LanguageModel
from finetune.halving import trainings

MOST_EPOCHS = 10
EXAMPLES_SEEN = 800
TOKENS_SEEN = 70_000
LARGEST_BATCH = 8
FEWEST_STEPS = 48


@dataclass(frozen=True)
class Lora(Tuner):
    """LoRA on all linear layers, loss on the answers alone (Hu et al. 2021).

    The defaults rest on SmolLM2-135M-Instruct: at two epochs, rate 1e-3 reached a held-out loss of 0.27 on trec6
    (300 examples; 5e-4: 0.43) and of 0.15 on restaurants8k (200 examples; 5e-4: 0.20); steps of 4 instead of 8
    examples gave 0.26 and 0.14 for a third more time. On 100 test examples of trec6 they reach 0.59, 0.72, 0.90, 0.93,
    0.96 and 0.97 with 8, 32, 128, 512, 1,000 and 4,000 training examples (accuracy), on legalbench_hearsay 0.39 with 5
    (macro F1; always the commonest answer: 0.35). Long rows (retrieved passages) get fewer epochs and smaller
    steps; the adapter with the lowest held-out loss is kept.

    Attributes:
        rank: of the update to each weight matrix.
        alpha: scale of the update, relative to `rank`.
        lr: peak learning rate.
        epochs: passes over the training examples at most; 0 chooses by their number and length.
        batch: examples a step; 0 chooses by the number of examples.
        dropout: on the adapter's input.
        search: configurations to search among, at least 2; 0 takes this one. The others vary `lr`, `rank` (and
            `alpha` with it), `batch` and `dropout`; what differs from its default here is kept in all of them.
            What wins has the lowest loss on held-out lessons after ever longer training (`finetune.search`).
    """

    rank: int = 16
    alpha: int = 32
    lr: float = 1e-3
    epochs: int = 0
    batch: int = 0
    dropout: float = 0.0
    search: int = 0

    name: ClassVar[str] = "lora"
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "lora:epochs=1,batch=8"

    def __post_init__(self) -> None:
        if min(self.rank, self.alpha) < 1 or self.lr <= 0 or min(self.epochs, self.batch) < 0:
            raise ValueError("rank, alpha and lr must be positive, epochs and batch not negative")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must lie between 0 and 1")
        if self.search < 0 or self.search == 1:
            raise ValueError("search must be at least 2 configurations, or 0 for none")

    def reads(self, examples: int, own: float, shared: int) -> float:
        """All epochs, what examples have in common once a step, as often as a search trains."""
        epochs = self.epochs or default_epochs(examples, own * examples, shared)
        steps = math.ceil(examples / (self.batch or default_batch(examples * epochs)))
        times = trainings(self.search) if self.search else 1.0
        return times * epochs * (examples * own + steps * shared)

    def tune(self, curriculum: Curriculum, model: LanguageModel, seed: int) -> Tuned:
        """Train, keep the adapter with the lowest loss on held-out lessons, and merge it."""
        tuned: Tuned = _tuning().tune(self, curriculum, model, seed)
        return tuned

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        """Read a saved adapter and merge it."""
        tuned: Tuned = _tuning().restore(folder, model)
        return tuned


def default_epochs(examples: int, own: float, shared: int) -> int:
    """Passes over the training examples where the user names none: as many as their number needs, fewer where
    they are so long that more would cost more time than they bring.

    Args:
        own: tokens of all examples that are their own.
        shared: tokens that all have in common, which are read once a step.
    """
    needed = min(MOST_EPOCHS, max(2, round(EXAMPLES_SEEN / examples)))
    read = own + shared * math.ceil(examples / LARGEST_BATCH)
    return max(1, min(needed, int(TOKENS_SEEN // read)))


def default_batch(seen: int) -> int:
    """Examples a step where the user names none: 8, fewer where that would leave too few steps to learn in."""
    return max(2, min(LARGEST_BATCH, seen // FEWEST_STEPS))


def _tuning() -> Any:
    """What trains; torch comes with it."""
    return import_module("finetune.tuning")
