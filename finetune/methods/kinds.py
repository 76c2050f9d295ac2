"""IA3, LN tuning, and any other of PEFT's kinds that merges into the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from peft import IA3Config, LNTuningConfig, PeftConfig, PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.tuners_utils import _get_in_out_features

from advisor.errors import NotApplicable
from advisor.models.local.engine import LocalModel
from advisor.models.local.quantising import holds_numbers
from finetune.methods.peft import PeftMethod
from finetune.targets import linear_layers, norms
from finetune.training import Serve, Targets

DIVIDES = {"c3a": "block_size", "road": "group_size", "vblora": "vector_length"}  # what divides the layers' sizes
TASK = "CAUSAL_LM"


@dataclass(frozen=True)
class KindMethod(PeftMethod):
    """One of `finetune.peft_kinds.MERGEABLE`, with the defaults that PEFT gives it."""

    kind: str
    targets: Targets = "linear"
    serve: Serve = "auto"

    def configuration(self, model: LocalModel) -> PeftConfig:
        """PEFT's, for this model."""
        kind: Any = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(self.kind.upper())]
        names = numeric_layers(model, self.targets, self.kind)
        values: dict[str, Any] = {"target_modules": names, "task_type": TASK}
        defaults: dict[str, Any] = {one.name: one.default for one in fields(kind)}
        if self.kind in DIVIDES:
            size = DIVIDES[self.kind]
            values[size] = _largest_divisor(sizes(model, names), defaults[size])
        if "progressbar" in defaults:
            values["progressbar"] = False
        found: PeftConfig = kind(**values)
        return found


@dataclass(frozen=True)
class Ia3Method(PeftMethod):
    """A factor for each output of the linear layers."""

    targets: Targets = "linear"
    serve: Serve = "auto"

    def configuration(self, model: LocalModel) -> PeftConfig:
        """PEFT's, for this model: no layer is scaled at its input, since the one before it is at its output."""
        names = numeric_layers(model, self.targets, "IA3")
        return IA3Config(target_modules=names, feedforward_modules=[], task_type=TASK)


@dataclass(frozen=True)
class NormMethod(PeftMethod):
    """The weights of the norms."""

    serve: Serve = "auto"

    def configuration(self, model: LocalModel) -> PeftConfig:
        """PEFT's, for this model."""
        return LNTuningConfig(target_modules=norms(model.module), task_type=TASK)

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """None: what `ln` trains lies in no linear layer."""
        return ()


def numeric_layers(model: LocalModel, targets: Targets, kind: str) -> list[str]:
    """Linear layers, whose weights are numbers.

    Raises:
        NotApplicable: there are none, or they hold codes.
    """
    names = linear_layers(model.module, targets)
    if not all(holds_numbers(model.module.get_submodule(name).weight) for name in names):
        raise NotApplicable(f"{kind} is not laid beside quantised weights; qlora is, or leave --quantize out")
    return names


def sizes(model: LocalModel, names: Sequence[str]) -> list[int]:
    """Inputs and outputs of layers."""
    found: list[tuple[Any, Any]] = [_get_in_out_features(model.module.get_submodule(name)) for name in names]
    return [size for both in found for size in both]


def _largest_divisor(numbers: Sequence[int], most: int) -> int:
    common = math.gcd(*numbers)
    return next(size for size in range(min(common, most), 0, -1) if not common % size)
