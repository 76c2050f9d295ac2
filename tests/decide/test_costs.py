"""Costs and break-even points, computed by hand at 3.60 USD an hour: a tenth of a cent a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from advisor.decide import Decision, decide
from advisor.decide.costs import cheaper, measure_for
from advisor.decide.decision import Cost, Row
from advisor.decide.prices import DevicePrice, Prices
from advisor.decide.rows import measured
from advisor.measure.records import Comparison, Run
from advisor.tasks import Limits

PRICES = Prices("2025-01-01", (DevicePrice("L4", ("L4",), 3.60, "a page"),))
TEXTS = ["yes"] * 15 + ["no"] * 5


def row(decision: Decision, spec: str) -> Row:
    return next(r for r in decision.rows if r.spec == spec)


@pytest.fixture
def judged(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Decision]:
    def judge(limits: Limits, **model: Any) -> Decision:
        runs = [
            run("zero-shot", ["no"] * 20, fit_seconds=0.0, seconds_per_query=0.01),
            run("rag", TEXTS, fit_seconds=0.0, index_seconds=100.0, seconds_per_query=0.04),
            run("lora", TEXTS, fit_seconds=1000.0, seconds_per_query=0.01),
            run("rag+lora", ["yes"] * 20, fit_seconds=2000.0, index_seconds=100.0, seconds_per_query=0.04),
        ]
        return decide(comparison(runs, **model), limits, prices=PRICES)

    return judge


def test_costs_to_fit_and_to_answer(judged: Callable[..., Decision]) -> None:
    decision = judged(Limits())
    assert row(decision, "zero-shot").cost.fit == 0
    assert row(decision, "rag").cost.fit == pytest.approx(0.10)
    assert row(decision, "rag+lora").cost.fit == pytest.approx(2.10)
    assert row(decision, "rag").cost.per_1k_queries == pytest.approx(0.04)
    assert row(decision, "lora").cost.per_1k_queries == pytest.approx(0.01)
    assert row(decision, "lora").cost.over_horizon is None
    assert "queries_per_day" in " ".join(decision.recommendation.caveats)
    assert "3.6 USD an hour (a page)" in decision.prices


def test_costs_over_the_horizon_with_upkeep(judged: Callable[..., Decision]) -> None:
    decision = judged(Limits(queries_per_day=1000, horizon_days=100, documents_change_every_days=10))
    queries, changes = 100_000, 10
    for spec, fit, upkeep, each in (
        ("zero-shot", 0.0, 0.0, 1e-5),
        ("rag", 0.1, 0.1, 4e-5),
        ("lora", 1.0, 1.0, 1e-5),
        ("rag+lora", 2.1, 2.1, 4e-5),
    ):
        expected = fit + upkeep * changes + each * queries
        assert row(decision, spec).cost.over_horizon == pytest.approx(expected)


def test_the_horizon_is_a_year_unless_given(judged: Callable[..., Decision]) -> None:
    decision = judged(Limits(queries_per_day=1000))
    assert row(decision, "lora").cost.over_horizon == pytest.approx(1.0 + 365_000 * 1e-5)
    assert any("365 days" in c for c in decision.recommendation.caveats)


def test_break_even_in_queries_and_in_days(judged: Callable[..., Decision]) -> None:
    decision = judged(Limits(queries_per_day=1000, horizon_days=100))
    found = {(p.variable, p.below, p.above): p.at for p in decision.break_even}
    # 0.1 + 4e-5 N = 1.0 + 1e-5 N
    assert found["queries", "rag", "lora"] == pytest.approx(0.9 / 3e-5)
    # 0.1 + 4 + 0.1 * 100 / T = 1.0 + 1 + 1.0 * 100 / T
    assert found["days between document changes", "rag", "lora"] == pytest.approx(90 / 2.1)
    assert all("zero-shot" not in (p.below, p.above) for p in decision.break_even)


def test_more_changes_move_the_break_even_in_queries(judged: Callable[..., Decision]) -> None:
    limits = Limits(queries_per_day=1000, horizon_days=100, documents_change_every_days=50)
    found = {(p.below, p.above): p.at for p in judged(limits).break_even if p.variable == "queries"}
    assert found["rag", "lora"] == pytest.approx(2.7 / 3e-5)


def test_days_need_the_traffic(judged: Callable[..., Decision]) -> None:
    assert {p.variable for p in judged(Limits()).break_even} == {"queries"}


def test_an_unknown_price_is_unknown_and_never_nought(judged: Callable[..., Decision]) -> None:
    decision = judged(Limits(queries_per_day=1000, budget_usd=0.01), device_name="Unheard-of 9000")
    for r in decision.rows:
        assert (r.cost.fit, r.cost.per_1k_queries, r.cost.over_horizon) == (None, None, None)
        assert r.eligible
    assert decision.break_even == ()
    assert "no price known" in decision.prices
    caveats = " ".join(decision.recommendation.caveats)
    assert "No price is known for Unheard-of 9000" in caveats
    assert "budget could not be checked" in caveats


def test_an_unknown_time_is_an_unknown_cost(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> None:
    runs = [run("zero-shot", TEXTS, fit_seconds=None), run("few-shot", TEXTS, predict_seconds=None)]
    for r in decide(comparison(runs), Limits(queries_per_day=10), prices=PRICES).rows:
        assert (r.cost.fit, r.cost.per_1k_queries, r.cost.over_horizon) == (None, None, None)


def test_a_price_of_nought_is_a_cost_of_nought(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> None:
    free = Prices("2025-01-01", (DevicePrice("L4", ("L4",), 0.0, "own machine"),))
    decision = decide(comparison([run("zero-shot", TEXTS)]), Limits(queries_per_day=10), prices=free)
    assert decision.rows[0].cost.over_horizon == 0


@pytest.fixture
def costing(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Row]:
    """Makes a row of which only the cost over the horizon matters, and what its times may be off by."""
    found = measured(comparison([run("zero-shot", TEXTS)]))[0]

    def make(usd: float | None, error: float | None = None) -> Row:
        return replace(found, cost=Cost(usd, usd, usd), timing_error=error)

    return make


@pytest.mark.parametrize(
    ("mine", "theirs", "says"),
    [
        ((90.0,), (100.0,), True),  # a tenth is the tolerance
        ((91.0,), (100.0,), False),
        ((100.0,), (90.0,), False),
        ((0.001,), (0.010,), False),  # less than a cent
        ((0.0,), (1.0,), True),
        ((0.0,), (0.0,), False),
        # 72.7 to 88 against 90.9 to 110: off by hypot(8, 9.1) = 12.1, saved 20
        ((80.0, 0.1), (100.0, 0.1), True),
        # 64 to 100 against 80 to 125: off by hypot(20, 20) = 28.3, saved 20
        ((80.0, 0.25), (100.0, 0.25), False),
    ],
)
def test_cheaper_is_what_measurements_may_not_be_off_by(
    costing: Callable[..., Row], mine: tuple[float, ...], theirs: tuple[float, ...], says: bool
) -> None:
    one, two = costing(*mine), costing(*theirs)
    assert cheaper(one, two, measure_for([one, two])) is says


def test_nothing_is_cheaper_than_an_unknown_cost(costing: Callable[..., Row]) -> None:
    known, unknown = costing(0.1), replace(costing(None), latency=None)
    assert measure_for([known, unknown]) is None
    assert not cheaper(known, unknown, None)
    assert not cheaper(known, unknown, measure_for([known]))


def test_approaches_that_cost_the_same_are_not_chosen_for_their_cost(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    for seconds, decided in ((0.0095, False), (0.005, True)):
        runs = [run("zero-shot", TEXTS * 10, seconds_per_query=seconds), run("few-shot", TEXTS * 10)]
        choice = decide(comparison(runs), Limits(queries_per_day=10_000), prices=PRICES).recommendation
        assert choice.decided is decided
        assert ("cheaper than few-shot" in " ".join(choice.reasons)) is decided
