"""Quality of the surest answers: by hand, against definitions, and by simulation; from records to the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest

from advisor.errors import UserError
from advisor.measuring.records import Comparison, Run
from advisor.reporting import report
from advisor.verdict import decide
from advisor.verdict.coverage import Coverage, coverage

Runs = Callable[..., Run]
Comparisons = Callable[..., Comparison]


def covered(sure: Any, right: Any, at: float, abstains: Any = None) -> Coverage:
    sure, right = np.atleast_2d(np.array(sure, dtype=float)), np.atleast_2d(np.array(right, dtype=float))
    left = np.zeros(sure.shape, dtype=bool) if abstains is None else np.atleast_2d(np.array(abstains, dtype=bool))
    found = coverage(sure, right, left, at)
    assert found is not None
    return found


def test_the_surest_answers_first() -> None:
    found = covered([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], at=0.5)
    assert found.quality is not None and found.quality.value == 1.0
    assert found.quality.low < 0.7  # two of two say little
    assert dict(found.points)[0.75] == pytest.approx(2 / 3)
    assert found.points[-1] == (1.0, pytest.approx(0.75))
    assert found.area is not None
    assert found.area.value == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)  # the mean risk of the first 1, 2, 3 and 4


def test_of_answers_with_one_confidence_none_comes_first() -> None:
    found = covered([0.9, 0.9, 0.9, 0.9], [1, 0, 0, 1], at=0.25)
    assert found.quality is not None and found.quality.value == pytest.approx(0.5)
    assert [quality for _, quality in found.points] == pytest.approx([0.5] * len(found.points))
    other = covered([0.9, 0.9, 0.9, 0.9], [0, 1, 1, 0], at=0.25)
    assert other.area is not None and found.area is not None
    assert other.area.value == found.area.value


def test_answers_without_a_confidence_come_last() -> None:
    found = covered([np.nan, 0.2, 0.3], [1, 0, 0], at=2 / 3)
    assert found.quality is not None and found.quality.value == 0.0


def test_what_is_left_unanswered_is_not_covered() -> None:
    left = [True, False, False, True]
    found = covered([np.nan] * 4, [0, 1, 0, 0], at=0.5, abstains=left)
    assert found.points == ((0.5, 0.5),)
    assert (found.most, found.by_confidence, found.area) == (0.5, False, None)
    assert found.quality is not None and found.quality.value == 0.5
    assert covered([np.nan] * 4, [0, 1, 0, 0], at=0.8, abstains=left).quality is None


def test_where_nothing_is_told_there_is_no_curve() -> None:
    none, one = np.full((1, 3), np.nan), np.ones((1, 3))
    assert coverage(none, one, np.zeros((1, 3), dtype=bool), 0.8) is None
    assert coverage(none, one, np.ones((1, 3), dtype=bool), 0.8) is None


def test_seeds_are_taken_together_without_being_more_examples() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random((1, 60))
    right = (rng.random((1, 60)) < sure).astype(float)
    one, three = (covered(np.repeat(sure, k, axis=0), np.repeat(right, k, axis=0), at=0.7) for k in (1, 3))
    assert one.quality is not None and three.quality is not None and one.area is not None and three.area is not None
    assert astuple(three.quality) == pytest.approx(astuple(one.quality), abs=2e-6)
    assert astuple(three.area) == pytest.approx(astuple(one.area), abs=2e-6)


def test_the_interval_covers() -> None:
    """Answers are right as often as they say, confidences even from 0.4 to 1: the surest 80 % begin at 0.52."""
    hits = areas = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        sure = rng.uniform(0.4, 1.0, (1, 120))
        found = covered(sure, rng.random((1, 120)) < sure, at=0.8)
        assert found.quality is not None and found.area is not None
        hits += found.quality.low <= 0.76 <= found.quality.high
        areas += found.area.low <= 0.15 <= found.area.high  # the risk of the surest c is 0.3 c
    assert hits / 120 >= 0.91
    assert areas / 120 >= 0.90


def sure(run: Run, confidences: list[float]) -> Run:
    found = [replace(p, confidence=c) for p, c in zip(run.predictions, confidences, strict=True)]
    return replace(run, predictions=tuple(found))


def test_from_records_to_the_report(run: Runs, comparison: Comparisons, answers: Callable[..., list[str]]) -> None:
    said = answers(80, 0.6)
    confidences = [0.95 if text == "yes" else 0.9 for text in said]
    rows = [sure(run("zero-shot", said), confidences), run("majority", ["yes"] * 80)]
    decision = decide(comparison(rows), coverage=0.6)
    row = next(row for row in decision.rows if row.spec == "zero-shot")
    assert row.calibration is not None and row.coverage is not None and row.coverage.quality is not None
    assert row.calibration.overconfidence.value == pytest.approx(0.93 - 0.6)
    assert (row.coverage.at, row.coverage.quality.value) == (0.6, 1.0)
    for how in ("terminal", "markdown"):
        text = report(decision, how)  # type: ignore[call-overload]
        assert "Calibration" in text and "Unanswerable questions" not in text
        assert "60 %" in text and "shown, of each alone, of zero-shot" in " ".join(text.split())
        assert "+0.330 [+0.2" in text
    found = json.loads(report(decision, "json"))["approaches"]
    by_row = {one["row"]: one for one in found}
    assert by_row["majority"]["calibration"] is None and by_row["majority"]["coverage"] is None
    assert by_row["zero-shot"]["coverage"]["quality"]["value"] == 1.0
    assert sum(n for _, _, n in by_row["zero-shot"]["calibration"]["bins"]) == 80


def test_queries_without_an_answer_are_the_last_and_wrong(run: Runs, comparison: Comparisons) -> None:
    one = sure(run("zero-shot", ["yes"] * 40), [0.8] * 40)
    failed = replace(one.predictions[0], failure="refused", confidence=None)
    row = decide(comparison([replace(one, predictions=(failed, *one.predictions[1:]))]), coverage=1.0).rows[0]
    assert row.coverage is not None and row.calibration is not None
    assert row.coverage.points[-2:] == ((0.95, 1.0), (1.0, pytest.approx(39 / 40)))
    assert row.calibration.n == 39


def test_unanswerable_questions_in_the_report(run: Runs, comparison: Comparisons) -> None:
    targets = ["unanswerable"] * 10 + ["yes"] * 30
    said = ["unanswerable"] * 4 + ["yes"] * 6 + ["unanswerable"] * 3 + ["yes"] * 27
    asked = comparison([run("rag", said)], targets=targets)
    asked = replace(asked, task=replace(asked.task, kind="qa", metric="token_f1", labels=()))
    row = decide(asked).rows[0]
    assert row.abstention is not None and row.abstention.false is not None and row.abstention.recall is not None
    assert (row.abstention.recall.value, row.abstention.false.value) == (0.4, 0.1)
    assert row.coverage is not None and row.coverage.quality is not None
    assert row.coverage.quality.value == pytest.approx(27 / 33)  # what is answered though it cannot be is wrong
    assert row.calibration is None
    text = report(decide(asked), "markdown")
    assert "0.818 [" in text and "quality at 80 % answered" in text and "Calibration" not in text
    assert "answers 82.5 %" in report(decide(asked, coverage=0.9), "markdown")


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, 80.0, float("nan")])
def test_a_share_is_asked_for(run: Runs, comparison: Comparisons, share: float) -> None:
    with pytest.raises(UserError, match="the coverage is"):
        decide(comparison([run("zero-shot", ["yes"] * 4)]), coverage=share)
