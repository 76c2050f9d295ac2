"""The models and prompts shared by several benchmarks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, Qwen2Config
from transformers.utils import logging as transformers_logging

from advisor.models import Context, Prompt, Shot
from advisor.models.load import load_model
from advisor.models.local.device import choose_device, choose_dtype
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.engine import LocalModel
from advisor.models.local.gguf import converted
from advisor.models.local.packages import MINILM, SMOLLM2
from advisor.models.local.source import Source, find
from advisor.models.render import Renderer
from advisor.tasks import Task
from benchmarks.speed.options import Options
from finetune.fused.packing import TokenRow

RANDOM = "random weights"
ROOM = 64  # tokens of the context window left for an answer
PREFIX = 512  # tokens that the prompts of the prefix benchmarks have in common, as near as whole examples allow


def model_folder(options: Options) -> Path:
    """A folder that Advisor and its peers load alike: the default model, or in a smoke run a tiny random one."""
    return tiny_folder(options.work / "tiny") if options.smoke else _converted()


def tiny_folder(folder: Path) -> Path:
    """Make a model of two narrow layers with random weights and the default model's tokenizer, if missing."""
    if not (folder / "config.json").is_file():
        shape = {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
        }
        # wide, so that the likeliest token wins by far more than rounding
        random_folder(folder, shape | {"initializer_range": 0.2}, torch.float32)
    return folder


def random_folder(folder: Path, shape: dict[str, Any], dtype: torch.dtype) -> None:
    """Make a Llama with random weights, its embedding tied to its head, and the default model's tokenizer.

    Args:
        shape: what LlamaConfig takes.
    """
    tokenizer = AutoTokenizer.from_pretrained(_converted())
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def advisor_model(options: Options, dtype: str) -> LocalModel:
    """The model as Advisor loads it for a user."""
    return load_model(str(model_folder(options)), dtype=dtype)


def peer_model(options: Options, dtype: str) -> Any:
    """The same weights in a module of the peer's own, untouched by Advisor."""
    transformers_logging.disable_progress_bar()
    number_format: torch.dtype = getattr(torch, dtype)
    return (
        AutoModelForCausalLM.from_pretrained(model_folder(options), dtype=number_format).to(choose_device(None)).eval()
    )


def random_model(name: str, shape: dict[str, Any]) -> LocalModel:
    """A model of Qwen2's architecture with random weights, in the device's own format, behind the default tokenizer.

    Args:
        shape: what Qwen2Config takes.
    """
    device = choose_device(None)
    tokenizer = AutoTokenizer.from_pretrained(_converted())
    config = Qwen2Config(**shape, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    torch.manual_seed(0)
    with device:
        module = AutoModelForCausalLM.from_config(config, dtype=choose_dtype(None, device))
    module.eval().requires_grad_(False)
    renderer = Renderer(tokenizer, config.max_position_embeddings, [tokenizer.eos_token_id])
    return LocalModel(module, renderer, Source(name, Path(name), "folder", RANDOM), own_embedder())


def own_embedder() -> SentenceEmbedder:
    """The embedder as Advisor loads it for a user, without its cache."""
    device = choose_device(None)
    return SentenceEmbedder(find("embedded", MINILM), device, choose_dtype(None, device))


def weights_facts(model: LocalModel) -> dict[str, Any]:
    """The record of the model, without its folder on this machine."""
    told = model.describe()
    facts = {key: told[key] for key in ("dtype", "device", "device_name", "parameters")}
    if model.revision == RANDOM:
        return {"id": model.name, **facts}
    if Path(model.name).name == "tiny":
        return {"id": "tiny random model", **facts}
    return {"id": SMOLLM2.id, "revision": SMOLLM2.sha256[:16], "quantisation": SMOLLM2.quantisation, **facts}


def row_of(model: LocalModel, prompt: Prompt, target: str) -> TokenRow:
    """A prompt and its answer as a training row for both sides."""
    answer = [*model.renderer.encode_answer(target), model.renderer.end_id]
    return TokenRow.of(model.renderer.encode(prompt, len(answer)), answer)


def prompts_with_prefix(task: Task, model: LocalModel, count: int, labels: Sequence[str] = ()) -> list[Prompt]:
    """`count` test inputs of a task behind the same worked examples, as many as bring the shared beginning nearest
    to `PREFIX` tokens."""
    queries = [Prompt(task.instruction, e.input, tuple(labels)) for e in task.test[:count]]
    shots = tuple(Shot(e.input, e.target) for e in task.train)
    best = min(range(1, min(len(shots), 64)), key=lambda k: abs(_shared(queries[0], shots[:k], model) - PREFIX))
    return [replace(query, context=Context(shots[:best])) for query in queries]


def shared_tokens(prompts: Sequence[Prompt], model: LocalModel) -> int:
    """The number of leading tokens that do not depend on the query."""
    return min(model.renderer.encode(prompt, ROOM).stem for prompt in prompts)


def _converted() -> Path:
    """The default model's folder, converted once, even where caches are switched off for the measurement."""
    setting = os.environ.pop("ADVISOR_CACHE", None)
    try:
        return converted(find("embedded", SMOLLM2).path)
    finally:
        if setting is not None:
            os.environ["ADVISOR_CACHE"] = setting


def _shared(query: Prompt, shots: tuple[Shot, ...], model: LocalModel) -> int:
    return model.renderer.encode(replace(query, context=Context(shots)), ROOM).stem
