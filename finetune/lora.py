"""The `lora` tuner as it is named and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any, ClassVar, Self

from finetune.gradient import GradientTuner
from finetune.low_rank import PLAIN_ALPHA, LowRank
from finetune.training import SearchRange


@dataclass(frozen=True)
class Lora(LowRank, GradientTuner):
    """LoRA on all linear layers, loss on the answers alone (Hu et al. 2021).

    The defaults rest on SmolLM2-135M-Instruct: at two epochs, rate 1e-3 reached a held-out loss of 0.27 on trec6
    (300 examples; 5e-4: 0.43) and of 0.15 on restaurants8k (200 examples; 5e-4: 0.20); steps of 4 instead of 8
    examples gave 0.26 and 0.14 for a third more time. On 100 test examples of trec6 they reach 0.59, 0.72, 0.90, 0.93,
    0.96 and 0.97 with 8, 32, 128, 512, 1,000 and 4,000 training examples (accuracy), on legalbench_hearsay 0.39 with 5
    (macro F1; majority class: 0.35). Long rows (retrieved passages) get fewer epochs and smaller
    steps; the adapter with the lowest held-out loss is kept. What starts from the weights wants a lower rate: with 100
    examples of trec6 `olora` reached a held-out loss of 0.06 at 2e-4, of 0.27 at 1e-3.
    """

    name: ClassVar[str] = "lora"
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "lora:epochs=1,batch=8"
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((2e-4, 5e-3), between=True),
        "rank": SearchRange((4, 8, 16, 32, 64)),
        "dropout": SearchRange((0.0, 0.05, 0.1)),
    }

    def __post_init__(self) -> None:
        LowRank.__post_init__(self)
        GradientTuner.__post_init__(self)
        if self.modulation == "task" and not self.others:
            raise ValueError("modulation says nothing without other tasks (also=../other-task)")
        if self.modulation == "task" and self.conflicts != "none":
            raise ValueError(
                f"conflicts={self.conflicts} and modulation=task are two ways against the same: one of them"
            )

    def tried(self, **values: Any) -> dict[str, Any]:
        """The strength of an update shall not depend on its rank, so alpha goes with it; with rslora it hardly does."""
        if self.alpha is not None or self.rslora or self.init == "olora" or "rank" not in values:
            return values
        return {**values, "alpha": max(1, round(PLAIN_ALPHA * values["rank"] / self.rank))}

    def method(self) -> Any:
        """LoRA by PEFT."""
        own = {field.name: getattr(self, field.name) for field in fields(LowRank)}
        return import_module("finetune.methods.lora").LoraMethod(**own)

    def method_for(self, rows: Any) -> Any:
        """With a part for each task of `rows`, where tasks have some."""
        if self.modulation == "none":
            return self.method()
        return self.method().of_tasks(1 + max(row.task for row in rows.train))

    def alone(self) -> Self:
        """The same without other tasks, and what is said of them."""
        return GradientTuner.alone(replace(self, modulation="none"))
