"""What was fitted comes back from its folder and answers the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import Prediction, parse
from advisor.tasks import Task

LABELLED = ["majority", "nearest", "head", "zero-shot", "few-shot:k=4", "few-shot:k=2,select=nearest", "rag:k=2"]
LABELLED += ["zero-shot:cot=true", "prompt-search:n=4,k=2", "few-shot:k=1,search=3"]
ASKED = [
    "majority",
    "nearest",
    "zero-shot",
    "few-shot",
    "few-shot:select=nearest",
    "rag:k=1",
    "oracle:k=2",
    "rag:cot=true",
]


def plain(predictions: list[Prediction]) -> list[tuple[object, ...]]:
    return [(p.id, p.text, p.evidence, p.confidence, p.usage.prompt_tokens) for p in predictions]


def check(spec: str, task: Task, make_model: Callable[..., Any], folder: Path) -> list[str]:
    """Fit, save, restore with a fresh model, compare; returns all texts that the restoring embedded."""
    approach = parse(spec)
    queries = [e.grounded if approach.control else e.query for e in task.test]
    predictor = approach.fit(task.for_fitting(), make_model(), 3)
    predictor.save(folder)
    embedded: list[str] = []
    fresh = make_model(told=lambda call, texts, size: embedded.extend(texts if call == "embed" else []))
    restored = approach.restore(folder, task.for_fitting(), fresh)
    seen = list(embedded)
    assert plain(restored.predict(queries)) == plain(predictor.predict(queries))
    return seen


@pytest.mark.parametrize("spec", LABELLED)
def test_a_labelled_task_is_answered_the_same_after_restoring(
    tickets: Task, make_model: Callable[..., Any], tmp_path: Path, spec: str
) -> None:
    assert check(spec, tickets, make_model, tmp_path) == []


@pytest.mark.parametrize("spec", ASKED)
def test_questions_are_answered_the_same_after_restoring(
    desk: Task, make_model: Callable[..., Any], tmp_path: Path, spec: str
) -> None:
    assert check(spec, desk, make_model, tmp_path) == []


@pytest.mark.parametrize("spec", LABELLED)
def test_no_pickle_is_left_behind(tickets: Task, model: Any, tmp_path: Path, spec: str) -> None:
    parse(spec).fit(tickets.for_fitting(), model, 0).save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.suffix in (".json", ".jsonl", ".npz", ".faiss"), path.name
        assert b"\x80\x04\x95" not in path.read_bytes()[:64]


def test_the_way_of_reading_labels_and_the_notes_are_kept(
    tickets: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    approach = parse("zero-shot")
    model = make_model(scoring=lambda prompt, choice: 5.0 * (choice == "card") + 1.0 * (choice in prompt.input))
    predictor = approach.fit(tickets.for_fitting(), model, 0)
    assert predictor.asker.labels.reading.unbiased
    predictor.save(tmp_path)
    restored = approach.restore(tmp_path, tickets.for_fitting(), model)
    assert restored.asker.labels.reading == predictor.asker.labels.reading
    assert restored.facts == predictor.facts
