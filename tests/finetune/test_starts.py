"""What is learned in front of every prompt: it answers as it was taught, as PEFT's own model does by the same numbers, and
leaves the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from advisor.approaches import TrainingExample, TrainingSet, registry
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Decoding, Prefixed, Prompt
from advisor.models.local.engine import LocalModel
from advisor.tasks import Document
from finetune import Cartridge, Lora, PrefixTuning, PTuning, SoftPrompt
from finetune.checkpointing import checkpointed
from finetune.fused.packing import TokenRow
from finetune.gradient import GradientTuner
from finetune.search import SplitRows
from finetune.starts import StartAndWeights
from finetune.trainer import Trainer

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
Bits = Callable[[LocalModel], dict[str, torch.Tensor]]
Check = Callable[[LocalModel, dict[str, torch.Tensor]], None]

LORA = Lora(rank=8, alpha=16, lr=1e-2, epochs=15, batch=4)
ALONE = {
    "prompt": SoftPrompt(tokens=8, lr=0.3, epochs=40, batch=4),
    "ptuning": PTuning(tokens=8, width=32, lr=2e-2, epochs=40, batch=4),
    "prefix": PrefixTuning(tokens=8, lr=0.1, epochs=40, batch=4),
    "cartridge": Cartridge(tokens=24, lr=0.1, epochs=40, batch=4),
}
TUNERS: dict[str, GradientTuner] = {
    **ALONE,
    "prompt+lora": StartAndWeights.of(SoftPrompt(tokens=8, lr=0.1), LORA),
    "prefix+lora": StartAndWeights.of(PrefixTuning(tokens=8, lr=0.1), LORA),
    "prefix+lora attached": StartAndWeights.of(PrefixTuning(tokens=8, lr=0.1), replace(LORA, serve="attached")),
}
DOCUMENTS = (
    Document("1", "Plants", "Grass and leaves are green. " * 8),
    Document("2", "Water", "The sea is dark blue, and so is the clear sky."),
)
CHOICES = ["red", "green", "dark blue"]


@pytest.fixture(params=TUNERS.values(), ids=TUNERS.keys())
def tuner(request: pytest.FixtureRequest) -> GradientTuner:
    found: GradientTuner = request.param
    return found


@pytest.fixture
def taught(lessons: tuple[TrainingExample, ...]) -> TrainingSet:
    return TrainingSet(lessons, documents=DOCUMENTS)


def texts(model: LocalModel, lessons: Sequence[TrainingExample], adaptation: Adaptation | None) -> list[str]:
    return [a.text for a in model.generate([lesson.prompt for lesson in lessons], Decoding(8), adaptation)]


def totals(model: LocalModel, lessons: Sequence[TrainingExample], adaptation: Any = None) -> list[tuple[float, ...]]:
    return [scores.totals for scores in model.score([lesson.prompt for lesson in lessons], CHOICES, adaptation)]


def test_it_answers_as_it_was_taught_and_is_kept(
    llama: LocalModel, tuner: GradientTuner, taught: TrainingSet, tmp_path: Path, bits_of: Bits, assert_untouched: Check
) -> None:
    lessons = taught.examples
    before, bare = bits_of(llama), totals(llama, lessons)
    tuned = tuner.tune(taught, llama, seed=0)
    assert_untouched(llama, before)
    assert texts(llama, lessons, tuned.adaptation) == [lesson.answer for lesson in lessons]
    found = totals(llama, lessons, tuned.adaptation)
    tuned.save(tmp_path)
    restored = tuner.restore(tmp_path, llama)
    assert totals(llama, lessons, restored.adaptation) == found
    assert (restored.adaptation.key, restored.facts) == (tuned.adaptation.key, replace(restored.facts))
    assert (restored.facts.artifact_bytes, restored.facts.trainable_parameters) == (
        tuned.facts.artifact_bytes,
        tuned.facts.trainable_parameters,
    )
    assert totals(llama, lessons) == bare
    assert_untouched(llama, before)
