"""Training on rows that are not packed: too long for a window, on either side of a turn, or on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.minibatches import parts_of
from finetune.trainer import Trainer
from finetune.training import Schedule
from tests.models.local.counted import Counted
from tests.models.local.readers import OnGPU
from tests.models.tiny import GROUPED, GROWING, TURNING, log_likelihoods

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "a window": ("mistral", {"sliding_window": 32}),
    "a turn": ("phi3", TURNING | {"pad_token_id": 0}),
    "neither": ("llama", {}),
    "frequencies that grow": ("llama", {"max_position_embeddings": 64, "rope_parameters": GROWING}),
}
STEM = tuple(range(20, 40))
ROWS = [
    TokenRow((*STEM, 5), 20, (6, 7, 2)),
    TokenRow((*STEM, *range(50, 120)), 20, (10, 2)),
    TokenRow((*STEM, 8, 9), 20, (10, 2)),
    TokenRow((*STEM, *range(40, 90)), 20, (11, 12, 2)),
]


@pytest.mark.parametrize("launches", [False, True], ids=["as it is", "as on a GPU"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_rows_alone(
    kind: str, launches: bool, folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]
) -> None:
    name, changed = KINDS[kind]
    model = loaded(folder_of("model", AutoConfig.for_model(name, **(GROUPED | changed))))
    if launches:
        model.reader = OnGPU(model.module)
    total = -sum(log_likelihoods(model.module, row.prompt, [row.answer])[0] for row in ROWS)
    with adapter.inserted(model, adapter.configuration(4, 8, 0.0)) as wrapped:
        first = (
            Trainer(model, Inserted.of(wrapped), Schedule(lr=1e-3, epochs=1, batch=len(ROWS)))
            .train(ROWS, (), seed=0)
            .losses[0]
        )
    assert first == pytest.approx(total / sum(len(row.answer) for row in ROWS), abs=1e-3)


@pytest.mark.parametrize("kind", ["a window", "a turn"])
def test_how_a_model_reads_long_rows_is_tried_before_it_is_trained(
    kind: str, folder_of: Callable[..., Path], loaded: Callable[..., LocalModel]
) -> None:
    """With an adapter that drops some of its input, no row says twice the same."""
    name, changed = KINDS[kind]
    model = loaded(folder_of("model", AutoConfig.for_model(name, **(GROUPED | changed))))
    with adapter.inserted(model, adapter.configuration(4, 8, 0.5)) as wrapped:
        trainer = Trainer(model, Inserted.of(wrapped), Schedule(lr=1e-1, epochs=2, batch=2))
        trainer.train([ROWS[0], ROWS[2]], (), seed=0)  # short ones; behind them the adapter says something
        trainer.gradients(ROWS)
    assert model.reader.padded.habits is not None


def test_a_gpu_is_given_the_kernels_of_one_padded_pass(
    llama: LocalModel, rows_of: Callable[..., list[TokenRow]], lessons: Any
) -> None:
    rows = rows_of(llama, lessons)
    own, on_gpu = llama.reader, OnGPU(llama.module)
    with adapter.inserted(llama, adapter.configuration(4, 8, 0.0)) as wrapped:
        trainer = Trainer(llama, Inserted.of(wrapped), Schedule(lr=1e-3, epochs=1, batch=len(rows)))
        ids = torch.randint(5, 60, (len(rows), 30))
        mask = (torch.arange(30) < 30 - torch.arange(len(rows))[:, None]).long()
        plain = Counted.of(lambda: wrapped(ids, mask, labels=ids, use_cache=False).loss.backward())
        llama.reader = on_gpu
        try:
            padded = Counted.of(lambda: trainer.gradients(rows))
        finally:
            llama.reader = own
    assert padded.kernels <= 1.25 * plain.kernels


def test_rows_of_like_lengths_are_padded_together() -> None:
    parts = list(parts_of(ROWS, 150, padded=True))
    assert [[row.tokens for row in part] for part in parts] == [[24, 24], [73], [92]]
    assert [len(part) for part in parts_of(ROWS, 150)] == [3, 1]
