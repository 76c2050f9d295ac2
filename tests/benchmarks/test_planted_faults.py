"""Faults planted into copies of the project's own examples: found, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COMMON = {
    "repeated-train-input",
    "near-repeated-test-input",
    "test-input-in-train",
    "near-test-input-in-train",
    "test-example-in-instruction",
    "contradictory-answers",
    "personal-email",
    "personal-phone",
    "personal-card",
    "personal-iban",
    "input-of-unusual-length",
    "input-in-another-language",
}


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, which is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import faults

    return faults


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("handbook-qa", {"repeated-document", "near-repeated-document", "answer-of-unusual-length"}),
        ("ticket-routing", {"class-too-small-to-learn", "label-not-in-train", "labels-alike"}),
    ],
)
def test_every_kind_is_found_at_its_lines(faults: ModuleType, name: str, own: set[str]) -> None:
    outcomes = faults.measure(ROOT / "examples" / name, 3)
    assert {outcome.kind for outcome in outcomes} >= COMMON | own
    for outcome in outcomes:
        assert outcome.found == outcome.planted > 0, outcome
        assert outcome.extra == outcome.untouched == 0, outcome


def test_the_table_counts_over_tasks(faults: ModuleType) -> None:
    rows = [
        faults.Outcome("a", "personal-card", 5, 4, 1, 2, 100, 0.1),
        faults.Outcome("b", "personal-card", 5, 5, 0, 0, 900, 0.2),
    ]
    assert "| personal-card | 2 | 10 | 9 (90%) | 1 | 2 of 1,000 |" in faults.table(rows)
    assert "took 0.2 s of processor time (b)" in faults.table(rows)


def test_wrong_labels_are_planted_where_there_is_an_embedder(faults: ModuleType) -> None:
    """With one that reads the labels off the untouched task, every planted one is found."""
    folder = ROOT / "examples" / "ticket-routing"
    true = {
        row["input"]: row["target"] for rows in faults.Copy.of(faults.load_task(folder)).files.values() for row in rows
    }
    axes = sorted(set(true.values()))

    class Oracle:
        name, revision, dimension = "oracle", "1", len(axes)

        def embed(self, texts: Sequence[str]) -> Any:
            import numpy as np

            return np.eye(len(axes), dtype=np.float32)[[axes.index(true.get(text, axes[0])) for text in texts]]

    measure: Callable[..., Any] = faults.measure
    (outcome,) = [o for o in measure(folder, 1, Oracle()) if o.kind == "likely-label-error"]
    assert outcome.planted == 12
    assert outcome.found == 12 and outcome.extra == 0
