"""LoRA on a base that is quantised while it trains, and what answers afterwards: the codes or what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from advisor.approaches import Tuned
from advisor.models import Adaptation, Attached, Merged
from advisor.models.load import Quantize
from advisor.models.local.engine import LocalModel
from advisor.models.local.quantising import NAMES, code_bytes, dequantised, in_codes, quantised
from advisor.models.local.shortage import telling
from finetune import adapter, merging
from finetune.methods.contract import Inserted, LearnedTensors, Method, State
from finetune.methods.lora import LoraMethod
from finetune.methods.peft import TunedAdapter
from finetune.targets import left_out

BITS: Mapping[str, Quantize] = {"nf4": "4bit", "int8": "8bit"}
_LOADED = {"nf4": "is_loaded_in_4bit", "int8": "is_loaded_in_8bit"}


@dataclass(frozen=True)
class QloraMethod(Method):
    """Adapters on codes.

    Attributes:
        plain: the same on the model's own weights, whatever these are.
        base: as of `finetune.qlora.Qlora`.
    """

    plain: LoraMethod
    base: Literal["nf4", "int8"]

    def of_tasks(self, tasks: int) -> QloraMethod:
        """The same for so many tasks, each of which has a part of its own."""
        return replace(self, plain=self.plain.of_tasks(tasks))

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """An adapter on each linear layer, in whose place stand its codes."""
        if quantised(model.module):
            with self.plain.inserted(model) as inserted:
                yield inserted
            return
        with model.own_weights(), _codes(model, self.base), self.plain.inserted(model) as inserted:
            yield inserted

    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """In the form in which it is to be served."""
        if quantised(model.module):
            return self.plain.tuned(model, learned)
        peft, state, why = learned.config.peft, learned.state, ""
        attached = self.plain.serve == "attached"
        with model.own_weights():
            if not attached and model.originals.place(_weights_in_codes(model)) != "memory":
                attached, why = True, ", since memory had no room for those beside the weights"
        with model.own_weights(), _codes(model, self.base) as codes:
            whole = sum(layer.weight.nbytes for layer in codes.own.values())
            taken = sum(map(code_bytes, codes.layers.values()))
            adaptation: Adaptation
            adaptation = _attached(self.base, peft, state, model) if attached else _merged(model, codes, peft, state)
        note = (
            f"The linear layers were trained on as {NAMES[BITS[self.base]]} codes: {taken / 1e6:,.0f} MB in place of "
            f"{whole / 1e6:,.0f} MB; the weights themselves lay beside them here, for the other rows. Queries were "
            f"answered from {'the codes' if attached else 'the numbers that the codes stand for'}{why}."
        )
        return TunedAdapter(learned, adaptation, note)

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Read an adapter in PEFT's format."""
        return self.tuned(model, self.plain.read(folder))

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """Where no adapter lies, and no codes."""
        return self.plain.notes(model)


@dataclass(frozen=True)
class _Codes:
    """Layers of codes in a model, and its own, by name."""

    own: Mapping[str, nn.Linear]
    layers: Mapping[str, nn.Linear]


@contextmanager
def _codes(model: LocalModel, base: str) -> Iterator[_Codes]:
    """While the block runs, codes stand in place of the model's linear layers, the output layer and what no text passes
    through left out."""
    codes, put_back = _put_in(model.module, base, model)
    try:
        yield codes
    finally:
        put_back()


def _put_in(module: Any, base: str, model: LocalModel) -> tuple[_Codes, Callable[[], None]]:
    """The codes, and what takes them out again."""
    own = {name: layer for name, layer in module.named_modules() if _coded(module, name, layer)}
    layers: dict[str, nn.Linear] = {}
    size = sum(layer.weight.nbytes for layer in own.values()) // (2 if base == "int8" else 4)
    with telling("the base weights as codes", model.device, size), torch.no_grad(), torch.inference_mode(False):
        for name, layer in own.items():
            layers[name] = in_codes(layer, BITS[base], model.dtype)
    for name, made in layers.items():
        module.set_submodule(name, made)
    vars(module)[_LOADED[base]] = True  # by which PEFT knows codes

    def put_back() -> None:
        vars(module).pop(_LOADED[base], None)
        for name, layer in own.items():
            module.set_submodule(name, layer)

    return _Codes(own, layers), put_back


def _weights_in_codes(model: LocalModel) -> list[str]:
    """The names of the weights in whose place the numbers of codes come."""
    module = model.module
    return [f"{name}.weight" for name, layer in module.named_modules() if _coded(module, name, layer)]


def _coded(module: Any, name: str, layer: Any) -> bool:
    return (
        type(layer) is nn.Linear and layer is not module.get_output_embeddings() and name not in left_out(module).layers
    )


def _merged(model: LocalModel, codes: _Codes, config: Any, state: State) -> Merged:
    """What the codes stand for with the adapter in it, rounded once."""
    tensors: dict[str, torch.Tensor] = {}
    for layer in merging.adapted_layers(model, config, state):
        tensors[f"{layer.name}.weight"] = layer.rebuilt(model.dtype).weight.detach()
    rest = set(codes.layers) - {layer.removesuffix(".weight") for layer in tensors}
    with torch.inference_mode(False), torch.no_grad():
        for name in rest:
            tensors[f"{name}.weight"] = dequantised(codes.layers[name], model.dtype).to(model.dtype)
    return Merged(f"{adapter.key_of(state)}-dequantised", tensors)


def _attached(base: str, config: Any, state: State, model: LocalModel) -> Attached:
    beside = adapter.attached(config, state)

    def attach(module: Any) -> Callable[[], None]:
        _, put_back = _put_in(module, base, model)
        try:
            take_out = beside.attach(module)
        except BaseException:
            put_back()
            raise

        def both_out() -> None:
            take_out()
            put_back()

        return both_out

    return Attached(f"{beside.key}-{base}", attach)
