"""Calibration of confidences: against scikit-learn, by hand, and by simulation."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from advisor.verdict.calibration import SUREST, Calibration, calibration


def drawn(n: int, seed: int, temperature: float = 1.0, seeds: int = 1) -> tuple[Any, Any]:
    """Confidences of 0.2 to 0.99, mostly high, and right answers as often as they say at `temperature`."""
    rng = np.random.default_rng(seed)
    sure = np.clip(1 / (1 + np.exp(-rng.normal(1.5, 1.2, (seeds, n)))), 0.2, 0.99)
    return sure, (rng.random((seeds, n)) < true(sure, temperature)).astype(float)


def true(sure: Any, temperature: float) -> Any:
    return 1 / (1 + np.exp(-np.log(sure / (1 - sure)) / temperature))


def judged(sure: Any, right: Any) -> Calibration:
    found = calibration(np.atleast_2d(sure).astype(float), np.atleast_2d(right).astype(float))
    assert found is not None
    return found


@pytest.mark.parametrize("n", [40, 300])
def test_scores_and_bins_are_those_of_scikit_learn(n: int) -> None:
    sure, right = drawn(n, 3, temperature=2.0)
    found = judged(sure, right)
    bins = min(15, n // 20)
    shares, means = calibration_curve(right[0], sure[0], n_bins=bins, strategy="quantile")
    assert [b[0] for b in found.bins] == pytest.approx(means.tolist())
    assert [b[1] for b in found.bins] == pytest.approx(shares.tolist())
    assert sum(b[2] for b in found.bins) == found.n == n
    assert found.brier.value == pytest.approx(brier_score_loss(right[0], sure[0]))
    assert found.log_loss.value == pytest.approx(log_loss(right[0], sure[0]))
    assert found.overconfidence.value == pytest.approx(sure.mean() - right.mean())
    sizes = [b[2] / n for b in found.bins]
    assert found.plug_in == pytest.approx(float(np.abs(shares - means) @ sizes))


def test_by_hand() -> None:
    """Fifty answers at 0.9, of which 30 are right; fifty at 0.6, of which 30 are."""
    sure, right = [0.9] * 50 + [0.6] * 50, ([1] * 30 + [0] * 20) * 2
    found = judged(sure, right)
    assert found.bins == ((pytest.approx(0.6), pytest.approx(0.6), 50), (pytest.approx(0.9), pytest.approx(0.6), 50))
    assert found.plug_in == pytest.approx(0.15)
    assert found.brier.value == pytest.approx((0.6 * 0.1**2 + 0.4 * 0.9**2 + 0.6 * 0.4**2 + 0.4 * 0.6**2) / 2)
    assert found.ece.low > 0  # 30 of 50 are too few where 45 were promised
    assert found.ece.low < found.ece.value < found.plug_in + 0.02 < found.ece.high


def test_answers_of_one_confidence_share_a_bin() -> None:
    found = judged([0.7] * 60 + [0.9] * 40, [1] * 100)
    assert [n for _, _, n in found.bins] == [60, 40]


def test_certain_and_right_is_no_error() -> None:
    found = judged([1.0] * 50, [1] * 50)
    assert (found.ece.value, found.ece.low, found.ece.high, found.plug_in) == (0, 0, 0, 0)
    assert found.log_loss.value == pytest.approx(-np.log(SUREST))
    wrong = judged([1.0] * 50, [0] * 50)
    assert wrong.ece.value == pytest.approx(1.0, abs=0.02)
    assert np.isfinite(wrong.log_loss.high)


def test_without_confidences_there_is_none() -> None:
    assert calibration(np.full((1, 4), np.nan), np.ones((1, 4))) is None


def test_answers_without_a_confidence_are_left_out() -> None:
    sure, right = drawn(100, 1)
    more = np.concatenate([sure, [[np.nan] * 7]], axis=1), np.concatenate([right, [[0.0] * 7]], axis=1)
    assert judged(*more) == judged(sure, right)


def test_seeds_are_taken_together_without_being_more_examples() -> None:
    sure, right = drawn(120, 5, temperature=2.0)
    one, three = judged(sure, right), judged(np.repeat(sure, 3, axis=0), np.repeat(right, 3, axis=0))
    for figure in ("ece", "brier", "log_loss", "overconfidence"):
        assert astuple(getattr(three, figure)) == pytest.approx(astuple(getattr(one, figure)), abs=2e-6)
    assert three.n == one.n
    assert [n for _, _, n in three.bins] == [3 * n for _, _, n in one.bins]


@pytest.mark.parametrize("temperature", [1.0, 1.6, 3.0])
@pytest.mark.parametrize("n", [80, 300])
def test_the_error_is_corrected_for_chance_and_its_interval_covers(n: int, temperature: float) -> None:
    """The error as usually computed does not fall to 0 where confidences are right; what is told nearly does."""
    every = drawn(100_000, 0)[0]
    truth = float(np.abs(every - true(every, temperature)).mean())
    found = [judged(*drawn(n, seed, temperature)) for seed in range(1, 101)]
    values = [one.ece.value for one in found]
    assert np.mean([one.ece.low <= truth + 1e-9 and truth <= one.ece.high for one in found]) >= 0.92
    assert np.median(values) == pytest.approx(truth, abs=0.035 if n == 80 else 0.025)
    plug_in = np.mean([one.plug_in for one in found])
    assert plug_in - truth > abs(np.mean(values) - truth)
    if temperature == 1.0:
        assert np.mean([one.ece.low > 0 for one in found]) <= 0.08  # an error is shown where there is none
        assert np.mean([one.by_chance for one in found]) == pytest.approx(plug_in, rel=0.1)
