"""What holds for every tuner that trains what is not LoRA: it learns, leaves no trace, and answers the same once restored."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingSet, known
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Decoding
from advisor.models.local.engine import LocalModel
from finetune import Bottleneck, Freeze, Full
from finetune.gradient import GradientTuner

QUICK: dict[str, Any] = {"epochs": 15, "batch": 4}
TUNERS = {
    "full": Full(lr=5e-3, **QUICK),
    "freeze": Freeze(last=2, lr=1e-2, **QUICK),
    "adapter": Bottleneck(width=8, lr=2e-2, **QUICK),
    "adapter behind the MLP": Bottleneck(width=16, place="mlp", lr=2e-2, **QUICK),
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
    answers = [lesson.answer for lesson in lessons]
    assert texts(any_model, lessons, tuned.adaptation) == answers
    said = totals(any_model, lessons, tuned.adaptation)
    tuned.save(tmp_path)
    restored = type(tuner)().restore(tmp_path, any_model)
    assert restored.adaptation.key == tuned.adaptation.key
    any_model.activate(None)
    assert totals(any_model, lessons, restored.adaptation) == said
    kept = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert tuned.facts.artifact_bytes == restored.facts.artifact_bytes == pytest.approx(kept, rel=0.25, abs=16_000)
    assert_untouched(any_model, before)
