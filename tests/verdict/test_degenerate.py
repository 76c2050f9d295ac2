"""Answers that are all alike are said loudly and never recommended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from advisor.measuring.records import Comparison, Run
from advisor.verdict import decide

Runs = Callable[..., Run]
Comparisons = Callable[..., Comparison]
TARGETS = ["yes"] * 14 + ["no"] * 6
CALLED_SO = "every answer is the same"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([""] * 20, "every answer is empty"),
        ([" ", "\n"] * 10, "every answer is empty"),
        (["yes"] * 20, 'every answer is the same, "yes"'),
    ],
)
def test_the_best_by_its_figures_is_not_chosen_where_its_answers_are_all_alike(
    run: Runs, comparison: Comparisons, texts: list[str], said: str
) -> None:
    worse = ["yes" if n % 2 else "no" for n in range(20)]
    decision = decide(comparison([run("zero-shot", texts), run("few-shot", worse)], targets=TARGETS))
    row = next(row for row in decision.rows if row.spec == "zero-shot")
    assert (row.eligible, row.violations) == (False, (said,))
    assert decision.recommendation.approach == "few-shot"
    assert any(caveat.startswith(f"zero-shot: {said}") for caveat in decision.recommendation.caveats)
    assert not any("zero-shot can be chosen" in flip for flip in decision.recommendation.flips_when)


def test_where_all_answers_are_alike_nothing_is_recommended(run: Runs, comparison: Comparisons) -> None:
    decision = decide(comparison([run("zero-shot", ["yes"] * 20)], targets=TARGETS))
    assert decision.recommendation.approach is None
    assert decision.recommendation.reasons == (
        "No approach can be chosen.",
        'zero-shot: every answer is the same, "yes".',
    )


def test_a_control_may_be_a_constant(run: Runs, comparison: Comparisons) -> None:
    majority = run("majority", ["yes"] * 20, uses_model=False)
    mixed = run("zero-shot", ["yes", "no"] * 10)
    decision = decide(comparison([majority, mixed], targets=TARGETS))
    assert not any(CALLED_SO in caveat for caveat in decision.recommendation.caveats)
    assert decision.recommendation.approach == "zero-shot"


def test_the_one_right_answer_to_all_is_no_fault_but_an_empty_one_is(run: Runs, comparison: Comparisons) -> None:
    decision = decide(comparison([run("zero-shot", ["yes"] * 20), run("few-shot", [""] * 20)]))
    eligible = {row.spec: row.eligible for row in decision.rows}
    assert eligible == {"zero-shot": True, "few-shot": False}


def test_one_seed_of_several_that_answers_differently_is_enough(run: Runs, comparison: Comparisons) -> None:
    alike = run("lora", ["yes"] * 20)
    other = replace(run("lora", ["yes"] * 19 + ["no"]), seed=1)
    assert decide(comparison([alike, other], targets=TARGETS)).rows[0].eligible
    both = decide(comparison([alike, replace(run("lora", ["no"] * 20), seed=1)], targets=TARGETS)).rows[0]
    assert both.violations == ('every answer is the same, "no" or "yes"',)
