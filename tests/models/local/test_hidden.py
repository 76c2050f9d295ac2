"""Hidden states of chosen layers, pooled over a prompt's own tokens."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from advisor.errors import NotApplicable
from advisor.models import Merged, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.hidden import layers_of


@torch.no_grad()
def own_states(module: Any, ids: Sequence[int]) -> list[torch.Tensor]:
    """What Transformers says of a prompt alone, by layer, but for the last, behind which it has put a norm."""
    found = module.base_model(torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    return [states[0] for states in found.hidden_states[1:-1]]


def test_they_are_those_of_transformers(any_model: LocalModel, prompts: list[Prompt]) -> None:
    any_model.activate(None)  # others may have left theirs
    layers, copied = range(1, any_model.can.layers), copy.deepcopy(any_model.module)  # asked so, it keeps hooks
    for prompt, found in zip(prompts, any_model.hidden_states(prompts, layers), strict=True):
        row = any_model.renderer.encode(prompt, 0)
        assert found.prompt_tokens == len(row.ids)
        for place, expected in enumerate(own_states(copied, row.ids)):
            np.testing.assert_allclose(found.last[place], expected[-1], atol=1e-4)
            np.testing.assert_allclose(found.mean[place], expected[row.stem :].mean(0), atol=1e-4)


def test_they_come_in_the_order_that_is_asked_for(llama: LocalModel, prompts: list[Prompt]) -> None:
    forth, back = (llama.hidden_states(prompts[:3], layers) for layers in ([1, 3], [3, 1]))
    for one, other in zip(forth, back, strict=True):
        np.testing.assert_array_equal(one.last, other.last[::-1])
        np.testing.assert_array_equal(one.mean, other.mean[::-1])


def test_nothing_above_the_highest_layer_is_computed(gpt2: LocalModel, llama: LocalModel, mistral: LocalModel) -> None:
    for model in (gpt2, llama, mistral):
        asked: list[int] = []
        _, last = layers_of(model.module)[-1]
        model.hidden_states([Prompt("Say.", "a first text")], [1])  # reads what prompts have in common, and keeps it
        with last.register_forward_pre_hook(lambda *_, asked=asked: asked.append(1)):
            model.hidden_states([Prompt("Say.", "a rather long text " * 8)], [1])
        assert not asked, model.module.config.model_type


def test_a_model_is_as_before_and_answers_as_before(any_model: LocalModel, prompts: list[Prompt]) -> None:
    any_model.forget()
    before = any_model.score(prompts, ["red", "green"])
    any_model.forget()
    any_model.hidden_states(prompts, [1])
    after = any_model.score(prompts, ["red", "green"])
    assert [one.totals for one in before] == [one.totals for one in after]
    assert not any(part._forward_hooks for part in any_model.module.modules())


def test_tuned_weights_are_read_where_they_are_given(llama: LocalModel, prompts: list[Prompt]) -> None:
    name = f"{layers_of(llama.module)[0][0]}.mlp.down_proj.weight"
    tuned = Merged("other", {name: torch.zeros_like(llama.module.get_parameter(name))})
    (own,), (other,), (again,) = (llama.hidden_states(prompts[:1], [1], one) for one in (None, tuned, None))
    assert not np.allclose(own.last, other.last)
    np.testing.assert_array_equal(own.last, again.last)


@pytest.mark.parametrize("layers", [[0], [4], [1, 9], []])
def test_a_layer_that_is_not_there_is_named(llama: LocalModel, layers: list[int]) -> None:
    with pytest.raises(NotApplicable, match="has 3 layers"):
        llama.hidden_states([Prompt("Say.", "the sea")], layers)


def test_a_model_that_answers_only_says_so(make_model: Callable[..., Any]) -> None:
    model = make_model()
    assert model.can.layers == 0
    with pytest.raises(NotApplicable, match="answers only"):
        model.hidden_states([Prompt("Say.", "the sea")], [1])
