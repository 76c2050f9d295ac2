"""Models as well as approaches: what each costs, how they compare, and what a comparison of two says of both axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from advisor.measuring.records import Comparison, Member, Run
from advisor.tasks import Limits
from advisor.verdict import Decision, decide
from advisor.verdict.prices import load_prices

N = 200
BUSY = Limits(queries_per_day=1000)


@pytest.fixture
def two(
    run: Callable[..., Run], comparison: Callable[..., Comparison], answers: Callable[..., list[str]]
) -> Callable[..., Comparison]:
    """A small model of one's own, on an L4, and a large one that is paid by the token."""

    def made(tuned: float = 0.9, prompted: float = 0.9, **more: Any) -> Comparison:
        calls = {"predict": {"requests": N, "prompt": 100 * N, "completion": 2 * N}}
        runs = [
            run("zero-shot@small", answers(N, 0.4, 1), model="small", key="s"),
            run("lora@small", answers(N, tuned, 2), model="small", key="s", fit_seconds=600.0),
            replace(run("zero-shot@big", answers(N, prompted, 2)), model="big", key="b", calls=calls, **more),
            run("nearest", answers(N, 0.3, 3), key="s"),
        ]
        found = comparison(runs)
        big = replace(
            found.model,
            id="gpt-5-mini",
            provider="openai",
            place="network",
            device="elsewhere",
            caveats=("It changes.",),
        )
        members = (
            Member("small", found.model, found.hardware, key="s"),
            Member("big", big, found.hardware, key="b"),
        )
        return replace(found, members=members, several=True)

    return made


def row(decision: Decision, spec: str) -> Any:
    return next(row for row in decision.rows if row.spec == spec)


def test_each_row_is_paid_by_its_own_models_measure(two: Callable[..., Comparison]) -> None:
    decision = decide(two(), BUSY, prices=load_prices())
    assert row(decision, "zero-shot@big").cost.by_tokens
    assert row(decision, "lora@small").cost.by_tokens is False
    assert row(decision, "nearest").cost.by_tokens is False
    hourly = 0.80  # of an L4 in the built-in list
    assert row(decision, "lora@small").cost.per_1k_queries == pytest.approx(1000 * 0.01 / 3600 * hourly)
    by_token = 1000 * (100 * 0.25 + 2 * 2.00) / 1e6  # per million, as genai-prices has them for gpt-5-mini
    assert row(decision, "zero-shot@big").cost.per_1k_queries == pytest.approx(by_token)


def test_a_tuned_small_model_is_held_against_a_prompted_large_one_with_cost_and_volume(
    two: Callable[..., Comparison],
) -> None:
    decision = decide(two(), BUSY, margin=0.6)  # one training leaves much open
    items = {item.name: item for item in decision.diagnosis}
    assert "added by training (small)" in items
    assert "known without help (big)" in items
    assert "small against big" not in items  # the same two rows, once
    said = items["tuned small against big"].meaning
    assert said == "small when tuned (lora@small) reaches what big when prompted (zero-shot@big) does, to within 0.6."
    fixed = 600 / 3600 * 0.80
    saved = (100 * 0.25 + 2 * 2.00) / 1e6 - 0.01 / 3600 * 0.80
    (sentence,) = [text for text in decision.recommendation.reasons if "when tuned" in text]
    assert "at 1/13 of the cost of a query, and cheaper in all from " in sentence
    queries = float(sentence.rpartition("from ")[2].removesuffix(" queries on.").replace(",", ""))
    assert queries == pytest.approx(fixed / saved, rel=0.01)


def test_a_difference_between_models_is_told_where_it_is_shown(two: Callable[..., Comparison]) -> None:
    items = {item.name: item for item in decide(two(tuned=0.6, prompted=0.95), BUSY).diagnosis}
    found = items["tuned small against big"]
    assert found.shown
    assert found.meaning == ("small when tuned (lora@small) is worse than big when prompted (zero-shot@big), by 0.350.")


def test_caveats_name_the_model_that_they_are_of(two: Callable[..., Comparison]) -> None:
    assert "big: It changes." in decide(two(), BUSY).recommendation.caveats


def test_rows_whose_labels_were_told_in_different_ways_carry_a_caveat(two: Callable[..., Comparison]) -> None:
    plain = decide(two(), BUSY)
    assert not [text for text in plain.recommendation.caveats if "Labels were told" in text]
    found = two(labels_by="text")
    runs = [replace(run, labels_by=run.labels_by or "likelihood") if run.model else run for run in found.runs]
    caveats = decide(replace(found, runs=tuple(runs)), BUSY).recommendation.caveats
    (said,) = [text for text in caveats if "Labels were told" in text]
    assert "by the text that was written for zero-shot@big" in said
    assert "nearest" not in said


def unanswered(comparison: Comparison, number: int) -> Comparison:
    """The same, with so many queries of the large model that got no answer."""

    def without(run: Run) -> Run:
        if run.spec != "zero-shot@big":
            return run
        lost: Sequence[Any] = [replace(p, text="yes", failure="cut off") for p in run.predictions[:number]]
        return replace(run, predictions=(*lost, *run.predictions[number:]))

    return replace(comparison, runs=tuple(map(without, comparison.runs)))


def test_a_few_queries_without_an_answer_are_named_and_count_as_not_right(two: Callable[..., Comparison]) -> None:
    before, decision = decide(two(), BUSY), decide(unanswered(two(), 4), BUSY)
    found = row(decision, "zero-shot@big")
    assert found.status == "ok"
    assert found.failures == {"cut off": 4}
    assert found.quality.value < row(before, "zero-shot@big").quality.value
    (said,) = [text for text in decision.recommendation.caveats if "unanswered" in text]
    assert said.startswith("zero-shot@big left 4 of 200 test examples unanswered (4 cut off)")


def test_a_row_with_too_many_queries_without_an_answer_is_not_judged(two: Callable[..., Comparison]) -> None:
    found = row(decide(unanswered(two(), 11), BUSY), "zero-shot@big")
    assert found.status == "failed"
    assert found.error == "11 of 200 queries got no answer: 11 cut off"
    assert found.quality is None


def test_several_versions_that_answered_are_told(two: Callable[..., Comparison]) -> None:
    caveats = decide(two(answered_by=("gpt-5-mini-a", "gpt-5-mini-b")), BUSY).recommendation.caveats
    assert "zero-shot@big was answered by several versions of its model: gpt-5-mini-a and gpt-5-mini-b." in caveats
