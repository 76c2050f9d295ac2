"""The choice under expectations: rule, rivals that are left open, limits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from advisor.advice.argument import passed_over
from advisor.advice.estimate import Option
from advisor.advice.preference import option, prefer, price, worths
from advisor.approaches import parse
from advisor.forecast.expected import Expected
from advisor.forecast.foresight import Foreseen, Work
from advisor.tasks import Limits
from advisor.tasks.power import MARGIN
from advisor.verdict import LatencySummary
from advisor.verdict.prices import HourlyPrice, Tariff

NONE = Limits()
HOUR = HourlyPrice("a box", 1.0, "a page", "2025-01-01")
TARIFF = Tariff(hour=HOUR, here=HOUR)
ANY, CONTROL = parse("zero-shot"), parse("oracle")


def made(spec: str, value: float, half: float = 0.1, work: float = 100.0, control: bool = False) -> Option:
    expected = Expected(spec, value, value - half, value + half, "rule", "made up")
    latency = LatencySummary(work, 2 * work, work, 0)
    foreseen = Foreseen(work, 5.0, latency, 1 / work, 60.0, None, 10**9, "lora" in spec, Work(1000.0, 0.0, work))
    return option(CONTROL if control else ANY, expected, foreseen, TARIFF, NONE)


def test_the_best_is_advised_and_the_far_ones_are_not_open() -> None:
    found = prefer([made("a", 0.9), made("b", 0.5), made("c", 0.4)], NONE)
    assert (found.advised, found.open) == ("a", ())
    assert max(found.chances.values()) < 0.01
    assert found.at_stake < 0.01


def test_what_is_cheaper_and_within_the_margin_takes_the_place_of_the_best() -> None:
    dear, cheap = made("dear", 0.8, work=1_000), made("cheap", 0.8 - MARGIN / 2, work=10)
    assert prefer([dear, cheap], NONE).advised == "cheap"
    assert prefer([dear, made("cheap", 0.8 - 2 * MARGIN, work=10)], NONE).advised == "dear"


def test_intervals_that_overlap_leave_rivals_open_the_likeliest_first() -> None:
    found = prefer([made("a", 0.62, 0.3), made("b", 0.60, 0.3), made("c", 0.55, 0.3), made("d", 0.1, 0.1)], NONE)
    assert found.advised == "a"
    assert found.open == ("b", "c")
    assert 0.5 > found.chances["b"] > found.chances["c"] > found.chances["d"]
    assert found.at_stake == pytest.approx(0.1, abs=0.05)
    assert 0 < (found.gaps > 0.05).mean() < 1


def test_the_same_options_give_the_same_chances() -> None:
    options = [made("a", 0.6, 0.3), made("b", 0.5, 0.3)]
    assert prefer(options, NONE).chances == prefer(options, NONE).chances


def test_controls_are_never_advised_and_break_no_limit() -> None:
    control = option(CONTROL, made("oracle", 0.99).expected, None, Tariff(), Limits(min_quality=1.0))
    assert control.violations == ()
    assert prefer([control, made("a", 0.2)], NONE).advised == "a"


def test_where_nothing_respects_the_limits_the_nearest_is_named() -> None:
    limits = Limits(min_quality=0.9)
    options = [
        option(ANY, made(spec, value).expected, None, Tariff(), limits) for spec, value in (("a", 0.5), ("b", 0.8))
    ]
    found = prefer(options, limits)
    assert (found.advised, found.nearest) == (None, "b")


def test_without_prices_work_over_the_horizon_stands_in() -> None:
    still = made("lora", 0.5)
    unpriced = replace(still, cost=replace(still.cost, per_1k_queries=None, over_horizon=None))
    few = price(unpriced, Limits(queries_per_day=1, horizon_days=10))
    assert few == pytest.approx(1000 + 10 * 100)
    weekly = price(unpriced, Limits(queries_per_day=1, horizon_days=70, documents_change_every_days=7))
    assert weekly == pytest.approx(1000 + 70 * 100 + 10 * 1000)  # trained again ten times


def test_what_was_learned_of_differences_decides() -> None:
    a, b = made("a", 0.7, 0.4), made("b", 0.6, 0.4)
    a, b = (replace(o, expected=replace(o.expected, edge=e, unsure=0.01)) for o, e in ((a, 0.0), (b, 0.2)))
    found = prefer([a, b], NONE)
    assert (found.advised, found.open) == ("b", ())
    assert worths({o.spec: o.expected for o in (a, b)})["b"].low == pytest.approx(0.19)


def test_a_higher_figure_that_was_passed_over_is_explained() -> None:
    def compared(spec: str, value: float, edge: float) -> Option:
        plain = made(spec, value)
        return replace(plain, expected=replace(plain.expected, edge=edge, unsure=0.1))

    options = [compared("head", 0.66, -0.1), compared("lora", 0.6, 0.0), compared("few-shot", 0.4, -0.2)]
    found = prefer(options, NONE)
    assert found.advised == "lora"
    said = passed_over(options, found)
    assert said.startswith("head has the higher figure in the table: made up.")
    assert "better by 0.100" in said
    plain = [made("head", 0.66), made("lora", 0.6)]
    assert passed_over(plain, prefer(plain, NONE)) == ""
    assert passed_over(options[1:], prefer(options[1:], NONE)) == ""


def test_what_nobody_has_measured_is_not_advised_before_what_was() -> None:
    new = made("new", 0.7)
    new = replace(new, expected=replace(new.expected, tried=False))
    found = prefer([new, made("a", 0.69, 0.3), made("b", 0.6, 0.3)], NONE)
    assert (found.advised, found.open) == ("a", ("b",))
    assert set(found.worth) == {"new", "a", "b"}
    assert set(found.chances) == {"b"}
    assert prefer([new], NONE).advised == "new"
    higher = replace(new, expected=replace(new.expected, value=0.75))
    assert "a rule of thumb" in passed_over([higher, made("a", 0.69)], prefer([higher, made("a", 0.69)], NONE))


def test_what_does_not_say_what_it_takes_is_never_the_cheaper() -> None:
    """Its costs are unknown, not 0: it is advised only where it is better."""
    silent = option(ANY, made("silent", 0.8 - MARGIN / 2).expected, None, TARIFF, NONE)
    unpriced = replace(made("known", 0.8), cost=silent.cost)
    assert price(silent, NONE) == math.inf
    assert silent.cost.fit is None
    assert prefer([unpriced, silent], NONE).advised == "known"
    better = replace(silent, expected=made("silent", 0.9).expected)
    assert prefer([unpriced, better], NONE).advised == "silent"
