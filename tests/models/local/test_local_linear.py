"""Arranged weights say what plain ones say, forth and back, and follow when a layer is given others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import linear
from transformers.activations import SiLUActivation

from advisor.models import Adaptation, Merged, Prompt
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.engine import LocalModel
from advisor.models.local.linear import SHARE, Arranged, arrange, back, let_go, with_silu
from advisor.models.local.packages import MINILM
from advisor.models.local.source import find


def model(dtype: torch.dtype = torch.bfloat16) -> nn.Sequential:
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(48, 80), nn.SiLU(), nn.Linear(80, 32, bias=False)).to(dtype)
    return module.requires_grad_(False)


def arranged_layers(module: nn.Module) -> list[nn.Module]:
    return [layer for layer in module.modules() if isinstance(vars(layer).get("forward"), Arranged)]


@pytest.fixture
def arranged() -> nn.Sequential:
    module = model()
    arrange(module)
    if not arranged_layers(module):
        pytest.skip("this processor has no bfloat16 instructions, so nothing is arranged")
    return module


def inputs(rows: int = 5) -> torch.Tensor:
    return torch.randn(2, rows, 48, generator=torch.Generator().manual_seed(4)).bfloat16()


@pytest.mark.parametrize("rows", [1, 5, 70])
def test_results_are_those_of_plain_layers(arranged: nn.Sequential, rows: int) -> None:
    torch.testing.assert_close(arranged(inputs(rows)), model()(inputs(rows)))


@pytest.mark.parametrize("act", [nn.SiLU(), SiLUActivation(), nn.GELU()])
def test_a_layer_with_its_activation_says_what_both_say(arranged: nn.Sequential, act: nn.Module) -> None:
    layer, plain = arranged[0], model()[0]
    assert isinstance(layer, nn.Linear)
    found = with_silu(layer, act)
    assert (found.__name__ == "with_silu") is not isinstance(act, nn.GELU)  # one call, where it can be
    expected = act(plain.float()(inputs().float()))
    assert torch.linalg.norm(found(inputs()) - expected) < 5e-3 * torch.linalg.norm(expected)
    with torch.no_grad():
        layer.weight.mul_(2)
        expected = act(2 * (plain(inputs().float()) - plain.bias) + plain.bias)
    assert torch.linalg.norm(found(inputs()) - expected) < 5e-3 * torch.linalg.norm(expected)


def test_gradients_are_those_of_plain_layers(arranged: nn.Sequential) -> None:
    found, expected = (inputs().requires_grad_() for _ in range(2))
    arranged(found).float().square().sum().backward()
    model()(expected).float().square().sum().backward()
    assert found.grad is not None and expected.grad is not None
    torch.testing.assert_close(found.grad, expected.grad, rtol=0.02, atol=0.02)


def test_back_is_the_transposed_product_with_or_without_arrangement(arranged: nn.Sequential) -> None:
    gradient = torch.randn(7, 80, generator=torch.Generator().manual_seed(5)).bfloat16()
    torch.testing.assert_close(back(arranged[0], gradient), gradient @ arranged[0].weight)
    torch.testing.assert_close(back(model()[0], gradient), gradient @ arranged[0].weight)


def exchanged(layer: nn.Linear) -> None:
    layer.weight.data = layer.weight.detach() * 2


def changed_in_place(layer: nn.Linear) -> None:
    with torch.no_grad():
        layer.weight.mul_(2)


def changed_without_a_trace(layer: nn.Linear) -> None:
    layer.weight.data.mul_(2)
    arrange(layer)


@pytest.mark.parametrize("change", [exchanged, changed_in_place, changed_without_a_trace])
def test_another_weight_is_followed(arranged: nn.Sequential, change: Callable[[nn.Linear], None]) -> None:
    layer, given = arranged[2], torch.ones(3, 80).bfloat16()
    before, behind = layer(given), back(layer, layer(given))
    own = layer.weight.data
    change(layer)
    torch.testing.assert_close(layer(given), 2 * before)
    torch.testing.assert_close(back(layer, before), 2 * behind)
    if layer.weight.data_ptr() != own.data_ptr():
        layer.weight.data = own
        assert torch.equal(layer(given), before)


def test_a_weight_that_learns_is_left_to_torch(arranged: nn.Sequential) -> None:
    arranged[0].weight.requires_grad_()
    arranged(inputs()).float().sum().backward()
    assert arranged[0].weight.grad is not None and arranged[0].weight.grad.abs().sum() > 0


def test_inputs_of_another_dtype_fail_as_in_torch(arranged: nn.Sequential) -> None:
    with pytest.raises(RuntimeError, match="dtype"):
        arranged(inputs().float())


def test_what_is_let_go_comes_back_when_needed(arranged: nn.Sequential) -> None:
    gradient = torch.ones(2, 80).bfloat16()
    before = back(arranged[0], gradient)
    let_go(arranged)
    assert torch.equal(back(arranged[0], gradient), before)


def test_float32_is_left_alone() -> None:
    module = model(torch.float32)
    arrange(module)
    assert not any("forward" in vars(layer) for layer in module)


def test_nothing_is_arranged_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    module = model()
    size = 2 * sum(layer.weight.numel() for layer in (module[0], module[2]))
    monkeypatch.setattr("advisor.models.local.linear.usable_memory", lambda: int(size / SHARE) - 1)
    arrange(module)
    assert not any("forward" in vars(layer) for layer in module)
    assert torch.equal(module[0](inputs()), linear(inputs(), module[0].weight, module[0].bias))


@pytest.mark.usefixtures("arranged")  # where nothing can be arranged, there is nothing to see
def test_a_model_answers_by_the_weights_that_are_active(
    llama_folder: Path, loaded: Callable[..., LocalModel], prompts: list[Prompt]
) -> None:
    local = loaded(llama_folder, "bfloat16")
    layers = arranged_layers(local.module)
    assert len(layers) == sum(isinstance(layer, nn.Linear) for layer in local.module.modules())
    names = [name for name, _ in local.module.named_parameters() if "up_proj" in name]
    other = Merged("other", {name: local.module.get_parameter(name).detach() * 3 for name in names})

    def totals(adaptation: Adaptation | None) -> torch.Tensor:
        return torch.tensor([s.totals for s in local.score(prompts, ["red", "green"], adaptation)])

    own, tuned, again = totals(None), totals(other), totals(None)
    assert torch.equal(own, again)
    assert (own - tuned).abs().max() > 0.1
    for layer in layers:
        vars(layer).pop("forward")
    torch.testing.assert_close(tuned, totals(other), rtol=0, atol=0.05)
    torch.testing.assert_close(own, totals(None), rtol=0, atol=0.05)


@pytest.mark.usefixtures("arranged")
def test_an_embedder_is_arranged_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[nn.Module] = []
    monkeypatch.setattr("advisor.models.local.embedder.arrange", lambda module: (arrange(module), seen.append(module)))
    embedder = SentenceEmbedder(find("embedded", MINILM), torch.device("cpu"), torch.bfloat16)
    found = embedder.embed(["a text", "another one of more words"])
    (module,) = seen
    layers = arranged_layers(module)
    assert layers
    for layer in layers:
        vars(layer).pop("forward")
    assert (found * embedder.embed(["a text", "another one of more words"])).sum(1) == pytest.approx(1, abs=1e-3)
