"""A step that does not fit is taken in smaller parts; nothing is lost and nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import pytest
import torch

from advisor.approaches import TrainingExample
from advisor.models.local.engine import LocalModel
from advisor.models.local.shortage import NotEnoughMemory
from finetune import adapter
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.trainer import History, Trainer
from finetune.training import Schedule

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
RoomFor = Callable[[int, LocalModel], AbstractContextManager[list[int]]]


def train(
    model: LocalModel, rows: Sequence[TokenRow], at_once: int | None = None
) -> tuple[History, list[torch.Tensor], int]:
    """The course, the adapter, and how many tokens were taken at once in the end."""
    torch.manual_seed(0)
    with adapter.inserted(model, adapter.configuration(8, 16, 0.0)) as wrapped:
        trainer = Trainer(model, Inserted.of(wrapped), Schedule(lr=1e-3, epochs=3, batch=8))
        trainer.at_once = at_once or trainer.at_once
        course = trainer.train(rows, rows[:4], seed=0)
        return course, trainer.weights.values(), trainer.at_once


def assert_same(
    found: tuple[History, list[torch.Tensor], int], expected: tuple[History, list[torch.Tensor], int]
) -> None:
    assert found[0].losses == pytest.approx(expected[0].losses, abs=1e-4)
    assert [step for step, _ in found[0].held_out] == [step for step, _ in expected[0].held_out]
    assert [x for _, x in found[0].held_out] == pytest.approx([x for _, x in expected[0].held_out], abs=1e-4)
    assert (found[0].best_step, found[0].tokens) == (expected[0].best_step, expected[0].tokens)
    for mine, wanted in zip(found[1], expected[1], strict=True):
        assert (mine - wanted).abs().mean() < 1e-5  # Adam turns noise about nought into whole steps


@pytest.mark.parametrize("packs", [True, False])
def test_losses_and_adapter_are_those_of_a_device_with_room(
    llama: LocalModel,
    rows_of: RowsOf,
    lessons: Sequence[TrainingExample],
    room_for: RoomFor,
    packs: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rows have 20 to 30 tokens, a step has eight of them."""
    rows = rows_of(llama, lessons)
    monkeypatch.setattr(llama.reader, "packs", packs)
    expected = train(llama, rows)
    with room_for(70, llama) as refused:
        found = train(llama, rows)
    assert 0 < len(refused) < 4  # what was learned once is kept
    assert found[2] < expected[2]
    assert_same(found, expected)


def test_what_the_parts_before_have_left_is_not_counted_twice(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample], room_for: RoomFor
) -> None:
    """The first parts fit; the gradients that they left are dropped with the part that does not."""
    short = rows_of(llama, lessons)
    rows = [*short[:4], *(TokenRow((*row.prompt, *row.prompt[1:]), 0, row.answer) for row in short[4:])]
    expected = train(llama, rows)
    longest = max(row.tokens for row in rows)
    with room_for(longest, llama) as refused:
        found = train(llama, rows, at_once=2 * longest)
    assert refused
    assert_same(found, expected)


@pytest.mark.parametrize(("name", "norm", "room"), [("gpt2", "ln_f", 70), ("llama", "norm", 12)])
def test_memory_that_runs_out_on_the_way_back_halves_too(
    name: str, norm: str, room: int, request: pytest.FixtureRequest, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    """In a model read through its modules, and in one whose layers are read without them: there, what comes out of the
    last norm are the tokens that predict an answer's, alone."""
    model: LocalModel = request.getfixturevalue(name)
    assert (model.reader.fused is not None) == (name == "llama")
    rows = rows_of(model, lessons)
    expected = train(model, rows)
    refused: list[int] = []

    def look(module: object, given: object, output: torch.Tensor) -> None:
        size = output.shape[-2]
        if output.requires_grad and size > room:
            output.register_hook(lambda gradient: refuse(size))

    def refuse(size: int) -> None:
        refused.append(size)
        raise torch.OutOfMemoryError(f"tried to allocate {size} tokens")

    hook = getattr(model.module.base_model, norm).register_forward_hook(look)
    try:
        found = train(model, rows)
    finally:
        hook.remove()
    assert refused
    assert_same(found, expected)


def test_one_row_that_does_not_fit_is_the_users_to_know(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample], room_for: RoomFor
) -> None:
    with room_for(3, llama), pytest.raises(NotEnoughMemory, match=r"training on an example of \d+ tokens needs about"):
        train(llama, rows_of(llama, lessons))
