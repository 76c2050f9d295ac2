"""An adapted linear layer as one step of the computation.

PEFT's layer adds up what the frozen weight and the adapter say by separate products, scalings and sums, each of which
writes the activations anew and is taken back one by one. Here the low-rank product is added where the result already
lies, forward and backward, with the same numbers but for fewer roundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import nn

from advisor.models.local.linear import back


@contextmanager
def fused(wrapped: nn.Module) -> Iterator[None]:
    """The adapted layers of `wrapped` work in one step while the block runs, wherever that says the same."""
    layers = [module for module in wrapped.modules() if type(module) is Linear]
    for layer in layers:
        vars(layer)["forward"] = Fused(layer)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


@dataclass(frozen=True)
class Factored:
    """A frozen linear layer and the two thin matrices of its adapter.

    Attributes:
        a, b: shape (rank, in) and (out, rank).
    """

    base: nn.Linear
    a: torch.Tensor
    b: torch.Tensor
    scaling: float

    @classmethod
    def of(cls, layer: nn.Module) -> Factored | None:
        """What a layer is, where it is no more than that: PEFT's with a single adapter of two matrices at work."""
        if type(layer) is not Linear or layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
            return None
        (name,) = layer.active_adapters
        if name not in layer.lora_A or name in layer.lora_variant or layer.lora_bias[name]:
            return None
        dropping = layer.lora_dropout[name]
        if dropping.training and not isinstance(dropping, nn.Identity):
            return None
        base = layer.get_base_layer()
        halves: Any = layer.lora_A, layer.lora_B
        a, b = (half[name].weight for half in halves)
        if type(base) is not nn.Linear or base.weight.dtype != a.dtype or base.weight.requires_grad:
            return None
        return cls(base, a, b, layer.scaling[name])

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the layer says of `rows`, shape (tokens, in), and what its backward pass needs, shape (tokens, rank)."""
        low = _scaled(rows, self.a.t(), self.scaling)
        found: torch.Tensor = self.base(rows)
        return found.addmm_(low, self.b.t()), low

    def backward(
        self, coming: torch.Tensor, rows: torch.Tensor, low: torch.Tensor, to_given: bool = True
    ) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """Gradients of `rows` (if asked for), `a` and `b`, from that of what the layer said."""
        to_low = _scaled(coming, self.b, self.scaling)
        to_rows = back(self.base, coming).addmm_(to_low, self.a) if to_given else None
        return to_rows, to_low.t() @ rows, coming.t() @ low


def _scaled(left: torch.Tensor, right: torch.Tensor, scaling: float) -> torch.Tensor:
    return torch.addmm(left.new_empty(()), left, right, beta=0, alpha=scaling)


class Fused:
    """One layer's forward pass: PEFT's own wherever more than a plain adapter is at work."""

    def __init__(self, layer: Linear) -> None:
        self.layer = layer

    def __call__(self, given: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        found = Factored.of(self.layer)
        if found is None or args or kwargs or given.dtype != found.a.dtype:
            return Linear.forward(self.layer, given, *args, **kwargs)
        rows = given.reshape(-1, given.shape[-1])
        result: torch.Tensor = _Adapted.apply(rows, found.a, found.b, found)  # type: ignore[no-untyped-call]
        # Reshaped out here, since a model may write into it, which autograd forbids for a view made in there.
        return result.view(*given.shape[:-1], len(found.b))


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, a: torch.Tensor, b: torch.Tensor, layer: Factored) -> torch.Tensor:
        found, low = layer.forward(rows)
        # Both halves are read through the layer; here autograd sees whether one was written to in between.
        ctx.save_for_backward(rows, low, a, b)
        ctx.layer = layer
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, low, _, _ = ctx.saved_tensors
        return *ctx.layer.backward(gradients[0], rows, low, ctx.needs_input_grad[0]), None
