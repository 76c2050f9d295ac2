"""Packed minibatches against padded ones and against one row at a time: the same loss, the same gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import pytest
import torch

from advisor.approaches import TrainingExample
from advisor.models import Prompt, Shot
from advisor.models.local.engine import LocalModel
from advisor.models.prompt import Context
from finetune import adapter
from finetune.fused.packing import SHORTEST_PREFIX, Pack, TokenRow
from finetune.methods.contract import Inserted
from finetune.trainer import Trainer
from finetune.training import Schedule

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
LONG = tuple(range(20, 20 + 3 * SHORTEST_PREFIX))
ROW_SETS = {
    "one row": [TokenRow(LONG, 20, (5, 6, 2))],
    "nothing in common": [
        TokenRow((9, 8, 7), 2, (5, 2)),
        TokenRow((3, 4, 5, 6, 7), 2, (6, 7, 2)),
        TokenRow((50,), 0, (2,)),
    ],
    "a beginning in common": [TokenRow((*LONG, n), len(LONG), (n + 1, 2)) for n in (3, 4, 5)],
    "a beginning too short to share": [TokenRow((9, 8, 7, n), 3, (n, 2)) for n in (3, 4, 5)],
    "stems of several lengths": [
        TokenRow((*LONG, 3, 4), 22, (5,)),
        TokenRow((*LONG, 9), 10, (6, 7)),
        TokenRow(LONG, 24, (8,) * 9),
    ],
    "equal prompts": [TokenRow(LONG, 24, (5, 2)), TokenRow(LONG, 24, (6, 2))],
    "one is far longer": [TokenRow((*LONG, *range(150, 350)), 24, (5, 2)), TokenRow((*LONG, 3), 24, (6, 2))],
}


def step(model: LocalModel, rows: Sequence[TokenRow], packs: bool | None = None) -> tuple[float, list[torch.Tensor]]:
    """Loss and gradients of a first training step on `rows`."""
    gradients: list[torch.Tensor] = []
    with adapter.inserted(model, adapter.configuration(4, 8, 0.0)) as wrapped:
        fill(wrapped)
        trainer = Trainer(model, Inserted.of(wrapped), Schedule(epochs=1, batch=len(rows), clip=1e9))
        trainer.weights.optimiser.register_step_pre_hook(
            lambda *_: gradients.extend(gradient.clone() for gradient in trainer.weights.gradients)
        )
        assert model.reader.packs or not packs  # what can be packed is
        with patch.object(model.reader, "packs", model.reader.packs if packs is None else packs):
            course = trainer.train(rows, (), seed=0)
    return course.losses[0], gradients


def fill(wrapped: Any) -> None:
    """Adapters as they are in the middle of training: neither half is nought."""
    generator = torch.Generator().manual_seed(3)
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)


def loss_row_by_row(model: LocalModel, rows: Sequence[TokenRow]) -> float:
    """With Transformers' own loss, and no adapter."""
    total = 0.0
    for row in rows:
        ids = torch.tensor([[*row.prompt, *row.answer]])
        labels = ids.clone()
        labels[:, : len(row.prompt)] = -100
        total += model.module(ids, labels=labels).loss.item() * len(row.answer)
    return total / sum(len(row.answer) for row in rows)


@pytest.mark.parametrize("rows", ROW_SETS.values(), ids=ROW_SETS.keys())
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_packed_rows_give_the_loss_and_gradients_of_padded_ones(
    name: str, rows: list[TokenRow], request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(name)
    packed, padded = (step(model, rows, packs) for packs in (True, False))
    assert packed[0] == pytest.approx(padded[0], abs=1e-5)
    assert len(packed[1]) == len(padded[1]) > 0
    scale = max(g.abs().max() for g in padded[1])
    for left, right in zip(packed[1], padded[1], strict=True):
        assert (left - right).abs().max() < 1e-5 * scale


@pytest.mark.parametrize("rows", ROW_SETS.values(), ids=ROW_SETS.keys())
@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "gemma2"])
def test_the_first_loss_is_transformers_own(name: str, rows: list[TokenRow], request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    with adapter.inserted(model, adapter.configuration(4, 8, 0.0)) as wrapped:
        first = (
            Trainer(model, Inserted.of(wrapped), Schedule(lr=1e-3, epochs=1, batch=len(rows)))
            .train(rows, (), seed=0)
            .losses[0]
        )
    assert first == pytest.approx(loss_row_by_row(model, rows), abs=2e-5)


def test_lessons_with_shots_share_what_they_have_in_common(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    context = Context((Shot("a cloud", "white"), Shot("coal", "black")))
    shown = [TrainingExample(Prompt(x.prompt.instruction, x.prompt.input, context=context), x.answer) for x in lessons]
    rows = rows_of(llama, shown)
    pack = Pack.of(rows, torch.device("cpu"))
    assert pack.segments.prefix > 40
    assert pack.ids.shape[1] < sum(row.tokens for row in rows) / 2
    packed, padded = (step(llama, rows, packs) for packs in (True, False))
    assert packed[0] == pytest.approx(padded[0], abs=1e-5)


@pytest.mark.parametrize("rows", ROW_SETS.values(), ids=ROW_SETS.keys())
def test_a_pack_predicts_every_answer_from_the_token_before_it(rows: list[TokenRow]) -> None:
    pack = Pack.of(rows, torch.device("cpu"))
    prefix = pack.segments.prefix
    assert prefix + sum(pack.segments.lengths) == pack.ids.shape[1] == pack.positions.shape[1]
    assert pack.targets.tolist() == [token for row in rows for token in row.answer]
    read = [token for row in rows for token in (*row.prompt, *row.answer)[len(row.prompt) - 1 : -1]]
    assert pack.ids[0, pack.predicting].tolist() == read
    places = [len(row.prompt) - 1 + i for row in rows for i in range(len(row.answer))]
    assert pack.positions[0, pack.predicting].tolist() == places


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_a_minibatch_taken_in_parts_gives_the_same_gradients(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = request.getfixturevalue(name)
    rows = ROW_SETS["a beginning in common"] + ROW_SETS["one is far longer"] + ROW_SETS["nothing in common"]
    whole = step(model, rows)
    monkeypatch.setattr("finetune.trainer.TOKENS_AT_ONCE", 60)
    parts = step(model, rows)
    assert parts[0] == pytest.approx(whole[0], abs=1e-5)
    scale = max(g.abs().max() for g in whole[1])
    for left, right in zip(parts[1], whole[1], strict=True):
        assert (left - right).abs().max() < 1e-5 * scale
