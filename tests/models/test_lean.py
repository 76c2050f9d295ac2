"""The layers read without Transformers around them, against Transformers."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
import torch
import transformers
from torch.nn.modules.module import register_module_forward_pre_hook

from advisor.models import Decoding, Prompt
from advisor.models.attention import causal_rows
from advisor.models.engine import LocalModel
from advisor.models.lean import Lean, known

SIZES = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "initializer_range": 0.3}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
KINDS: dict[str, dict[str, Any]] = {
    "Llama": {"attention_bias": True, "mlp_bias": True},
    "Mistral": {"sliding_window": None, "head_dim": 16},
    "Qwen2": {},
    "Qwen3": {"head_dim": 16},
}
IDS = torch.tensor([5, 9, 33, 2, 60, 41, 7])


class Alone:
    """One row that nothing comes before."""

    def attend(self, layer: int, query: Any, key: Any, value: Any, scale: float) -> torch.Tensor:
        return causal_rows(query[None], key[None], value[None], scale)[0].transpose(0, 1)


def model(kind: str, **changed: Any) -> Any:
    torch.manual_seed(0)
    made = getattr(transformers, f"{kind}Config")(**SIZES, **HEADS, **KINDS.get(kind, {}), **changed)
    module = transformers.AutoModelForCausalLM.from_config(made).eval()
    for parameter in module.parameters():  # biases and norms too, which begin as zeros and ones
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def read(module: Any, wanted: list[int] | None = None) -> torch.Tensor:
    numbers = torch.tensor(wanted, dtype=torch.long) if wanted is not None else None
    with torch.inference_mode():
        return Lean(module).read(IDS, torch.arange(len(IDS)), Alone(), numbers)


@torch.inference_mode()
def expected(module: Any) -> torch.Tensor:
    hidden: torch.Tensor = module.base_model(input_ids=IDS[None], use_cache=False).last_hidden_state[0]
    return hidden


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_what_transformers_reads(kind: str) -> None:
    module = model(kind)
    assert known(module)
    assert torch.allclose(read(module), expected(module), atol=1e-5, rtol=1e-5)


def test_it_tells_what_is_wanted() -> None:
    module = model("Llama")
    assert torch.allclose(read(module, [6, 2]), expected(module)[[6, 2]], atol=1e-5, rtol=1e-5)
    assert read(module, []).shape == (0, 32)


def test_positions_are_turned_as_the_model_says() -> None:
    scaled = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 1000.0}
    module = model("Llama", rope_parameters=scaled)
    assert torch.allclose(read(module), expected(module), atol=1e-5, rtol=1e-5)


def test_it_follows_other_weights() -> None:
    module = model("Qwen2")
    lean = Lean(module)
    other = model("Qwen2", rms_norm_eps=1e-6)
    for parameter, given in zip(module.parameters(), other.parameters(), strict=True):
        parameter.data = given.data * 1.1
    with torch.inference_mode():
        found = lean.read(IDS, torch.arange(len(IDS)), Alone(), None)
    assert torch.allclose(found, expected(module), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["q_proj", "v_proj"])
def test_it_steps_back_where_another_module_has_taken_a_place(name: str) -> None:
    module = model("Llama")
    lean = Lean(module)
    attention = module.base_model.layers[-1].self_attn
    before = getattr(attention, name)
    setattr(attention, name, torch.nn.Identity())
    assert not lean.holds()
    setattr(attention, name, before)
    assert lean.holds()


def test_it_steps_back_where_a_hook_listens() -> None:
    module = model("Llama")
    lean = Lean(module)
    hook = module.base_model.register_forward_pre_hook(lambda *given: None)
    assert not lean.holds()
    assert not known(module)
    hook.remove()
    assert lean.holds()


def test_other_kinds_are_not_known() -> None:
    """Granite has the modules of Llama and multiplies what they say."""
    assert not known(model("Granite", residual_multiplier=0.5))


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
