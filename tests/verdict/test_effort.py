"""Where the time went: summed over runs and calls, without what was taken over; shares of the machine's rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from advisor.measuring.records import Comparison, Run
from advisor.models.clock import Span
from advisor.verdict.effort import effort

YES = ["yes"] * 4


@pytest.fixture
def spent(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Comparison:
    """Two runs that were measured here and one taken over; the machine does 1,000 operations a second."""
    runs = [
        run("zero-shot", YES, spans={"prefill": Span(2.0, 100), "other": Span(0.5)}),
        run("lora", YES, spans={"prefill": Span(3.0, 150), "train": Span(10.0, 500)}),
        run("rag", YES, spans={"prefill": Span(100.0, 1)}, measured="2026-11-01T00:00:00"),
    ]
    made = comparison(runs, matrix_parameters=5, matrix_flops=1000.0)
    return replace(made, spans={"load": Span(1.0)})


def test_what_was_spent_here_is_added_up_most_first(spent: Comparison) -> None:
    found = effort(spent)
    assert list(found.seconds.items()) == [("train", 10.0), ("prefill", 5.0), ("load", 1.0), ("other", 0.5)]
    assert found.tokens == {"train": 500, "prefill": 250}


def test_reading_takes_two_operations_a_weight_and_training_beside_frozen_ones_four(spent: Comparison) -> None:
    shares = effort(spent).shares
    assert shares["prefill"] == pytest.approx(2 * 5 * 250 / 5.0 / 1000)
    assert shares["train"] == pytest.approx(4 * 5 * 500 / 10.0 / 1000)


@pytest.mark.parametrize("unknown", [{"matrix_parameters": None}, {"matrix_flops": None}])
def test_where_the_ceiling_is_not_known_no_share_is(spent: Comparison, unknown: dict[str, Any]) -> None:
    found = effort(replace(spent, model=replace(spent.model, **unknown)))
    assert found.shares == {}
    assert found.seconds


def test_records_of_before_say_nothing(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> None:
    found = effort(comparison([run("zero-shot", YES)]))
    assert (found.seconds, found.tokens, found.shares) == ({}, {}, {})
