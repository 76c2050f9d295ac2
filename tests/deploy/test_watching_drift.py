"""A window of answers against what the test set of the run folder showed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.deploy.watching.drift import (
    DriftWindow,
    chance_difference,
    chance_differences,
    chance_distance,
    distance,
)
from advisor.deploy.watching.metrics import PrometheusObserver
from advisor.deploy.watching.reference import MeasuredRow, Moments, measured_row
from advisor.measuring.comparing import compare
from advisor.measuring.records import Comparison
from advisor.tasks import Limits, Task
from advisor.verdict.prices import Tariff
from tests.deploy.watched import answered, value


def test_the_test_set_is_what_the_record_shows(desk_run: Comparison, desk_row: MeasuredRow) -> None:
    (run,) = desk_run.runs
    assert desk_row.answers == 4
    assert desk_row.moments["input_words"].mean == np.mean([3, 5, 1, 9])
    assert desk_row.moments["input_words"].deviation == np.std([3, 5, 1, 9], ddof=1)
    assert desk_row.moments["prompt_tokens"].mean == np.mean([p.prompt_tokens for p in run.predictions])
    scores = [p.passages[0].absolute for p in run.predictions]
    assert desk_row.moments["retrieval_score"].mean == pytest.approx(np.mean(scores))
    assert desk_row.moments["abstained"].mean == 0
    assert (desk_row.labels, desk_row.mix) == ((), {})
    assert desk_row.p95 is not None
    assert desk_row.slow == pytest.approx(2 * desk_row.p95, rel=1e-3)


def test_the_mix_of_a_classification(colours_row: MeasuredRow) -> None:
    assert colours_row.labels == ("red", "green", "blue")
    assert sum(colours_row.mix.values()) == pytest.approx(1)
    assert {"abstained", "output_words"}.isdisjoint(colours_row.moments)
    assert "confidence" in colours_row.moments


def test_without_texts_it_shows_what_it_can(tmp_path: Path, make_model: Callable[..., Any], desk_task: Task) -> None:
    found = compare(desk_task, make_model(), ["rag:k=1"], out=tmp_path, texts=False)
    row = measured_row(found, found.runs[0])
    assert {"input_words", "retrieval_score"}.isdisjoint(row.moments)
    assert {"prompt_tokens", "output_words", "abstained"} <= set(row.moments)


def row_of(mix: dict[str, float], answers: int = 100, **moments: Moments) -> MeasuredRow:
    labels = tuple(label for label in mix if label != "other")
    return MeasuredRow("row", "m", "key", answers, labels, mix, moments, (), None, None, None, None, Limits())


EVEN = {"a": 0.5, "b": 0.5, "other": 0.0}


def test_what_is_as_measured_has_not_moved() -> None:
    window = DriftWindow(row_of(EVEN, confidence=Moments(0.6, 0.1, 100)))
    for number in range(40):
        window.add(answered(label="ab"[number % 2], confidence=0.5 if number % 4 < 2 else 0.7))
    found = window.drift()
    assert found.answers == 40
    assert found.distance == 0
    assert found.differences["confidence"] == pytest.approx(0)


def test_what_moved_is_told_by_how_far() -> None:
    window = DriftWindow(row_of(EVEN, confidence=Moments(0.6, 0.1, 100), retrieval_score=Moments(0.5, 0.0, 9)))
    for label in ("a", "a", "a", "c"):
        window.add(answered(label=label, confidence=0.4, retrieval_scores=(0.9,)))
    found = window.drift()
    assert found.shares == {"a": 0.75, "b": 0.0, "other": 0.25}
    assert found.distance == 0.5
    assert found.differences == {"confidence": pytest.approx(-2)}  # scores did not vary: no unit to tell it in
    assert found.means["retrieval_score"] == pytest.approx(0.9)


def test_only_the_last_answers_count() -> None:
    window = DriftWindow(row_of(EVEN), size=4)
    for label in "bbbbbbbbbbaaaa":
        window.add(answered(label=label))
    found = window.drift()
    assert (found.answers, found.shares["a"]) == (4, 1.0)


def test_it_is_exported_beside_what_was_measured(colours_row: MeasuredRow) -> None:
    observer = PrometheusObserver(colours_row, Tariff(), window=2)
    for _ in range(3):
        observer.answered(answered(label="red", confidence=0.5))
    assert value(observer, "drift_window_size") == 2
    assert value(observer, "drift_window_answers") == 2
    assert value(observer, "drift_answer_share", label="red") == 1
    assert value(observer, "reference_answer_share", label="red") == colours_row.mix["red"]
    assert value(observer, "drift_answer_mix_distance") == pytest.approx(1 - colours_row.mix["red"])
    assert value(observer, "drift_mean", quantity="confidence") == 0.5
    assert value(observer, "reference_mean", quantity="confidence") == colours_row.moments["confidence"].mean


def test_the_distance_of_two_mixes() -> None:
    assert distance({"a": 1.0}, {"a": 0.25, "b": 0.75}) == 0.75
    assert distance({}, {"a": 1.0}) is None


def test_the_bound_of_two_labels_is_that_of_a_share() -> None:
    """Of two labels the distance is the difference of one share, whose distribution is known."""
    bound = chance_distance(row_of({"a": 0.5, "other": 0.5}, answers=400), size=400)
    assert bound == pytest.approx(3.29 * math.sqrt(0.25 * 2 / 400), rel=0.1)


def test_the_bound_holds_back_what_chance_brings_and_lets_by_what_moved() -> None:
    mix = {**{f"l{n}": 0.1 for n in range(10)}, "other": 0.0}
    row = row_of(mix, answers=200)
    bound = chance_distance(row, size=500)
    assert bound is not None
    random = np.random.default_rng(1)
    shares = random.multinomial(500, list(mix.values()), 1000) / 500
    away = [distance(dict(zip(mix, drawn, strict=True)), mix) or 0.0 for drawn in shares]
    assert max(away) <= bound
    assert bound < 0.25


def test_a_mean_of_few_test_examples_is_told_with_less_certainty() -> None:
    few, many = chance_difference(Moments(0, 1, 10), 500), chance_difference(Moments(0, 1, 1000), 500)
    assert many == pytest.approx(3.3 * math.sqrt(1 / 1000 + 1 / 500), rel=0.01)
    assert few > 4 * many
    row = row_of({}, one=Moments(0, 1, 1), constant=Moments(3, 0, 50), varied=Moments(0, 1, 50))
    assert set(chance_differences(row)) == {"varied"}
