"""The `lora` tuner as it is named and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from finetune.gradient import GradientTuner
from finetune.training import SearchRange, Serve


@dataclass(frozen=True)
class Lora(GradientTuner):
    """LoRA on all linear layers, loss on the answers alone (Hu et al. 2021).

    The defaults rest on SmolLM2-135M-Instruct: at two epochs, rate 1e-3 reached a held-out loss of 0.27 on trec6
    (300 examples; 5e-4: 0.43) and of 0.15 on restaurants8k (200 examples; 5e-4: 0.20); steps of 4 instead of 8
    examples gave 0.26 and 0.14 for a third more time. On 100 test examples of trec6 they reach 0.59, 0.72, 0.90, 0.93,
    0.96 and 0.97 with 8, 32, 128, 512, 1,000 and 4,000 training examples (accuracy), on legalbench_hearsay 0.39 with 5
    (macro F1; majority class: 0.35). Long rows (retrieved passages) get fewer epochs and smaller
    steps; the adapter with the lowest held-out loss is kept.

    Attributes:
        rank: of the update to each weight matrix.
        alpha: scale of the update, relative to `rank`.
        dropout: on the adapter's input.
        dora: whether the update is decomposed into magnitude and direction (DoRA, Liu et al. 2024).
        serve: whether queries are answered with the adapter merged into the weights, at the speed of the base model,
            or attached, as a server that shares one base among several adapters has it. `auto` merges,
            but for weights that are codes (`--quantize`), beside which the adapter is attached.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    dora: bool = False
    serve: Serve = "auto"

    name: ClassVar[str] = "lora"
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "lora:epochs=1,batch=8"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((2e-4, 5e-3), between=True),
        "rank": SearchRange((4, 8, 16, 32, 64)),
        "dropout": SearchRange((0.0, 0.05, 0.1)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.rank, self.alpha) < 1:
            raise ValueError("rank and alpha must be positive")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must lie between 0 and 1")

    def tried(self, **values: Any) -> dict[str, Any]:
        """The strength of an update shall not depend on its rank, so alpha goes with it."""
        if self.alpha != type(self).alpha or "rank" not in values:
            return values
        return {**values, "alpha": max(1, round(self.alpha * values["rank"] / self.rank))}

    def method(self) -> Any:
        """LoRA by PEFT."""
        return import_module("finetune.methods.lora").LoraMethod(
            self.rank, self.alpha, self.dropout, self.dora, self.serve
        )
