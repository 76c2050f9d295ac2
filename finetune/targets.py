"""Which weights of a model an adapter may lie on: linear layers that a text passes through, each as a plain product."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import _check_lora_target_modules_mamba, check_target_module_exists
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from torch import nn
from transformers.pytorch_utils import Conv1D

from advisor.errors import NotApplicable
from advisor.models.local.device import device_of
from finetune.training import Targets

ALL = "all-linear"  # PEFT's name of all linear layers but the output layer
PROBE = 8  # tokens sent through; an expert that none of them chooses is told by the others of its layer
ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)  # in the name of a layer, or of what it lies in
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


@dataclass(frozen=True)
class LeftOut:
    """What no adapter lies on, beside the output layer, by full names.

    Attributes:
        apart: layers that no text passes through, by which a model sees or hears.
        parts: of the model, in which those lie.
        raw: layers whose weight is read, or handed to a kernel, by what stands around them.
        routers: layers that say more than one thing, as those do that choose among experts.
        refused: layers that PEFT adapts in no state-space model, since kernels take their weight.
        passed: layers that bear the names of an expert's, which PEFT passes over where it adapts the experts.
        stacked: parameters of several matrices, as experts have them, which PEFT adapts in some kinds of models only.
    """

    apart: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    stacked: tuple[str, ...] = ()

    @property
    def layers(self) -> list[str]:
        """The linear layers among them, which PEFT would adapt, or try to, unasked."""
        return [*self.apart, *self.raw, *self.routers, *self.refused]

    def __str__(self) -> str:
        """In words, by place and reason; empty where nothing is left out."""
        reasons = {
            "the matrices stacked in {}": self.stacked,
            "{}, which choose among experts": self.routers,
            "{}, whose weights are not read as a layer's": self.raw,
            "{}, whose weights a state-space kernel takes": self.refused,
            "{}, which PEFT passes over beside experts": self.passed,
        }
        found = [words.format(_places(names)) for words, names in reasons.items() if names]
        if self.parts:
            parts = dict.fromkeys(part.removeprefix("model.") for part in self.parts)
            found.append(f"{', '.join(parts)}, which no text passes through")
        return "; ".join(found)


def linear_layers(module: Any, targets: Targets = "linear") -> list[str]:
    """Full names of the linear layers that an adapter lies on.

    Raises:
        NotApplicable: there is none of that kind.
    """
    skipped = {*left_out(module).layers}
    found = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | Conv1D) and layer is not module.get_output_embeddings() and name not in skipped
    ]
    if targets != "linear":
        found = [name for name in found if bool(ATTENTION.search(name)) == (targets == "attention")]
    if not found:
        raise NotApplicable(f"no linear layer of this model is one of {targets}; targets=linear takes all")
    return found


def norms(module: Any) -> list[str]:
    """Full names of the norms that a text passes through as layers.

    Raises:
        NotApplicable: there is none.
    """
    said = _said(module)
    found = [
        name
        for name, layer in module.named_modules()
        if type(layer).__name__.endswith("Norm") and getattr(layer, "weight", None) is not None and said[_alike(name)]
    ]
    if not found:
        raise NotApplicable("no norm of this model has weights that can be trained alone")
    return found


_known: WeakKeyDictionary[nn.Module, LeftOut] = WeakKeyDictionary()


def left_out(module: Any) -> LeftOut:
    """What an adapter on all linear layers leaves out of a model, which has none in it: seen by sending a text through
    once, since neither a layer's kind nor its name tells."""
    if module not in _known:
        _known[module] = _seen(module)
    return _known[module]


def _seen(module: Any) -> LeftOut:
    said = _said(module)
    read = [f"{place}." for place, kinds in said.items() if kinds]
    config = LoraConfig(target_modules=ALL)
    convert_peft_config_for_transformers(config, module, None)
    found: dict[str, list[str]] = defaultdict(list)
    for name, layer in module.named_modules():
        if not isinstance(layer, nn.Linear | Conv1D) or layer is module.get_output_embeddings():
            continue
        kinds = said[_alike(name)]
        if not kinds and not said[_owner(name)]:
            found["apart"].append(name)
            found["parts"].append(_unread(name, read))
        elif not kinds:
            found["raw"].append(name)
        elif not all(issubclass(kind, torch.Tensor) for kind in kinds):
            found["routers"].append(name)
        elif _refuses(module, name):
            found["refused"].append(name)
        elif config.target_modules != ALL and not check_target_module_exists(config, name):
            found["passed"].append(name)
    if not config.target_parameters:
        found["stacked"] = [name for name in _stacked(module) if said[_owner(name)]]
    return LeftOut(**{why: tuple(names) for why, names in found.items()})


@torch.inference_mode()
def _said(module: Any) -> dict[str, set[type]]:
    """Of what types the answers of each module are when a text is read, experts of a layer taken together."""
    said: dict[str, set[type]] = defaultdict(set)

    def noting(name: str) -> Any:
        return lambda _layer, _given, answer: said[name].add(type(answer))

    hooks = [part.register_forward_hook(noting(_alike(name))) for name, part in module.named_modules()]
    try:
        module(input_ids=torch.arange(PROBE, device=device_of(module))[None] + 5, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return said


def _alike(name: str) -> str:
    """A module's name without the number of an expert, which is one within a layer's number."""
    places = [match.span() for match in NUMBER.finditer(name)]
    return name if len(places) < 2 else f"{name[: places[-1][0]]}#{name[places[-1][1] :]}"


def _refuses(module: Any, name: str) -> bool:
    try:
        _check_lora_target_modules_mamba(LoraConfig(), module, name.rpartition(".")[2])
    except ValueError:
        return True
    return False


def _stacked(module: Any) -> list[str]:
    """Parameters that hold several matrices."""
    convolutions = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Conv1d)}
    return [name for name, p in module.named_parameters() if p.dim() == 3 and name not in convolutions]


def _owner(name: str) -> str:
    """The module that holds what is called `name`, as `_said` names it."""
    return _alike(name.rpartition(".")[0])


def _unread(name: str, read: Sequence[str]) -> str:
    """The largest part around a layer through which no text passed; the layer itself where one passed through all.

    Args:
        read: names of the modules through which it passed, a dot behind each.
    """
    steps = _alike(name).split(".")
    around = [".".join(steps[:length]) for length in range(1, len(steps))]
    return next((place for place in around if not any(one.startswith(f"{place}.") for one in read)), name)


def _places(names: tuple[str, ...]) -> str:
    """Names without what stands before the number of a layer or expert, each once, those of one place together."""
    found = dict.fromkeys(NUMBER.sub("#", name).split(".#.")[-1].removeprefix("model.") for name in names)
    places: dict[str, list[str]] = defaultdict(list)
    for name in found:
        place, dot, own = name.rpartition(".")
        places[place + dot].append(own)
    return ", ".join(place + "/".join(own) for place, own in places.items())
