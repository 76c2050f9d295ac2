"""Every variant of LoRA, and PEFT's other kinds: attached they answer as merged, and the base stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Gemma3TextConfig, GPTNeoXConfig, LlamaConfig, Phi3Config, Qwen3Config

from advisor.approaches import TrainingSet, Tuned
from advisor.models import Adaptation, Attached, Decoding, Merged, Prompt
from advisor.models.local.engine import LocalModel
from finetune import Ia3, Lora, NormTuner, PeftKind

Bits = dict[str, torch.Tensor]
BitsOf = Callable[[LocalModel], Bits]
Untouched = Callable[[LocalModel, Bits], None]

TRAINED = {"epochs": 4, "batch": 4}
LORA = Lora(rank=4, alpha=8, lr=1e-2, **TRAINED)
VARIANTS = {
    "plain": LORA,
    "dora": replace(LORA, dora=True),
    "rslora": replace(LORA, rslora=True, alpha=0),
    "pissa": replace(LORA, init="pissa"),
    "olora": replace(LORA, init="olora"),
    "orthogonal": replace(LORA, init="orthogonal"),
    "gaussian": replace(LORA, init="gaussian"),
    "pissa, dora and rslora": replace(LORA, init="pissa_niter_16", dora=True, rslora=True),
    "attention": replace(LORA, targets="attention"),
    "mlp": replace(LORA, targets="mlp"),
    "ia3": Ia3(lr=5e-2, **TRAINED),
    "ln": NormTuner(lr=5e-2, **TRAINED),
    "vera": PeftKind("vera", lr=5e-2, **TRAINED),
}
CHOICES = ["red", "green", "dark blue"]
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}
SHAPES: dict[str, Any] = {
    "llama": LlamaConfig(**GROUPED),
    "qwen3": Qwen3Config(**GROUPED, head_dim=8),
    "gemma3": Gemma3TextConfig(
        **GROUPED, head_dim=8, query_pre_attn_scalar=8, layer_types=["sliding_attention", "full_attention"]
    ),
    "phi3": Phi3Config(**GROUPED, pad_token_id=0),
    "gpt_neox": GPTNeoXConfig(**SHAPE),
}


@pytest.fixture(scope="module", params=SHAPES)
def shaped(
    request: pytest.FixtureRequest, folder_of: Callable[..., Path], loaded: Callable[..., LocalModel], llama: LocalModel
) -> LocalModel:
    config = SHAPES[request.param]
    config.vocab_size = llama.module.config.vocab_size
    return loaded(folder_of(request.param, config))


def scores(model: LocalModel, prompts: list[Prompt], adaptation: Adaptation | None) -> torch.Tensor:
    return torch.tensor([s.totals for s in model.score(prompts, CHOICES, adaptation)])


def saved(tuned: Tuned, folder: Path) -> Path:
    folder.mkdir()
    tuned.save(folder)
    return folder


def assert_alike(tuner: Any, model: LocalModel, curriculum: TrainingSet, folder: Path) -> Tuned:
    """Merged, attached, and restored where nothing is known but the folder: the same answers, by the same numbers."""
    prompts = [one.prompt for one in curriculum.examples]
    own = scores(model, prompts, None)
    tuned = tuner.tune(curriculum, model, seed=0)
    torch.manual_seed(99)
    beside = replace(tuner, serve="attached").restore(saved(tuned, folder / "adapter"), model)
    again = tuner.restore(folder / "adapter", model)
    assert isinstance(tuned.adaptation, Merged)
    assert isinstance(beside.adaptation, Attached)
    assert again.adaptation.key == tuned.adaptation.key
    assert again.facts.trainable_parameters == beside.facts.trainable_parameters == tuned.facts.trainable_parameters
    assert again.facts.artifact_bytes == tuned.facts.artifact_bytes > 0
    merged, attached = (scores(model, prompts, one.adaptation) for one in (tuned, beside))
    torch.testing.assert_close(attached, merged, atol=1e-3, rtol=0)
    assert torch.equal(scores(model, prompts, again.adaptation), merged)
    answers = [[g.text for g in model.generate(prompts, Decoding(4), a.adaptation)] for a in (tuned, beside)]
    assert answers[0] == answers[1]
    assert float((merged - own).abs().max()) > 0.1
    assert torch.equal(scores(model, prompts, None), own)
    return tuned


@pytest.mark.parametrize("variant", VARIANTS)
def test_attached_a_variant_answers_as_merged(
    variant: str,
    shaped: LocalModel,
    curriculum: TrainingSet,
    bits_of: BitsOf,
    assert_untouched: Untouched,
    tmp_path: Path,
) -> None:
    before = bits_of(shaped)
    assert_alike(VARIANTS[variant], shaped, curriculum, tmp_path)
    assert_untouched(shaped, before)
