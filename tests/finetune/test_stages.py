"""Tuners one behind the other: each is trained upon what the one before made, and both answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from advisor.approaches import TrainingSet, Tuner
from advisor.approaches.adapted import untrained
from advisor.approaches.registry import configuration, spec_of, whole
from advisor.approaches.trained import REUSED
from advisor.errors import NotApplicable
from advisor.models import Decoding, Prompt, Stacked
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from finetune import Bottleneck, Full, Lora, PrefixTuning, SoftPrompt
from finetune.stages import Stages

COLOURS = ["red", "green", "dark blue"]
SHORT: dict[str, Any] = {"epochs": 2, "batch": 4}
FULL = Full(lr=1e-3, **SHORT)
LORA = Lora(rank=4, alpha=8, lr=1e-2, **SHORT)
PREFIX = PrefixTuning(tokens=4, lr=1e-1, **SHORT)
STAGES = {
    "full+lora": Stages(FULL, LORA),
    "lora+full": Stages(LORA, FULL),
    "full+adapter": Stages(FULL, Bottleneck(width=8, lr=1e-2, **SHORT)),
    "lora+prefix": Stages(LORA, PREFIX),
    "full+lora+prefix": Stages(FULL, Stages(LORA, PREFIX)),
    "full+lora-attached": Stages(FULL, replace(LORA, serve="attached")),
}
Said = Callable[[Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Before(Full):
    """All weights, before any other tuner."""

    stage: ClassVar[Any] = "first"
    name: ClassVar[str] = "before"


@dataclass(frozen=True)
class Behind(Lora):
    """An adapter behind any other tuner."""

    stage: ClassVar[Any] = "last"
    name: ClassVar[str] = "behind"


@pytest.fixture
def said(llama: LocalModel, prompts: list[Prompt]) -> Said:
    """How the model scores and answers with an adaptation."""

    def say(adaptation: Any) -> tuple[Any, Any]:
        scores = [s.totals for s in llama.score(prompts[:4], COLOURS, adaptation)]
        return scores, [a.text for a in llama.generate(prompts[:4], Decoding(4), adaptation)]

    return say


@contextmanager
def weights_of(model: LocalModel, tensors: Any) -> Iterator[None]:
    """The model as it would be, had it been loaded with these."""
    model.activate(None)
    model.reader.forget()
    held = {name: model.module.get_parameter(name).detach().clone() for name in tensors}
    _put(model, tensors)
    yield
    model.activate(None)
    model.reader.forget()
    _put(model, held)


@torch.no_grad()
def _put(model: LocalModel, tensors: Any) -> None:
    for name, tensor in tensors.items():
        model.module.get_parameter(name).copy_(tensor)


@pytest.mark.parametrize("name", STAGES)
def test_they_answer_saved_too_and_leave_no_trace(
    name: str,
    llama: LocalModel,
    said: Said,
    curriculum: TrainingSet,
    tmp_path: Path,
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    llama.activate(None)
    before, base = bits_of(llama), said(None)
    tuned = STAGES[name].tune(curriculum, llama, seed=0)
    assert_untouched(llama, before)
    assert said(None) == base
    told, first = said(tuned.adaptation), said(tuned.first.adaptation)  # type: ignore[attr-defined]
    assert told != first != base
    assert said(tuned.adaptation) == told  # behind another one, of which it shares the ground
    tuned.save(tmp_path)
    restored = STAGES[name].restore(tmp_path, llama)
    assert said(restored.adaptation) == told
    assert restored.adaptation.key == tuned.adaptation.key
    assert said(None) == base
    assert_untouched(llama, before)


def test_the_second_learns_what_it_would_on_a_model_with_the_weights_of_the_first(
    llama: LocalModel, said: Said, curriculum: TrainingSet
) -> None:
    tuned = STAGES["full+lora"].tune(curriculum, llama, seed=0)
    adaptation = tuned.adaptation
    assert isinstance(adaptation, Stacked)
    told = said(adaptation)
    with weights_of(llama, adaptation.ground.tensors):  # type: ignore[union-attr]
        alone = LORA.tune(curriculum, llama, seed=0)
        assert said(alone.adaptation) == told
    assert alone.adaptation.key == adaptation.over.key
    both, one = tuned.facts, alone.facts
    assert both.tokens_seen == 2 * one.tokens_seen
    assert both.trainable_parameters == one.trainable_parameters + sum(p.numel() for p in llama.module.parameters())
    assert both.served == "merged" and {"full", "lora"} == set(both.resolved)
    assert any(note.startswith("full: Trained") for note in both.notes)
    assert any(note.startswith("lora: Trained") for note in both.notes)


def test_originals_are_the_models_own_whatever_lies_upon_them(llama: LocalModel, curriculum: TrainingSet) -> None:
    llama.activate(None)
    own = {name: p.detach().clone() for name, p in llama.module.named_parameters()}
    tuned = STAGES["lora+full"].tune(curriculum, llama, seed=0)
    llama.activate(tuned.adaptation)
    try:
        assert all(torch.equal(llama.originals.own(name), tensor) for name, tensor in own.items())
        with llama.standing_on(tuned.adaptation.ground):  # type: ignore[attr-defined]
            ground = tuned.adaptation.ground.tensors  # type: ignore[attr-defined]
            assert all(torch.equal(llama.originals.own(name), ground[name]) for name in ground)
    finally:
        llama.activate(None)
    assert all(torch.equal(p, own[name]) for name, p in llama.module.named_parameters())


def test_a_killed_run_does_not_train_the_first_again(
    llama: LocalModel, curriculum: TrainingSet, tmp_path: Path
) -> None:
    stages = STAGES["full+lora"]
    whole_run = stages.tune(curriculum, llama, seed=0)
    with lending(Scratch(tmp_path, 0.0)):
        stages.tune(curriculum, llama, seed=0)
    clock.drain()
    with lending(Scratch(tmp_path, 0.0)):
        again = stages.tune(curriculum, llama, seed=0)
    assert clock.drain().reused[REUSED] > 0
    assert again.adaptation.key == whole_run.adaptation.key
    assert again.facts == whole_run.facts
    with lending(Scratch(tmp_path, 0.0)):
        other = stages.tune(curriculum, llama, seed=1)
    assert REUSED not in clock.drain().reused
    assert other.adaptation.key != whole_run.adaptation.key


def test_nothing_is_trained_upon_what_is_attached(llama: LocalModel, curriculum: TrainingSet) -> None:
    with pytest.raises(NotApplicable, match="lora:serve=merged"):
        Stages(replace(LORA, serve="attached"), FULL).tune(curriculum, llama, seed=0)


@pytest.mark.parametrize(
    ("tuners", "joined"),
    [
        ((Before(), LORA), "before+lora"),
        ((LORA, Behind()), "lora+behind"),
        ((Before(), Behind()), "before+behind"),
        ((Before(), LORA, Behind()), "before+lora+behind"),
        ((Before(), SoftPrompt(), LORA), "before+prompt+lora"),
        ((Before(), PREFIX), "before+prefix"),
        ((LORA, Before()), None),
        ((Behind(), LORA), None),
        ((LORA, FULL), None),
        ((PREFIX, Behind()), None),
        ((SoftPrompt(), LORA, Behind()), None),
    ],
)
def test_which_follow_which(tuners: tuple[Tuner, ...], joined: str | None) -> None:
    found: Tuner | None = tuners[0]
    for tuner in tuners[1:]:
        found = found and found.followed_by(tuner)
    if joined is None:
        assert found is None
        return
    assert found is not None and found.name == joined
    assert "+".join(part.name for part in found.parts) == joined
    approach = whole(found)
    assert set(configuration(approach)) == {"zero-shot", *joined.split("+")}
    assert spec_of(approach).startswith("before") or spec_of(approach).startswith("lora")
    assert untrained(approach) is not None
    assert found.reads(8, 20, 10) == pytest.approx(sum(part.reads(8, 20, 10) for part in found.parts), rel=0.5)
