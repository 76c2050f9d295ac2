"""The choice and its words, at the interface."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from advisor.errors import UserError
from advisor.measuring.records import Comparison, Run
from advisor.reporting.statements import groups, still_needed
from advisor.tasks import Limits
from advisor.verdict import Decision, decide, words
from advisor.verdict.cells import Settling
from advisor.verdict.price_file import DevicePrice
from advisor.verdict.prices import Prices

Runs = Callable[..., Run]
Comparisons = Callable[..., Comparison]
PRICES = Prices("2025-01-01", (DevicePrice("L4", ("L4",), 3.60, "a page"),))


def judge(made: Comparison, limits: Limits | None = None, margin: float = 0.02) -> Decision:
    return decide(made, limits, prices=PRICES, margin=margin)


def first(n: int, right: int) -> list[str]:
    """The first `right` of `n` answers are right."""
    return ["yes"] * right + ["no"] * (n - right)


def said(sentences: Sequence[str]) -> str:
    return "\n".join(sentences)


def test_a_clear_winner_is_decided(run: Runs, comparison: Comparisons) -> None:
    runs = [
        run("zero-shot", first(200, 80), latency=0.05, seconds_per_query=0.005),
        run("lora", first(200, 180)),
        run("few-shot", first(200, 120)),
    ]
    decision = judge(comparison(runs))
    choice = decision.recommendation
    assert (choice.approach, choice.decided, choice.alternatives, choice.settling) == ("lora", True, (), None)
    assert "lora has the best quality of all approaches: accuracy 0.900" in choice.reasons[0]
    assert "better than zero-shot: difference +0.500" in said(choice.reasons)
    assert "zero-shot answers the fastest: 50 ms" in said(choice.against)
    assert "zero-shot is the cheapest: cost per 1,000 queries $0.010 for lora against $0.0050" in said(choice.against)
    assert "trained with one seed" in said(choice.caveats)
    assert [r.group for r in decision.rows] == ["a", "b", "c"]
    assert decision.rows[0].versus_best is None
    versus = decision.rows[2].versus_best
    assert versus is not None
    assert versus.difference == pytest.approx(-0.5)
    assert versus.low < -0.5 < versus.high < 0
    assert versus.p < 0.01


def test_what_cannot_be_told_apart_is_undecided(
    run: Runs, comparison: Comparisons, answers: Callable[..., list[str]]
) -> None:
    runs = [run("rag", answers(48, 0.75, 1), seconds_per_query=0.02), run("lora", answers(48, 0.7, 2))]
    decision = judge(comparison(runs))
    choice = decision.recommendation
    assert (choice.approach, choice.decided, choice.alternatives) == ("rag", False, ("lora",))
    assert choice.settling is not None
    assert choice.settling.most == 20 * 48
    assert choice.reasons[0].startswith("Undecided between rag and lora")
    assert "settle it" in still_needed(decision)
    assert {r.group for r in decision.rows} == {"a"}
    assert (
        "More seeds and a larger test set show lora to be worse than rag by less than 0.02: then it is preferred"
        in said(choice.flips_when)
    )


@pytest.mark.parametrize("n", [10, 48, 100])
def test_a_small_test_set_never_shows_that_the_cheaper_one_is_no_worse(
    run: Runs, comparison: Comparisons, n: int
) -> None:
    runs = [run("rag", first(n, n - 2), seconds_per_query=0.09), run("zero-shot", first(n, n - 2))]
    choice = judge(comparison(runs)).recommendation
    assert not choice.decided
    assert len(choice.alternatives) == 1
    assert choice.settling is not None
    assert choice.settling.even is None or choice.settling.even > n


def test_a_cheaper_approach_that_is_shown_to_be_no_worse_takes_the_place(run: Runs, comparison: Comparisons) -> None:
    runs = [run("rag", first(1000, 900), seconds_per_query=0.09), run("zero-shot", first(1000, 899))]
    choice = judge(comparison(runs)).recommendation
    assert (choice.approach, choice.decided) == ("zero-shot", True)
    assert "zero-shot takes the place of rag" in choice.reasons[0]
    assert "It is cheaper than rag (cost per 1,000 queries" in said(choice.reasons)
    assert "rag measured better" in said(choice.against)
    dearer = [run("rag", first(1000, 900)), run("zero-shot", first(1000, 899), seconds_per_query=0.09)]
    assert judge(comparison(dearer)).recommendation.approach == "rag"
    assert judge(comparison(runs), margin=0.0).recommendation.approach == "rag"


def test_cheaper_is_by_the_cost_over_the_horizon_where_the_traffic_is_known(run: Runs, comparison: Comparisons) -> None:
    # Nothing here was trained: with one seed of a training nothing is shown to be no worse by 0.02.
    runs = [run("nearest", first(1000, 900), fit_seconds=9000.0), run("rag", first(1000, 900), seconds_per_query=0.02)]
    many, few = Limits(queries_per_day=100_000), Limits(queries_per_day=10)
    assert judge(comparison(runs), many).recommendation.approach == "nearest"
    assert judge(comparison(runs), few).recommendation.approach == "rag"
    flips = judge(comparison(runs), few).recommendation.flips_when
    (more,) = (flip for flip in judge(comparison(runs), few).recommendation.flips if flip.setting == "queries a day")
    assert more.rises and more.approach == "nearest"
    at = 9.0 / (0.00002 - 0.00001) / 365
    assert at * 0.8 < more.at < at, (
        "nearest is named from where rag is no longer cheaper by what measurements are off by"
    )
    asked = (words.number(more.at), words.number(365 * more.at))
    told = "There are more than {} queries a day ({} over 365 days): then nearest is named provisionally."
    assert flips[0] == told.format(*asked)


def test_cheaper_is_by_latency_where_no_price_is_known(run: Runs, comparison: Comparisons) -> None:
    runs = [run("rag", first(1000, 900), latency=0.3), run("zero-shot", first(1000, 900), latency=0.1)]
    choice = judge(comparison(runs, device_name="Unheard-of")).recommendation
    assert (choice.approach, choice.decided) == ("zero-shot", True)
    assert "median latency 100 ms for zero-shot against 300 ms for rag" in said(choice.reasons)


def test_controls_are_never_chosen(run: Runs, comparison: Comparisons) -> None:
    runs = [run("oracle", first(100, 100)), run("majority", first(100, 60)), run("zero-shot", first(100, 40))]
    decision = judge(comparison(runs))
    assert decision.recommendation.approach == "zero-shot"
    assert not any(r.eligible for r in decision.rows if r.control)
    assert "zero-shot is not shown to beat majority" in said(decision.recommendation.against)
    assert judge(comparison(runs[:2])).recommendation.approach is None
    assert decision.rows[0].versus_best is not None
    assert decision.rows[0].versus_best.difference == pytest.approx(0.6)


def test_failures_are_never_chosen(run: Runs, comparison: Comparisons) -> None:
    failed = replace(run("lora", first(50, 50)), status="failed", error="boom")
    choice = judge(comparison([failed, run("zero-shot", first(50, 10))])).recommendation
    assert (choice.approach, choice.decided) == ("zero-shot", True)
    assert "only approach that can be chosen" in choice.reasons[0]
    assert judge(comparison([failed])).recommendation.reasons == (
        "No approach that could be chosen was measured to the end.",
    )


def test_limits_exclude_and_say_so(run: Runs, comparison: Comparisons) -> None:
    runs = [
        run("rag", first(200, 190), latency=0.9),
        run("lora", first(200, 150), fit_seconds=1e6, latency=0.1),
        run("few-shot", first(200, 140), latency=0.1),
        run("zero-shot", first(200, 20), latency=0.1),
    ]
    limits = Limits(p95_ms=500, budget_usd=100, queries_per_day=10, min_quality=0.5)
    decision = judge(comparison(runs), limits)
    broken = {r.spec: said(r.violations) for r in decision.rows}
    assert broken["rag"] == "p95 latency 900 ms is above 500 ms"
    assert broken["lora"] == "cost $1,000 is above the budget of $100"
    assert broken["zero-shot"] == "quality 0.100 is below 0.5"
    choice = decision.recommendation
    assert (choice.approach, choice.decided) == ("few-shot", True)
    assert "rag has the better quality" in said(choice.against)
    assert "The limits allow a p95 latency of 900 ms: then rag is chosen." in choice.flips_when
    assert "The limits allow a budget of $1,000: then lora is named provisionally." in choice.flips_when
    assert "The p95 limit is below 100 ms: then nothing can be chosen." in choice.flips_when
    assert not any("quality of 0.100" in flip for flip in choice.flips_when), "zero-shot would not be chosen"


def test_nothing_within_the_limits_names_them_and_the_nearest(run: Runs, comparison: Comparisons) -> None:
    runs = [run("rag", first(50, 45), latency=0.9), run("zero-shot", first(50, 10), latency=0.21)]
    choice = judge(comparison(runs), Limits(p95_ms=200)).recommendation
    assert (choice.approach, choice.decided, choice.alternatives) == (None, False, ())
    assert choice.reasons == (
        "No approach respects all limits.",
        "rag: p95 latency 900 ms is above 200 ms.",
        "zero-shot: p95 latency 210 ms is above 200 ms.",
        "Nearest to the limits comes zero-shot.",
    )


def test_a_quality_limit_within_the_interval_is_a_caveat(run: Runs, comparison: Comparisons) -> None:
    decision = judge(comparison([run("zero-shot", first(50, 36))]), Limits(min_quality=0.7))
    assert decision.rows[0].eligible
    assert "its interval holds both sides" in said(decision.recommendation.caveats)


def test_the_limits_of_the_record_are_the_default(run: Runs, comparison: Comparisons) -> None:
    made = comparison([run("zero-shot", first(50, 10))])
    made = replace(made, task=replace(made.task, limits={"min_quality": 0.9}))
    assert judge(made).limits == Limits(min_quality=0.9)
    assert judge(made).recommendation.approach is None
    assert judge(made, Limits()).recommendation.approach == "zero-shot"


def test_documents_that_change_more_often_flip_the_choice(run: Runs, comparison: Comparisons) -> None:
    lora = run("lora", first(1000, 900), fit_seconds=1000.0)
    rag = run("rag", first(1000, 900), seconds_per_query=0.04, index_seconds=1.0, fit_seconds=0.0)
    limits = Limits(queries_per_day=1000, horizon_days=100)
    of_one_seed = judge(comparison([lora, rag]), limits).recommendation  # it is open whether rag is no worse
    assert (of_one_seed.approach, of_one_seed.decided) == ("lora", False)
    assert [flip.setting for flip in of_one_seed.flips] == ["p95 limit"], "being cheaper alone, rag is not chosen"
    choice = judge(comparison([replace(lora, trains_model=False), rag]), limits).recommendation
    assert (choice.approach, choice.decided) == ("lora", True)
    # From where on rag costs nine tenths of what lora does: $0.001 and $0.00004 a query against $1 and $0.00001.
    by = {flip.setting: flip.at for flip in choice.flips}
    assert by["queries a day"] == pytest.approx((0.9 - 0.001) / 100 / (0.00004 - 0.9 * 0.00001), rel=1e-4)
    assert by["days between document changes"] == pytest.approx((90 - 0.1) / (4.001 - 0.9 * 2), rel=1e-4)
    assert "Documents change more often than every 40.8 days: then rag is chosen." in choice.flips_when


def test_a_small_test_set_is_a_caveat_with_numbers(
    run: Runs, comparison: Comparisons, answers: Callable[..., list[str]]
) -> None:
    runs = [run("rag", answers(48, 0.7, 1)), run("lora", answers(48, 0.7, 2))]
    caveats = said(judge(comparison(runs)).recommendation.caveats)
    assert "Quality was measured on 48 test examples and one seed of training: a difference below about 0." in caveats
    assert "Latency was measured on 60 requests, sent one at a time" in caveats
    assert "batched use at the measured throughput" in caveats


def test_macro_f1_and_graded_metrics_go_the_same_way(run: Runs, comparison: Comparisons) -> None:
    targets = ["yes", "no"] * 60
    runs = [run("a", targets), run("b", ["yes"] * 120)]
    for metric, expected in (("macro_f1", 1 / 3), ("token_f1", 0.5), ("chrf", None)):
        decision = judge(comparison(runs, metric=metric, targets=targets))
        assert (decision.recommendation.approach, decision.recommendation.decided) == ("a", True)
        worse = decision.rows[1].quality
        assert worse is not None
        assert expected is None or worse.value == pytest.approx(expected)


def test_the_same_comparison_gives_the_same_decision(
    run: Runs, comparison: Comparisons, answers: Callable[..., list[str]]
) -> None:
    made = comparison([run(spec, answers(60, 0.7, i)) for i, spec in enumerate(("rag", "lora", "few-shot"))])
    assert judge(made) == judge(made)


def test_a_cheaper_rival_is_no_luck_of_the_best(run: Runs, comparison: Comparisons) -> None:
    texts = first(400, 321)
    rival = list(texts)
    rival[319:321] = ["no", "no"]  # right on 319, and cheaper
    runs = [run("rag", texts), run("few-shot", rival, seconds_per_query=0.001)]
    choice = judge(comparison(runs), Limits(min_quality=0.8)).recommendation
    assert choice.approach == "rag"
    assert choice.quality is not None
    assert choice.quality.value > 0.8


def test_where_nothing_can_be_chosen_no_break_even_is_told(run: Runs, comparison: Comparisons) -> None:
    runs = [run("rag", first(100, 62)), run("lora", first(100, 60), fit_seconds=5e4, seconds_per_query=0.001)]
    decision = judge(comparison(runs), Limits(min_quality=0.9, queries_per_day=10_000))
    assert (decision.recommendation.approach, decision.break_even) == (None, ())


@pytest.mark.parametrize(
    ("found", "said_of_seeds"),
    [
        (Settling(None, None, 960, seeds=3), "More seeds would: 3 of each"),
        (Settling(100, 300, 960, seeds=3), "So would more seeds: 3 of each"),
        (Settling(None, None, 960, seeds_first=True, more_seeds=10), "run with --seeds 10"),
        (Settling(None, None, 960, seeds_first=True), "trainings lie farther apart than the approaches"),
    ],
)
def test_seeds_that_would_settle_it_are_more_than_there_are(found: Settling, said_of_seeds: str) -> None:
    assert said_of_seeds in " ".join(words.settling(found))


@pytest.mark.parametrize(
    "limits",
    [Limits(p95_ms=0), Limits(queries_per_day=-1), Limits(documents_change_every_days=0), Limits(budget_usd=math.nan)],
)
def test_limits_without_sense_are_errors(run: Runs, comparison: Comparisons, limits: Limits) -> None:
    with pytest.raises(UserError, match="the limit"):
        judge(comparison([run("zero-shot", first(10, 5))]), limits)


def test_a_negative_margin_is_an_error(run: Runs, comparison: Comparisons) -> None:
    with pytest.raises(UserError, match="the margin"):
        judge(comparison([run("zero-shot", first(10, 5))]), margin=-0.1)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "token_f1"])
def test_a_single_test_example_decides_nothing(run: Runs, comparison: Comparisons, metric: str) -> None:
    choice = judge(comparison([run("a", ["yes"]), run("b", ["no"])], metric=metric)).recommendation
    assert (choice.approach, choice.decided) == ("a", False)


def test_one_seed_of_training_leaves_a_small_lead_open_and_asks_for_seeds(run: Runs, comparison: Comparisons) -> None:
    runs = [run("lora", first(2000, 1000)), run("rag", first(2000, 960), seconds_per_query=0.02)]
    decision = judge(comparison(runs))
    choice = decision.recommendation
    assert (choice.approach, choice.decided, choice.alternatives) == ("lora", False, ("rag",))
    assert choice.settling is not None
    assert choice.settling.seeds_first
    assert "Seeds are what is missing" in still_needed(decision)
    assert "trained with one seed" in said(choice.caveats)
    assert "2,000 test examples and one seed of training" in said(choice.caveats)
    steady = [replace(one, trainable_parameters=None) for one in runs]
    assert judge(comparison(steady)).recommendation.decided
    embedder = [replace(one, spec=s, tokens_seen=5000) for one, s in zip(steady, ("setfit", "rag"), strict=True)]
    choice = judge(comparison([embedder[0], steady[1]])).recommendation  # of the language model nothing was trained
    assert not choice.decided and "setfit was trained with one seed" in said(choice.caveats)


def test_the_best_of_several_is_corrected_for_having_been_picked(
    run: Runs, comparison: Comparisons, answers: Callable[..., list[str]]
) -> None:
    rng = np.random.default_rng(3)
    runs = [run(f"rag:k={i + 1}", np.where(rng.random(48) < 0.6, "yes", "no").tolist()) for i in range(8)]
    decision = judge(comparison(runs))
    best, corrected = decision.rows[0].quality, decision.recommendation.quality
    assert best is not None
    assert corrected is not None
    assert 0.57 < corrected.value < best.value - 0.03
    assert corrected.low < best.low
    assert "Corrected for having been picked by these test examples" in said(decision.recommendation.reasons)
    least = Limits(min_quality=best.value - 0.01)
    limited = judge(comparison(runs), least)
    assert limited.recommendation.approach != decision.rows[0].spec
    assert "corrected for having been picked" in said(limited.rows[0].violations)


def test_the_claim_to_be_the_best_needs_no_correction_and_is_not_contradicted(
    run: Runs, comparison: Comparisons
) -> None:
    rng = np.random.default_rng(5)
    shares = [0.74, *[0.57] * 7]
    for _ in range(60):
        u = rng.random(100)
        drawn = [np.where(np.where(rng.random(100) < 0.5, u, rng.random(100)) < share, "yes", "no") for share in shares]
        decision = judge(comparison([run(f"rag:k={i + 1}", texts.tolist()) for i, texts in enumerate(drawn)]))
        choice = decision.recommendation
        chosen = next(row for row in decision.rows if row.spec == choice.approach)
        rest = [row for row in decision.rows if row is not chosen]
        for row in rest:
            assert row.versus_best is not None
            assert row.versus_best.shown == (not set(row.group) & set(chosen.group))
            assert row.spec not in choice.alternatives or not row.versus_best.shown
        if choice.decided and any(not row.versus_best.shown for row in rest if row.versus_best):
            assert "a claim of its own" in groups(decision)
            assert "those of one pair alone" in said(choice.reasons)
            break
    else:
        pytest.fail("no draw in which the best is decided and shares a letter")
