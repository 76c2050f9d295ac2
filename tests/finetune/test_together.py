"""Candidates trained in one forward pass: each as it would be alone, whatever stands beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from advisor.approaches import TrainingExample
from advisor.models.local.engine import LocalModel
from finetune.adapter import State
from finetune.candidate import Recipe, entered
from finetune.fused.packing import TokenRow
from finetune.together import Together, at_once, joinable
from finetune.trainer import History

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
RoomFor = Callable[[int, LocalModel], AbstractContextManager[list[int]]]
PLAIN = Recipe(rank=8, alpha=16, lr=5e-4, epochs=2, batch=4, dropout=0.0)
RECIPES = [
    PLAIN,
    replace(PLAIN, rank=3, alpha=12, lr=3e-4),
    replace(PLAIN, rank=16, batch=2, lr=1e-3),
    replace(PLAIN, batch=3, dropout=0.2),
]


def alone(model: LocalModel, recipe: Recipe, rows: list[TokenRow], held_out: list[TokenRow]) -> tuple[History, State]:
    with entered(model, [recipe], seed=5) as (candidate,):
        with candidate.active():
            course = candidate.trainer.train(rows, held_out, seed=7)
        return course, candidate.state()


def together(
    model: LocalModel, recipes: Sequence[Recipe], rows: list[TokenRow], held_out: list[TokenRow], size: int
) -> list[tuple[History, State]]:
    with entered(model, recipes, seed=5) as candidates:
        for candidate in candidates:
            candidate.trainer.begin(rows, held_out, seed=7)
        Together(candidates, size).go_on({c: c.trainer.total for c in candidates})
        for candidate in candidates:
            if not candidate.trainer.history.diverged:
                candidate.trainer.finish()
        return [(c.trainer.history, c.state()) for c in candidates]


@pytest.fixture(scope="module")
def exact(llama_folder: Path, loaded: Callable[..., LocalModel]) -> LocalModel:
    """In float64 but for its norms, so that Adam makes less of it when a sum is taken in another order."""
    model = loaded(llama_folder)
    model.module.double()
    model.reader.fused = None  # whose norms would be in float64 as well, unlike those of candidates trained together
    return model


@pytest.mark.parametrize(("name", "size"), [("exact", 4), ("exact", 3), ("llama", 4), ("gpt2", 4)])
def test_every_step_and_every_look_is_as_alone(
    name: str, size: int, request: pytest.FixtureRequest, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    """Ranks, rates, minibatches and dropout may differ from candidate to candidate."""
    model = request.getfixturevalue(name)
    rows = rows_of(model, lessons)
    near = 1e-5 if model.dtype == torch.float32 else 1e-6
    joint = together(model, RECIPES, rows, rows[:3], size)
    for recipe, (course, state) in zip(RECIPES, joint, strict=True):
        expected, wanted = alone(model, recipe, rows, rows[:3])
        assert_same((course, state), (expected, wanted), near)


def assert_same(found: tuple[History, State], expected: tuple[History, State], near: float) -> None:
    course, wanted = found[0], expected[0]
    assert course.losses == pytest.approx(wanted.losses, rel=near)
    assert [step for step, _ in course.held_out] == [step for step, _ in wanted.held_out]
    assert [x for _, x in course.held_out] == pytest.approx([x for _, x in wanted.held_out], rel=near)
    assert (course.best_step, course.tokens) == (wanted.best_step, wanted.tokens)
    assert found[1].keys() == expected[1].keys()
    for key, tensor in found[1].items():
        assert (tensor - expected[1][key]).abs().mean() < near  # Adam turns noise about nought into whole steps


def test_candidates_can_be_left_and_resumed_and_looked_at_between(
    exact: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    """Who falls out changes nothing for those who go on, and looks between the epochs leave no trace."""
    rows = rows_of(exact, lessons)
    with entered(exact, RECIPES, seed=5) as candidates:
        for candidate in candidates:
            candidate.trainer.begin(rows, rows[:3], seed=7)
        joint = Together(candidates, 4)
        joint.go_on(dict.fromkeys(candidates, 1))
        losses = joint.losses(candidates)
        for candidate in candidates:
            with candidate.active():
                assert losses[candidate] == pytest.approx(candidate.trainer.loss(rows[:3]), rel=1e-6)
        last = candidates[1:]
        joint.go_on({c: c.trainer.total for c in last})
        for candidate in last:
            candidate.trainer.finish()
        found = [(c.trainer.history, c.state()) for c in last]
    for recipe, one in zip(RECIPES[1:], found, strict=True):
        assert_same(one, alone(exact, recipe, rows, rows[:3]), 1e-6)


def test_fewer_at_once_where_memory_runs_out(
    exact: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample], room_for: RoomFor
) -> None:
    """With dropout too: what a failed pass has drawn is drawn again."""
    rows = rows_of(exact, lessons)
    recipes = [replace(PLAIN, dropout=0.3), *RECIPES]
    with room_for(250, exact) as refused:
        found = together(exact, recipes, rows, rows[:3], 5)
    assert refused
    for recipe, one in zip(recipes, found, strict=True):
        assert_same(one, alone(exact, recipe, rows, rows[:3]), 1e-6)


def test_one_that_breaks_down_does_not_touch_the_others(
    exact: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    rows = rows_of(exact, lessons)
    broken, sound = together(exact, [replace(PLAIN, lr=1e36), PLAIN], rows, rows[:3], 2)
    assert broken[0].diverged
    assert all(map(math.isfinite, broken[0].losses))
    assert_same(sound, alone(exact, PLAIN, rows, rows[:3]), 1e-6)


def test_where_one_needs_its_layers_computed_again_none_are_joined(
    exact: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    with entered(exact, RECIPES, seed=5) as candidates:
        assert joinable(candidates)
        candidates[2].trainer.history.checkpointing = True
        assert not joinable(candidates)


def test_on_a_cpu_each_is_trained_by_itself(
    exact: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    """A CPU is busy with one."""
    with entered(exact, RECIPES, seed=5) as candidates:
        assert joinable(candidates)
        assert at_once(candidates, rows_of(exact, lessons)) == 1
