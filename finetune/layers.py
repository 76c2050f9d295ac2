"""An adapted linear layer as one step of the computation.

PEFT's layer adds up what the frozen weight and the adapter say by separate products, scalings and sums, each of which
writes the activations anew and is taken back one by one. Here the low-rank product is added where the result already
lies, forth and back, with the same numbers but for fewer roundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import nn

from advisor.models.linear import back


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


class Fused:
    """One layer's forward pass: PEFT's own wherever more than a plain adapter is at work."""

    def __init__(self, layer: Linear) -> None:
        self.layer = layer

    def __call__(self, given: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        name = self._only()
        base = self.layer.get_base_layer()
        if name is None or args or kwargs or type(base) is not nn.Linear:
            found: torch.Tensor = Linear.forward(self.layer, given, *args, **kwargs)
            return found
        a, b = (half[name].weight for half in (self.layer.lora_A, self.layer.lora_B))
        if given.dtype != a.dtype or base.weight.dtype != a.dtype or base.weight.requires_grad:
            return Linear.forward(self.layer, given)
        result: torch.Tensor = _Adapted.apply(given, a, b, base, self.layer.scaling[name])  # type: ignore[no-untyped-call]
        return result

    def _only(self) -> str | None:
        """The one adapter that is at work, if it is no more than two matrices."""
        layer = self.layer
        if layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
            return None
        (name,) = layer.active_adapters
        if name not in layer.lora_A or name in layer.lora_variant or layer.lora_bias[name]:
            return None
        dropping = layer.lora_dropout[name]
        return None if dropping.training and not isinstance(dropping, nn.Identity) else name


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, given: torch.Tensor, a: torch.Tensor, b: torch.Tensor, base: nn.Linear, scaling: float
    ) -> torch.Tensor:
        rows = given.reshape(-1, given.shape[-1])
        low = rows @ a.t()
        result: torch.Tensor = base(given)
        result.view(len(rows), b.shape[0]).addmm_(low, b.t(), alpha=scaling)
        ctx.save_for_backward(rows, low, a, b)
        ctx.base, ctx.scaling, ctx.shape = base, scaling, given.shape
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, low, a, b = ctx.saved_tensors
        coming = gradients[0].reshape(len(rows), b.shape[0])
        to_low = (coming @ b).mul_(ctx.scaling)
        to_given = None
        if ctx.needs_input_grad[0]:
            to_given = back(ctx.base, coming).addmm_(to_low, a).view(ctx.shape)
        return to_given, to_low.t() @ rows, (low.t() @ coming).mul_(ctx.scaling).t(), None, None
