"""Model folders written as GGUF, as llama.cpp itself answers with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest

from advisor.errors import UserError
from advisor.models import Context, Decoding, Prompt, Shot

needs_llama_cpp = pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("openai") is None,
    reason="llama.cpp is not installed: pip install 'adaptation-advisor[gguf,api]'",
)
THINGS = ("the ripe tomato", "the fresh grass", "the clear sky", "a rose 1999!")
LABELS = ("red", "green", "dark blue")
PROMPTS = [
    Prompt("Say which colour the thing has.", thing, LABELS, Context((Shot("a leaf", "green"),))) for thing in THINGS
]
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "vocab_size": 400,
    "initializer_range": 0.2,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama3": ("llama", {"rope_parameters": LLAMA3}),
    "tied": ("llama", {"tie_word_embeddings": True, "head_dim": 32}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 32}),
}


@pytest.fixture(scope="module", params=list(FAMILIES))
def folder(request: pytest.FixtureRequest, folder_of: Callable[..., Path]) -> Path:
    """A tiny random model of each family that is written; biases and norms too are random."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, peculiar = FAMILIES[request.param]
    found = folder_of(f"{request.param}-gguf", AutoConfig.for_model(kind, **SIZES, **peculiar))
    module = AutoModelForCausalLM.from_pretrained(found, dtype=torch.float32)
    torch.manual_seed(3)
    for name, parameter in module.named_parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.0 if name.endswith("bias") else 1.0, std=0.1)
    module.save_pretrained(found)
    return found


def log_probabilities(file: Path, own: Any) -> tuple[list[int], Any]:
    """Tokens of the prompts as llama.cpp counts them, and the log-probability of every token behind each prompt; NaN
    where the likeliest token is a part of a character, of which its server tells nothing."""
    from advisor.models.hosted.llama_cpp import llama_cpp

    rows, read = [], []
    with llama_cpp(file, own.embedder, own.context_window, threads=1) as there:
        read = [one.prompt_tokens for one in there.generate(PROMPTS, Decoding(1))]
        for prompt in PROMPTS:
            asked = {
                "prompt": list(own.renderer.encode(prompt, 8).ids),
                "n_predict": 1,
                "temperature": 0,
                "n_probs": SIZES["vocab_size"],
            }
            request = Request(f"{there.calls.peer.name.partition('/v1')[0]}/completion", json.dumps(asked).encode())
            request.add_header("Content-Type", "application/json")
            with urlopen(request) as answer:
                told = json.load(answer).get("completion_probabilities", [])
            listed = sorted(told[0]["top_logprobs"], key=lambda one: one["id"]) if told else []
            rows.append([one["logprob"] for one in listed] or [np.nan] * SIZES["vocab_size"])
    return read, np.array(rows)


def expected(own: Any) -> tuple[list[int], Any]:
    """The same by the engine."""
    import torch

    encoded = [own.renderer.encode(prompt, 8).ids for prompt in PROMPTS]
    with torch.inference_mode():
        logits = [own.module(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1) for ids in encoded]
    return [len(ids) for ids in encoded], torch.stack(logits).numpy()


@needs_llama_cpp
def test_llama_cpp_reads_the_same_tokens_and_computes_the_same(
    folder: Path, tmp_path: Path, loaded: Callable[..., Any]
) -> None:
    from advisor.models.local.gguf_writing import write_gguf

    own = loaded(folder)
    write_gguf(folder, tmp_path / "model.gguf", "F32", "tiny")
    (read, found), (wanted, known) = log_probabilities(tmp_path / "model.gguf", own), expected(own)
    assert read == wanted
    told = ~np.isnan(found[:, 0])
    assert told.sum() >= 2
    np.testing.assert_allclose(found[told], known[told], atol=0.05)  # its keys and values are float16


@needs_llama_cpp
def test_rows_that_are_not_put_in_pairs_give_another_model(
    tmp_path: Path, loaded: Callable[..., Any], llama_folder: Path
) -> None:
    """What a certificate has to find: a file that loads and answers, and is another model."""
    from safetensors.torch import load_file, save_file

    from advisor.models.local.gguf_writing import write_gguf

    spoiled, own = tmp_path / "spoiled", loaded(llama_folder)
    shutil.copytree(llama_folder, spoiled)
    weights = load_file(spoiled / "model.safetensors")
    name = "model.layers.1.self_attn.q_proj.weight"
    rows = weights[name].shape[0]
    weights[name] = weights[name].reshape(rows // 2, 2, -1).swapaxes(0, 1).reshape(rows, -1).contiguous()
    save_file(weights, spoiled / "model.safetensors", {"format": "pt"})
    write_gguf(spoiled, tmp_path / "spoiled.gguf", "F32", "tiny")
    _, found = log_probabilities(tmp_path / "spoiled.gguf", own)
    assert np.nanmax(np.abs(found - expected(own)[1])) > 0.3


@pytest.mark.parametrize("kind", ["Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "BF16", "F16", "F32"])
def test_numbers_are_rounded_as_asked_and_norms_are_not(
    kind: str, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    from gguf import GGUFReader, dequantize
    from transformers import AutoConfig, AutoModelForCausalLM

    from advisor.models.local.gguf_writing import KINDS, write_gguf

    folder = folder_of(f"rounded-{kind}", AutoConfig.for_model("qwen2", **SIZES))
    write_gguf(folder, tmp_path / "model.gguf", kind, "tiny")
    own = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    found = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "model.gguf").tensors}
    up, embedded = found["blk.1.ffn_up.weight"], found["token_embd.weight"]
    assert up.tensor_type == KINDS[kind][0]
    assert embedded.tensor_type.name == (kind if kind in ("BF16", "F16", "F32") else "Q8_0")
    assert found["blk.1.attn_norm.weight"].tensor_type.name == "F32"
    assert len(found) == len(own)
    weight = own["model.layers.1.mlp.up_proj.weight"].numpy()
    off = np.abs(dequantize(up.data, up.tensor_type).reshape(weight.shape) - weight).max() / np.abs(weight).max()
    assert off <= {"Q8": 0.01, "Q5": 0.07, "Q4": 0.14, "BF": 0.005, "F1": 0.001, "F3": 0.0}[kind[:2]]


def test_what_is_not_written_is_refused_by_name(folder_of: Callable[..., Path]) -> None:
    from transformers import AutoConfig

    from advisor.models.local.gguf_writing import cannot_write

    def why(kind: str, **changed: Any) -> str:
        return cannot_write(AutoConfig.for_model(kind, **SIZES, **changed).to_dict())

    assert why("llama") == why("qwen2") == ""
    assert "and this is gemma2" in why("gemma2")
    assert "'yarn'" in why("llama", rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0})
    assert "biases" in why("llama", mlp_bias=True)


def test_tokenizers_that_llama_cpp_would_not_follow_are_refused(folder_of: Callable[..., Path], tmp_path: Path) -> None:
    from transformers import AutoConfig

    from advisor.models.local.gguf_tokenizer import SPLITS, cannot_tokenize
    from advisor.models.local.gguf_writing import write_gguf

    folder = folder_of("tokenizers-gguf", AutoConfig.for_model("llama", **SIZES))
    file = folder / "tokenizer.json"
    own = json.loads(file.read_text("utf-8"))
    assert cannot_tokenize(folder) == ""

    def changed(**parts: Any) -> str:
        file.write_text(json.dumps({**own, **parts}), "utf-8")
        return cannot_tokenize(folder)

    bytes_ = {**own["pre_tokenizer"], "use_regex": False}
    for steps in SPLITS:
        if steps[-1] == "bytes":
            first = {"type": "Split", "pattern": {"Regex": steps[0]}, "behavior": "Isolated", "invert": False}
            assert changed(pre_tokenizer={"type": "Sequence", "pretokenizers": [first, bytes_]}) == ""
    digits = {"type": "Digits", "individual_digits": True}
    assert changed(pre_tokenizer={"type": "Sequence", "pretokenizers": [digits, own["pre_tokenizer"]]}) == ""
    assert "no name in llama.cpp" in changed(pre_tokenizer={"type": "Whitespace"})
    assert "Lowercase" in changed(normalizer={"type": "Lowercase"})
    assert "byte fallback" in changed(model={**own["model"], "byte_fallback": True})
    with pytest.raises(UserError, match="byte fallback"):
        write_gguf(folder, tmp_path / "never.gguf", "F16", "tiny")
