"""The JSON document: its keys, nulls for what is unknown, nothing that JSON does not know."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from advisor.reporting import report
from advisor.reporting.document import document
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Cost, Decision

APPROACH = {
    "spec": None,
    "status": None,
    "error": None,
    "quality": {"value", "low", "high", "n"},
    "versus_best": {"difference", "low", "high", "p", "shown"},
    "latency_ms": {"p50", "p95", "ttft_p50", "p50_low", "p50_high", "p95_low", "p95_high"},
    "throughput_qps": None,
    "tokens_per_query": {"prompt", "completion", "reasoning"},
    "fit_seconds": None,
    "index_seconds": None,
    "peak_memory_bytes": None,
    "artifact_bytes": None,
    "trainable_parameters": None,
    "tokens_seen": None,
    "served": None,
    "retrieval": {"recall_at_k", "recall_shown", "mrr", "ndcg_at_k", "intervals"},
    "citations": {"precision", "recall", "without", "impossible"},
    "abstention": {"unanswerable", "share", "precision", "recall", "f1", "quality_answerable"},
    "cost_usd": {"fit", "per_1k_queries", "over_horizon"},
}
COSTS = (
    *("fit", "per_1k_queries", "per_1k_low", "per_1k_high", "over_horizon", "over_horizon_low", "over_horizon_high"),
    *("fixed", "always_on_over_horizon", "machines", "by_tokens", "per_1k_in_batches"),
)
HEADS = {
    "task": {"name", "fingerprint", "kind", "metric", "train", "test", "documents"},
    "model": {"id", "revision", "dtype", "device", "parameters"},
    "recommendation": {"approach", "decided", "alternatives", "reasons", "caveats", "flips_when"},
}


def strict(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    loaded = json.loads(text, parse_constant=refuse)
    assert isinstance(loaded, dict)
    return loaded


def by_spec(decision: Decision) -> dict[str, dict[str, Any]]:
    return {a["spec"]: a for a in strict(report(decision, "json"))["approaches"]}


def test_every_key_of_the_schema_is_there(full: Decision, single: Decision, nothing_eligible: Decision) -> None:
    for decision in (full, single, nothing_eligible):
        found = strict(report(decision, "json"))
        assert found["schema"] == 1
        for name, keys in HEADS.items():
            assert keys <= set(found[name])
        for approach in found["approaches"]:
            for key, inner in APPROACH.items():
                assert key in approach
                assert inner is None or approach[key] is None or inner <= set(approach[key])


def test_all_statuses_in_the_order_of_the_rows(full: Decision) -> None:
    approaches = strict(report(full, "json"))["approaches"]
    assert [a["spec"] for a in approaches] == [row.spec for row in full.rows]
    assert {a["status"] for a in approaches} == {"ok", "failed", "skipped", "interrupted"}


def test_tokens_of_reasoning_stand_beside_those_of_the_answer(full: Decision) -> None:
    rows = tuple(replace(row, reasoning_tokens=61.5) if row.spec == "zero-shot" else row for row in full.rows)
    found = by_spec(replace(full, rows=rows))
    assert found["zero-shot"]["tokens_per_query"] == {"prompt": 311.3, "completion": 7.2, "reasoning": 61.5}
    assert found["rag:k=3"]["tokens_per_query"]["reasoning"] == 0


def test_unknown_is_null_and_never_zero(full: Decision) -> None:
    found = by_spec(full)
    assert found["few-shot:k=4"]["cost_usd"] == dict.fromkeys(COSTS)
    failed = found["lora:rank=256,targets=all-linear"]
    for key in ("quality", "versus_best", "latency_ms", "tokens_per_query", "fit_seconds", "retrieval"):
        assert failed[key] is None
    assert failed["error"].startswith("OutOfMemoryError")
    assert found["rag:k=3"]["retrieval"]["mrr"] == 0.7313
    assert found["rag:k=3"]["retrieval"]["intervals"]["mrr"] == [0.67, 0.79]
    assert found["zero-shot"]["cost_usd"]["fit"] == 0


def test_figures_that_are_no_numbers_become_null(full: Decision) -> None:
    nan, infinite = float("nan"), float("inf")
    odd = replace(full.rows[0], quality=Interval(0.123456789, nan, infinite))
    odd = replace(odd, cost=Cost(nan, -infinite, 1e-12))
    found = strict(report(replace(full, rows=(odd,)), "json"))
    assert found["approaches"][0]["quality"] == {"value": 0.123457, "low": None, "high": None, "n": 120}
    assert found["approaches"][0]["cost_usd"] == dict.fromkeys(COSTS) | {"over_horizon": 1e-12}
    assert found["hardware"]["load"] is None


def test_added_keys(full: Decision) -> None:
    found = strict(report(full, "json"))
    assert found["limits"]["p95_ms"] == 900 and found["limits"]["budget_usd"] is None
    assert found["diagnosis"][0]["name"] == "lost by retrieval"
    assert found["break_even"][1]["at"] == 12.4
    assert found["folder"] == "runs/helpdesk"
    assert found["recommendation"]["settling"]["likely"] == 1140
    assert found["recommendation"]["quality"]["value"] == 0.701
    assert {"settings", "hardware", "versions", "prices", "margin", "seeds"} <= set(found)


def test_text_in_every_encoding(hostile: Decision) -> None:
    lone = replace(hostile, prices="broken \udc80 mark")
    report(lone, "json").encode("utf-8")
    report(lone, "json", encoding="ascii").encode("ascii")
    assert "Köln" in report(hostile, "json") and "\\u00f6" in report(hostile, "json", encoding="latin-1")
    assert document(hostile)["task"]["name"] == hostile.comparison.task.name


@pytest.mark.parametrize("color", [None, False, True])
def test_the_same_bytes(full: Decision, color: bool | None) -> None:
    assert report(full, "json", color=color) == report(full, "json")
    assert report(full, "json") == report(full, "json")
