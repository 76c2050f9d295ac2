"""When two sides of a speed benchmark count as having done the same."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.speed.gates import as_near, every, no_worse, same_answers, same_losses, same_scores

EXACT = [4.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("mine", "found", "same", "near"),
    [
        ([4.0, 2.0, 1.0], [4.01, 2.01, 1.0], True, True),
        ([4.1, 2.0, 1.0], [4.0, 2.2, 1.0], False, True),  # 2.5 % away in one step, the peer 10 %
        ([4.0, 2.2, 1.0], [4.1, 2.0, 1.0], False, False),
        ([4.1, 2.0, 1.0], [4.0, 1.8], False, False),  # other steps are another training, however near
    ],
)
def test_losses_are_the_same_or_as_near_to_float32s(
    mine: list[float], found: list[float], same: bool, near: bool
) -> None:
    assert same_losses(mine, found).holds is same
    assert as_near(lambda pair: EXACT)([mine], [found]).holds is near


def test_what_was_seen_is_told() -> None:
    seen = as_near(lambda pair: EXACT)([[4.1, 2.0, 1.0]], [[4.0, 2.2, 1.0]]).seen
    assert seen["mean distance to float32"] == pytest.approx(0.025 / 3)
    assert seen["the peer's"] == pytest.approx(0.1 / 3)


def test_rounding_that_fell_out_badly_in_one_pair_is_told_from_a_worse_side() -> None:
    """Beyond the standard error of the difference, over pairs that each have exact losses of their own."""
    exact = [[4.0, 2.0], [8.0, 1.0], [2.0, 2.0]]
    off = [[loss * 1.04 for loss in losses] for losses in exact]
    mixed = as_near(exact.__getitem__)([off[0], exact[1], exact[2]], [exact[0], off[1], exact[2]])
    assert mixed.holds is True
    assert mixed.seen["mean distance to float32"] == pytest.approx(0.04 / 3)
    assert as_near(exact.__getitem__)([off[0], off[1], exact[2]], exact).holds is False
    assert as_near(exact.__getitem__)(exact, [off[0], off[1], exact[2]]).holds is True


def test_scores_and_answers_are_the_same_to_the_last() -> None:
    assert same_scores([(-1.0, -2.0), (-3.0,)], [(-1.0, -2.0005), (-3.0,)], 1e-3).holds is True
    apart = same_scores([(-1.0, -2.0), (-3.0,)], [(-1.0, -2.0), (-3.5,)], 1e-3)
    assert (apart.holds, apart.seen) == (False, {"largest_difference": 0.5})
    assert same_answers(["red", "blue"], ["red", "blue"]).holds is True
    other = same_answers([("red", 1), ("blue", 1)], [("red", 1), ("blue", 2)])
    assert (other.holds, other.seen) == (False, {"same": 1, "of": 2})


def test_every_pair_has_to_hold() -> None:
    gate = every(same_losses)
    assert gate([[1.0], [2.0]], [[1.0], [2.0]]).holds is True
    failed = gate([[1.0], [2.0], [3.0]], [[1.0], [3.0], [3.0]])
    assert failed.holds is False
    assert failed.seen["first"] == 2.0


def test_one_unlucky_adapter_is_told_from_a_worse_side() -> None:
    """Ten examples of fifty lost in one pair is more than their spread allows; in one pair of four it is chance."""
    even = np.ones(50)
    unlucky = np.repeat([0.0, 1.0], [10, 40])
    assert no_worse({"lora": [unlucky]}, {"lora": [even]}).holds is False
    mixed = no_worse({"lora": [unlucky, even, even, even]}, {"lora": [even] * 4})
    assert mixed.holds is True
    assert mixed.seen["lora"]["standard_error"] == pytest.approx(0.05)
    assert no_worse({"lora": [unlucky] * 4}, {"lora": [even] * 4}).holds is False


def test_one_approach_that_is_worse_fails_however_good_the_others() -> None:
    even, better, worse = (np.repeat([0.0, 1.0], [50 - n, n]) for n in (25, 50, 10))
    judged = no_worse({"rag": [better], "lora": [worse]}, {"rag": [even], "lora": [even]})
    assert judged.seen["mean"] == pytest.approx([0.6, 0.5])
    assert judged.holds is False
