"""Candidates trained in one forward pass: each as it would be alone, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from advisor.approaches import Lesson
from advisor.models.engine import LocalModel
from finetune.adapter import State
from finetune.candidate import Recipe, entered
from finetune.packing import Row
from finetune.together import Together
from finetune.trainer import Course

RowsOf = Callable[[LocalModel, Sequence[Lesson]], list[Row]]
PLAIN = Recipe(rank=8, alpha=16, lr=5e-4, epochs=2, batch=4, dropout=0.0)
RECIPES = [
    PLAIN,
    replace(PLAIN, rank=3, alpha=12, lr=3e-4),
    replace(PLAIN, rank=16, batch=2, lr=1e-3),
    replace(PLAIN, batch=3, dropout=0.2),
]


def alone(model: LocalModel, recipe: Recipe, rows: list[Row], held_out: list[Row]) -> tuple[Course, State]:
    with entered(model, [recipe], seed=5) as (candidate,):
        with candidate.active():
            course = candidate.trainer.train(rows, held_out, seed=7)
        return course, candidate.state()


def together(
    model: LocalModel, recipes: Sequence[Recipe], rows: list[Row], held_out: list[Row], size: int
) -> list[tuple[Course, State]]:
    with entered(model, recipes, seed=5) as candidates:
        for candidate in candidates:
            candidate.trainer.begin(rows, held_out, seed=7)
        Together(candidates, size).go_on({c: c.trainer.total for c in candidates})
        for candidate in candidates:
            candidate.trainer.finish()
        return [(c.trainer.course, c.state()) for c in candidates]


@pytest.fixture(scope="module")
def exact(llama_folder: Path, loaded: Callable[..., LocalModel]) -> LocalModel:
    """In float64 but for its norms, so that Adam makes less of it when a sum is taken in another order."""
    model = loaded(llama_folder)
    model.module.double()
    return model


@pytest.mark.parametrize(("name", "size"), [("exact", 4), ("exact", 3), ("llama", 4), ("gpt2", 4)])
def test_every_step_and_every_look_is_as_alone(
    name: str, size: int, request: pytest.FixtureRequest, rows_of: RowsOf, lessons: Sequence[Lesson]
) -> None:
    """Ranks, rates, minibatches and dropout may differ from candidate to candidate."""
    model = request.getfixturevalue(name)
    rows = rows_of(model, lessons)
    near = 1e-5 if model.dtype == torch.float32 else 1e-6
    joint = together(model, RECIPES, rows, rows[:3], size)
    for recipe, (course, state) in zip(RECIPES, joint, strict=True):
        expected, wanted = alone(model, recipe, rows, rows[:3])
        assert course.losses == pytest.approx(expected.losses, rel=near)
        assert [step for step, _ in course.held_out] == [step for step, _ in expected.held_out]
        assert [loss for _, loss in course.held_out] == pytest.approx([x for _, x in expected.held_out], rel=near)
        assert (course.best_step, course.tokens) == (expected.best_step, expected.tokens)
        assert state.keys() == wanted.keys()
        for key, tensor in state.items():
            assert (tensor - wanted[key]).abs().mean() < near  # Adam turns noise about nought into whole steps
