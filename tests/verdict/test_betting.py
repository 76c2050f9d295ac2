"""Evidence by betting: against an exact integral, and never too much of it where there is no difference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from advisor.verdict.betting import capital, evidence


@pytest.mark.parametrize(("wins", "losses", "ties"), [(3, 9, 0), (0, 20, 5), (12, 12, 30), (7, 1, 2)])
def test_the_capital_is_that_of_bets_spread_evenly(wins: int, losses: int, ties: int) -> None:
    """Over right and wrong answers the mixture has the closed form that is integrated here."""
    differences = np.array([1.0] * wins + [-1.0] * losses + [0.0] * ties)
    exact, _ = quad(lambda bet: (1 - bet) ** wins * (1 + bet) ** losses, 0, 1)
    assert capital(differences)[-1] == pytest.approx(exact, rel=0.01)


def test_an_allowance_tests_another_mean() -> None:
    """Differences of exactly the allowance below zero give nothing to win."""
    even = np.full(50, -0.2)
    assert capital(even, 0.2) == pytest.approx(np.ones(50))
    assert capital(even, 0.1)[-1] > 1 > capital(even, 0.3)[-1]


def test_it_begins_at_one_and_the_order_does_not_matter_in_the_end() -> None:
    differences = np.random.default_rng(0).uniform(-1, 0.8, 60)
    assert evidence(np.zeros(0)) == 1.0
    assert capital(np.zeros(0)).size == 0
    assert capital(differences)[-1] == pytest.approx(capital(np.sort(differences))[-1])
    assert evidence(differences) >= capital(differences)[-1]


def test_a_lenient_hypothesis_is_rejected_first() -> None:
    """The evidence against "better by the margin" is never below that against "as good"."""
    differences = np.random.default_rng(1).choice([-1.0, 0.0, 0.3, 1.0], 80)
    assert (capital(differences, -0.05) >= capital(differences) - 1e-12).all()


@pytest.mark.parametrize("shape", ["even", "skewed", "small"])
def test_without_a_difference_it_hardly_ever_grows_large_however_often_it_is_looked_at(shape: str) -> None:
    random = np.random.default_rng(2)
    draw = {
        "even": lambda: random.choice([-1.0, 0.0, 1.0], 300),
        "skewed": lambda: random.choice([-0.05, 0.95], 300, p=[0.95, 0.05]),
        "small": lambda: random.normal(0, 0.05, 300).clip(-1, 1),
    }[shape]
    fooled = np.mean([evidence(draw()) >= 20 for _ in range(400)])
    assert fooled <= 0.05


def test_a_difference_is_found() -> None:
    random = np.random.default_rng(3)
    found = np.mean([evidence(random.choice([-1.0, 0.0, 1.0], 100, p=[0.5, 0.4, 0.1])) >= 100 for _ in range(100)])
    assert found > 0.95
