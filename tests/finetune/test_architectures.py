"""One tiny model of each kind of architecture: what an engine can silently get wrong is wrong in one of these.

Scores and the first training loss are compared with the model's own logits, one sequence at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
import transformers
from transformers import PreTrainedConfig

from advisor.approaches import TrainingExample, TrainingSet
from advisor.errors import UserError
from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from finetune import Lora, adapter
from finetune.fused.packing import TokenRow
from finetune.trainer import Schedule, Trainer

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:peft")  # where a layer has no experts

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "vocab_size": 400,
    "initializer_range": 0.2,
}
GROUPED = SMALL | {"num_key_value_heads": 2}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "vocab_size": 400, "initializer_range": 0.2}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
GEMMA2 = {"head_dim": 8, "attn_logit_softcapping": 1.0, "layer_types": ["full_attention"] * 2}

# What each stands for: its logits are scaled, its attention is plain (masks are added), it places tokens by the
# mask and not by their numbers, it has experts, values smaller than keys, layers without attention, and so on.
CONFIGS: dict[str, tuple[str, dict[str, object]]] = {
    "biases": ("Qwen2Config", GROUPED),
    "queries normalised": ("Qwen3Config", GROUPED | {"head_dim": 16}),
    "logits divided": ("GraniteConfig", GROUPED | {"logits_scaling": 4.0, "attention_multiplier": 0.3}),
    "logits multiplied": ("CohereConfig", GROUPED | {"logit_scale": 0.1}),
    "plain attention": ("GPTJConfig", GPT | {"rotary_dim": 4}),
    "attention capped": ("Gemma2Config", GROUPED | GEMMA2),
    "distances in place of positions": (
        "BloomConfig",
        {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 400},
    ),
    "distances by choice": ("FalconConfig", SMALL | {"alibi": True}),
    "local layers": (
        "GPTNeoConfig",
        {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 16}
        | {k: SMALL[k] for k in ("hidden_size", "max_position_embeddings", "vocab_size", "initializer_range")},
    ),
    "positions from two": (
        "OPTConfig",
        {k: v for k, v in SMALL.items() if k != "intermediate_size"} | {"ffn_dim": 48, "word_embed_proj_dim": 32},
    ),
    "one matrix for query, key and value": ("Phi3Config", GROUPED | {"pad_token_id": 0}),
    "experts": ("MixtralConfig", GROUPED | {"num_local_experts": 4}),
    "latent attention": (
        "DeepseekV3Config",
        SMALL | LATENT | EXPERTS | {"num_key_value_heads": 4, "n_routed_experts": 4, "n_group": 1, "topk_group": 1},
    ),
    "keeps the segments from its attention": ("NemotronConfig", GROUPED),
    "linear attention": ("Qwen3_5TextConfig", GROUPED | LINEAR | {"head_dim": 8}),
    "convolutions": ("Lfm2Config", GROUPED | {"layer_types": ["conv", "full_attention"]}),
}
CHOICES = ["dark", "dark blue", "dark blue sky", "green"]
START = tuple(range(20, 40))
ROWS = [TokenRow((*START, 5), 20, (6, 7, 2)), TokenRow((*START, 8, 9), 20, (10, 2)), TokenRow((30, 31, 32), 2, (33, 2))]


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS.keys())
def model(
    request: pytest.FixtureRequest, folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]
) -> LocalModel:
    return loaded(folder_of("model", config(*request.param)))


def config(kind: str, values: dict[str, object]) -> PreTrainedConfig:
    made: PreTrainedConfig = getattr(transformers, kind)(**values)
    return made


@torch.inference_mode()
def log_likelihood(model: LocalModel, prompt: Sequence[int], answer: Sequence[int]) -> float:
    logits = model.module(torch.tensor([[*prompt, *answer]]), use_cache=False).logits[0].double()
    rows = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    return sum(row[token].item() for row, token in zip(rows, answer, strict=True))


@torch.inference_mode()
def greedy(model: LocalModel, prompt: Sequence[int], most: int) -> list[int]:
    tokens: list[int] = []
    while len(tokens) < most:
        logits = model.module(torch.tensor([[*prompt, *tokens]]), use_cache=False).logits[0, -1]
        if (token := int(logits.argmax())) in model.renderer.stop_ids:
            break
        tokens.append(token)
    return tokens


def test_scores_are_the_models_own(model: LocalModel, prompts: list[Prompt]) -> None:
    tokens = [[*model.renderer.encode_answer(choice), model.renderer.end_id] for choice in CHOICES]
    for prompt, scores in zip(prompts, model.score(prompts, CHOICES), strict=True):
        ids = model.renderer.encode(prompt, 8).ids
        assert scores.totals == pytest.approx([log_likelihood(model, ids, t) for t in tokens], abs=1e-3)


def test_answers_are_the_models_own(model: LocalModel, prompts: list[Prompt]) -> None:
    for prompt, answer in zip(prompts, model.generate(prompts, Decoding(6)), strict=True):
        expected = greedy(model, model.renderer.encode(prompt, 6).ids, 6)
        text = model.renderer.tokenizer.decode(expected, skip_special_tokens=True).strip()
        assert (answer.completion_tokens, answer.text) == (len(expected), text)


def test_the_first_loss_is_the_models_own(model: LocalModel) -> None:
    with adapter.inserted(model, adapter.configuration(4, 8, 0.0)) as wrapped:
        first = Trainer(model, wrapped, Schedule(1e-3, 1, len(ROWS))).train(ROWS, (), seed=0).losses[0]
    total = sum(log_likelihood(model, row.prompt, row.answer) for row in ROWS)
    assert first == pytest.approx(-total / sum(len(row.answer) for row in ROWS), abs=1e-3)


def test_merged_weights_answer_as_the_adapter_beside_the_model(model: LocalModel) -> None:
    lessons = (
        TrainingExample(Prompt("Say which.", "the sea"), "blue"),
        TrainingExample(Prompt("Say which.", "a rose"), "red"),
    )
    before = {name: p.clone() for name, p in model.module.named_parameters()}
    tuned = Lora(rank=4, alpha=8, lr=1e-2, epochs=2, batch=2).tune(TrainingSet(lessons), model, seed=0)
    ids = torch.tensor([START])
    with adapter.inserted(model, tuned.config) as wrapped, torch.inference_mode():  # type: ignore[attr-defined]
        adapter.set_peft_model_state_dict(wrapped, tuned.state)  # type: ignore[attr-defined]
        beside = wrapped(ids).logits
    model.activate(tuned.adaptation)
    with torch.inference_mode():
        merged = model.module(ids).logits
    model.activate(None)
    torch.testing.assert_close(merged, beside, atol=1e-3, rtol=1e-3)
    after = dict(model.module.named_parameters())
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("kind", "values", "seen"),
    [
        ("BertConfig", SMALL, "reads what comes after a token too"),
        (
            "MambaConfig",
            {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "vocab_size": 400},
            "no key-value",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_when_it_is_loaded(
    kind: str,
    values: dict[str, object],
    seen: str,
    folder_of: Callable[..., Path],
    loaded: Callable[..., LocalModel],
) -> None:
    folder = folder_of("model", config(kind, values))
    with pytest.raises(UserError, match=seen) as caught:
        loaded(folder)
    assert caught.value.hint
