"""The layers read without Transformers around them, against Transformers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from advisor.models import Decoding, Prompt
from advisor.models.local.attention import causal_rows
from advisor.models.local.engine import LocalModel
from advisor.models.local.fused import KINDS, FusedLayers, known

OfKind = Callable[..., Any]
IDS = torch.tensor([5, 9, 33, 2, 60, 41, 7])


class Alone:
    """One row that nothing comes before."""

    def attend(self, layer: int, query: Any, key: Any, value: Any, scale: float) -> torch.Tensor:
        return causal_rows(query[None], key[None], value[None], scale)[0].transpose(0, 1)


def read(module: Any, wanted: list[int] | None = None) -> torch.Tensor:
    numbers = torch.tensor(wanted, dtype=torch.long) if wanted is not None else None
    with torch.inference_mode():
        return FusedLayers(module).read(IDS, torch.arange(len(IDS)), Alone(), numbers)


@torch.inference_mode()
def expected(module: Any) -> torch.Tensor:
    hidden: torch.Tensor = module.base_model(input_ids=IDS[None], use_cache=False).last_hidden_state[0]
    return hidden


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_what_transformers_reads(kind: str, of_kind: OfKind) -> None:
    module = of_kind(kind)
    assert known(module)
    assert torch.allclose(read(module), expected(module), atol=1e-5, rtol=1e-5)


def test_it_tells_what_is_wanted(of_kind: OfKind) -> None:
    module = of_kind("llama")
    assert torch.allclose(read(module, [6, 2]), expected(module)[[6, 2]], atol=1e-5, rtol=1e-5)
    assert read(module, []).shape == (0, 32)


def test_positions_are_turned_as_the_model_says(of_kind: OfKind) -> None:
    scaled = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 1000.0}
    module = of_kind("llama", rope_parameters=scaled)
    assert torch.allclose(read(module), expected(module), atol=1e-5, rtol=1e-5)


def test_it_follows_other_weights(of_kind: OfKind) -> None:
    module = of_kind("qwen2")
    lean = FusedLayers(module)
    other = of_kind("qwen2", rms_norm_eps=1e-6)
    for parameter, given in zip(module.parameters(), other.parameters(), strict=True):
        parameter.data = given.data * 1.1
    with torch.inference_mode():
        found = lean.read(IDS, torch.arange(len(IDS)), Alone(), None)
    assert torch.allclose(found, expected(module), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["q_proj", "v_proj"])
def test_it_steps_back_where_another_module_has_taken_a_place(name: str, of_kind: OfKind) -> None:
    module = of_kind("llama")
    lean = FusedLayers(module)
    attention = module.base_model.layers[-1].self_attn
    before = getattr(attention, name)
    setattr(attention, name, torch.nn.Identity())
    assert not lean.holds()
    setattr(attention, name, before)
    assert lean.holds()


def test_it_steps_back_where_a_hook_listens(of_kind: OfKind) -> None:
    module = of_kind("llama")
    lean = FusedLayers(module)
    hook = module.base_model.register_forward_pre_hook(lambda *given: None)
    assert not lean.holds()
    assert not known(module)
    hook.remove()
    assert lean.holds()


def test_other_kinds_are_not_known(of_kind: OfKind) -> None:
    """Granite has the modules of Llama and multiplies what they say."""
    assert not known(of_kind("granite", residual_multiplier=0.5))


@pytest.mark.parametrize("hung", [False, True])
def test_the_engine_asks_no_layer_of_transformers_unless_a_hook_listens(
    llama: LocalModel, prompts: list[Prompt], hung: bool
) -> None:
    asked: list[str] = []
    base = llama.module.base_model
    llama.forget()
    with ExitStack() as stack:
        if hung:
            stack.enter_context(base.register_forward_pre_hook(lambda *given: None))
        listens = register_module_forward_pre_hook(lambda module, given: asked.append(type(module).__name__))
        stack.enter_context(listens)  # for all modules of the process: none of them carries it
        answers = llama.generate(prompts, Decoding(4))
        llama.score(prompts, ["red", "dark blue"])
    assert len(answers) == len(prompts)
    assert ("LlamaDecoderLayer" in asked) == hung
