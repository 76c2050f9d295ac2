"""Adapters go in and come out without a trace, are merged exactly, and are saved in PEFT's format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from advisor.approaches import TrainingExample, TrainingSet
from advisor.models import Attached, Decoding, Merged
from advisor.models.local.engine import LocalModel
from advisor.models.local.folder import ADAPTER_WEIGHTS
from finetune import Lora, adapter
from finetune.fused.layers import Fused
from tests.models.tiny import log_likelihoods

LORA = Lora(rank=4, alpha=8, lr=1e-2, epochs=2, batch=4)
IDS = torch.tensor([[40, 41, 42, 43, 44, 45, 46, 47]])

Bits = dict[str, torch.Tensor]
BitsOf = Callable[[LocalModel], Bits]
Untouched = Callable[[LocalModel, Bits], None]


def logits(module: Any) -> torch.Tensor:
    with torch.inference_mode():
        return module(IDS).logits.clone()  # type: ignore[no-any-return]


def test_the_model_is_untouched_by_training_and_by_its_tuned_weights(
    any_model: LocalModel, lessons: Sequence[TrainingExample], bits_of: BitsOf, assert_untouched: Untouched
) -> None:
    before, answers = bits_of(any_model), logits(any_model.module)
    tuned = LORA.tune(TrainingSet(tuple(lessons), tuple(lessons[:2])), any_model, seed=0)
    assert_untouched(any_model, before)
    any_model.generate([lesson.prompt for lesson in lessons], Decoding(4), tuned.adaptation)
    any_model.score([lesson.prompt for lesson in lessons], ["red", "green"], tuned.adaptation)
    assert_untouched(any_model, before)
    assert torch.equal(logits(any_model.module), answers)


def test_a_bfloat16_model_is_untouched_too(
    llama_folder: Path,
    loaded: Callable[..., LocalModel],
    curriculum: TrainingSet,
    bits_of: BitsOf,
    assert_untouched: Untouched,
) -> None:
    model = loaded(llama_folder, "bfloat16")
    before = bits_of(model)
    tuned = LORA.tune(curriculum, model, seed=0)
    model.generate([lesson.prompt for lesson in curriculum.examples], Decoding(4), tuned.adaptation)
    assert_untouched(model, before)
    assert {t.dtype for t in tuned.adaptation.tensors.values()} == {torch.bfloat16}  # type: ignore[attr-defined]


def test_adapted_layers_work_in_one_step(llama: LocalModel) -> None:
    with adapter.inserted(llama, adapter.configuration(4, 8, 0.0)) as wrapped:
        layers = [module for module in wrapped.modules() if isinstance(module, LoraLayer)]
        assert layers
        assert all(isinstance(vars(layer)["forward"], Fused) for layer in layers)


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_the_model_is_untouched_where_training_breaks_off(
    name: str,
    request: pytest.FixtureRequest,
    curriculum: TrainingSet,
    bits_of: BitsOf,
    assert_untouched: Untouched,
    breaking_off: Callable[[], AbstractContextManager[None]],
) -> None:
    model = request.getfixturevalue(name)
    before = bits_of(model)
    with breaking_off():
        LORA.tune(curriculum, model, seed=0)
    assert_untouched(model, before)
    again = LORA.tune(curriculum, model, seed=0).adaptation.key
    assert again == LORA.tune(curriculum, model, seed=0).adaptation.key


def test_tuning_while_other_weights_are_active_starts_from_the_models_own(
    llama: LocalModel, curriculum: TrainingSet, bits_of: BitsOf, assert_untouched: Untouched
) -> None:
    before = bits_of(llama)
    first = LORA.tune(curriculum, llama, seed=0)
    llama.activate(first.adaptation)
    assert LORA.tune(curriculum, llama, seed=0).adaptation.key == first.adaptation.key
    assert_untouched(llama, before)


def test_merged_weights_answer_as_the_adapter_beside_the_model(
    any_model: LocalModel, curriculum: TrainingSet, tmp_path: Path
) -> None:
    """Also for GPT-2, whose matrices are stored transposed."""
    tuned = LORA.tune(curriculum, any_model, seed=0)
    tuned.save(tmp_path)
    config, state, _ = adapter.load(tmp_path)
    with adapter.inserted(any_model, config) as wrapped:
        adapter.set_peft_model_state_dict(wrapped, state)
        beside = logits(wrapped)
    any_model.activate(tuned.adaptation)
    merged = logits(any_model.module)
    any_model.activate(None)
    own = logits(any_model.module)
    torch.testing.assert_close(merged, beside, atol=1e-4, rtol=1e-4)
    assert (merged - own).abs().max() > 0.1


def test_merging_rounds_once(
    llama_folder: Path, loaded: Callable[..., LocalModel], curriculum: TrainingSet, tmp_path: Path
) -> None:
    """The adapter is kept in float32; a bfloat16 model gets the sum rounded, not the sum of what was rounded."""
    model = loaded(llama_folder, "bfloat16")
    tuned = LORA.tune(curriculum, model, seed=0)
    tuned.save(tmp_path)
    _, state, _ = adapter.load(tmp_path)
    parameters = dict(model.module.named_parameters())
    for name, merged in tuned.adaptation.tensors.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        update = state[f"{stem}.lora_B.weight"] @ state[f"{stem}.lora_A.weight"] * (LORA.alpha / LORA.rank)
        assert torch.equal(merged, (parameters[name].float() + update).to(torch.bfloat16))  # type: ignore[call-overload]


def test_every_linear_layer_but_the_head_is_adapted(any_model: LocalModel, curriculum: TrainingSet) -> None:
    tuned = LORA.tune(curriculum, any_model, seed=0)
    matrices = {
        name
        for name, p in any_model.module.named_parameters()
        if p.dim() == 2 and not any(part in name for part in ("embed", "wte", "wpe", "lm_head"))
    }
    assert set(tuned.adaptation.tensors) == matrices


def test_facts_count_what_was_learned_and_what_is_kept(
    llama: LocalModel, curriculum: TrainingSet, tmp_path: Path
) -> None:
    tuned = LORA.tune(curriculum, llama, seed=0)
    matrices = {n: p for n, p in llama.module.named_parameters() if n in tuned.adaptation.tensors}
    assert tuned.facts.trainable_parameters == sum(LORA.rank * sum(p.shape) for p in matrices.values())
    tuned.save(tmp_path)
    stored = (tmp_path / ADAPTER_WEIGHTS).stat().st_size
    assert tuned.facts.artifact_bytes == pytest.approx(stored, rel=0.3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_saved_comes_back_bit_for_bit(
    dtype: str, llama_folder: Path, loaded: Callable[..., LocalModel], curriculum: TrainingSet, tmp_path: Path
) -> None:
    model = loaded(llama_folder, dtype)
    tuned = LORA.tune(curriculum, model, seed=0)
    tuned.save(tmp_path)
    back = LORA.restore(tmp_path, model)
    assert back.adaptation.key == tuned.adaptation.key
    assert back.adaptation.tensors.keys() == tuned.adaptation.tensors.keys()
    for name, tensor in tuned.adaptation.tensors.items():
        assert torch.equal(back.adaptation.tensors[name], tensor)  # type: ignore[call-overload]
    assert back.facts.trainable_parameters == tuned.facts.trainable_parameters
    assert back.facts.artifact_bytes == tuned.facts.artifact_bytes


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_peft_reads_what_is_saved(
    name: str, request: pytest.FixtureRequest, curriculum: TrainingSet, tmp_path: Path
) -> None:
    model = request.getfixturevalue(name)
    tuned = LORA.tune(curriculum, model, seed=0)
    tuned.save(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix in {".pkl", ".bin", ".pt"}]
    fresh = AutoModelForCausalLM.from_pretrained(model.source.path, dtype=torch.float32)
    theirs = logits(PeftModel.from_pretrained(fresh, str(tmp_path)).eval())
    model.activate(tuned.adaptation)
    ours = logits(model.module)
    model.activate(None)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_key_is_of_the_contents(llama: LocalModel, curriculum: TrainingSet) -> None:
    state = {"b": torch.ones(2, 3), "a": torch.zeros(4)}
    assert adapter.key_of(state) == adapter.key_of(dict(reversed(state.items())))
    assert adapter.key_of(state) != adapter.key_of(state | {"a": torch.full((4,), 1e-30)})


def test_an_adapter_that_stands_in_the_model_is_asked_too(
    llama: LocalModel, lessons: Sequence[TrainingExample]
) -> None:
    """Where layers are read without their modules, an inserted adapter would be passed by."""
    prompt, choices = lessons[0].prompt, ["red", "green"]
    with adapter.inserted(llama, adapter.configuration(rank=4, alpha=8, dropout=0.0)) as wrapped, torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.3)
        llama.forget()
        (scores,) = llama.score([prompt], choices)
        answers = [llama.renderer.encode_answer(choice) for choice in choices]
        expected = log_likelihoods(llama.module, llama.renderer.encode(prompt, max(map(len, answers))).ids, answers)
    llama.forget()
    assert scores.totals == pytest.approx(expected, abs=1e-3)
    assert llama.score([prompt], choices)[0].totals != pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("dora", [False, True])
def test_attached_an_adapter_answers_as_merged(
    any_model: LocalModel,
    curriculum: TrainingSet,
    bits_of: BitsOf,
    assert_untouched: Untouched,
    tmp_path: Path,
    dora: bool,
) -> None:
    """Scored and generated, and saved and restored; the model's own weights and answers come back afterwards."""
    before, prompts = bits_of(any_model), [one.prompt for one in curriculum.examples]
    choices = ["red", "green", "blue"]
    own = [s.totals for s in any_model.score(prompts, choices)]
    tuned = replace(LORA, dora=dora, serve="attached").tune(curriculum, any_model, seed=0)
    attached = tuned.adaptation
    assert isinstance(attached, Attached)
    tuned.save(tmp_path)
    merged = replace(LORA, dora=dora).restore(tmp_path, any_model).adaptation
    assert isinstance(merged, Merged)
    assert merged.key != attached.key
    totals = [[s.totals for s in any_model.score(prompts, choices, way)] for way in (merged, attached, None, attached)]
    assert totals[1] == totals[3]
    for one, other in zip(totals[0], totals[1], strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    assert totals[2] == own
    assert (torch.tensor(totals[0]) - torch.tensor(own)).abs().max() > 0.1
    answers = [[g.text for g in any_model.generate(prompts, Decoding(4), way)] for way in (merged, attached)]
    assert answers[0] == answers[1]
    assert "attached to the base weights" in " ".join(tuned.facts.notes)
    any_model.activate(None)
    assert_untouched(any_model, before)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
def test_dora_keeps_the_magnitude_that_it_learned(llama: LocalModel, curriculum: TrainingSet, tmp_path: Path) -> None:
    """Merged weights have rows of the learned length (Liu et al. 2024, equation 5); PEFT reads what is saved."""
    tuned = replace(LORA, dora=True).tune(curriculum, llama, seed=0)
    tuned.save(tmp_path)
    _, state, _ = adapter.load(tmp_path)
    magnitudes = {name: t for name, t in state.items() if "lora_magnitude_vector" in name}
    assert len(magnitudes) == len(tuned.adaptation.tensors)
    parameters = dict(llama.module.named_parameters())
    moved = []
    for name, magnitude in magnitudes.items():
        stem = name.removeprefix("base_model.model.").partition(".lora_magnitude_vector")[0]
        lengths = torch.linalg.norm(tuned.adaptation.tensors[f"{stem}.weight"], dim=1)  # type: ignore[arg-type]
        torch.testing.assert_close(lengths, magnitude, atol=1e-4, rtol=1e-4)
        moved.append((magnitude - torch.linalg.norm(parameters[f"{stem}.weight"], dim=1)).abs().max().item())
    assert max(moved) > 1e-3
    fresh = AutoModelForCausalLM.from_pretrained(llama.source.path, dtype=torch.float32)
    theirs = logits(PeftModel.from_pretrained(fresh, str(tmp_path)).eval())
    llama.activate(tuned.adaptation)
    ours = logits(llama.module)
    llama.activate(None)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
