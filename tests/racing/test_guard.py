"""What breaks a run off that would not end in time."""

from __future__ import annotations

import time

import pytest

from advisor.measuring.progress import Silence
from advisor.pilot.deadline import OutOfTime
from advisor.racing.guard import Guard


def worked(seconds: float, reports: int) -> bool:
    """Some of 1,000 pieces of work, five at a time and a tenth of a second for each five; whether it came to an end."""
    guard = Guard(Silence(), 1)
    with guard.allowing(seconds, 1):
        guard.step("train", 1_000)
        for _ in range(reports):
            time.sleep(0.1)
            guard.advance(5)
    return guard.worked


def test_what_would_take_more_than_twice_its_time_is_broken_off_at_once() -> None:
    with pytest.raises(OutOfTime) as broken:
        worked(5.0, 3)
    assert broken.value.needed > 9.0
    assert 9.0 < broken.value.training <= broken.value.needed


def test_what_may_end_in_time_goes_on_until_its_pace_is_known() -> None:
    assert worked(60.0, 3)
    assert worked(5.0, 2)  # too early to tell
