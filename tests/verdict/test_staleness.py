"""What a change of the documents costs, at 3.60 USD an hour: a tenth of a cent a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from advisor.measuring.further_records import AfterChange
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Answer, ChangeFacts, Comparison, Run
from advisor.tasks import Limits
from advisor.verdict import Decision, costs, decide
from advisor.verdict.decision import Row
from advisor.verdict.price_file import DevicePrice
from advisor.verdict.prices import HourlyPrice, Prices, Tariff
from advisor.verdict.token_prices import TokenPrice, TokenRates

PRICES = Prices("2025-01-01", (DevicePrice("L4", ("L4",), 3.60, "a page"),))
DOLLAR_A_MILLION = TokenPrice("vectors", TokenRates(1.0, 0.0), "a page", "2025-01-01")
N = 200
OFTEN = Limits(queries_per_day=1000, horizon_days=100, documents_change_every_days=10)


def row(decision: Decision, spec: str) -> Row:
    return next(r for r in decision.rows if r.spec == spec)


def after(texts: Sequence[str], **facts: Any) -> dict[str, AfterChange]:
    answers = tuple(PredictionRecord(f"q{i}", text) for i, text in enumerate(texts))
    return {"c": AfterChange(answers, **{"ended": True, **facts})}


def wrong(number: int) -> list[str]:
    return ["no"] * number + ["yes"] * (N - number)


@pytest.fixture
def changed(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Comparison]:
    """Right answers before the change; after it wrong ones to so many questions."""

    def make(documents: int = 3, **stale: Any) -> Comparison:
        default = {"rag": 2, "lora": 40, "rag+lora": 1}
        known = {spec: value for spec, value in (default | stale).items() if value is not None}
        runs = [
            run(
                spec,
                ["yes"] * N if spec != "rag" else ["no"] * 2 + ["yes"] * (N - 2),
                fit_seconds=1000.0 if "lora" in spec else 0.0,
                index_seconds=100.0 if "rag" in spec else None,
                shows="documents" if "rag" in spec else "nothing",
                after=after(wrong(known[spec]), index_seconds=20.0 if "rag" in spec else None) if spec in known else {},
            )
            for spec in default
        ]
        whole = comparison(runs)
        answers = {key: replace(answer, before=key) for key, answer in whole.answers.items()}
        return replace(whole, change=ChangeFacts("c", answers, documents))

    return make


def test_what_was_lost_is_told_with_its_interval(changed):
    decision = decide(changed(), prices=PRICES)
    lora, rag = row(decision, "lora").after, row(decision, "rag").after
    assert lora.quality.value == pytest.approx(0.8)
    assert lora.quality.low < 0.8 < lora.quality.high
    assert lora.difference.value == pytest.approx(-0.2)
    assert lora.difference.high < 0
    assert (lora.outcome, lora.paired, lora.n) == ("lost", N, N)
    assert (rag.outcome, rag.difference.value) == ("kept", 0.0)
    said = " ".join(decision.recommendation.reasons)
    assert "When the documents changed and nothing was fitted anew" in said
    assert "-0.200" in said
    assert "0 have another answer" in " ".join(decision.recommendation.caveats)


def test_what_keeps_its_quality_is_not_fitted_anew(changed):
    decision, assumed = (
        decide(changed(), OFTEN, prices=PRICES),
        decide(replace(changed(), change=None), OFTEN, prices=PRICES),
    )
    changes = 10
    assert row(assumed, "rag+lora").cost.fixed == pytest.approx(1.1 + changes * 1.1)
    assert row(decision, "rag+lora").cost.fixed == pytest.approx(1.1 + changes * 0.02)
    assert row(decision, "lora").cost.fixed == row(assumed, "lora").cost.fixed == pytest.approx(1.0 + changes * 1.0)
    assert row(decision, "rag").cost.fixed == pytest.approx(0.1 + changes * 0.02)
    said = next(s for s in decision.recommendation.caveats if s.startswith("In the costs of a change"))
    assert "lora is fitted anew, as the loss asks for that was measured" in said
    assert "rag+lora is not fitted anew either, though such a loss is not excluded" in said
    assert "rag+lora and rag are indexed anew, in the time" in said
    said = next(s for s in assumed.recommendation.caveats if s.startswith("In the costs of a change"))
    assert "lora and rag+lora are fitted anew, which is assumed" in said


def test_where_only_the_rules_change_nothing_is_indexed_anew(changed):
    whole = changed(documents=0)
    runs = [replace(r, after={"c": replace(r.after["c"], index_seconds=None)}) for r in whole.runs]
    decision = decide(replace(whole, runs=tuple(runs)), OFTEN, prices=PRICES)
    assert row(decision, "rag").cost.fixed == pytest.approx(0.1)
    assert row(decision, "rag+lora").cost.fixed == pytest.approx(1.1)
    assert row(decision, "lora").cost.fixed == pytest.approx(1.0 + 10 * 1.0)
    said = next(s for s in decision.recommendation.caveats if s.startswith("In the costs of a change"))
    assert said.startswith("In the costs of a change of the rules behind the answers, ")
    assert "rag+lora and rag are not indexed anew, since no document changed" in said


@pytest.mark.parametrize(("documents", "embedded", "again"), [(3, 1e5, 0.1), (3, None, 1.0), (0, None, 0.0)])
def test_an_embedder_that_is_paid_is_paid_at_a_change_for_what_it_is_given_then(changed, documents, embedded, again):
    whole = changed(documents=documents)
    (rag,) = [r for r in whole.runs if r.spec == "rag"]
    rag = replace(rag, calls={"fit": {"embedded": 1e6}}, after={"c": replace(rag.after["c"], embedded=embedded)})
    found = row(decide(replace(whole, runs=(rag,)), OFTEN, prices=PRICES), "rag")
    tariff = Tariff(hour=HourlyPrice("free", 0.0, "a page", "2025-01-01"), embedding=DOLLAR_A_MILLION)
    spent = costs.expenses(costs.quantities(found), tariff, OFTEN)
    assert (spent.fit, spent.upkeep) == (pytest.approx(1.0), pytest.approx(again))


def test_break_even_goes_by_what_was_measured(changed):
    def days(decision: Decision) -> set[tuple[str, str]]:
        return {(p.below, p.above) for p in decision.break_even if p.variable.startswith("days")}

    spared = changed(lora=0)
    limits = replace(OFTEN, queries_per_day=100_000)
    assert days(decide(replace(spared, change=None), limits, prices=PRICES)) != days(
        decide(spared, limits, prices=PRICES)
    )


@pytest.mark.parametrize("few", [range(36, 46), range(N - 8, N)])  # of which some are lost, and none
def test_few_of_the_questions_spare_nobody_a_fit(changed, few):
    whole = changed()
    some = {key: answer for key, answer in whole.change.answers.items() if int(key[1:]) in few}
    decision = decide(replace(whole, change=replace(whole.change, answers=some)), OFTEN, prices=PRICES)
    assert row(decision, "lora").after.outcome == "open"
    assert row(decision, "lora").cost.fixed == pytest.approx(11.0)


def test_a_loss_that_is_not_shown_is_said_not_to_be(changed):
    whole = changed(rag=None, **{"rag+lora": None})
    some = {key: answer for key, answer in whole.change.answers.items() if int(key[1:]) in range(36, 46)}
    runs = tuple(r for r in whole.runs if r.spec == "lora")
    change = replace(whole.change, answers=some)
    decision = decide(replace(whole, change=change, runs=runs), OFTEN, prices=PRICES)
    found = row(decision, "lora").after
    assert (found.outcome, found.loses) == ("open", True)
    said = " ".join(decision.recommendation.caveats)
    assert "lora is fitted anew, as the loss that was measured asks for, though it is not shown" in said
    (against,) = [one for one in decision.recommendation.against if "changed" in one]
    assert (
        "lora lost more than the margin when the documents changed, though that is not shown, and is fitted" in against
    )


def test_answers_that_are_spelled_otherwise_are_the_same(changed):
    whole = changed()
    now = {key: replace(a, targets=(" yes\u200b",)) for key, a in whole.change.answers.items()}
    now["q0"] = replace(now["q0"], targets=("no",))
    decision = decide(replace(whole, change=replace(whole.change, answers=now)), prices=PRICES)
    assert "1 has another answer after it" in " ".join(decision.recommendation.caveats)


def test_staleness_flips_the_choice(changed):
    decision = decide(changed(rag=0, lora=60, **{"rag+lora": 60}), prices=PRICES)
    chosen = decision.recommendation.approach
    flips = " ".join(decision.recommendation.flips_when)
    assert chosen != "rag"
    assert f"The documents change and nothing is fitted anew: then rag is better than {chosen}" in flips


def test_the_chosen_one_is_told_to_be_stale(changed):
    decision = decide(changed(rag=60, **{"rag+lora": 60}), prices=PRICES)
    chosen = decision.recommendation.approach
    assert f"{chosen} lost quality when the documents changed" in " ".join(decision.recommendation.against)
    rules = decide(changed(documents=0, rag=60, **{"rag+lora": 60}), prices=PRICES)
    assert "when the rules behind the answers changed" in " ".join(rules.recommendation.against)


def test_examples_that_are_shown_have_to_be_chosen_anew_where_they_cost_quality(run, comparison):
    shots = run("few-shot", ["yes"] * N, fit_seconds=50.0, shows="examples", after=after(wrong(60)))
    bare = run("zero-shot", ["yes"] * N, fit_seconds=50.0, shows="nothing", after=after(wrong(60)))
    whole = comparison([shots, bare])
    change = ChangeFacts("c", {key: replace(a, before=key) for key, a in whole.answers.items()}, 3)
    decision = decide(replace(whole, change=change), OFTEN, prices=PRICES)
    assert row(decision, "few-shot").cost.fixed == pytest.approx(0.05 + 10 * 0.05)
    assert row(decision, "zero-shot").cost.fixed == pytest.approx(0.05)


def test_what_was_not_measured_is_named(changed):
    whole = changed(lora=None)
    runs = [replace(r, after=after([], ended=False, error="out of luck")) if r.spec == "rag" else r for r in whole.runs]
    decision = decide(replace(whole, runs=tuple(runs)), prices=PRICES)
    said = " ".join(decision.recommendation.caveats)
    assert "lora was not measured after the change: the same command goes on with it." in said
    assert "rag was not measured after the change: out of luck." in said
    assert row(decision, "lora").after is None


def unanswered(comparison: Comparison, spec: str, number: int) -> Comparison:
    """The same with so many requests after the change that failed."""

    def failing(one: Run) -> Run:
        answers = [
            replace(p, failure="HTTP 500") if at < number else p for at, p in enumerate(one.after["c"].predictions)
        ]
        return replace(one, after={"c": replace(one.after["c"], predictions=tuple(answers))})

    return replace(comparison, runs=tuple(failing(r) if r.spec == spec else r for r in comparison.runs))


def test_requests_that_failed_are_not_taken_for_staleness(changed):
    decision = decide(unanswered(changed(lora=0), "lora", 80), OFTEN, prices=PRICES)
    assert row(decision, "lora").after is None
    said = " ".join(decision.recommendation.caveats)
    assert "lora was not measured after the change: 80 of 200 queries got no answer: 80 HTTP 500." in said
    assert "loss asks for" not in said


def test_few_requests_that_failed_are_named(changed):
    decision = decide(unanswered(changed(lora=0), "lora", 4), OFTEN, prices=PRICES)
    assert row(decision, "lora").after.difference.value == pytest.approx(-0.02)
    said = " ".join(decision.recommendation.caveats)
    assert "lora left 4 of 200 questions unanswered after the change (4 HTTP 500)" in said
    assert "up to 0.020 of what it lost" in said
    assert "rag left" not in said


@pytest.mark.parametrize(
    ("later", "why"), [({}, "the same command goes on"), ({"error": "out of luck"}, "out of luck")]
)
def test_a_seed_that_is_missing_after_the_change_is_named(changed, later, why):
    whole = changed()
    lora = next(r for r in whole.runs if r.spec == "lora")
    second = replace(lora, seed=1, after=after([], ended=False, **later) if later else {})
    decision = decide(replace(whole, runs=(*whole.runs, second)), prices=PRICES)
    said = " ".join(decision.recommendation.caveats)
    assert f"lora was measured after the change in 1 of 2 seeds alone: {why}" in said
    assert "rag was" not in said


def test_new_questions_alone_tell_no_loss(changed):
    whole = changed()
    answers = {key: replace(answer, before="") for key, answer in whole.change.answers.items()}
    decision = decide(replace(whole, change=replace(whole.change, answers=answers)), prices=PRICES)
    assert row(decision, "lora").after.quality.value == pytest.approx(0.8)
    assert row(decision, "lora").after.difference is None
    assert "No question is asked both before and after" in " ".join(decision.recommendation.caveats)


def test_macro_f1_is_lost_as_it_is_measured(run, comparison):
    """Every answer stays the same, and half of the right ones are others afterwards."""
    targets = ["yes", "no"] * (N // 2)
    whole = comparison(
        [run("lora", targets, after=after(targets)), run("rag", targets, after=after(targets))], "macro_f1", targets
    )
    now = {
        key: Answer(("maybe",) if i % 4 == 1 else a.targets, before=key)
        for i, (key, a) in enumerate(whole.answers.items())
    }
    decision = decide(replace(whole, change=ChangeFacts("c", now, 1)), prices=PRICES)
    found = row(decision, "lora").after
    assert found.quality.value < 0.7
    assert found.difference.value == pytest.approx(found.quality.value - 1.0)
    assert found.outcome == "lost"
    assert "50 have another answer" in " ".join(decision.recommendation.caveats)


def test_where_questions_are_left_out_only_a_loss_settles_the_costs(changed):
    whole = changed(**{"rag+lora": 0})
    some = dict(list(whole.change.answers.items())[:-20])
    decision = decide(replace(whole, change=replace(whole.change, answers=some)), prices=PRICES)
    assert row(decision, "rag+lora").after.left_out == 20
    assert not costs.is_fitted_anew(row(decide(whole, prices=PRICES), "rag+lora"))
    assert costs.is_fitted_anew(row(decision, "rag+lora")) and costs.is_fitted_anew(row(decision, "lora"))
    assert not costs.is_fitted_anew(row(decision, "rag"))
    assert any(
        "20 test questions are not asked after the change" in caveat for caveat in decision.recommendation.caveats
    )
