"""A fit that is handed on from one run folder to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.measuring.comparing import Plan, carry_out
from advisor.tasks import Task

SPECS = ["few-shot:k=2"]


def halves(task: Task) -> tuple[Task, Task]:
    """The same training examples, two test sets."""
    return replace(task, test=task.test[:30]), replace(task, test=task.test[30:])


def test_a_fit_serves_another_test_set(numbers: Task, spy: Any, make_model: Any, tmp_path: Path) -> None:
    first, second = halves(numbers)
    before = carry_out(Plan(tmp_path / "a", latency_examples=0), first, make_model(), [spy()])
    found = carry_out(Plan(tmp_path / "b", latency_examples=0, fits=(tmp_path / "a",)), second, make_model(), [spy()])
    assert len(spy.fitted) == 1
    assert [p.id for p in found.runs[0].predictions] == [e.id for e in second.test]
    assert found.runs[0].fit_seconds == before.runs[0].fit_seconds
    assert found.runs[0].reused == {"fits": pytest.approx(before.runs[0].fit_seconds)}
    assert found.runs[0].status == "ok"


def test_other_training_examples_need_another_fit(numbers: Task, spy: Any, make_model: Any, tmp_path: Path) -> None:
    first, second = halves(numbers)
    carry_out(Plan(tmp_path / "a", latency_examples=0), first, make_model(), [spy()])
    other = replace(second, train=second.train[1:])
    found = carry_out(Plan(tmp_path / "b", latency_examples=0, fits=(tmp_path / "a",)), other, make_model(), [spy()])
    assert len(spy.fitted) == 2
    assert found.runs[0].reused == {}


def test_another_model_needs_another_fit(numbers: Task, spy: Any, make_model: Any, tmp_path: Path) -> None:
    first, second = halves(numbers)
    carry_out(Plan(tmp_path / "a", latency_examples=0), first, make_model(), [spy()])
    carry_out(
        Plan(tmp_path / "b", latency_examples=0, fits=(tmp_path / "a",)), second, make_model(revision="r2"), [spy()]
    )
    assert len(spy.fitted) == 2


@pytest.mark.parametrize("asked", [{"labels_by": "text"}, {"reasoning": True}])
def test_a_model_that_is_asked_otherwise_needs_another_fit(
    asked: dict[str, Any], numbers: Task, spy: Any, make_model: Any, tmp_path: Path
) -> None:
    first, second = halves(numbers)
    carry_out(Plan(tmp_path / "a", latency_examples=0), first, make_model(), [spy()])
    plan = Plan(tmp_path / "b", latency_examples=0, fits=(tmp_path / "a",))
    assert carry_out(plan, second, make_model(facts=asked), [spy()]).runs[0].reused == {}
    assert len(spy.fitted) == 2


def test_what_was_never_fitted_hands_on_nothing(numbers: Task, faulty: Any, make_model: Any, tmp_path: Path) -> None:
    first, second = halves(numbers)
    carry_out(Plan(tmp_path / "a", latency_examples=0), first, make_model(), [faulty(times=1)])
    plan = Plan(tmp_path / "b", latency_examples=0, fits=(tmp_path / "a", tmp_path / "nowhere"))
    assert carry_out(plan, second, make_model(), [faulty(times=1)]).runs[0].status == "ok"
    assert faulty.attempts == ["fit", "fit"]


def test_the_folders_of_both_runs_are_whole(numbers: Task, make_model: Any, tmp_path: Path) -> None:
    first, second = halves(numbers)
    carry_out(Plan(tmp_path / "a", latency_examples=0), first, make_model(), SPECS)
    carry_out(Plan(tmp_path / "b", latency_examples=0, fits=(tmp_path / "a",)), second, make_model(), SPECS)
    kept = [sorted(p.name for p in folder.rglob("*") if p.is_file()) for folder in sorted(tmp_path.glob("*/*/few*0"))]
    assert len(kept) == 2
    assert kept[0] == kept[1] != []
