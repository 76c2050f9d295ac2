"""What a model's weights become with an adapter in them, each when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftConfig, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer, ParamWrapper
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.pytorch_utils import Conv1D

from advisor.models import Merged
from advisor.models.adaptation import Rebuilt
from advisor.models.local import onto
from advisor.models.local.engine import LocalModel
from advisor.models.local.quantising import dequantised, holds_numbers
from advisor.models.local.shortage import telling
from finetune import adapter
from finetune.methods.contract import State


def layers_of(model: LocalModel, config: PeftConfig, state: State) -> list[Layer]:
    """The layers that an adapter changes, as PEFT has them, with the adapter in float32; out of the model again.

    Args:
        state: the adapter's tensors in float32, named as PEFT names them.
    """
    with adapter.inserted(model, config) as wrapped, torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        set_peft_model_state_dict(wrapped, state)
        return [
            Layer(n.removeprefix(adapter.INSIDE).replace(".base_layer", ""), m)
            for n, m in wrapped.named_modules()
            if isinstance(m, BaseTunerLayer)
        ]


@dataclass(frozen=True)
class Layer:
    """One adapted layer.

    Attributes:
        name: of the model's own layer, in the model's module.
        peft: PEFT's layer around it.
    """

    name: str
    peft: Any

    @property
    def base(self) -> Any:
        """The model's own layer."""
        return self.peft.get_base_layer()

    @property
    def of_codes(self) -> bool:
        """Whether what the model has there are codes, to which nothing can be added."""
        return not all(holds_numbers(getattr(self.base, part)) for part in self.parts)

    @property
    def can_be_rebuilt(self) -> bool:
        """Whether PEFT tells what the adapter adds to these codes (not of GPTQ's and AWQ's), and they are those of a
        linear layer, not of experts or a layer whose weight is transposed."""
        low_rank = isinstance(self.peft, LoraLayer) and not isinstance(self.peft, ParamWrapper)
        return low_rank and hasattr(self.peft, "get_delta_weight") and not isinstance(self.base, Conv1D)

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of its parameters are changed: by a low-rank product one, by others the bias too."""
        if isinstance(self.peft, LoraLayer):
            return (onto.part_of(self.peft),)
        return tuple(name for name, _ in self.base.named_parameters(recurse=False))

    @torch.inference_mode(False)
    @torch.no_grad()
    def merged(self, own: State) -> State:
        """What its own numbers become with the adapter in them, by PEFT's own merge in float32, rounded once.

        Args:
            own: of each of `parts`.
        """
        try:
            if isinstance(self.peft, LoraLayer):
                return {name: onto.merged(self.peft, tensor) for name, tensor in own.items()}
            return self._merged(own)
        finally:
            self.peft.merged_adapters.clear()  # so that it can be asked for again

    def _merged(self, own: State) -> State:
        base = self.base
        held = dict(base.named_parameters(recurse=False))
        for name, tensor in own.items():
            base._parameters[name] = nn.Parameter(tensor.to(torch.float32, copy=True), requires_grad=False)
        try:
            self.peft.merge(adapter_names=[adapter.FIRST])
            merged = self.base  # for some kinds another layer than before
            found = {name: getattr(merged, name).detach().to(held[name].dtype) for name in own}
            if merged is not base:
                self.peft.unmerge()
            return found
        finally:
            base._parameters.update(held)

    @torch.inference_mode(False)
    @torch.no_grad()
    def rebuilt(self, number_format: torch.dtype) -> nn.Linear:
        """A layer of plain numbers in place of its codes: what these stand for and the adapter, rounded once."""
        own = dequantised(self.base, number_format)
        both = own + self.peft.get_delta_weight(adapter.FIRST).float()
        if (
            adapter.FIRST in self.peft.lora_variant
        ):  # DoRA, whose rows have the length that it learned (Liu et al. 2024, eq. 5)
            length = self.peft.lora_magnitude_vector[adapter.FIRST].weight
            both *= (length / torch.linalg.norm(both, dim=1))[:, None]
        bias = self.base.bias
        found = nn.Linear(both.shape[1], both.shape[0], bias=bias is not None, device="meta")
        found.weight = nn.Parameter(both.to(number_format), requires_grad=False)
        if bias is not None:
            found.bias = nn.Parameter(bias.detach().to(number_format), requires_grad=False)
        return found.eval()


class MergedTensors(Mapping[str, torch.Tensor]):
    """Full tensors by parameter name, each merged when it is asked for: what is kept is the adapter."""

    def __init__(self, model: LocalModel, layers: Sequence[Layer]) -> None:
        self._model = model
        self._layers = {f"{layer.name}.{part}": layer for layer in layers for part in layer.parts}

    def __getitem__(self, name: str) -> torch.Tensor:
        layer = self._layers[name]
        own = {part: self._model.originals.own(f"{layer.name}.{part}") for part in layer.parts}
        return layer.merged(own)[name.rpartition(".")[2]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


def merged(model: LocalModel, layers: Sequence[Layer], state: State) -> Merged:
    """The model's weights with the adapter in them; of a model whose weights are codes, `rebuilt`.

    Args:
        layers: as `layers_of` finds them.
    """
    return Merged(adapter.key_of(state), MergedTensors(model, layers))


def rebuilt(model: LocalModel, layers: Sequence[Layer], state: State) -> Rebuilt:
    """The numbers that the model's codes stand for, with the adapter in them: never quantised again, which would take
    away what was learned.

    Args:
        layers: as `layers_of` finds them, each of which can be rebuilt.
    """

    def attach(module: Any) -> Callable[[], None]:
        own: list[tuple[Any, str, Any]] = []

        def put_back() -> None:
            for parent, name, layer in own:
                setattr(parent, name, layer)

        size = sum(layer.base.in_features * layer.base.out_features for layer in layers) * model.dtype.itemsize
        try:
            with telling("the adapter in the model's dequantised weights", model.device, size):
                for layer in layers:
                    stem, _, name = layer.name.rpartition(".")
                    parent, new = module.get_submodule(stem), layer.rebuilt(model.dtype)
                    own.append((parent, name, layer.base))
                    setattr(parent, name, new)
        except BaseException:
            put_back()
            raise
        return put_back

    return Rebuilt(f"{adapter.key_of(state)}-dequantised", attach)
