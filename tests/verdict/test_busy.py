"""What a busy machine does to a decision: a saving that may come of it is none, and a limit may be kept after all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from advisor.measuring.attempt import FIT, LATENCY, PREDICT
from advisor.measuring.disturbance import Disturbance
from advisor.measuring.records import Comparison, Run
from advisor.models.contention import Contention
from advisor.tasks import Limits
from advisor.verdict.busy import busy
from advisor.verdict.costs import cheaper, measure_for
from advisor.verdict.decision import Cost, LatencySummary, Row
from advisor.verdict.rows import measured


def taking(share: float) -> dict[str, Disturbance]:
    """Others took this share while every step was timed, on one of one threads."""
    return dict.fromkeys((FIT, PREDICT, LATENCY), Disturbance(share, None, share, (1, 1)))


@pytest.fixture
def row(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Row]:
    def make(spec: str, per_1k: float, share: float, **more: Any) -> Row:
        (found,) = measured(comparison([run(spec, ["yes"] * 10)]))
        return replace(found, cost=Cost(0.0, per_1k, None), others=taking(share), **more)

    return make


def test_a_saving_that_the_busy_machine_may_have_made_is_none(row: Callable[..., Row]) -> None:
    cheap, dear = row("cheap", 1.0, 0.0), row("dear", 1.8, 0.0)
    measure = measure_for([cheap, dear])
    assert cheaper(cheap, dear, measure)
    assert not cheaper(cheap, replace(dear, others=taking(0.5)), measure)  # alone it may have cost 0.9
    assert cheaper(replace(cheap, others=taking(0.5)), dear, measure)  # alone it would be cheaper still
    assert cheaper(cheap, replace(dear, others=taking(0.09)), measure)  # a tenth is not said


def test_a_limit_that_is_broken_beside_others_may_be_kept_alone(row: Callable[..., Row]) -> None:
    late = row("late", 1.0, 0.5, latency=LatencySummary(300.0, 450.0, 100.0, 16), violations=("too late",))
    (told,) = [text for text in busy([late], Limits(p95_ms=300.0)) if "limit" in text]
    assert told == "By the times of a busy machine late breaks a limit that it may keep on a quiet one."
    for kept in (Limits(p95_ms=200.0), Limits(p95_ms=500.0), Limits()):  # broken alone too; kept; none
        assert not [text for text in busy([late], kept) if "limit" in text]
    assert not list(busy([replace(late, others=taking(0.0))], Limits(p95_ms=300.0)))


def test_of_a_cost_only_what_was_timed_beside_others_may_be_too_high(row: Callable[..., Row]) -> None:
    only_fit, only_answers = {FIT: taking(0.5)[FIT]}, {PREDICT: taking(0.5)[PREDICT]}
    dear = replace(row("dear", 1.0, 0.0), cost=Cost(1.5, 1.0, None), violations=("too dear",))

    def told(others: dict[str, Disturbance]) -> bool:
        return any("limit" in text for text in busy([replace(dear, others=others)], Limits(budget_usd=1.0)))

    assert told(only_fit)  # the traffic is not known: fitting is all that is certain to be paid
    assert not told(only_answers)
    year = replace(dear, cost=Cost(0.001, 1.0, 100.0, 0.001))  # fitting is next to nothing of it
    less = replace(dear, cost=Cost(0.0, 0.6, 60.0, 0.0))
    assert cheaper(less, replace(year, others=only_fit), measure_for([year, less]))
    assert not cheaper(less, replace(year, others=only_answers), measure_for([year, less]))


def test_what_one_thread_may_have_lost_is_bounded_and_what_several_may_have_is_not(row: Callable[..., Row]) -> None:
    (one,) = busy([row("a", 1.0, 0.5, fit_seconds=0.1)], Limits())
    assert "Other programs took 50 % of the processor while a answered" in one
    assert "up to 2.0 times" in one
    assert "many times" not in one
    several = {step: replace(found, threads=(2, 2)) for step, found in taking(0.5).items()}
    (two,) = busy([replace(row("a", 1.0, 0.5, fit_seconds=0.1), others=several)], Limits())
    assert "many times where threads had to wait for each other" in two


def test_on_a_gpu_the_processor_counts_only_where_hardly_a_core_is_left(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    def lost(taken: float, gpu: float) -> float:
        load = Contention(seconds=10.0, taken=taken * 10, of=160.0, gpu=gpu * 10, gpu_of=10.0)
        (row,) = measured(comparison([run("zero-shot", ["yes"] * 10, others={PREDICT: load})], device="cuda:0"))
        return row.others[PREDICT].lost

    assert lost(taken=8.0, gpu=0.0) == 0.0
    assert lost(taken=15.75, gpu=0.0) == pytest.approx(0.75)
    assert lost(taken=8.0, gpu=0.3) == pytest.approx(0.3)
