"""Figures of searches and reasoning beside their plain rows: those of the decision, and nothing of the task's texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.records import Comparison
from advisor.models import Prompt
from advisor.tasks import Example, Task
from advisor.verdict import decide
from benchmarks.prompting import SPECS, figures, table

LABELS = ("calm", "cross")


def _letters() -> Task:
    def split(name: str, size: int) -> tuple[Example, ...]:
        return tuple(Example(f"{name}{i}", f"zebra {name} {i}", LABELS[i % 2]) for i in range(size))

    train, test = split("t", 96), split("q", 40)
    return Task("letters", "classification", "Sort the giraffe.", "accuracy", LABELS, train, (), test)


def _right_where_explained(prompt: Prompt, choice: str) -> float:
    """Right where the instruction quotes an example of each label, else two times out of three."""
    number = int(prompt.input.split()[-1]) if prompt.input.startswith("zebra ") else 0
    right = LABELS[(number + (number % 3 == 0 and "for example" not in prompt.instruction)) % 2]
    return float(choice == right)


@pytest.fixture
def compared(make_model: Callable[..., Any], tmp_path: Path) -> Comparison:
    model = make_model(scoring=_right_where_explained, writing=lambda prompt: "one two three")
    return carry_out(Plan(tmp_path / "run", latency_examples=0), _letters(), model, SPECS)


def test_differences_are_those_of_the_decision(compared: Comparison) -> None:
    rows = {row["spec"]: row for row in figures(compared)["rows"]}
    assert list(rows) == list(SPECS)
    best, *others = decide(compared).rows
    assert best.spec == "prompt-search"
    versus = next(row.versus_best for row in others if row.spec == "zero-shot")
    found = rows["prompt-search"]["versus_plain"]
    assert versus is not None
    assert (found["value"], found["p"], found["shown"]) == (-versus.difference, versus.p, versus.shown)
    assert (found["low"], found["high"]) == (-versus.high, -versus.low)
    assert rows["zero-shot"]["versus_plain"] is None


def test_tokens_of_reasoning_are_counted(compared: Comparison) -> None:
    rows = {row["spec"]: row["tokens_per_query"] for row in figures(compared)["rows"]}
    assert rows["zero-shot:cot=true"]["reasoning"] == 3
    assert rows["zero-shot"]["reasoning"] == 0
    line = next(line for line in table([figures(compared)]).splitlines() if line.startswith("| zero-shot:cot=true | 0"))
    assert [cell.strip() for cell in line.strip("|").split("|")][5:7] == ["4.0", "3.0"]


def test_nothing_of_the_tasks_texts_is_kept(compared: Comparison) -> None:
    run = next(run for run in compared.runs if run.spec == "prompt-search")
    assert any("zebra" in note for note in run.notes)
    found = figures(compared)
    for kept in (json.dumps(found), table([found])):
        assert "zebra" not in kept
        assert "giraffe" not in kept
        assert "the instruction with an example of each label in place of the task's own" in kept
