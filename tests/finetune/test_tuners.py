"""Tuners other than LoRA: each learns, leaves no trace, and answers the same once it is restored."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advisor.approaches import TrainingExample, TrainingSet
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Decoding
from advisor.models.load import load_model
from advisor.models.local.allocator import LIMIT
from advisor.models.local.engine import LocalModel
from finetune import Bottleneck, Freeze, Full
from finetune.bottleneck import Place
from finetune.fused.packing import TokenRow
from finetune.gradient import GradientTuner
from finetune.session import SplitRows, beginning
from finetune.trainer import Trainer

QUICK: dict[str, Any] = {"epochs": 20, "batch": 4}
TUNERS = {
    "full": Full(lr=5e-3, **QUICK),
    "freeze": Freeze(last=2, lr=1e-2, **QUICK),
    "adapter": Bottleneck(width=32, lr=3e-2, **QUICK),
    "adapter behind the MLP": Bottleneck(width=32, place="mlp", lr=3e-2, **QUICK),
}
COLOURS = ["red", "green", "dark blue"]
BitsOf = Callable[[LocalModel], dict[str, torch.Tensor]]
Untouched = Callable[[LocalModel, dict[str, torch.Tensor]], None]


@pytest.fixture(params=TUNERS, ids=lambda name: name.replace(" ", "-"))
def tuner(request: pytest.FixtureRequest) -> GradientTuner:
    return TUNERS[request.param]


def texts(model: LocalModel, lessons: Sequence[TrainingExample], adaptation: Adaptation | None) -> list[str]:
    return [a.text for a in model.generate([lesson.prompt for lesson in lessons], Decoding(8), adaptation)]


def totals(model: LocalModel, lessons: Sequence[TrainingExample], adaptation: Adaptation | None) -> list[Any]:
    return [s.totals for s in model.score([lesson.prompt for lesson in lessons], COLOURS, adaptation)]


def mean_of_right(lessons: Sequence[TrainingExample], found: Sequence[Sequence[float]]) -> float:
    return sum(row[COLOURS.index(x.answer)] for x, row in zip(lessons, found, strict=True)) / len(lessons)


def test_it_answers_as_it_was_taught_and_the_base_is_what_it_was(
    tuner: GradientTuner,
    any_model: LocalModel,
    lessons: Sequence[TrainingExample],
    bits_of: BitsOf,
    assert_untouched: Untouched,
    tmp_path: Path,
) -> None:
    any_model.activate(None)
    before, base = bits_of(any_model), totals(any_model, lessons, None)
    tuned = tuner.tune(TrainingSet(tuple(lessons)), any_model, seed=0)
    assert_untouched(any_model, before)
    assert totals(any_model, lessons, None) == base
    said = totals(any_model, lessons, tuned.adaptation)
    assert mean_of_right(lessons, said) > 0.6 * mean_of_right(lessons, base)  # both are below zero
    tuned.save(tmp_path)
    restored = type(tuner)().restore(tmp_path, any_model)
    assert restored.adaptation.key == tuned.adaptation.key
    any_model.activate(None)
    assert totals(any_model, lessons, restored.adaptation) == said
    kept = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert tuned.facts.artifact_bytes == restored.facts.artifact_bytes == pytest.approx(kept, rel=0.25, abs=16_000)
    assert_untouched(any_model, before)


def test_it_gives_the_right_answers(
    tuner: GradientTuner, llama: LocalModel, lessons: Sequence[TrainingExample], curriculum: TrainingSet
) -> None:
    tuned = tuner.tune(curriculum, llama, seed=0)
    assert texts(llama, lessons, tuned.adaptation) == [lesson.answer for lesson in lessons]


def test_an_interrupted_training_leaves_no_trace_and_the_next_gives_the_same(
    tuner: GradientTuner,
    llama: LocalModel,
    curriculum: TrainingSet,
    bits_of: BitsOf,
    assert_untouched: Untouched,
    breaking_off: Callable[[], AbstractContextManager[None]],
) -> None:
    short = replace(tuner, epochs=3)
    before, key = bits_of(llama), short.tune(curriculum, llama, seed=1).adaptation.key
    with breaking_off():
        short.tune(curriculum, llama, seed=1)
    assert_untouched(llama, before)
    assert short.tune(curriculum, llama, seed=1).adaptation.key == key
    assert short.tune(curriculum, llama, seed=2).adaptation.key != key


def test_a_training_that_diverges_leaves_no_trace(
    llama: LocalModel, curriculum: TrainingSet, bits_of: BitsOf, assert_untouched: Untouched
) -> None:
    before = bits_of(llama)
    with pytest.raises(UserError, match="diverged"):
        Full(lr=1e36, epochs=3, batch=4).tune(curriculum, llama, seed=0)
    assert_untouched(llama, before)


def test_a_search_varies_what_it_says(
    tuner: GradientTuner, llama: LocalModel, lessons: Sequence[TrainingExample], bits_of: BitsOf
) -> None:
    before = bits_of(llama)
    searching = replace(tuner, epochs=2, search=3)
    tuned = searching.tune(TrainingSet(tuple(lessons), tuple(lessons[:4])), llama, seed=0)
    assert any("Searched 3 configurations" in note for note in tuned.facts.notes)
    assert all(torch.equal(before[name], after) for name, after in bits_of(llama).items())


@pytest.fixture(scope="module")
def rough(llama_folder: Path, loaded: Callable[..., LocalModel]) -> LocalModel:
    """The same model in bfloat16."""
    return loaded(llama_folder, "bfloat16")


def test_weights_are_kept_as_they_were_judged(
    rough: LocalModel, lessons: Sequence[TrainingExample], rows_of: Callable[..., list[TokenRow]], bits_of: BitsOf
) -> None:
    rows, before = rows_of(rough, lessons), bits_of(rough)
    recipe = Full(lr=1e-3, epochs=4, batch=4)
    with recipe.method().inserted(rough) as inserted:
        trainer = Trainer(rough, inserted, recipe)
        history = trainer.train(rows, rows[:4], seed=0)
        assert trainer.loss(rows[:4]) == min(loss for _, loss in history.held_out)
        working = {name: p.detach().clone() for name, p in inserted.named.items()}
        learned = trainer.learned()
    assert all(torch.equal(learned.state[name], working[name]) for name in working)
    assert any(not torch.equal(before[name], working[name]) for name in working)
    assert all(torch.equal(before[name], after) for name, after in bits_of(rough).items())


def trained_by(tuner: GradientTuner, model: LocalModel) -> set[str]:
    with tuner.method().inserted(model) as inserted:
        return set(inserted.named)


def test_all_weights_are_all(llama: LocalModel) -> None:
    assert trained_by(Full(), llama) == {name for name, _ in llama.module.named_parameters()}


def test_the_last_layers_are_trained_with_what_lies_behind_them(llama: LocalModel, gpt2: LocalModel) -> None:
    """The tiny Llama has a head of its own, GPT-2's is its embedding."""
    last, tied = trained_by(Freeze(last=1), llama), trained_by(Freeze(last=1), gpt2)
    assert {name.split(".layers.")[-1][0] for name in last if ".layers." in name} == {"2"}
    assert {name for name in last if ".layers." not in name} == {"model.norm.weight", "lm_head.weight"}
    assert {name for name in tied if ".h.1." not in name} == {"transformer.ln_f.weight", "transformer.ln_f.bias"}


def test_more_layers_than_there_are_is_all_of_them(llama: LocalModel, curriculum: TrainingSet) -> None:
    tuned = Freeze(last=40, epochs=1).tune(curriculum, llama, seed=0)
    assert "Trained were the last 3 of 3 layers, the final norm and the head." in tuned.facts.notes


def test_what_is_left_of_a_tied_head_is_said(gpt2: LocalModel, curriculum: TrainingSet) -> None:
    notes = " ".join(Freeze(last=1, epochs=1).tune(curriculum, gpt2, seed=0).facts.notes)
    assert "the last 1 of 2 layers, the final norm; the head is the embedding's matrix and was left as it is" in notes


def test_nothing_is_differentiated_below_the_first_trained_layer(
    llama: LocalModel, lessons: Sequence[TrainingExample], rows_of: Callable[..., list[TokenRow]]
) -> None:
    recipe, seen = Freeze(last=1, epochs=1, batch=8), []
    with recipe.method().inserted(llama) as inserted:
        hooks = [
            layer.register_forward_hook(lambda _, given, said: seen.append(said.requires_grad))
            for layer in llama.module.base_model.layers
        ]
        Trainer(llama, inserted, recipe).train(rows_of(llama, lessons), (), seed=0)
        for hook in hooks:
            hook.remove()
    assert seen == [False, False, True]


def test_weights_for_which_there_is_no_room_are_refused_with_the_figures(
    llama: LocalModel, curriculum: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.001")
    with pytest.raises(NotApplicable, match=r"training [\d,]+ weights takes about \d+ MB .* is free .*freeze:last=4"):
        Full().tune(curriculum, llama, seed=0)


@pytest.mark.parametrize("tuner", [Full(epochs=1), Bottleneck(epochs=1, width=4)], ids=["full", "adapter"])
def test_what_was_learned_by_another_model_is_refused(
    tuner: GradientTuner, llama: LocalModel, mistral: LocalModel, curriculum: TrainingSet, tmp_path: Path
) -> None:
    tuner.tune(curriculum, mistral, seed=0).save(tmp_path)
    with pytest.raises(UserError, match="of another model"):
        tuner.restore(tmp_path, llama)


@pytest.mark.parametrize("place", ["mlp", "both"])
def test_adapter_layers_say_nothing_before_they_have_learned(
    place: Place, any_model: LocalModel, lessons: Sequence[TrainingExample]
) -> None:
    any_model.activate(None)
    expected = totals(any_model, lessons, None)
    with Bottleneck(width=4, place=place).method().inserted(any_model):
        assert np.allclose(totals(any_model, lessons, None), expected, atol=1e-3)


def test_adapter_layers_drop_out_in_training_alone(llama: LocalModel, curriculum: TrainingSet) -> None:
    quick = Bottleneck(width=8, epochs=2, batch=4)
    plain, dropping = (replace(quick, dropout=d).tune(curriculum, llama, seed=0) for d in (0.0, 0.5))
    assert plain.adaptation.key != dropping.adaptation.key
    first, again = (totals(llama, curriculum.examples, dropping.adaptation) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("wrong", [{"width": 0}, {"dropout": 1.0}])
def test_impossible_adapter_layers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Bottleneck(**wrong)  # type: ignore[arg-type]


def test_no_layers_cannot_be_trained() -> None:
    with pytest.raises(ValueError):
        Freeze(last=0)


def test_another_process_answers_the_same(
    llama: LocalModel, llama_folder: Path, curriculum: TrainingSet, tmp_path: Path, in_process: Callable[..., str]
) -> None:
    lesson = curriculum.examples[0]
    here = {}
    for name, tuner in TUNERS.items():
        tuned = replace(tuner, epochs=2).tune(curriculum, llama, seed=0)
        (tmp_path / name).mkdir()
        tuned.save(tmp_path / name)
        here[name] = totals(llama, [lesson], tuned.adaptation)[0]
    said = in_process(
        f"""
from pathlib import Path
from advisor.models import Prompt
from advisor.models.load import load_model
from finetune import Bottleneck, Freeze, Full

model = load_model({str(llama_folder)!r}, embedder={str(llama_folder)!r}, device="cpu", dtype="float32")
prompt = Prompt({lesson.prompt.instruction!r}, {lesson.prompt.input!r})
for name, kind in {{{", ".join(f"{name!r}: {type(tuner).__name__}" for name, tuner in TUNERS.items())}}}.items():
    tuned = kind().restore(Path(name), model)
    print([float(x) for x in model.score([prompt], {COLOURS!r}, tuned.adaptation)[0].totals])
"""
    )
    there = dict(zip(TUNERS, map(literal_eval, said.splitlines()[-len(TUNERS) :]), strict=True))
    for name in TUNERS:
        assert np.allclose(there[name], here[name], atol=1e-5), name


def test_the_answers_are_asked_for_without_a_trace(
    tuner: GradientTuner,
    llama: LocalModel,
    lessons: Sequence[TrainingExample],
    rows_of: Callable[..., list[TokenRow]],
    bits_of: BitsOf,
    assert_untouched: Untouched,
) -> None:
    """What is trained leaves the model while it answers, comes back, and training goes on as it would have."""
    before, rows, losses = bits_of(llama), rows_of(llama, lessons), []
    for judged_by in ("loss", "metric"):
        recipe = replace(tuner, epochs=2, stop=judged_by)
        split = SplitRows(rows, rows[:3], lambda adaptation: float(len(texts(llama, lessons[:1], adaptation))))
        with beginning(recipe, split, llama, seed=0) as trainer:
            trainer.go_to_the_end()
            losses.append(trainer.history.losses)
    assert losses[0] == losses[1]
    assert trainer.history.answered
    assert_untouched(llama, before)


def test_adapter_layers_lie_over_codes_which_are_not_trained_themselves(
    llama_folder: Path, curriculum: TrainingSet, bits_of: BitsOf
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    model = load_model(str(llama_folder), embedder=str(llama_folder), device="cpu", dtype="float32", quantize="8bit")
    before, base = bits_of(model), totals(model, curriculum.examples, None)
    tuned = replace(TUNERS["adapter"], epochs=3).tune(curriculum, model, seed=0)
    assert totals(model, curriculum.examples, tuned.adaptation) != base
    with pytest.raises(NotApplicable, match="codes are not trained"):
        Full().tune(curriculum, model, seed=0)
    model.activate(None)
    assert all(torch.equal(before[name], after) for name, after in bits_of(model).items())
