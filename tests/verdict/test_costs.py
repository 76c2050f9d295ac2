"""Costs and break-even points, computed by hand at 3.60 USD an hour: a tenth of a cent a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.disturbance import Disturbance
from advisor.measuring.records import Comparison, ModelFacts, Run
from advisor.measuring.second_models import SecondModel
from advisor.tasks import Limits
from advisor.verdict import Decision, decide
from advisor.verdict.break_even import break_even
from advisor.verdict.costs import Expenses, cheaper, cost, measure_for
from advisor.verdict.decision import BreakEven, Cost, Row
from advisor.verdict.price_file import CorePrice, DevicePrice
from advisor.verdict.prices import Prices
from advisor.verdict.rows import measured
from advisor.verdict.token_prices import TokenPrice, TokenRates

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


def test_an_unknown_price_is_unknown_and_never_zero(judged: Callable[..., Decision]) -> None:
    decision = judged(Limits(queries_per_day=1000, budget_usd=0.01), device_name="Unheard-of 9000")
    for r in decision.rows:
        assert (r.cost.fit, r.cost.per_1k_queries, r.cost.over_horizon) == (None, None, None)
        assert r.eligible
    assert decision.break_even == ()
    assert "No price is known" in decision.prices
    caveats = " ".join(decision.recommendation.caveats)
    assert "No price is known for Unheard-of 9000" in caveats
    assert "budget could not be checked" in caveats


def test_an_unknown_time_is_an_unknown_cost(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> None:
    runs = [run("zero-shot", TEXTS, fit_seconds=None), run("few-shot", TEXTS, predict_seconds=None)]
    for r in decide(comparison(runs), Limits(queries_per_day=10), prices=PRICES).rows:
        assert (r.cost.fit, r.cost.per_1k_queries, r.cost.over_horizon) == (None, None, None)


def test_a_price_of_zero_is_a_cost_of_zero(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> None:
    free = Prices("2025-01-01", (DevicePrice("L4", ("L4",), 0.0, "own machine"),))
    decision = decide(comparison([run("zero-shot", TEXTS)]), Limits(queries_per_day=10), prices=free)
    assert decision.rows[0].cost.over_horizon == 0


@pytest.fixture
def costing(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Row]:
    """Makes a row of which only the cost over the horizon matters, and what its times may be off by."""
    found = measured(comparison([run("zero-shot", TEXTS)]))[0]

    def make(usd: float | None, error: float | None = None) -> Row:
        ends = (None, None) if usd is None or error is None else (usd / (1 + error), usd * (1 + error))
        return replace(found, cost=Cost(usd, usd, usd, over_horizon_low=ends[0], over_horizon_high=ends[1]))

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


def test_a_machine_kept_on_is_paid_by_the_hour(judged: Callable[..., Decision]) -> None:
    """At 3.60 USD an hour, 100 days of one machine are 8,640 USD; rag answers 25 queries a second, 2,160,000 a day."""
    for a_day, machines in ((1000, 1), (2_160_000, 1), (2_160_001, 2)):
        found = row(judged(Limits(queries_per_day=a_day, horizon_days=100)), "rag").cost
        assert found.machines == machines
        assert found.always_on_over_horizon == pytest.approx(0.1 + machines * 8640)
    assert row(judged(Limits()), "rag").cost.always_on_over_horizon is None
    said = " ".join(judged(Limits(queries_per_day=1000, horizon_days=100)).recommendation.caveats)
    assert "A machine that is kept on costs $8,640 over 100 days, whatever it answers" in said
    assert "one is enough for each approach" in said
    said = " ".join(judged(Limits(queries_per_day=3_000_000)).recommendation.caveats)
    assert "evenly spread, it takes 2 for rag+lora and 2 for rag, one for the others." in said


def test_costs_of_queries_are_divided_by_the_utilisation(judged: Callable[..., Decision]) -> None:
    full, quarter = (judged(Limits(queries_per_day=1_000_000, utilisation=share)) for share in (None, 0.25))
    one, two = row(full, "rag").cost, row(quarter, "rag").cost
    assert (one.per_1k_queries, two.per_1k_queries) == (pytest.approx(0.04), pytest.approx(0.16))
    assert (one.fit, one.machines, two.fit, two.machines) == (two.fit, 1, one.fit, 2)
    assert "with the hardware busy 25 % of the time" in " ".join(quarter.recommendation.caveats)
    for wrong in (0.0, -1.0, 1.5):
        with pytest.raises(UserError, match="utilisation"):
            judged(Limits(utilisation=wrong))


def test_one_request_at_a_time_costs_more_only_where_it_does(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    def said(*alone: float) -> str:
        """Approaches of 0.01 seconds a query in batches, sent alone in these seconds."""
        specs = ("zero-shot", "few-shot", "lora")
        runs = [run(spec, TEXTS, latency=seconds) for spec, seconds in zip(specs, alone, strict=False)]
        caveats = decide(comparison(runs), Limits(), prices=PRICES).recommendation.caveats
        return next(c for c in caveats if c.startswith("Costs assume"))

    assert said(0.02, 0.05).endswith("one request at a time costs 2 to 5 times as much.")
    assert said(0.01, 0.0105).endswith("without idle time.")
    assert said(0.01, 0.03).endswith("one request at a time costs 3 times as much for few-shot.")


def test_what_times_may_be_off_by_is_an_interval_of_the_cost() -> None:
    limits = Limits(queries_per_day=1000, horizon_days=100)
    found = cost(Expenses(10.0, 1e-4, 0.0, per_hour=1.0, queries_per_hour=1e4, error=0.25), limits)
    assert (found.per_1k_low, found.per_1k_queries, found.per_1k_high) == pytest.approx((0.08, 0.1, 0.125))
    assert (found.over_horizon_low, found.over_horizon, found.over_horizon_high) == pytest.approx((16, 20, 25))
    found = cost(Expenses(10.0, 1e-4, 0.0, per_hour=1.0, queries_per_hour=1e4), limits)
    assert (found.per_1k_low, found.over_horizon_high) == (None, None)


def points(judged: Decision) -> list[tuple[str, str, str]]:
    return [(point.variable, point.below, point.above) for point in judged.break_even]


def test_break_evens_that_nobody_chooses_by_are_left_out(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    def found(limits: Limits, fit: float, seconds: float = 0.02) -> list[tuple[str, str, str]]:
        """few-shot saves 0.01 seconds a query and costs `fit` seconds more to fit."""
        runs = [
            run("zero-shot", TEXTS, fit_seconds=0.0, seconds_per_query=seconds),
            run("few-shot", ["yes"] * 20, fit_seconds=fit, seconds_per_query=0.01),
        ]
        return points(decide(comparison(runs), limits, prices=PRICES))

    there = [("queries", "zero-shot", "few-shot")]
    assert found(Limits(), fit=0.9) == []  # 90 queries
    assert found(Limits(), fit=1.1) == there
    assert found(Limits(queries_per_day=1000), fit=9.0) == []  # 900 queries, of 1,000 a day
    assert found(Limits(queries_per_day=1000), fit=11.0) == there
    assert found(Limits(queries_per_day=200, horizon_days=4), fit=4.0) == []  # less than half a cent either way
    assert found(Limits(), fit=11.0, seconds=0.0109) == []  # as dear a query, but for the tolerance


def test_break_evens_have_the_interval_of_the_times(costing: Callable[..., Row]) -> None:
    """2 USD more once for a saving of 1e-3 a query: 2,000; off by 0.2 and 1e-4."""
    spent = {
        "a": Expenses(2.0, 1e-9, 0.0, per_hour=1.0, queries_per_hour=1e3, error=0.1),
        "b": Expenses(0.0, 1e-3, 0.0, per_hour=1.0, queries_per_hour=1e3, error=0.1),
    }
    rows = [replace(costing(1.0), spec=spec, eligible=True) for spec in spent]
    (point,) = break_even(rows, spent, Limits())
    assert (point.at, point.below, point.above) == (pytest.approx(2000, rel=1e-3), "b", "a")
    assert (point.low, point.high) == pytest.approx((1.8 / 1.1e-3, 2.2 / 0.9e-3), rel=1e-3)


PAID = replace(
    PRICES,
    core=CorePrice(0.9, "a page"),  # of 4 cores: 3.60 USD an hour
    hosted=(TokenPrice("large", TokenRates(2.0, 10.0, 0.5), "a contract", "2025-01-01", TokenRates(1.0, 5.0, 0.25)),),
)
LARGE = {"id": "large", "place": "network", "device": "elsewhere", "device_name": ""}


@pytest.fixture
def hosted(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> Callable[..., Decision]:
    """A hosted model: zero-shot as `make_run` has it, with 40 cached and 8 thought tokens; rag asks 20 to be fitted."""

    def judge(limits: Limits, **facts: Any) -> Decision:
        few = run("few-shot", TEXTS, fit_seconds=50.0)
        asked = {"requests": 20, "prompt": 20_000, "cached": 4_000, "completion": 100, "retried": 3, "repeated": 1}
        rag = run("rag", ["yes"] * 20, index_seconds=100.0, **{"calls": {"fit": asked}, **facts})
        thought = tuple(replace(p, cached_tokens=40, reasoning_tokens=8) for p in few.predictions)
        head = run("head", TEXTS, fit_seconds=10.0, seconds_per_query=0.001)
        return decide(comparison([replace(few, predictions=thought), rag, head], **LARGE), limits, prices=PAID)

    return judge


def test_a_hosted_model_is_paid_by_the_token(hosted: Callable[..., Decision]) -> None:
    decision = hosted(Limits(queries_per_day=1000, horizon_days=100, documents_change_every_days=10))
    few, rag, head = (row(decision, spec).cost for spec in ("few-shot", "rag", "head"))
    # 60 at 2, 40 at 0.5, and 2 + 8 at 10, a million, for 1,000 queries; in batches half of it
    assert (few.per_1k_queries, few.per_1k_in_batches) == (pytest.approx(0.24), pytest.approx(0.12))
    assert few.fit == 0
    assert (few.machines, few.always_on_over_horizon, few.per_1k_low) == (None, None, None)
    # 16,000 at 2, 4,000 at 0.5, 100 at 10, and 100 seconds of this machine, which come again at each of 10 changes
    assert rag.fit == pytest.approx(0.035 + 0.1)
    assert rag.per_1k_queries == pytest.approx(0.22)
    assert rag.over_horizon == pytest.approx(0.135 + 10 * 0.1 + 22)
    # what leaves the model aside takes this machine's time
    assert (head.by_tokens, head.fit, head.per_1k_queries) == (False, pytest.approx(0.01), pytest.approx(0.001))
    said = " ".join(decision.recommendation.caveats)
    assert "rag and few-shot: paid by the token of large, $2.00 per million prompt tokens" in said
    assert "thinking among the written ones" in said
    assert "Batches of large cost half and are answered within 24 hours" in said
    assert "Not in the cost of a query: 3 requests of rag, sent again after a fault." in said
    assert "large: 2 USD per million prompt tokens" in decision.prices


def test_a_query_costs_all_that_was_asked_for_it(hosted: Callable[..., Decision]) -> None:
    """40 requests for 20 answers, of which 20 compare labels without an input. Four of them were made twice, of which a
    killed process took the first ones with it; eight others tried what the server can do."""
    asked = {"requests": 40, "prompt": 4000, "cached": 0, "completion": 40, "repeated": 4}
    asked |= {"trial_requests": 8, "trial_prompt": 160, "trial_completion": 8}
    found = row(hosted(Limits(), calls={"predict": asked}), "rag").cost
    assert found.per_1k_queries == pytest.approx((4000 * 2 + 40 * 10) / 20 / 1000)


def test_a_hosted_model_without_a_price_costs_nobody_knows_what(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    made = comparison([run("zero-shot", TEXTS), run("head", TEXTS)], **LARGE)
    decision = decide(made, Limits(), prices=replace(PAID, hosted=()))
    assert row(decision, "zero-shot").cost == Cost()
    assert row(decision, "head").cost.per_1k_queries is not None
    said = " ".join(decision.recommendation.caveats)
    assert "No price is known for large" in said and "which does not mean zero" in said


SMALL, LARGE_ONE = "lora", "zero-shot"
"""Own hardware at 3.60 USD an hour, 1e-5 a query that is never idle, 1 USD to train; tokens at 2e-4 a query."""
AGAINST = {
    SMALL: Expenses(1.0, 1e-5, 0.0, per_hour=3.6, queries_per_hour=3.6e5, error=0.1),
    LARGE_ONE: Expenses(0.0, 2e-4, 0.0, error=0.0),
}


@pytest.fixture
def against(costing: Callable[..., Row]) -> Callable[..., dict[str, BreakEven]]:
    def find(limits: Limits, spent: dict[str, Expenses] = AGAINST) -> dict[str, BreakEven]:
        rows = [replace(costing(1.0), spec=spec, eligible=True) for spec in spent]
        return {point.variable: point for point in break_even(rows, spent, limits)}

    return find


def test_training_and_hours_pay_off_against_tokens_by_volume(against: Callable[..., dict[str, BreakEven]]) -> None:
    point = against(Limits())["queries"]
    assert (point.at, point.below, point.above) == (pytest.approx(1 / 1.9e-4), LARGE_ONE, SMALL)
    assert point.low is not None and point.high is not None and point.low < point.at < point.high


def test_hardware_pays_off_against_tokens_by_its_use(against: Callable[..., dict[str, BreakEven]]) -> None:
    point = against(Limits())["utilisation"]
    assert (point.at, point.below, point.above) == (pytest.approx(0.05), LARGE_ONE, SMALL)
    # 100,000 queries: 1 + 1 / use = 20
    limits = Limits(queries_per_day=1000, horizon_days=100)
    assert against(limits)["utilisation"].at == pytest.approx(1 / 19)
    # the same hardware at a quarter of the time, as its costs then say
    idle = {**AGAINST, SMALL: replace(AGAINST[SMALL], per_query=4e-5, queries_per_hour=9e4)}
    assert against(replace(limits, utilisation=0.25), idle)["utilisation"].at == pytest.approx(1 / 19)


def test_no_use_of_hardware_pays_off_where_it_is_dearer_at_full_use(
    against: Callable[..., dict[str, BreakEven]],
) -> None:
    dear = {**AGAINST, SMALL: replace(AGAINST[SMALL], per_query=3e-4)}
    assert "utilisation" not in against(Limits(), dear)
    assert "utilisation" not in against(Limits(queries_per_day=10, horizon_days=100))  # 1 USD against 0.20 in all
    both = {**AGAINST, LARGE_ONE: replace(AGAINST[SMALL], fit=0.0, per_query=2e-4)}
    assert "utilisation" not in against(Limits(), both)  # two of one's own


def test_costs_of_tokens_are_right_on_a_busy_machine(hosted: Callable[..., Decision]) -> None:
    few = row(hosted(Limits(queries_per_day=1000)), "few-shot")
    busy = replace(few, others={"predict": Disturbance(0.5, None, 0.5)})
    measure = measure_for([few])
    assert measure is not None
    assert measure.of(busy) == measure.of(few)
    assert not busy.cost_is_busy


def test_asking_another_model_before_the_fit_is_part_of_its_cost(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    calls = {"requests": 100, "prompt": 1_000_000, "completion": 100_000}
    told = {name: getattr(comparison([run("lora", TEXTS)]).model, name) for name in ModelFacts.__dataclass_fields__}
    elsewhere = {**told, "id": "large", "place": "network", "provider": "openai", "device": "elsewhere"}
    big = SecondModel("teacher", "big", "k", "large", "r", 100.0, calls, model=elsewhere)
    near = SecondModel("teacher", "big", "k", "tiny", "r", 100.0, model=told)
    prices = replace(PRICES, hosted=(TokenPrice("large", TokenRates(2.0, 10.0), "a page", "2025-01-01"),))
    paid, here = (
        decide(comparison([run("lora", TEXTS, fit_seconds=1000.0, asked=(one,))]), Limits(), prices=prices)
        for one in (big, near)
    )
    assert row(here, "lora").cost.fit == pytest.approx(1.0)  # its seconds are among those of the fit
    assert row(paid, "lora").cost.fit == pytest.approx(1.0 + 2.0 + 1.0)
    assert "lora: asking big before the fit cost $3" in " ".join(paid.recommendation.caveats)
