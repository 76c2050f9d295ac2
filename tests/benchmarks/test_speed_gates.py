"""When two sides of a speed benchmark count as having done the same."""

from __future__ import annotations

import pytest

from benchmarks.speed.harness import as_near, same_losses

EXACT = [4.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("mine", "found", "same", "near"),
    [
        ([4.0, 2.0, 1.0], [4.01, 2.01, 1.0], True, True),
        ([4.1, 2.0, 1.0], [4.0, 2.2, 1.0], False, True),  # 2.5 % away in one step, the peer 10 %
        ([4.0, 2.2, 1.0], [4.1, 2.0, 1.0], False, False),
        ([4.1, 2.0, 1.0], [4.0, 1.8], False, False),  # other steps are another course, however near
    ],
)
def test_losses_are_the_same_or_as_near_to_float32s(
    mine: list[float], found: list[float], same: bool, near: bool
) -> None:
    assert same_losses(mine, found).holds is same
    assert as_near(EXACT, mine, found).holds is near


def test_what_was_seen_is_told() -> None:
    seen = as_near(EXACT, [4.1, 2.0, 1.0], [4.0, 2.2, 1.0]).seen
    assert seen["mean distance to float32"] == pytest.approx(0.025 / 3)
    assert seen["the peer's"] == pytest.approx(0.1 / 3)
