"""Adapted layers in one step against PEFT's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from finetune.fused.layers import Fused, fused


def adapted(dtype: torch.dtype = torch.float64, **settings: object) -> nn.Module:
    torch.manual_seed(1)
    base = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 6, bias=False)).to(dtype)
    config = LoraConfig(r=3, lora_alpha=5, target_modules=["0", "2"], init_lora_weights=False, **settings)  # type: ignore[arg-type]
    return get_peft_model(base, config, autocast_adapter_dtype=False)  # type: ignore[arg-type]


def outcome(module: nn.Module) -> list[torch.Tensor]:
    """Output, gradient of the input, and those of the adapters."""
    torch.manual_seed(2)
    given = torch.randn(2, 7, 12).bfloat16().to(next(module.parameters()).dtype).requires_grad_()
    found = module(given)
    found.float().square().sum().backward()
    grads = [p.grad for p in module.parameters() if p.requires_grad]
    assert given.grad is not None
    return [found.detach(), given.grad, *[g for g in grads if g is not None]]


def disabled(module: nn.Module) -> None:
    module.base_model.disable_adapter_layers()  # type: ignore[operator,union-attr]


def merged(module: nn.Module) -> None:
    module.base_model.merge_adapter()  # type: ignore[operator,union-attr]


def plain(module: nn.Module) -> None:
    pass


SETTINGS = [
    ({}, plain),
    ({"lora_dropout": 0.5}, plain),
    ({"lora_dropout": 0.5}, nn.Module.eval),
    ({"use_dora": True}, plain),
    ({"lora_bias": True}, plain),
    ({"use_rslora": True}, plain),
    ({}, disabled),
    ({}, merged),
]


@pytest.mark.filterwarnings("ignore:`lora_bias=True`")  # one of the layers has no bias
@pytest.mark.parametrize(("settings", "state"), SETTINGS)
def test_output_and_gradients_are_pefts(settings: dict[str, object], state: Callable[[nn.Module], object]) -> None:
    expected, found = adapted(**settings), adapted(**settings)
    state(expected)
    state(found)
    with fused(found):
        ours = outcome(found)
    theirs = outcome(expected)
    assert len(ours) == len(theirs)
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize(("settings", "one"), [({}, True), ({"use_rslora": True}, True), ({"use_dora": True}, False)])
def test_a_plain_adapters_layer_is_one_step_for_the_gradient(settings: dict[str, object], one: bool) -> None:
    module = adapted(**settings)
    with fused(module):
        found = module(torch.randn(2, 12).double())
    behind = found.grad_fn
    while type(behind).__name__ == "ViewBackward0":
        behind = behind.next_functions[0][0]
    assert (type(behind).__name__ == "_AdaptedBackward") is one


def test_a_model_may_write_into_what_an_adapted_layer_says() -> None:
    expected, found = adapted(), adapted()
    expected.register_forward_hook(lambda module, given, said: said * 2)
    found.register_forward_hook(lambda module, given, said: said.mul_(2))
    with fused(found):
        ours = outcome(found)
    for left, right in zip(ours, outcome(expected), strict=True):
        torch.testing.assert_close(left, right)


def test_a_layer_that_is_given_nothing_gives_nothing() -> None:
    module = adapted()
    with fused(module):
        found = module(torch.empty(0, 12).double().requires_grad_())
    assert found.shape == (0, 6)
    found.sum().backward()


def test_the_layers_are_pefts_again_afterwards() -> None:
    module = adapted()
    with fused(module):
        assert sum(isinstance(vars(m).get("forward"), Fused) for m in module.modules()) == 2
    assert not any("forward" in vars(m) for m in module.modules())


def test_bfloat16_is_as_near_to_the_truth_as_pefts() -> None:
    exact = outcome(adapted(torch.bfloat16).double())

    def errors(tensors: list[torch.Tensor]) -> list[float]:
        return [float((t.double() - e).norm() / e.norm()) for t, e in zip(tensors, exact, strict=True)]

    module = adapted(torch.bfloat16)
    with fused(module):
        ours = errors(outcome(module))
    theirs = errors(outcome(adapted(torch.bfloat16)))
    assert max(ours) < 0.03
    assert sum(ours) < 1.2 * sum(theirs)
