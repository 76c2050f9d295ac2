"""Where low-rank adapters start from the weights themselves (PiSSA, Meng et al. 2024; OLoRA, Buyukakyuz 2024).

Such an adapter's first product is taken out of the weights, so that the model says what it said, and what is trained
are the directions in which it is strongest. What is kept is what was learned beside the weights as they are: the
product at the end less that at the start, an adapter of twice the rank (as PEFT's `save_mutated_as_lora` writes it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear, LoraLayer
from peft.utils.other import transpose
from torch import nn

from advisor.errors import NotApplicable
from advisor.models.local.engine import LocalModel
from advisor.models.local.quantising import holds_numbers
from finetune.adapter import FIRST, INSIDE
from finetune.low_rank import Init
from finetune.methods.contract import State


@contextmanager
def started(model: LocalModel, wrapped: Any, init: Init) -> Iterator[State]:
    """Adapters that lie in the model start from its weights, which are without that while the block runs and bit for
    bit what they were afterwards.

    Args:
        wrapped: the model with adapters in it, fresh ones.

    Returns:
        The adapters' matrices at the start, float32, on the CPU, by the names of their parameters.

    Raises:
        NotApplicable: the weights are codes, or several matrices in one.
    """
    layers = {name: part for name, part in wrapped.named_modules() if isinstance(part, LoraLayer)}
    for layer in layers.values():
        base = layer.get_base_layer()
        if type(layer) is not Linear or not holds_numbers(base.weight):
            raise NotApplicable(
                f"init={init} starts from the numbers of each layer's matrix, and {type(base).__name__} holds codes, "
                "or several matrices in one; init=default goes with any"
            )
    residues = _Residues(layers, init)
    try:
        model.originals.replace(residues)
        yield residues.starts
    finally:
        model.originals.put_back()


class _Residues(Mapping[str, torch.Tensor]):
    """The weights less what each adapter starts from, by the names of the model's parameters, one at a time: the
    adapter gets its start when its layer's weight is asked for."""

    def __init__(self, layers: Mapping[str, Any], init: Init) -> None:
        self._layers = {f"{name.removeprefix(INSIDE)}.base_layer.weight": (name, one) for name, one in layers.items()}
        self._init = init
        self.starts: State = {}

    @torch.no_grad()
    def __getitem__(self, key: str) -> torch.Tensor:
        name, layer = self._layers[key]
        own = layer.get_base_layer().weight.data
        a, b = (half[FIRST].weight for half in (layer.lora_A, layer.lora_B))
        for parameter, found in zip((a, b), _drawn(layer, own, self._init), strict=True):
            parameter.data = found.to(parameter.dtype)  # in the format in which it is trained
        product = layer.scaling[FIRST] * (b.float() @ a.float())
        self.starts |= {
            f"{name}.{half}.{FIRST}.weight": one.detach().float().cpu().clone()
            for half, one in (("lora_A", a), ("lora_B", b))
        }
        residue: torch.Tensor = own.float() - transpose(product, layer.fan_in_fan_out)
        return residue

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


def _drawn(layer: Any, own: torch.Tensor, init: Init) -> tuple[torch.Tensor, torch.Tensor]:
    """What PEFT takes out of a weight for both halves, shape (rank, in) and (out, rank), zeros where it has fewer
    directions; on a copy, since PEFT writes into the weight."""
    twin, base = copy(layer), nn.Linear(1, 1, bias=False)
    base.weight = nn.Parameter(transpose(own, layer.fan_in_fan_out).float().clone(), requires_grad=False)
    twin._modules = {**layer._modules, "base_layer": base}
    for half in ("lora_A", "lora_B"):
        twin._modules[half] = nn.ModuleDict({FIRST: nn.Linear(1, 1, bias=False, device=own.device)})
    twin.fan_in_fan_out = False
    if init == "olora":
        twin.olora_init(FIRST)
    else:
        twin.pissa_init(FIRST, init)
    a, b = twin.lora_A[FIRST].weight.data, twin.lora_B[FIRST].weight.data
    short = layer.r[FIRST] - len(a)
    return nn.functional.pad(a, (0, 0, 0, short)), nn.functional.pad(b, (0, short))


def beside(config: LoraConfig, learned: State, starts: State) -> tuple[LoraConfig, State]:
    """The adapter that says beside the weights as they are what this one says beside those without its start.

    Args:
        learned, starts: as PEFT names an adapter's tensors.
    """
    found = dict(learned)
    for name, start in starts.items():
        found[name] = torch.cat([learned[name], start]) if "lora_A" in name else torch.cat([learned[name], -start], 1)
    twice: Any = copy(config)  # whose alpha may have places behind the point
    twice.r = 2 * config.r
    twice.lora_alpha = config.lora_alpha * (2**0.5 if config.use_rslora else 2)
    twice.init_lora_weights = True
    return twice, found
