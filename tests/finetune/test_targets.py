"""What no adapter lies on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from finetune.targets import left_out


def test_a_layer_that_nobody_asks_is_left_out_alone(of_kind: Callable[..., Any]) -> None:
    """Though a text passes through all that is around it; what holds it is not asked as a layer itself."""
    module = of_kind("llama")
    block = module.model.layers[1]
    block.held = nn.ModuleDict({"used": nn.Linear(32, 32), "unused": nn.Linear(32, 32)})
    block.mlp.register_forward_hook(lambda _layer, _given, answer: block.held["used"](answer))
    found = left_out(module.eval())
    assert found.apart == found.parts == ("model.layers.1.held.unused",)
    with torch.inference_mode():
        assert module(input_ids=torch.tensor([[5, 6]])).logits.isfinite().all()
