"""A tiny model of every family that people bring, with random weights: it runs as Transformers runs it, or is refused.

What is found is a table in docs/models.md, which `make families` writes anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForSeq2SeqLM

from advisor.approaches import TrainingExample, TrainingSet
from advisor.errors import UserError
from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.hidden import layers_of
from finetune import Lora, adapter
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.targets import left_out
from finetune.trainer import Trainer
from finetune.training import Schedule
from tests.models.tiny import GROUPED, LINEAR, SMALL, TURNING, greedy, log_likelihoods, text_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:peft")  # where a layer has no experts

Values = dict[str, Any]
BARE = {k: SMALL[k] for k in ("hidden_size", "num_hidden_layers", "vocab_size", "initializer_range")}
HEADS = GROUPED | {"head_dim": 8}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "vocab_size": 400, "initializer_range": 0.2}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
ROUTED = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
SHARED = ROUTED | {"num_experts": 4, "shared_expert_intermediate_size": 24}
GROUPS = ROUTED | {
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "n_shared_experts": 1,
    "num_key_value_heads": 4,
}
LOCAL = {"num_local_experts": 4, "num_experts_per_tok": 2}
WINDOW = {"sliding_window": 16}
TURNS = WINDOW | {"layer_types": ["sliding_attention", "full_attention"]}
MAMBA = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_chunk_size": 8,
}
MAMBA2 = {"num_heads": 4, "head_dim": 16, "n_groups": 1, "chunk_size": 8}
BY_LAYER = HEADS | TURNS | {"vocab_size_per_layer_input": 400, "hidden_size_per_layer_input": 8}
NANO = BY_LAYER | {"laurel_rank": 8, "num_kv_shared_layers": 0, "activation_sparsity_pattern": [0.5, 0.0]}
CHUNKS = {
    "num_local_experts": 4,
    "intermediate_size_mlp": 48,
    "attention_chunk_size": 16,
    "no_rope_layer_interval": 2,
    "interleave_moe_layer_step": 2,
}
SEQUENCES = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 400}
EYES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
DEEP_EYES = {"hidden_size": 32, "intermediate_size": 48, "depth": 1, "num_heads": 2, "out_hidden_size": 32}
EYES4 = {k: EYES[k] for k in EYES if "size" in k} | {"num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 16}


def rope(kind: str, **values: Any) -> Values:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **values}}


SECTIONS = rope("default", mrope_section=[1, 1, 2])
SCALED = {"factor": 8.0, "original_max_position_embeddings": 64}


@dataclass(frozen=True)
class Family:
    """Models of one kind, and a tiny one of them.

    Attributes:
        models: names that people know.
        type: Transformers' name.
        values: of the tiny one's configuration.
        eyes: of the configuration of the part that sees, where there is one; `values` are then the text part's.
        named: token numbers that its configuration cannot be without.
    """

    models: str
    type: str
    values: Values
    eyes: Values = field(default_factory=dict)
    named: Values = field(default_factory=dict)

    def config(self) -> Any:
        values = self.values if not self.eyes else {"text_config": self.values, "vision_config": self.eyes}
        made: Any = AutoConfig.for_model(self.type, **values)
        for config in (made, made.get_text_config(decoder=True)):
            tokens = {"eos_token_id": 0, "pad_token_id": None, "bos_token_id": None} | self.named
            for name, token in tokens.items():
                setattr(config, name, token)
        return made


PAD = {"pad_token_id": 0}
BEGIN = PAD | {"bos_token_id": 1}
RUN = [
    Family("Llama 2 and 3, SmolLM2, Vicuna, Yi", "llama", GROUPED),
    Family("Llama with biases", "llama", GROUPED | {"attention_bias": True, "mlp_bias": True}),
    Family(
        "Llama 3.1 and later", "llama", GROUPED | rope("llama3", low_freq_factor=1.0, high_freq_factor=4.0, **SCALED)
    ),
    Family("Llama with YaRN", "llama", GROUPED | rope("yarn", **SCALED)),
    Family("Llama 4, text part", "llama4_text", HEADS | CHUNKS),
    Family("Llama 4", "llama4", HEADS | CHUNKS, EYES | {"vision_output_dim": 32, "projector_input_dim": 32}),
    Family(
        "Llama 3.2 Vision",
        "mllama",
        GROUPED | {"cross_attention_layers": [1]},
        EYES
        | {
            "num_global_layers": 1,
            "attention_heads": 2,
            "vision_output_dim": 64,
            "intermediate_layers_indices": [0],
            "supported_aspect_ratios": [[1, 1]],
        },
        BEGIN,
    ),
    Family("Mistral", "mistral", GROUPED | {"sliding_window": None}),
    Family("Mistral 0.1", "mistral", GROUPED | WINDOW),
    Family("Ministral 2410", "ministral", HEADS | TURNS),
    Family("Ministral 3", "ministral3", HEADS),
    Family(
        "Mistral Small 3.1",
        "mistral3",
        HEADS | {"model_type": "mistral", "sliding_window": None},
        EYES | {"model_type": "pixtral"},
    ),
    Family("Mixtral", "mixtral", GROUPED | LOCAL),
    Family("Qwen 1.5 and 2.5", "qwen2", GROUPED),
    Family("Qwen 2 with a window", "qwen2", GROUPED | WINDOW | {"use_sliding_window": True, "max_window_layers": 1}),
    Family("Qwen 1.5 and 2 MoE", "qwen2_moe", GROUPED | SHARED),
    Family(
        "Qwen 2 VL", "qwen2_vl", GROUPED | SECTIONS, {"embed_dim": 32, "hidden_size": 32, "depth": 1, "num_heads": 2}
    ),
    Family("Qwen 2.5 VL", "qwen2_5_vl", GROUPED | SECTIONS, DEEP_EYES),
    Family("Qwen 3", "qwen3", GROUPED | {"head_dim": 16}),
    Family("Qwen 3 MoE", "qwen3_moe", HEADS | ROUTED | {"num_experts": 4}),
    Family("Qwen 3 VL", "qwen3_vl", HEADS | SECTIONS, DEEP_EYES | {"deepstack_visual_indexes": [0]}),
    Family("Qwen 3 Next", "qwen3_next", HEADS | LINEAR | SHARED),
    Family("Qwen 3.5", "qwen3_5", HEADS | LINEAR, DEEP_EYES),
    Family("Qwen 3.5, text part", "qwen3_5_text", HEADS | LINEAR),
    Family("Qwen 3.5 MoE, text part", "qwen3_5_moe_text", HEADS | LINEAR | SHARED),
    Family("Gemma", "gemma", HEADS),
    Family("Gemma 2", "gemma2", HEADS | TURNS | {"query_pre_attn_scalar": 8}),
    Family("Gemma 3 270M and 1B", "gemma3_text", HEADS | TURNS | {"query_pre_attn_scalar": 8}),
    Family("Gemma 3", "gemma3", HEADS | TURNS | {"query_pre_attn_scalar": 8}, EYES),
    Family("Gemma 3n, text part", "gemma3n_text", NANO),
    Family("Gemma 4, text part", "gemma4_text", BY_LAYER),
    Family(
        "Gemma 4 with experts, text part",
        "gemma4_text",
        BY_LAYER | {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 24},
    ),
    Family("Gemma 4", "gemma4", BY_LAYER, EYES4, PAD),
    Family("VaultGemma", "vaultgemma", HEADS | TURNS | {"query_pre_attn_scalar": 8}),
    Family(
        "RecurrentGemma",
        "recurrent_gemma",
        HEADS | {"attention_window_size": 16, "lru_width": 32, "block_types": ["recurrent", "attention"]},
    ),
    Family("Phi 1 and 2", "phi", GROUPED),
    Family("Phi 3 and 4", "phi3", GROUPED, named=PAD),
    Family("Phi 3 and 4 of 128k tokens (LongRoPE)", "phi3", GROUPED | TURNING, named=PAD),
    Family("Phi 3 mini of 4k tokens", "phi3", GROUPED | WINDOW, named=PAD),
    Family("Phi 3.5 MoE", "phimoe", GROUPED | LOCAL),
    Family("GPT-2", "gpt2", GPT),
    Family(
        "GPT-Neo",
        "gpt_neo",
        {
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 16,
            "max_position_embeddings": 512,
        }
        | {k: BARE[k] for k in BARE if k != "num_hidden_layers"},
    ),
    Family("GPT-NeoX, Pythia", "gpt_neox", SMALL),
    Family("GPT-J", "gptj", GPT | {"rotary_dim": 4}),
    Family("GPT OSS", "gpt_oss", HEADS | TURNS | LOCAL),
    Family("StarCoder", "gpt_bigcode", GPT),
    Family("StarCoder 2", "starcoder2", GROUPED | WINDOW),
    Family("CodeGen", "codegen", GPT | {"rotary_dim": 4}),
    Family(
        "OPT",
        "opt",
        BARE | {"num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 512},
    ),
    Family("BLOOM", "bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 400}),
    Family("Falcon", "falcon", SMALL),
    Family("Falcon with ALiBi", "falcon", SMALL | {"alibi": True}),
    Family("Falcon 3 and H1", "falcon_h1", HEADS | MAMBA | {"mamba_d_ssm": 64}),
    Family("MPT", "mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": 400, "max_seq_len": 512}),
    Family("StableLM", "stablelm", GROUPED),
    Family("Command R", "cohere", GROUPED | {"logit_scale": 0.1}),
    Family("Command R7B, Command A", "cohere2", HEADS | TURNS | {"logit_scale": 0.1}),
    Family("Granite", "granite", GROUPED | {"logits_scaling": 4.0, "attention_multiplier": 0.3}),
    Family("Granite MoE", "granitemoe", GROUPED | LOCAL),
    Family(
        "Granite 4",
        "granitemoehybrid",
        GROUPED | MAMBA | LOCAL | {"shared_intermediate_size": 24, "layer_types": ["mamba", "attention"]},
    ),
    Family("OLMo", "olmo", GROUPED),
    Family("OLMo 2", "olmo2", GROUPED),
    Family("OLMo 3", "olmo3", GROUPED | TURNS),
    Family("OLMo hybrid", "olmo_hybrid", GROUPED | LINEAR),
    Family("OLMoE", "olmoe", GROUPED | {"num_experts": 4, "num_experts_per_tok": 2}),
    Family("DeepSeek V2", "deepseek_v2", SMALL | LATENT | GROUPS),
    Family("DeepSeek V3 and R1", "deepseek_v3", SMALL | LATENT | GROUPS),
    Family(
        "Kimi Linear",
        "kimi_linear",
        SMALL
        | LATENT
        | ROUTED
        | {"num_key_value_heads": 4, "linear_num_heads": 4, "linear_head_dim": 8, "layer_types": LINEAR["layer_types"]},
    ),
    Family(
        "LongCat",
        "longcat_flash",
        LATENT
        | {
            "num_layers": 1,
            "num_attention_heads": 4,
            "head_dim": 8,
            "max_position_embeddings": 512,
            "ffn_hidden_size": 48,
            "moe_topk": 2,
            "n_routed_experts": 4,
            "zero_expert_num": 2,
            "expert_ffn_hidden_size": 24,
        }
        | {k: BARE[k] for k in BARE if k != "num_hidden_layers"},
    ),
    Family("MiniCPM 3", "minicpm3", SMALL | LATENT | {"num_key_value_heads": 4}),
    Family("GLM 4 9B", "glm", HEADS),
    Family("GLM 4 0414", "glm4", HEADS),
    Family("GLM 4.5", "glm4_moe", HEADS | GROUPS),
    Family("GLM 4.1V", "glm4v", HEADS | SECTIONS, DEEP_EYES),
    Family("Nemotron", "nemotron", GROUPED),
    Family(
        "Nemotron H and Nano",
        "nemotron_h",
        {k: HEADS[k] for k in HEADS if k != "num_hidden_layers"}
        | {
            "layers_block_type": ["mamba", "attention", "mlp", "moe"],
            "mamba_num_heads": 4,
            "mamba_head_dim": 16,
            "ssm_state_size": 8,
            "n_groups": 1,
            "chunk_size": 8,
            "n_routed_experts": 4,
            "moe_intermediate_size": 24,
            "moe_shared_expert_intermediate_size": 24,
        },
    ),
    Family("MiniMax 01 and M1", "minimax", HEADS | LOCAL | {"block_size": 8, "layer_types": LINEAR["layer_types"]}),
    Family("MiniMax M2", "minimax_m2", HEADS | LOCAL),
    Family(
        "Jamba",
        "jamba",
        GROUPED
        | {
            "num_experts": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "mamba_d_state": 8,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),
    Family("Bamba", "bamba", GROUPED | MAMBA | {"attn_layer_indices": [1]}),
    Family(
        "Zamba 2",
        "zamba2",
        SMALL
        | {
            "num_key_value_heads": 4,
            "layers_block_type": ["mamba", "hybrid"],
            "n_mamba_heads": 4,
            "mamba_d_state": 8,
            "chunk_size": 8,
            "use_mamba_kernels": False,
            "adapter_rank": 8,
        },
    ),
    Family("LFM 2", "lfm2", GROUPED | {"layer_types": ["conv", "full_attention"]}),
    Family(
        "LFM 2 MoE",
        "lfm2_moe",
        GROUPED | ROUTED | {"layer_types": ["conv", "full_attention"], "num_experts": 4, "num_dense_layers": 1},
    ),
    Family("SmolLM3", "smollm3", GROUPED),
    Family("SmolVLM", "smolvlm", GROUPED | {"model_type": "llama"}, EYES),
    Family("LLaVA", "llava", GROUPED | {"model_type": "llama"}, EYES | {"model_type": "clip_vision_model"}),
    Family(
        "InternVL",
        "internvl",
        GROUPED | {"model_type": "qwen2"},
        EYES | {"image_size": [28, 28], "patch_size": [14, 14]},
    ),
    Family("InternLM 3", "internlm3", HEADS),
    Family("ERNIE 4.5", "ernie4_5", GROUPED),
    Family(
        "ERNIE 4.5 MoE",
        "ernie4_5_moe",
        GROUPED | {"moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 24, "moe_layer_start_index": 1},
    ),
    Family("EXAONE 4", "exaone4", HEADS | TURNS | {"sliding_window_pattern": 2}),
    Family("Hunyuan", "hunyuan_v1_dense", HEADS),
    Family("Hunyuan A13B", "hunyuan_v1_moe", HEADS | {"num_experts": 4, "moe_topk": 2}),
    Family("Seed OSS", "seed_oss", HEADS),
    Family("Helium", "helium", HEADS),
    Family("Arcee", "arcee", HEADS),
    Family("Trinity", "afmoe", HEADS | TURNS | ROUTED | {"num_experts": 4, "num_dense_layers": 1}),
    Family("dots.llm1", "dots1", HEADS | GROUPS | {"layer_types": ["full_attention"] * 2}),
    Family("Apertus", "apertus", GROUPED),
    Family("BitNet", "bitnet", GROUPED),
    Family("DiffLlama", "diffllama", GROUPED),
    Family("nanochat", "nanochat", GROUPED),
    Family("Persimmon", "persimmon", SMALL),
    Family("Code World Model", "cwm", HEADS | TURNS, named=BEGIN),
    Family(
        "JetMoE",
        "jetmoe",
        BARE
        | LOCAL
        | {"num_key_value_heads": 2, "kv_channels": 8, "intermediate_size": 48, "max_position_embeddings": 512},
    ),
    Family(
        "DBRX",
        "dbrx",
        {
            "d_model": 32,
            "n_heads": 4,
            "n_layers": 2,
            "max_seq_len": 512,
            "vocab_size": 400,
            "initializer_range": 0.2,
            "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
            "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2, "hidden_size": 32},
        },
    ),
    Family("BioGPT", "biogpt", SMALL),
    Family(
        "XGLM",
        "xglm",
        {
            "d_model": 32,
            "ffn_dim": 48,
            "num_layers": 2,
            "attention_heads": 4,
            "vocab_size": 400,
            "max_position_embeddings": 512,
        },
    ),
    Family("CTRL", "ctrl", {"n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 48, "n_positions": 512, "vocab_size": 400}),
]
REFUSED = [
    Family(
        "T5, Flan-T5", "t5", {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 400}
    ),
    Family("BART", "bart", SEQUENCES),
    Family("BERT", "bert", SMALL),
    Family("RoBERTa", "roberta", SMALL, named=PAD),
    Family("ModernBERT decoder", "modernbert-decoder", SMALL, named=BEGIN),
    Family("PaliGemma", "paligemma", HEADS | {"model_type": "gemma"}, EYES),
    Family("Mamba", "mamba", BARE | {"state_size": 8}),
    Family("Mamba 2, Codestral Mamba", "mamba2", BARE | MAMBA2 | {"state_size": 8}),
    Family("Falcon Mamba", "falcon_mamba", BARE | {"state_size": 8}),
    Family("RWKV", "rwkv", BARE | {"attention_hidden_size": 32, "context_length": 512}),
    Family("xLSTM", "xlstm", BARE | {"num_blocks": 2, "num_heads": 2, "chunk_size": 8}),
    Family("GPT", "openai-gpt", GPT),
    Family("XLNet", "xlnet", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48, "vocab_size": 400}),
]
CHOICES = ["dark", "dark blue", "green"]
START = tuple(range(20, 40))
ROWS = [TokenRow((*START, 5), 20, (6, 7, 2)), TokenRow((*START, 8, 9), 20, (10, 2)), TokenRow((30, 31, 32), 2, (33, 2))]
DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"
BEGINS, ENDS = "<!-- families: `make families` writes this table -->\n", "<!-- end of families -->\n"
FOUND: dict[str, str] = {}  # a line of the table each


def called(family: Family) -> str:
    return f"{family.type}: {family.models}"


def written(family: Family, folder: Path, tokenizer: Any) -> Path:
    """A model folder as `save_pretrained` leaves it; biases and norms are drawn too, which begin as zeros and ones."""
    config = family.config()
    loaders = [AutoModelForCausalLM, AutoModelForSeq2SeqLM]
    torch.manual_seed(11)
    for loader in [AutoModelForImageTextToText, *loaders] if family.eyes else loaders:
        if type(config) in loader._model_mapping:
            module = loader.from_config(config, dtype=torch.float32)
            break
    for parameter in module.parameters():
        if parameter.dim() == 1 and parameter.numel() > 1 and not parameter.std():
            nn.init.normal_(parameter, parameter.mean().item(), 0.1)
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=RUN, ids=called)
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


@pytest.fixture(scope="module")
def model(
    family: Family,
    tmp_path_factory: pytest.TempPathFactory,
    tokenizer_with: Callable[..., Any],
    loaded: Callable[..., LocalModel],
) -> LocalModel:
    made = loaded(written(family, tmp_path_factory.mktemp("family") / "model", tokenizer_with()))
    adapted = f"all but {left}" if (left := str(left_out(made.module))) else "all"
    read = "packed" if made.reader.packs else "padded"
    FOUND[called(family)] = f"| {family.models} | `{family.type}` | {read} | {adapted} |"
    return made


def test_scores_are_the_models_own(model: LocalModel, prompts: list[Prompt]) -> None:
    tokens = [[*model.renderer.encode_answer(choice), model.renderer.end_id] for choice in CHOICES]
    for prompt, scores in zip(prompts, model.score(prompts, CHOICES), strict=True):
        ids = model.renderer.encode(prompt, 8).ids
        assert scores.totals == pytest.approx(log_likelihoods(model.module, ids, tokens), abs=1e-3)


def test_hidden_states_are_the_models_own(model: LocalModel, prompts: list[Prompt]) -> None:
    assert model.can.layers >= 1  # of those that texts go through
    for prompt, found in zip(prompts[:6], model.hidden_states(prompts[:6], [1, model.can.layers]), strict=True):
        row = model.renderer.encode(prompt, 0)
        for place, layer in enumerate((1, model.can.layers)):
            expected = states_of(model, layer, row.ids)
            assert torch.tensor(found.last[place]).allclose(expected[-1], atol=1e-3, rtol=1e-3)
            assert torch.tensor(found.mean[place]).allclose(expected[row.stem :].mean(0), atol=1e-3, rtol=1e-3)


def test_answers_are_those_of_generate(model: LocalModel, prompts: list[Prompt]) -> None:
    for prompt, answer in zip(prompts, model.generate(prompts, Decoding(4)), strict=True):
        expected = greedy(model.module, model.renderer.encode(prompt, 4).ids, 4, model.renderer.stop_ids)
        assert (answer.completion_tokens, answer.text) == (len(expected), text_of(model, expected))


def test_the_first_loss_is_the_models_own(model: LocalModel) -> None:
    with adapter.inserted(model, adapter.configuration(4, 8, 0.0)) as wrapped:
        first = (
            Trainer(model, Inserted.of(wrapped), Schedule(lr=1e-3, epochs=1, batch=len(ROWS)))
            .train(ROWS, (), seed=0)
            .losses[0]
        )
    total = sum(log_likelihoods(model.module, row.prompt, [row.answer])[0] for row in ROWS)
    assert first == pytest.approx(-total / sum(len(row.answer) for row in ROWS), abs=1e-3)


def test_training_changes_the_adapter_alone_and_all_of_it(
    model: LocalModel,
    prompts: list[Prompt],
    tmp_path: Path,
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    lessons = (
        TrainingExample(Prompt("Say which.", "the sea"), "blue"),
        TrainingExample(Prompt("Say which.", "a rose"), "red"),
    )
    before = at_rest(model, bits_of)
    tuned = Lora(rank=4, alpha=8, lr=1e-2, epochs=2, batch=2).tune(TrainingSet(lessons), model, seed=0)
    at_rest(model, bits_of)
    assert_untouched(model, before)
    idle = [name for name, t in tuned.state.items() if "lora_B" in name and not t.any()]  # type: ignore[attr-defined]
    assert not idle, "matrices that nothing was learned for"
    base, merged = (totals(model, prompts, adaptation) for adaptation in (None, tuned.adaptation))
    assert merged != base
    tuned.save(tmp_path)
    restored = Lora(rank=4, alpha=8).restore(tmp_path, model)
    assert totals(model, prompts, restored.adaptation) == merged
    beside = Lora(rank=4, alpha=8, serve="attached").restore(tmp_path, model)
    torch.testing.assert_close(totals(model, prompts, beside.adaptation), merged, atol=1e-2, rtol=1e-3)
    at_rest(model, bits_of)
    assert_untouched(model, before)


@torch.inference_mode()
def at_rest(model: LocalModel, bits_of: Callable[[LocalModel], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """All that it holds behind a short text of its own: LongRoPE keeps the frequencies of what it read last."""
    model.activate(None)
    model.module(torch.tensor([START]))
    return bits_of(model)


@torch.no_grad()
def states_of(model: LocalModel, layer: int, ids: Sequence[int]) -> torch.Tensor:
    """What a layer hands on of a row that is read alone and to its end."""
    model.reader.turn_afresh()
    kept: list[Any] = []
    _, part = layers_of(model.module)[layer - 1]
    with part.register_forward_hook(lambda _, given, output: kept.append(output)):
        model.module(torch.tensor([list(ids)]), use_cache=False)
    states: torch.Tensor = kept[0][0] if isinstance(kept[0], tuple) else kept[0]
    return (states[0] if states.dim() == 4 else states)[0]


def totals(model: LocalModel, prompts: Sequence[Prompt], adaptation: Any) -> list[tuple[float, ...]]:
    return [scores.totals for scores in model.score(prompts[:4], CHOICES, adaptation)]


@pytest.mark.parametrize("family", REFUSED, ids=called)
def test_what_cannot_be_asked_is_refused_in_a_sentence(
    family: Family, tmp_path: Path, tokenizer_with: Callable[..., Any], loaded: Callable[..., LocalModel]
) -> None:
    folder = written(family, tmp_path / "model", tokenizer_with())
    with pytest.raises(UserError) as caught:
        loaded(folder)
    assert "GPT" in caught.value.hint
    reason = caught.value.what.removeprefix(f"{folder}: ").split(", and only")[0].split(", so it")[0]
    assert any(word in reason for word in ("encoder", "state-space", "after a token", "key-value cache", "logits"))
    FOUND[called(family)] = f"| {family.models} | `{family.type}` | refused: {reason} | |"


def test_the_table_in_the_documentation_is_what_was_found() -> None:
    if len(FOUND) < len(RUN) + len(REFUSED):
        pytest.skip("some families were not asked")
    head = f"| models | `model_type` | prompts are | LoRA lies on these linear layers |\n{'|---' * 4}|\n"
    table = head + "".join(f"{FOUND[called(family)]}\n" for family in (*RUN, *REFUSED))
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGINS)
    committed, after = rest.split(ENDS)
    if os.environ.get("FAMILIES") == "write":
        DOCUMENT.write_text(before + BEGINS + table + ENDS + after, encoding="utf-8")
    else:
        assert committed == table, "the table of families is not up to date: make families"
