"""The `qlora` tuner as it is named and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal

from finetune.lora import Lora
from finetune.training import SearchRange

Base = Literal["nf4", "int8"]


@dataclass(frozen=True)
class Qlora(Lora):
    """LoRA on a base whose linear layers are quantised while it trains (QLoRA, Dettmers et al. 2023).

    It takes the memory of the codes in place of that of the weights. The adapter is part of what the codes stand for,
    not of the weights that they were made of: it is merged into the numbers of the codes, which are never quantised
    again, or attached to the codes. A model that was loaded as codes (`--quantize`) is trained as it is.

    Attributes:
        base: NF4, four bits whose scales are quantised too, or eight bits with a scale for each row (LLM.int8).
        serve: `merged`, and `auto`, put the numbers that the codes stand for, with the adapter, in the place of the
            weights, at the speed and in the memory of the base model; `attached` answers from the codes with the
            adapter beside. So it is too where memory has no room for a second copy of the weights.
    """

    base: Base = "nf4"

    name: ClassVar[str] = "qlora"
    unasked: ClassVar[bool] = False
    probed_as: ClassVar[str] = ""
    ranges: ClassVar[Mapping[str, SearchRange]] = Lora.ranges

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.takes_from_weights:
            raise ValueError(
                f"init={self.init} starts from the numbers of each layer's matrix, and qlora trains on codes; "
                "init=default, gaussian or orthogonal do not"
            )

    def method(self) -> Any:
        """LoRA by PEFT on codes of bitsandbytes."""
        plain = super().method()
        return import_module("finetune.methods.qlora").QloraMethod(plain, self.base)
