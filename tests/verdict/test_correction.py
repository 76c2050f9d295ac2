"""Corrected means hold the truth as often as they say, where the judge's own means do not."""

from __future__ import annotations

import numpy as np
import pytest

from advisor.verdict.correction import Corrected, ppi, rogan_gladen
from advisor.verdict.resampling import mean_interval

REPEATED = 1_000
EXAMPLES, GRADED = 400, 60
# By approach: how often it is right, and how often the judge sees that a right and a wrong answer are what they are.
# The second one has a style that the judge falls for.
RIGHT = (0.70, 0.60)
SENSITIVITY = (0.90, 0.95)
SPECIFICITY = (0.85, 0.55)


def _graded(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of each approach, what people would say and what the judge says; shape (2, EXAMPLES) each, correlated over the
    examples, since both answer the same questions."""
    hard = rng.random(EXAMPLES)
    own = rng.random((2, EXAMPLES))
    truth = (np.where(rng.random((2, EXAMPLES)) < 0.5, hard, own) < np.array(RIGHT)[:, None]) * 1.0
    sees = rng.random((2, EXAMPLES))
    judge = np.where(truth == 1, sees < np.array(SENSITIVITY)[:, None], sees >= np.array(SPECIFICITY)[:, None]) * 1.0
    return truth, judge


def _holds(found: Corrected | None, truth: float) -> bool:
    assert found is not None
    return found.estimate.low <= truth <= found.estimate.high


def test_corrected_intervals_hold_the_truth_and_the_judges_own_do_not() -> None:
    rng = np.random.default_rng(20_261_130)
    hits = dict.fromkeys(("first", "second", "difference", "raw first", "raw second", "raw difference"), 0)
    for _ in range(REPEATED):
        truth, judge = _graded(rng)
        graded, rest = slice(0, GRADED), slice(GRADED, None)
        for name, row in (("first", 0), ("second", 1)):
            hits[name] += _holds(ppi(truth[row, graded], judge[row, graded], judge[row, rest]), RIGHT[row])
            raw = mean_interval(judge[row])
            hits[f"raw {name}"] += raw.low <= RIGHT[row] <= raw.high
        apart = truth[0] - truth[1], judge[0] - judge[1]
        difference = RIGHT[0] - RIGHT[1]
        hits["difference"] += _holds(ppi(apart[0][graded], apart[1][graded], apart[1][rest], (-1, 1)), difference)
        half = 1.96 * apart[1].std(ddof=1) / EXAMPLES**0.5
        hits["raw difference"] += abs(apart[1].mean() - difference) <= half
    covered = {name: 100 * number / REPEATED for name, number in hits.items()}
    for name in ("first", "second", "difference"):
        assert 93 <= covered[name] <= 97, covered
    assert covered["raw second"] < 20 and covered["raw difference"] < 20, covered


def test_corrected_shares_hold_the_truth() -> None:
    """Rogan and Gladen's, with 200 grades, as many as its authors advise for."""
    rng = np.random.default_rng(20_261_130)
    held = 0
    for _ in range(REPEATED):
        truth, judge = _graded(rng)
        share = rogan_gladen(truth[1, :200], judge[1, :200], judge[1, 200:])
        assert share is not None
        held += share.low <= RIGHT[1] <= share.high
    assert 930 <= held <= 970, held


def test_the_judge_is_wrong_about_who_is_better_and_the_correction_is_not() -> None:
    rng = np.random.default_rng(4)
    truth, judge = _graded(rng)
    found = ppi((truth[0] - truth[1])[:150], (judge[0] - judge[1])[:150], (judge[0] - judge[1])[150:], (-1, 1))
    assert found is not None
    assert found.judged < 0 < found.estimate.value


def test_a_good_judge_narrows_and_a_blind_one_does_no_harm() -> None:
    rng = np.random.default_rng(9)
    grades = rng.random(1_000)
    alone = mean_interval(grades[:50])
    good = ppi(grades[:50], np.clip(grades[:50] + 0.02, 0, 1), np.clip(grades[50:] + 0.02, 0, 1))
    blind = ppi(grades[:50], rng.random(50), rng.random(950))
    assert good is not None and blind is not None
    width = alone.high - alone.low
    assert good.power > 0.9 and good.estimate.high - good.estimate.low < 0.5 * width
    assert blind.power < 0.4 and blind.estimate.high - blind.estimate.low < 1.15 * width


def test_where_all_were_graded_the_grades_alone_count() -> None:
    grades = np.array([0.0, 1.0] * 20)
    found = ppi(grades, np.ones(40), np.array([]))
    assert found is not None and found.estimate.value == 0.5 and found.power == 0


def test_a_judge_that_was_not_seen_to_err_is_not_called_perfect() -> None:
    found = ppi(np.ones(12), np.ones(12), np.ones(200))
    assert found is not None and found.estimate.value == 1 and found.estimate.low == pytest.approx(0.735, abs=1e-3)


def test_few_grades_and_judges_at_chance_correct_nothing() -> None:
    assert ppi(np.ones(9), np.ones(9), np.ones(100)) is None
    assert rogan_gladen(np.array([1.0] * 10 + [0.0] * 10), np.array([1.0, 0.0] * 10), np.ones(50)) is None
    assert rogan_gladen(np.ones(20), np.ones(20), np.ones(50)) is None


def test_rogan_gladen_is_that_of_the_published_program() -> None:
    """Lee et al. 2025, figure 5, at p = 0.5, q0 = q1 = 0.9, n = 10,000 and m0 = m1 = 5,000, where nothing is moved:
    half the interval is 1.96 sqrt(0.25 / 10,004 + 2 * 0.25 * 0.09 / 5,002) / 0.8."""
    right, said = np.repeat([1.0, 0.0], 5_000), np.repeat([1.0, 0.0, 1.0, 0.0], [4_500, 500, 500, 4_500])
    found = rogan_gladen(right, said, right)
    assert found is not None and found.value == pytest.approx(0.5)
    assert found.high - 0.5 == pytest.approx(0.5 - found.low) == pytest.approx(0.01429, abs=2e-5)
