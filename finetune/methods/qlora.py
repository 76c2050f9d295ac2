"""LoRA on a base that is quantised while it trains, and what answers afterwards: the codes or what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from advisor.approaches import Facts, Tuned
from advisor.models import Adaptation, Attached, Merged
from advisor.models.load import Quantize
from advisor.models.local.engine import LocalModel
from advisor.models.local.quantising import NAMES, code_bytes, dequantised, in_codes, quantised
from advisor.models.local.shortage import telling
from finetune import adapter, merging
from finetune.methods.contract import Inserted, LearnedTensors, Method, State
from finetune.methods.lora import LoraMethod
from finetune.methods.peft import AdapterConfig
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
        return QloraAdapter(self, model, learned)

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Read an adapter in PEFT's format."""
        return self.tuned(model, self.plain.read(folder))

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """Where no adapter lies, and no codes."""
        return self.plain.notes(model)


class QloraAdapter(Tuned):
    """An adapter and the codes that it was learned on, which are made of the model's weights again."""

    def __init__(self, method: QloraMethod, model: LocalModel, learned: LearnedTensors) -> None:
        self.state = learned.state
        self.config: AdapterConfig = learned.config
        bits = BITS[method.base]
        with model.own_weights(), _codes(model, method.base) as codes:
            whole = sum(layer.weight.nbytes for layer in codes.own.values())
            taken = sum(map(code_bytes, codes.layers.values()))
            self._adaptation: Adaptation
            if method.plain.serve == "attached":
                self._adaptation = _attached(method.base, self.config.peft, self.state, model)
            else:
                self._adaptation = _merged(model, codes, self.config.peft, self.state)
        served = "from the codes" if method.plain.serve == "attached" else "from the numbers that the codes stand for"
        note = (
            f"The linear layers were trained on as {NAMES[bits]} codes: {taken / 1e6:,.0f} MB in place of "
            f"{whole / 1e6:,.0f} MB; the weights themselves lay beside them here, for the other rows. Queries were "
            f"answered {served}."
        )
        size = sum(t.nbytes for t in self.state.values())
        self.facts = Facts(artifact_bytes=size, trainable_parameters=self.config.trained, notes=(note,))

    @property
    def adaptation(self) -> Adaptation:
        """The adapter with its base."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format; the codes are made of the model's weights again."""
        adapter.save(folder, self.config.peft, self.state, self.config.trained)


@dataclass(frozen=True)
class _Codes:
    """Layers of codes in a model, and its own, by name."""

    own: Mapping[str, nn.Linear]
    layers: Mapping[str, nn.Linear]


@contextmanager
def _codes(model: LocalModel, base: str) -> Iterator[_Codes]:
    """While the block runs, codes stand in place of the model's linear layers, the output layer and what no text passes
    through left out."""
    put_back = _put_in(model.module, base, model)
    try:
        yield put_back.codes
    finally:
        put_back()


class _PutBack:
    def __init__(self, module: Any, base: str, codes: _Codes) -> None:
        self._module, self._base, self.codes = module, base, codes

    def __call__(self) -> None:
        vars(self._module).pop(_LOADED[self._base], None)
        for name, layer in self.codes.own.items():
            _place(self._module, name, layer)


def _put_in(module: Any, base: str, model: LocalModel) -> _PutBack:
    own = {name: layer for name, layer in module.named_modules() if _coded(module, name, layer)}
    layers: dict[str, nn.Linear] = {}
    size = sum(layer.weight.nbytes for layer in own.values()) // (2 if base == "int8" else 4)
    with telling("the base weights as codes", model.device, size), torch.no_grad(), torch.inference_mode(False):
        for name, layer in own.items():
            layers[name] = in_codes(layer, BITS[base], model.dtype)
    for name, made in layers.items():
        _place(module, name, made)
    vars(module)[_LOADED[base]] = True  # by which PEFT knows codes
    return _PutBack(module, base, _Codes(own, layers))


def _coded(module: Any, name: str, layer: Any) -> bool:
    return (
        type(layer) is nn.Linear and layer is not module.get_output_embeddings() and name not in left_out(module).layers
    )


def _place(module: Any, name: str, layer: nn.Module) -> None:
    stem, _, own = name.rpartition(".")
    setattr(module.get_submodule(stem), own, layer)


def _merged(model: LocalModel, codes: _Codes, config: Any, state: State) -> Merged:
    """What the codes stand for with the adapter in it, rounded once."""
    tensors: dict[str, torch.Tensor] = {}
    for layer in merging.layers_of(model, config, state):
        tensors[f"{layer.name}.weight"] = layer.rebuilt(model.dtype).weight.detach()
    rest = set(codes.layers) - {layer.removesuffix(".weight") for layer in tensors}
    with torch.inference_mode(False), torch.no_grad():
        for name in rest:
            tensors[f"{name}.weight"] = dequantised(codes.layers[name], model.dtype).to(model.dtype)
    return Merged(f"{adapter.key_of(state)}-dequantised", tensors)


def _attached(base: str, config: Any, state: State, model: LocalModel) -> Attached:
    beside = adapter.attached(config, state)

    def attach(module: Any) -> Callable[[], None]:
        put_back = _put_in(module, base, model)
        try:
            take_out = beside.attach(module)
        except BaseException:
            put_back()
            raise
        return lambda: _in_turn((take_out, put_back))

    return Attached(f"{beside.key}-{base}", attach)


def _in_turn(steps: Sequence[Callable[[], None]]) -> None:
    for step in steps:
        step()
