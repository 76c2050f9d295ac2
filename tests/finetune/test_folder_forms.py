"""Model folders in the forms that people bring: each is read as Transformers reads it, and trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from advisor.approaches import TrainingExample, TrainingSet
from advisor.models import Decoding, Prompt
from advisor.models.local.engine import LocalModel
from finetune import Lora
from tests.models.tiny import GROUPED, greedy, log_likelihoods, text_of

Form = Callable[[Path, Callable[..., Any], str], None]


def saved(folder: Path, tokenizer: Any, dtype: torch.dtype = torch.float32, size: str = "5GB", **changes: Any) -> None:
    torch.manual_seed(11)
    config = LlamaConfig(**GROUPED | {"eos_token_id": 0, "bos_token_id": None} | changes)
    AutoModelForCausalLM.from_config(config, dtype=dtype).save_pretrained(folder, max_shard_size=size)
    tokenizer.save_pretrained(folder)


def sharded(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(), size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2


def tied(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(), tie_word_embeddings=True)


def in_float16(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(), torch.float16)


def in_bfloat16(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(), torch.bfloat16)


def without_a_template(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(None))


def refusing_a_system_role(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(refusing))


def with_an_embedding_filled_up(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(), vocab_size=448)


def with_tokens_that_pad_and_begin(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    tokenizer = tokenizer_with()
    tokenizer.bos_token = tokenizer.pad_token = "<|turn|>"
    saved(folder, tokenizer)


def whose_tokenizer_names_no_end(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with())
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token": None}))


def with_several_ends(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with(), eos_token_id=[0, 2])


def with_other_weights_beside(folder: Path, tokenizer_with: Callable[..., Any], refusing: str) -> None:
    saved(folder, tokenizer_with())
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.safetensors").write_bytes(b"none of Transformers'")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")


FORMS: list[Form] = [
    sharded,
    tied,
    in_float16,
    in_bfloat16,
    without_a_template,
    refusing_a_system_role,
    with_an_embedding_filled_up,
    with_tokens_that_pad_and_begin,
    whose_tokenizer_names_no_end,
    with_several_ends,
    with_other_weights_beside,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_folder_of_any_form_is_scored_asked_and_trained(
    form: Form,
    tmp_path: Path,
    tokenizer_with: Callable[..., Any],
    no_system_template: str,
    loaded: Callable[..., LocalModel],
    prompts: list[Prompt],
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    form(tmp_path / "model", tokenizer_with, no_system_template)
    model = loaded(tmp_path / "model")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    scores = model.score(prompts[:4], ["red", "dark blue"])
    for prompt, found in zip(prompts, scores, strict=False):
        ids = model.renderer.encode(prompt, 8).ids
        tokens = [model.renderer.encode_answer(choice) for choice in ("red", "dark blue")]
        assert found.totals == pytest.approx(log_likelihoods(plain, ids, tokens), abs=1e-3)
    for prompt, answer in zip(prompts, model.generate(prompts[:2], Decoding(4)), strict=False):
        expected = greedy(plain, model.renderer.encode(prompt, 4).ids, 4, model.renderer.stop_ids)
        assert (answer.completion_tokens, answer.text) == (len(expected), text_of(model, expected))
    before = bits_of(model)
    lessons = (TrainingExample(Prompt("Say which.", "the sea"), "blue"),)
    tuned = Lora(rank=4, alpha=8, lr=1e-2, epochs=2, batch=2).tune(TrainingSet(lessons), model, seed=0)
    assert model.score(prompts[:4], ["red", "dark blue"], tuned.adaptation)[0].totals != scores[0].totals
    assert_untouched(model, before)
