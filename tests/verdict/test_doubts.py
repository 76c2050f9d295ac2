"""What makes a choice provisional whatever was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from advisor.measuring.records import Comparison, Run
from advisor.reporting import report
from advisor.reporting.statements import verdict
from advisor.verdict import Decision, decide
from advisor.verdict.doubts import LEAKED, provisional_because
from advisor.verdict.exploring import exploration


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


TARGETS = ["yes"] * 60 + ["no"] * 40
NOT_ABOVE = "zero-shot is named provisionally, since it is not shown to be better than always giving the majority class"


def right(n: int) -> list[str]:
    """Of the first `n` examples the answer is right, of the others wrong."""
    return [target if i < n else {"yes": "no", "no": "yes"}[target] for i, target in enumerate(TARGETS)]


@pytest.mark.parametrize(("n", "rivals", "decided"), [(45, 0, False), (61, 0, False), (95, 0, True), (61, 10, False)])
def test_what_is_not_shown_to_beat_the_constant_answer_is_named_provisionally(
    run: Callable[..., Run], comparison: Callable[..., Comparison], n: int, rivals: int, decided: bool
) -> None:
    runs = [run("zero-shot", right(n)), run("majority", ["yes"] * 100)]
    if rivals:
        runs.append(run("few-shot", right(rivals)))
    decision = decide(comparison(runs, targets=TARGETS))
    choice = decision.recommendation
    assert (choice.approach, choice.alternatives, choice.decided) == ("zero-shot", (), decided)
    assert any(reason.startswith(NOT_ABOVE) for reason in choice.reasons) is not decided
    assert any("is not shown to beat majority" in one for one in choice.against) is not decided
    explored = exploration(decision)
    assert explored is None or bool(explored.candidates[0].doubts) is not decided
    said = (
        "Use zero-shot: the only approach that can be chosen." if decided else "Not decided. Provisionally zero-shot."
    )
    assert verdict(choice) == said and said in report(decision, "markdown")


def test_a_decided_choice_says_in_a_clause_what_it_rests_on(
    run: Callable[..., Run], comparison: Callable[..., Comparison], answers: Callable[..., list[str]]
) -> None:
    yes = ["yes"] * 1000
    best = run("rag", yes[:900] + ["no"] * 100, seconds_per_query=0.09)
    cheap = run("nearest", yes[:899] + ["no"] * 101)
    worse = run("few-shot", yes[:300] + ["no"] * 700)
    said = {
        "Use rag: shown to be better than its one rival.": [best, worse],
        "Use nearest: cheaper, and shown to be worse by less than 0.02 if worse at all, than its one rival.": [
            best,
            cheap,
        ],
        "Use nearest: shown to be better, or cheaper and worse by less than 0.02 if worse at all, than each of its 2 "
        "rivals, tested one by one.": [best, cheap, worse],
    }
    for sentence, runs in said.items():
        assert verdict(decide(comparison(runs)).recommendation) == sentence


def test_of_two_that_measured_the_same_neither_is_called_better(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    runs = [run("rag", ["yes"] * 30 + ["no"] * 10), run("zero-shot", ["no"] * 10 + ["yes"] * 30)]
    first = decide(comparison(runs)).recommendation.reasons[0]
    assert first.startswith("Undecided between rag and zero-shot: rag measured the same as zero-shot, accuracy 0.750")
    assert "better" not in first
    runs[0] = run("rag", ["yes"] * 31 + ["no"] * 9)
    assert "rag measured best, accuracy 0.775" in decide(comparison(runs)).recommendation.reasons[0]
