"""Work on many items with a few threads."""

from __future__ import annotations

import threading

import pytest

from advisor.errors import Interrupted
from advisor.models.hosted.window import slide


def test_work_in_turn_ends_where_other_work_failed() -> None:
    """Which is what is told, whoever notices first."""
    stop, begun, done = threading.Event(), threading.Event(), list[int]()

    def one(number: int) -> int:
        done.append(number)
        begun.set()
        stop.wait(5)
        return number

    def work(item: str) -> list[int]:
        if item == "fails":
            begun.wait(5)
            raise ValueError("the first failure")
        return slide(range(5), one, 1, stop, lambda _: None)

    with pytest.raises(ValueError, match="the first failure"):
        slide(["waits", "fails"], work, 2, stop, lambda _: None)
    assert done == [0]


@pytest.mark.parametrize("at_once", [1, 2])
def test_work_that_was_stopped_from_elsewhere_has_no_result(at_once: int) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted, match="other work beside it failed"):
        slide([1, 2, 3], lambda item: item, at_once, stop, lambda _: None)
