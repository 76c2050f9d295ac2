"""Agreement against published worked examples and scikit-learn, and what its intervals hold."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from advisor.verdict.agreement import (
    Draws,
    agreement,
    alphas,
    kappas,
    length_bias,
    mean_over,
    pearsons,
    spearmans,
)
from advisor.verdict.judge_cells import GRADES, JudgeReport

_NO = np.nan
KRIPPENDORFF = np.array(  # Krippendorff 2011, section D: four coders, twelve units
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _NO, _NO, _NO],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _NO, 3],
        [_NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _NO],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _NO],
    ]
)


def _pairs(n: int = 200, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 5, n)
    return first, np.where(rng.random(n) < 0.6, first, rng.integers(0, 5, n))


def _each(n: int) -> Draws:
    return Draws([str(i) for i in range(n)])


def test_alpha_is_krippendorffs_own() -> None:
    units = _each(12)
    assert alphas(KRIPPENDORFF, units)[0] == pytest.approx(0.849, abs=5e-4)


def test_kappa_is_scikit_learns() -> None:
    first, second = _pairs()
    found = kappas(first, second, 5, _each(200))[0]
    assert found == pytest.approx(cohen_kappa_score(first, second, weights="quadratic"), abs=1e-12)


def test_correlations_are_scipys() -> None:
    first, second = _pairs(60)
    assert pearsons(first * 1.0, second * 1.0, _each(60))[0] == pytest.approx(
        stats.pearsonr(first, second)[0], abs=1e-12
    )
    found = spearmans(first * 1.0, second * 1.0, _each(60))[0]
    assert found == pytest.approx(stats.spearmanr(first, second)[0], abs=1e-12)
    assert pearsons(np.full(60, 0.7), second * 1.0, _each(60)).any() == 0


def test_whole_examples_are_resampled() -> None:
    """The same answers again, as of the same examples, tell no more: the interval stays what it was."""
    first, second = _pairs(80)
    once = agreement(first / 4, second / 4, [str(i) for i in range(80)], 5)
    twice = agreement(np.tile(first, 2) / 4, np.tile(second, 2) / 4, [str(i) for i in range(80)] * 2, 5)
    assert once is not None and twice is not None and twice.n == 160 and twice.examples == 80
    for name in ("kappa", "pearson", "spearman", "bias"):
        one, two = getattr(once, name), getattr(twice, name)
        assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high), abs=1e-9)
    assert agreement(np.ones(6), np.ones(6), ["a", "a", "b", "c", "c", "b"], 5) is None


def test_a_judge_that_looks_is_beyond_chance_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(3)
    grades = rng.integers(0, 2, 60) * 1.0
    groups = [str(i) for i in range(60)]
    good = np.where(rng.random(60) < 0.85, grades, 1 - grades)
    found = agreement(good, grades, groups, 2)
    assert found is not None and found.beyond_chance
    assert found.kappa.low < found.kappa.value < found.kappa.high and found.kappa.low > 0.3
    assert found.n == found.examples == 60
    for blind in (rng.random(60), np.full(60, 0.7)):
        unsure = agreement(blind, grades, groups, 2)
        assert unsure is not None and not unsure.beyond_chance


def test_no_better_than_chance_and_worse_than_it_are_told_apart() -> None:
    rng = np.random.default_rng(4)
    grades, groups = rng.integers(0, 2, 60) * 1.0, [str(i) for i in range(60)]

    def told(judge: NDArray[np.float64]) -> str:
        found = agreement(judge, grades, groups, 2)
        return JudgeReport("judge", None, None, GRADES, found, None, None, (), 0, 60, 60).distrusted

    against = np.where(rng.random(60) < 0.85, 1 - grades, grades)
    assert told(against).startswith("judge judges worse than chance: its grades correlate with people's grades by -0.")
    assert told(rng.random(60)).startswith("judge is not shown to judge better than chance: ")
    assert told(1 - against) == ""
    one_out = np.where(np.arange(60) == int(np.flatnonzero(grades)[0]), 1.0, 0.01 * rng.random(60))
    shown = re.search(r"\[(-?[\d.]+), (-?[\d.]+)\]", told(one_out))
    assert shown and float(shown[1]) <= 0 <= float(shown[2]), "the figure that is told is the one that is not shown"


def test_chance_is_excluded_wrongly_in_few_cases() -> None:
    """Of judges that guess, 40 grades each, few may be said to agree: one-sided 2.5 %, at most 6 of 60."""
    rng = np.random.default_rng(11)
    groups = [str(i) for i in range(40)]
    wrong = 0
    for _ in range(60):
        found = agreement(rng.random(40), rng.integers(0, 2, 40) * 1.0, groups, 5)
        wrong += bool(found and found.beyond_chance)
    assert wrong <= 6


def test_a_judge_that_likes_long_answers_shows() -> None:
    rng = np.random.default_rng(5)
    words = rng.integers(1, 40, 80) * 1.0
    grades = rng.random(80)
    groups = [str(i) for i in range(80)]
    likes = length_bias(np.clip(grades + words / 100, 0, 1), grades, words, groups)
    fair = length_bias(np.clip(grades + rng.normal(0, 0.1, 80), 0, 1), grades, words, groups)
    assert likes is not None and likes.low > 0.5
    assert fair is not None and fair.low < 0 < fair.high


def test_the_share_that_stood_first_has_its_interval() -> None:
    firsts = np.array([1.0] * 30 + [0.5] * 10)
    found = mean_over(firsts, [str(i) for i in range(40)])
    assert found is not None and found.value == pytest.approx(0.875) and 0.8 < found.low < found.high < 0.95
