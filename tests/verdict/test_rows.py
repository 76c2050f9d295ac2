"""What a row says of its runs: states, latency, retrieval, several seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from sacrebleu.metrics.chrf import CHRF

from advisor.measuring.query_records import LatencyRecord
from advisor.measuring.records import Comparison, Run
from advisor.verdict import decide

Runs = Callable[..., Run]
Comparisons = Callable[..., Comparison]
Answers = Callable[..., list[str]]


def test_rows_come_best_first_and_failures_last(run: Runs, comparison: Comparisons, answers: Answers) -> None:
    failed = replace(run("lora", answers(20, 1.0)), status="failed", error="out of memory")
    skipped = replace(run("rag", []), status="skipped", error="no documents")
    decision = decide(
        comparison([failed, run("few-shot", answers(20, 0.4)), skipped, run("zero-shot", answers(20, 0.6))])
    )
    assert [r.spec for r in decision.rows] == ["zero-shot", "few-shot", "lora", "rag"]
    lora, rag = decision.rows[2:]
    assert (lora.status, lora.error, lora.quality, lora.eligible) == ("failed", "out of memory", None, False)
    assert (rag.status, rag.error, rag.group, rag.versus_best) == ("skipped", "no documents", "", None)
    caveats = " ".join(decision.recommendation.caveats)
    assert "lora is not judged: failed (out of memory)." in caveats
    assert "a caveat of the task" in caveats


def test_a_failure_takes_no_part_in_the_statistics(run: Runs, comparison: Comparisons, answers: Answers) -> None:
    good = [run("a", answers(40, 0.9)), run("b", answers(40, 0.5, 1))]
    failed = replace(run("c", answers(30, 0.0)), status="failed", error="boom")
    with_it, without = decide(comparison([*good, failed])), decide(comparison(good))
    assert with_it.rows[:2] == without.rows


def test_an_incomplete_run_is_interrupted_even_if_it_says_ok(run: Runs, comparison: Comparisons) -> None:
    decision = decide(comparison([run("a", ["yes"] * 20), run("b", ["yes"] * 19)]))
    assert decision.rows[1].status == "interrupted"
    assert decision.rows[1].quality is None


def test_predictions_are_matched_by_id_and_not_by_place(run: Runs, comparison: Comparisons) -> None:
    shuffled = run("a", ["yes", "no", "no", "no"])
    shuffled = replace(shuffled, predictions=shuffled.predictions[::-1])
    made = comparison([shuffled], targets=["yes", "no", "no", "no"])
    assert decide(made).rows[0].quality.value == 1  # type: ignore[union-attr]


def test_seeds_share_a_row(run: Runs, comparison: Comparisons, answers: Answers) -> None:
    runs = [
        run("lora", answers(40, share, seed), seed=seed, fit_seconds=seconds)
        for seed, (share, seconds) in enumerate([(0.5, 10.0), (0.6, 90.0), (0.7, 20.0)])
    ]
    decision = decide(comparison(runs))
    assert len(decision.rows) == 1
    row = decision.rows[0]
    assert row.quality is not None
    assert row.quality.value == pytest.approx(0.6)
    assert (row.seeds, row.n, row.fit_seconds) == (3, 40, 20.0)
    assert "one seed" not in " ".join(decision.recommendation.caveats)


def test_one_failed_seed_fails_the_approach_and_an_interrupted_one_is_noted(
    run: Runs, comparison: Comparisons, answers: Answers
) -> None:
    good = run("lora", answers(20, 0.5))
    failed = decide(comparison([good, replace(good, seed=1, status="failed", error="nan loss")])).rows[0]
    assert (failed.status, failed.quality, failed.error) == ("failed", None, "nan loss")
    partial = replace(good, seed=1, status="interrupted", predictions=good.predictions[:5])
    noted = decide(comparison([good, partial])).rows[0]
    assert (noted.status, noted.seeds) == ("ok", 1)
    assert "1 of 2 seeds were complete and are reported" in noted.notes


def test_latency_and_throughput(run: Runs, comparison: Comparisons) -> None:
    requests = tuple(LatencyRecord(f"q{i}", 0.001 * i, 0.01 * i, 3) for i in range(1, 102))
    decision = decide(comparison([run("a", ["yes"] * 20, latencies=requests, seconds_per_query=0.2)]))
    latency = decision.rows[0].latency
    assert latency is not None
    assert (latency.p50, latency.p95, latency.ttft_p50) == pytest.approx((510, 960, 51))
    assert latency.n == 101
    assert decision.rows[0].throughput_qps == pytest.approx(5)


def test_recall_and_rank_of_the_evidence(run: Runs, comparison: Comparisons) -> None:
    evidence = {"q0": ("d1",), "q1": ("d1", "d2"), "q2": ("d3",)}  # that of q3 is not known
    retrieved = [("d1", "d1", "d9"), ("d9", "d9", "d2"), ("d8", "d9"), ("d1",)]
    runs = [
        run("rag", ["yes"] * 4, evidence=retrieved),
        run("oracle", ["yes"] * 4, evidence=retrieved),
        run("zero-shot", ["yes"] * 4),
    ]
    rows = {r.spec: r for r in decide(comparison(runs, evidence=evidence)).rows}
    found = rows["rag"].retrieval
    assert found is not None
    assert (found.recall_at_k.value, found.mrr.value) == pytest.approx(((1 + 0.5 + 0) / 3, (1 + 0.5 + 0) / 3))
    of_the_second = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert found.ndcg_at_k.value == pytest.approx((1 + of_the_second + 0) / 3)
    for measure in (found.recall_at_k, found.mrr, found.ndcg_at_k):
        assert 0 <= measure.low < measure.value < measure.high <= 1
    assert rows["oracle"].retrieval is rows["zero-shot"].retrieval is None


def test_what_was_found_but_not_shown_is_told_apart(run: Runs, comparison: Comparisons) -> None:
    evidence = {"q0": ("d1",), "q1": ("d2",)}
    full = run("rag", ["yes"] * 2, evidence=[("d1", "d9"), ("d9", "d2")])
    first, second = full.predictions
    cramped = replace(full, predictions=(replace(first, dropped=2, shown=0), replace(second, dropped=1)))
    row = decide(comparison([cramped], evidence=evidence)).rows[0]
    assert row.retrieval is not None
    assert (row.retrieval.recall_at_k.value, row.retrieval.recall_shown.value, row.bare) == (1.0, 0.0, 1)
    whole = decide(comparison([full], evidence=evidence)).rows[0]
    assert whole.retrieval is not None
    assert (whole.retrieval.recall_shown.value, whole.bare) == (1.0, 0)


def test_without_a_word_of_the_record_only_passages_tell_what_was_shown(run: Runs, comparison: Comparisons) -> None:
    """Old records say how many pieces were dropped, and how many passages there were, but not how many shots."""
    rag, shots = run("rag", ["yes"] * 2, evidence=[("d1",), ("d1",)]), run("few-shot", ["yes"] * 2)
    runs = [replace(r, predictions=tuple(replace(p, dropped=1) for p in r.predictions)) for r in (rag, shots)]
    assert {r.spec: r.bare for r in decide(comparison(runs)).rows} == {"rag": 2, "few-shot": 0}


def test_what_did_not_fit_is_counted(run: Runs, comparison: Comparisons) -> None:
    full = run("few-shot", ["yes"] * 10)
    cramped = tuple(replace(p, dropped=2, cut=30 if i < 3 else 0) for i, p in enumerate(full.predictions))
    decision = decide(comparison([replace(full, predictions=cramped)]))
    assert (decision.rows[0].dropped, decision.rows[0].cut) == (20, 3)
    caveats = " ".join(decision.recommendation.caveats)
    assert "20 pieces of context" in caveats
    assert "input of 3 test examples was cut" in caveats


def test_nothing_recorded_is_no_recommendation(comparison: Comparisons) -> None:
    decision = decide(comparison([]))
    assert decision.rows == ()
    assert decision.recommendation.approach is None
    assert not decision.recommendation.decided


def test_the_chrf_of_the_corpus_stands_beside_the_mean(run: Runs, comparison: Comparisons) -> None:
    texts, targets = ["the red door", "дом", "今天下雨"], ["the red floor", "дома", "明天下雨"]
    made = comparison([run("a", texts)], targets=targets)
    row = decide(replace(made, task=replace(made.task, metric="chrf"))).rows[0]
    corpus = CHRF().corpus_score(texts, [targets]).score / 100
    assert row.notes == (f"corpus chrF {corpus:.3f}",)
    assert row.quality is not None and abs(row.quality.value - corpus) > 1e-3
    assert decide(made).rows[0].notes == ()
