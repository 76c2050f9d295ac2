"""Tuners other than LoRA over architectures: packed and padded, with norms behind attention, fused products, parallel
residuals, tied heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from advisor.approaches import TrainingSet
from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from finetune import Bottleneck, Freeze, Full
from finetune.gradient import GradientTuner
from finetune.parts import parts_of_layers
from tests.models.tiny import GROUPED, SMALL

HEADS = GROUPED | {"head_dim": 8}
TURNS = {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "qwen3": HEADS | {"tie_word_embeddings": True},
    "gemma3_text": HEADS | TURNS | {"query_pre_attn_scalar": 8},
    "phi3": GROUPED | {"pad_token_id": 0},
    "gpt_neox": SMALL,
}
TUNERS = {
    "full": Full(lr=1e-3, epochs=2, batch=4),
    "freeze": Freeze(last=1, lr=1e-2, epochs=2, batch=4),
    "adapter": Bottleneck(width=8, lr=1e-2, epochs=2, batch=4),
    "adapter-mlp": Bottleneck(width=8, place="mlp", lr=1e-2, epochs=2, batch=4),
}
COLOURS = ["red", "green", "dark blue"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(
    request: pytest.FixtureRequest, folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]
) -> LocalModel:
    kind: str = request.param
    made = loaded(folder_of(kind, AutoConfig.for_model(kind, **ARCHITECTURES[kind])))
    made.module.requires_grad_(False)
    return made


@pytest.mark.parametrize("tuner", TUNERS.values(), ids=TUNERS)
def test_it_learns_saves_and_leaves_no_trace(
    tuner: GradientTuner,
    model: LocalModel,
    prompts: list[Prompt],
    curriculum: TrainingSet,
    tmp_path: Path,
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    def said(adaptation: Any) -> tuple[Any, Any]:
        scores = [s.totals for s in model.score(prompts[:4], COLOURS, adaptation)]
        return scores, [a.text for a in model.generate(prompts[:4], Decoding(4), adaptation)]

    model.activate(None)
    before, base = bits_of(model), said(None)
    tuned = tuner.tune(curriculum, model, seed=0)
    assert_untouched(model, before)
    assert said(None) == base
    told = said(tuned.adaptation)
    assert told != base
    tuned.save(tmp_path)
    model.activate(None)
    assert said(type(tuner)().restore(tmp_path, model).adaptation) == told
    assert said(None) == base
    assert_untouched(model, before)


def test_adapter_layers_lie_behind_both_parts_of_every_block(model: LocalModel) -> None:
    names = [part.name for part in parts_of_layers(model.module, ("attention", "mlp"))]
    assert len(names) == 2 * model.module.config.num_hidden_layers
    assert sum(name.endswith(("self_attn", "attention")) for name in names) == len(names) / 2
    assert sum(name.endswith("mlp") for name in names) == len(names) / 2
