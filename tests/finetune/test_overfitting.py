"""What is said of a training by its losses: on made-up histories, and nothing on noise."""

from __future__ import annotations

import random

import pytest

from finetune.overfitting import warnings


def noisy(means: list[float], spread: float = 0.15, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [max(0.01, mean + rng.gauss(0, spread)) for mean in means]


def falling(steps: int, first: float = 2.0, last: float = 0.6) -> list[float]:
    return [first + (last - first) * step / (steps - 1) for step in range(steps)]


def test_a_held_out_loss_that_rises_while_training_falls_is_told_with_steps_and_losses() -> None:
    losses = [1.0] * 10 + [0.6] * 10 + [0.3] * 10
    (said,) = warnings(losses, [(10, 0.9), (20, 0.8), (30, 1.1)])
    assert said.startswith("From step 20 to step 30")
    assert "rose from 0.800 to 1.100" in said
    assert "fell from 0.600 to 0.300" in said


def test_a_training_loss_that_rises_is_called_diverging() -> None:
    (said,) = warnings(noisy(falling(40, 0.8, 3.0)), [(40, 2.5)])
    assert "diverged" in said
    assert "first 10 of 40 steps" in said
    assert warnings([0.8, 0.9, 2.0], []) == ()  # too few steps to say


def test_a_training_loss_that_does_not_fall_is_told() -> None:
    (said,) = warnings([1.0, 1.1] * 20, [])
    assert said.startswith("The training loss did not fall: it was 1.050")
    assert warnings([0.01, 0.02] * 20, []) == ()  # there was nothing to learn


def test_a_training_loss_far_below_the_held_out_one_is_told() -> None:
    (said,) = warnings([1.0] * 10 + [0.1] * 10, [(10, 0.9), (20, 0.88)])
    assert "0.100, was far below that on held-out examples, 0.880" in said
    assert warnings([1.0] * 10 + [0.01] * 10, [(10, 0.3), (20, 0.1)]) == ()  # both are small


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_said_of_a_training_that_goes_well(seed: int) -> None:
    losses = noisy(falling(60), seed=seed)
    rng = random.Random(seed)
    held_out = [(20 * epoch, loss + rng.gauss(0, 0.01)) for epoch, loss in ((1, 1.5), (2, 1.0), (3, 0.8))]
    assert warnings(losses, held_out) == ()
    assert warnings(losses, []) == ()
    assert warnings([], []) == ()
    assert warnings(losses, [*held_out[:2], (60, held_out[1][1] + 0.015)]) == ()  # a plateau
