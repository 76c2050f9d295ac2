"""The tuners whose adapters are PEFT's other kinds: IA3, the norms, and any that merges, by its name; no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

from finetune.gradient import GradientTuner
from finetune.training import SearchRange, Serve, Targets

MERGEABLE = (
    *("adamss", "boft", "c3a", "deft", "delora", "fourierft", "frod", "glora", "gralora", "hira", "hra", "loha"),
    *("lokr", "miss", "oft", "osf", "peanut", "psoft", "pvera", "randlora", "road", "shira", "supertuning"),
    *("tinylora", "unilora", "vblora", "vera", "waveft"),
)
"""PEFT's kinds that change the weights of linear layers, and can be added to these exactly."""

_OWN = {
    "lora": "lora",
    "ia3": "ia3",
    "ln_tuning": "ln",
    "prompt_tuning": "prompt",
    "p_tuning": "ptuning",
    "prefix_tuning": "prefix",
    "cartridge": "cartridge",
}
_BY_INPUT = "depends on the input, so no weights can hold it"
_BEFORE = "puts numbers before the prompt, which no weights can hold; prefix does the like"
_NOT_MERGEABLE = {
    "adalora": "allots its ranks in a training loop of its own; lora:search=8 varies the rank",
    "adaption_prompt": _BEFORE,
    "beft": "trains biases, of which most models have none",
    "cpt": _BEFORE,
    "lily": _BY_INPUT,
    "multitask_prompt_tuning": _BEFORE,
    "poly": "asks for the number of a task with each input",
    "shadow": _BY_INPUT,
    "trainable_tokens": "trains single tokens that have to be named",
    "xlora": _BY_INPUT,
}


@dataclass(frozen=True)
class PeftKind(GradientTuner):
    """Any other of PEFT's kinds that merges into the weights: peft:vera, peft:miss, peft:oft.

    Everything but what is named here is as PEFT has it by default; sizes that have to divide the layers' are the
    largest that do, up to PEFT's. Kinds that merge into no weights are refused by name.

    Attributes:
        kind: PEFT's name, one of `MERGEABLE`.
        targets: which linear layers it lies on: all but the output layer, those of attention, or all others.
        serve: merged or attached, as of `finetune.low_rank.LowRank`.
    """

    kind: str
    targets: Targets = "linear"
    serve: Serve = "auto"
    lr: float = field(default=2e-3, kw_only=True)

    name: ClassVar[str] = "peft"
    positional: ClassVar[str] = "kind"
    defining: ClassVar[tuple[str, ...]] = ("kind",)
    ranges: ClassVar[Mapping[str, SearchRange]] = {"lr": SearchRange((2e-4, 5e-2), between=True)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in MERGEABLE:
            raise ValueError(_why_not(self.kind))

    def method(self) -> Any:
        """The kind by PEFT."""
        return import_module("finetune.methods.kinds").KindMethod(self.kind, self.targets, self.serve)


@dataclass(frozen=True)
class Ia3(GradientTuner):
    """IA3: a factor for each output of the linear layers (Liu et al. 2022).

    Attributes:
        targets, serve: as of `PeftKind`. The paper has keys, values and the middle of the MLP, which are among all.
    """

    targets: Targets = "linear"
    serve: Serve = "auto"
    lr: float = field(default=1e-2, kw_only=True)

    name: ClassVar[str] = "ia3"
    probed_as: ClassVar[str] = "ia3:epochs=1,batch=8"
    ranges: ClassVar[Mapping[str, SearchRange]] = {"lr": SearchRange((1e-3, 5e-2), between=True)}

    def method(self) -> Any:
        """IA3 by PEFT."""
        return import_module("finetune.methods.kinds").Ia3Method(self.targets, self.serve)


@dataclass(frozen=True)
class NormTuner(GradientTuner):
    """LN tuning: the weights of the norms and nothing else (Zhao et al. 2023).

    Attributes:
        serve: as of `PeftKind`.
    """

    serve: Serve = "auto"
    lr: float = field(default=1e-2, kw_only=True)

    name: ClassVar[str] = "ln"
    probed_as: ClassVar[str] = "ln:epochs=1,batch=8"
    ranges: ClassVar[Mapping[str, SearchRange]] = {"lr": SearchRange((1e-3, 5e-2), between=True)}

    def method(self) -> Any:
        """LN tuning by PEFT."""
        return import_module("finetune.methods.kinds").NormMethod(self.serve)


def _why_not(kind: str) -> str:
    if kind in _OWN:
        return f"{kind} is a tuner of its own here, {_OWN[kind]}"
    if kind in _NOT_MERGEABLE:
        return f"{kind} {_NOT_MERGEABLE[kind]}"
    near = difflib.get_close_matches(kind, (*MERGEABLE, *_OWN, *_NOT_MERGEABLE), n=3) or MERGEABLE
    return f"PEFT has no kind {kind!r} that merges into the weights; near are {', '.join(near)}"
