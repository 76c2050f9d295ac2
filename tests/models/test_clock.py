"""The cold clock: reuse counts as work done again, nested spans are counted once."""

from __future__ import annotations

import time

import pytest

from advisor.models.clock import Clock


def test_reused_work_counts_as_if_it_were_done_again() -> None:
    clock = Clock()
    began = clock.now()
    clock.credit("embeddings", 30.0)
    assert 30.0 <= clock.now() - began < 31.0
    assert clock.drain().reused == {"embeddings": 30.0}
    assert clock.now() - began >= 30.0  # draining the ledger does not turn the clock back


def test_of_nested_spans_each_counts_its_own_part() -> None:
    clock = Clock()
    with clock.span("train", tokens=7):
        time.sleep(0.02)
        with clock.span("embed"):
            time.sleep(0.05)
    spans = clock.drain().spans
    assert spans["embed"].seconds >= 0.05
    assert 0.02 <= spans["train"].seconds < 0.05
    assert spans["train"].tokens == 7
    assert clock.drain().spans == {}


def test_a_span_that_fails_is_still_counted() -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="broken"), clock.span("outer"), clock.span("inner"):
        raise ValueError("broken")
    assert set(clock.drain().spans) == {"outer", "inner"}


def test_while_it_is_stopped_no_time_passes() -> None:
    clock = Clock()
    began = clock.now()
    with clock.stopped():
        time.sleep(0.2)
    assert 0.0 <= clock.now() - began < 0.1
