"""What is not expected to end in time is not begun."""

from __future__ import annotations

import time

import pytest

from advisor.pilot.deadline import SAFETY, Allowance, Deadline, OutOfTime


def test_a_deadline_counts_down_and_never_below_zero() -> None:
    deadline = Deadline(0.02)
    assert 0 < deadline.left <= 0.02
    time.sleep(0.03)
    assert deadline.spent > 0.02
    assert deadline.left == 0
    assert Deadline().left == float("inf")


def test_work_is_begun_only_where_it_may_take_longer_than_expected() -> None:
    allowance = Allowance(100)
    allowance.require(99 / SAFETY)
    with pytest.raises(OutOfTime, match="it would take about 1 min 30 s, and 1 min 40 s were left for it") as caught:
        allowance.require(90)
    assert caught.value.needed == 90


def test_a_share_is_part_of_what_is_left() -> None:
    allowance = Allowance(100)
    with allowance.share(10):
        assert 9 < allowance.left_now <= 10
        with allowance.share(50):
            assert allowance.left_now <= 10
        assert allowance.left > 99
    assert allowance.left_now > 99


def test_code_that_records_failures_lets_it_pass() -> None:
    def failing() -> str:
        try:
            Allowance(1).require(10)
        except Exception as error:  # noqa: BLE001 - as whoever records the failure of an approach
            return str(error)
        return "began"

    with pytest.raises(OutOfTime):
        failing()
