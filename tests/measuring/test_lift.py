"""How much likelier a row's own answers are with the passages that it found: of rows that show some, behind the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.measuring.comparing import compare
from advisor.models import Capabilities, Prompt
from advisor.tasks import Document, Task
from advisor.verdict import decide


@pytest.fixture
def asking(numbers: Task) -> Task:
    """A number whose answer stands in a document; the model knows the even ones anyway."""
    listed = tuple(Document(f"d{i}", "", f"and what is number {i} . it is {i}") for i in range(70))
    return replace(numbers, documents=listed, metrics=("lift",))


def by_reading(prompt: Prompt, choice: str) -> float:
    number = choice.split()[-1]
    known = number.isdigit() and int(number) % 2 == 0
    read = any(choice in passage.text for passage in prompt.context.passages)
    return -1.0 if known or read else -6.0


def from_document(prompt: Prompt) -> str:
    return prompt.context.passages[0].text.split(" . ")[-1] if prompt.context.passages else "who knows"


def test_an_answer_that_was_read_is_told_from_one_that_was_known(asking: Task, make_model: Any, tmp_path: Path) -> None:
    model = make_model(scoring=by_reading, writing=from_document)
    comparison = compare(asking, model, ["zero-shot", "rag:k=1"], out=tmp_path)
    runs = {run.spec: run for run in comparison.runs}
    assert "lift" not in runs["zero-shot"].scored
    found = runs["rag:k=1"].scored["lift"]
    given = {p.id: p.answer for p in runs["rag:k=1"].predictions}
    right = [i for i, answer in given.items() if answer == f"it is {i[1:]}"]
    assert len(found.values) == 70 and len(right) > 20
    assert {found.values[i] for i in right if int(i[1:]) % 2} == {5.0}
    assert {found.values[i] for i in right if not int(i[1:]) % 2} == {0.0}
    rows = {row.spec: row for row in decide(comparison).rows}
    measured = rows["rag:k=1"].metrics["lift"]
    assert measured.better == "neither" and 0 < measured.low < measured.value < measured.high
    assert "lift" not in rows["zero-shot"].metrics
    asked = len(model.prompts)
    compare(asking, model, ["zero-shot", "rag:k=1"], out=tmp_path)
    assert len(model.prompts) == asked


def test_it_is_measured_of_runs_that_lack_it_and_not_where_calls_are_paid(
    asking: Task, make_model: Any, tmp_path: Path
) -> None:
    compare(
        replace(asking, metrics=()), make_model(scoring=by_reading, writing=from_document), ["rag:k=1"], out=tmp_path
    )
    (run,) = compare(asking, make_model(scoring=by_reading, writing=from_document), ["rag:k=1"], out=tmp_path).runs
    assert len(run.scored["lift"].values) == 70
    remote = make_model(scoring=by_reading, can=Capabilities(score=True, remote=True))
    (run,) = compare(asking, remote, ["rag:k=1"], out=tmp_path / "remote").runs
    assert run.status == "ok" and not run.scored
