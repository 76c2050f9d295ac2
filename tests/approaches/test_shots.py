"""Which worked examples stand in a prompt."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from advisor.approaches import ContextSource
from advisor.approaches.shots import FewShot, ZeroShot
from advisor.models import Context
from advisor.tasks import Example, Query, Task


def one_context(source: ContextSource, text: str) -> Context:
    return source.contexts([Query("q", text)])[0]


def answers(builder: FewShot, task: Task, model: Any, seed: int = 0) -> list[str]:
    return [shot.answer for shot in one_context(builder.build(task, model, seed), "?").shots]


def test_zero_shot_shows_nothing(tickets: Task, model: Any) -> None:
    assert one_context(ZeroShot().build(tickets, model, 0), "my card") == Context()


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_is_balanced_over_labels(tickets: Task, model: Any, seed: int) -> None:
    assert Counter(answers(FewShot(k=6), tickets, model, seed)) == {"card": 2, "address": 2, "lost parcel": 2}
    counts = Counter(answers(FewShot(k=5), tickets, model, seed))
    assert sorted(counts.values()) == [1, 2, 2]


def test_a_draw_takes_more_of_a_label_where_another_has_no_more(tickets: Task, model: Any) -> None:
    assert Counter(answers(FewShot(k=8), tickets, model)) == {"card": 3, "address": 3, "lost parcel": 2}


def test_a_draw_has_no_example_twice_and_all_of_train_at_most(tickets: Task, model: Any) -> None:
    shots = one_context(FewShot(k=50).build(tickets, model, 0), "?").shots
    assert sorted(s.input for s in shots) == sorted(e.input for e in tickets.train)


@pytest.mark.parametrize("k", range(1, 12))
def test_never_more_than_k_are_shown(tickets: Task, desk: Task, model: Any, k: int) -> None:
    for task in (tickets, desk):
        for select in ("fixed", "nearest"):
            assert len(answers(FewShot(k=k, select=select), task, model)) == min(k, len(task.train))


def test_a_draw_follows_its_seed(tickets: Task, model: Any) -> None:
    draws = [answers(FewShot(k=4), tickets, model, seed) for seed in range(6)]
    assert draws == [answers(FewShot(k=4), tickets, model, seed) for seed in range(6)]
    shown = {one_context(FewShot(k=4).build(tickets, model, seed), "?").shots for seed in range(6)}
    assert len(shown) > 1


def test_a_draw_mixes_the_labels_order(tickets: Task, model: Any) -> None:
    orders = {tuple(answers(FewShot(k=3), tickets, model, seed)) for seed in range(12)}
    assert len(orders) > 2


def test_nearest_shots_come_best_first(tickets: Task, model: Any) -> None:
    source = FewShot(k=2, select="nearest").build(tickets, model, 0)
    shots = one_context(source, "where is my parcel today").shots
    assert [s.input for s in shots] == ["where is my parcel", "is my card still valid"]
    assert not one_context(source, "x").fixed


def test_no_training_example_is_shown_its_own_answer(tickets: Task, model: Any) -> None:
    twin = Example("twin", tickets.train[0].input, "address")
    task = replace(tickets, train=(*tickets.train, twin))
    for builder in (FewShot(k=9), FewShot(k=20), FewShot(k=3, select="nearest")):
        source = builder.build(task, model, 0)
        for example, context in zip(task.train, source.training_contexts(task.train, 0), strict=True):
            assert example.input not in [s.input for s in context.shots]
            assert context.shots


def test_nearest_shots_in_training_are_still_k(tickets: Task, model: Any) -> None:
    source = FewShot(k=3, select="nearest").build(tickets, model, 0)
    assert {len(c.shots) for c in source.training_contexts(tickets.train, 0)} == {3}


def test_an_unanswerable_example_is_shown_like_any_other(desk: Task, model: Any) -> None:
    assert sorted(answers(FewShot(k=3), desk, model)) == ["on level two", "unanswerable", "within five days"]
