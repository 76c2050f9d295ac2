"""What makes a choice provisional whatever was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from advisor.measuring.records import Comparison, Run
from advisor.verdict import Decision, decide
from advisor.verdict.doubts import LEAKED, provisional_because


def _clear(
    run: Callable[..., Run],
    comparison: Callable[..., Comparison],
    answers: Callable[..., list[str]],
    leaked: float | None,
) -> Comparison:
    n = 400
    found = comparison([run("zero-shot", answers(n, 0.9)), run("few-shot", answers(n, 0.4, seed=1))])
    return replace(found, task=replace(found.task, leaked=leaked))


def _decision(comparison: Comparison) -> Decision:
    return decide(comparison)


def test_a_leak_above_the_share_leaves_a_clear_choice_provisional(
    run: Callable[..., Run], comparison: Callable[..., Comparison], answers: Callable[..., list[str]]
) -> None:
    clean = _decision(_clear(run, comparison, answers, 0.0)).recommendation
    spoilt = _decision(_clear(run, comparison, answers, 0.12)).recommendation
    assert clean.decided and clean.approach == spoilt.approach == "zero-shot"
    assert not spoilt.decided
    assert any("48 of 400 test examples (12 %)" in reason for reason in spoilt.reasons)


def test_a_small_leak_and_an_old_record_leave_it_decided(
    run: Callable[..., Run], comparison: Callable[..., Comparison], answers: Callable[..., list[str]]
) -> None:
    for leaked in (LEAKED / 2, None):
        found = _clear(run, comparison, answers, leaked)
        assert provisional_because(found) == ()
        assert _decision(found).recommendation.decided
