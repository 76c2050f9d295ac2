"""Who is beaten in a race, and who is certain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from advisor.verdict.standings import Standard, beaten, certain, estimates, examples_to_beat, within_margin

Scores = dict[str, np.ndarray]
RULES = Standard(rivals=2)


def answers(right: int, of: int) -> np.ndarray:
    """So many right answers, evenly spread."""
    return np.array([float((i + 1) * right // of > i * right // of) for i in range(of)])


@pytest.fixture
def scores() -> Scores:
    return {"good": answers(60, 64), "fair": answers(57, 64), "bad": answers(6, 64)}


def test_what_falls_far_short_is_beaten_by_the_one_with_the_strongest_evidence(scores: Scores) -> None:
    found = beaten("bad", scores, RULES)
    assert found is not None
    assert found.by == "good"
    assert found.evidence >= RULES.threshold == 40
    assert found.difference == pytest.approx(-54 / 64)
    assert found.examples == 64
    assert beaten("good", scores, RULES) is None
    assert beaten("fair", scores, RULES) is None


def test_only_common_examples_count(scores: Scores) -> None:
    short = {"good": scores["good"], "bad": scores["bad"][:4]}
    assert beaten("bad", short, RULES) is None


def test_more_rivals_ask_for_more_evidence(scores: Scores) -> None:
    found = beaten("bad", scores, RULES)
    assert found is not None
    assert beaten("bad", scores, Standard(rivals=int(found.evidence))) is None


def test_judged_with_fewer_training_examples_it_has_to_fall_short_by_more() -> None:
    scores = {"cheap": answers(40, 64), "tried": answers(20, 64)}
    assert beaten("tried", scores, RULES)
    assert beaten("tried", scores, RULES, gain=0.3) is None
    assert beaten("tried", {"cheap": np.ones(64), "tried": np.zeros(64)}, RULES, gain=0.3)


def test_the_winner_is_certain_where_nobody_is_better_by_the_margin(scores: Scores) -> None:
    wide = Standard(rivals=2, margin=0.3)
    assert certain("good", ["good", "fair"], scores, wide)
    assert not certain("good", ["good", "fair"], scores, RULES)
    assert not certain("good", ["good", "unheard of"], scores, wide)
    same = {"a": scores["fair"], "b": scores["fair"]}
    assert within_margin("a", "b", {k: np.tile(v, 8) for k, v in same.items()}, RULES)


def test_a_late_comer_is_judged_by_the_examples_that_both_answered() -> None:
    """The first ones were easy, so that its mean says nothing."""
    first, rest = np.ones(16), np.zeros(48)
    scores = {"early": np.concatenate([first, rest]), "late": np.append(first[:15], 0.0)}
    worth = estimates(["early", "late"], scores)
    assert worth["early"] == pytest.approx(0.25)
    assert worth["late"] == pytest.approx(0.25 - 1 / 16)
    assert estimates([], scores) == {}


def test_how_many_examples_it_takes_is_forecast_by_the_growth_so_far(scores: Scores) -> None:
    half = {spec: values[:16] for spec, values in scores.items()}
    assert 4 < examples_to_beat("bad", half, RULES) < 32
    assert examples_to_beat("good", half, RULES) == math.inf


def test_the_best_is_hardly_ever_lost() -> None:
    """Five approaches of the same quality, looked at after each of 200 examples: one in twenty loses the first."""
    random = np.random.default_rng(0)
    five = Standard(rivals=4)
    lost = 0
    for _ in range(120):
        level = random.uniform(size=(5, 200)) < 0.6
        drawn = {str(i): row.astype(float) for i, row in enumerate(level)}
        lost += beaten("0", drawn, five) is not None
    assert lost / 120 <= 0.05
