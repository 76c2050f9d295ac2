"""What a server tells its observer is exported for Prometheus, and nothing of what callers wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from advisor.deploy.watching.metrics import PrometheusObserver
from advisor.deploy.watching.reference import MeasuredRow
from advisor.verdict.prices import HourlyPrice, Tariff
from advisor.verdict.token_prices import TokenPrice, TokenRates
from advisor.version import VERSION
from tests.deploy.watched import answered, busy, exported, promtool, value

HOUR = Tariff(hour=HourlyPrice("a machine", 3600.0, "a list", "2026-11-30"))
TOKENS = Tariff(tokens=TokenPrice("m", TokenRates(1.0, 2.0), "a list", "2026-11-30"))
STEMS = (  # of vLLM's own metrics
    *("num_requests_running", "num_requests_waiting", "prompt_tokens_total", "generation_tokens_total"),
    *("e2e_request_latency_seconds_bucket", "time_to_first_token_seconds_bucket", "request_queue_time_seconds_bucket"),
    *("request_inference_time_seconds_bucket", "request_prompt_tokens_bucket", "request_generation_tokens_bucket"),
    *("request_success_total", "prefix_cache_hits_total"),
)


@pytest.fixture
def observer(colours_row: MeasuredRow) -> PrometheusObserver:
    return PrometheusObserver(colours_row, Tariff())


def test_it_is_named_as_vllm_names_it_and_promtool_finds_nothing_wrong(observer: PrometheusObserver) -> None:
    busy(observer)
    names = {name for name, _ in exported(observer)}
    assert {f"advisor_{stem}" for stem in STEMS} <= names
    done = promtool("check", "metrics", asked=observer.exposed()[1].decode())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_is_told_is_counted(observer: PrometheusObserver) -> None:
    busy(observer)
    assert value(observer, "requests_received_total", route="/answer") == 1
    assert value(observer, "request_success_total", route="/answer") == 1
    assert value(observer, "requests_refused_total", reason="queue_full") == 1
    assert value(observer, "request_failures_total", kind="timeout") == 1
    assert value(observer, "num_requests_waiting") == 2
    assert value(observer, "num_requests_running") == 1
    assert value(observer, "prompt_tokens_total") == 30
    assert value(observer, "generation_tokens_total") == 4
    assert value(observer, "prefix_cache_hits_total") == 10
    assert value(observer, "answers_total", label="red") == 1
    assert value(observer, "e2e_request_latency_seconds_sum") == 0.5
    assert value(observer, "request_queue_time_seconds_sum") == 0.1
    assert value(observer, "request_inference_time_seconds_sum") == pytest.approx(0.4)
    assert value(observer, "time_to_first_token_seconds_sum") == 0.2
    assert value(observer, "answer_confidence_sum") == 0.7
    assert value(observer, "retrieval_score_sum") == 0.6
    assert value(observer, "documents") == 3
    assert value(observer, "document_pieces") == 5
    assert value(observer, "document_indexing_seconds_sum") == 0.5
    assert value(observer, "ready") == 1


def test_a_series_is_there_before_its_first_event(observer: PrometheusObserver) -> None:
    assert value(observer, "requests_refused_total", reason="queue_full") == 0
    assert value(observer, "request_failures_total", kind="error") == 0
    assert value(observer, "answers_total", label="blue") == 0
    assert value(observer, "ready") is None


def test_an_answer_that_failed_is_none(observer: PrometheusObserver) -> None:
    observer.answered(answered(failure="the thought of the secret plan did not end", label="", confidence=0.2))
    assert value(observer, "request_failures_total", kind="no_answer") == 1
    assert value(observer, "request_success_total", route="/answer") == 0
    assert value(observer, "answer_confidence_count") == 0
    assert value(observer, "drift_window_answers") == 0
    assert value(observer, "e2e_request_latency_seconds_count") == 1


def test_an_embedding_is_no_answer_of_the_task(observer: PrometheusObserver) -> None:
    observer.answered(answered(route="/v1/embeddings", input_words=0, prompt_tokens=5))
    assert value(observer, "request_success_total", route="/v1/embeddings") == 1
    assert value(observer, "answers_total", label="other") == 0
    assert value(observer, "drift_window_answers") == 0


def test_no_text_becomes_a_label_and_series_do_not_grow(observer: PrometheusObserver) -> None:
    before = len(exported(observer))
    for number in range(50):
        secret = f"my secret {number}"
        observer.received(secret)
        observer.refused(secret)  # type: ignore[arg-type]
        observer.failed(secret)
        observer.answered(answered(route=secret, label=secret, failure="" if number % 2 else secret))
    assert "secret" not in observer.exposed()[1].decode()
    assert value(observer, "answers_total", label="other") == 25
    assert value(observer, "request_failures_total", kind="other") == 50
    after = len(exported(observer))
    for number in range(50):
        observer.received(f"another {number}")
        observer.answered(answered(label=f"another {number}"))
    assert len(exported(observer)) == after
    assert after - before < 10  # what is there once there is an answer: means and shares of the window


def test_each_has_a_registry_of_its_own(colours_row: MeasuredRow) -> None:
    one, other = PrometheusObserver(colours_row, Tariff()), PrometheusObserver(colours_row, Tariff())
    one.received("/answer")
    assert value(other, "requests_received_total", route="/answer") == 0
    assert not [name for family in REGISTRY.collect() if (name := family.name).startswith("advisor")]


def test_it_says_what_is_served(observer: PrometheusObserver, colours_row: MeasuredRow) -> None:
    named = {"version": VERSION, "spec": "few-shot:k=2", "model": "scripted", "run_key": colours_row.key}
    assert value(observer, "build_info", **named) == 1


def test_tokens_cost_what_answers_say(colours_row: MeasuredRow) -> None:
    observer = PrometheusObserver(colours_row, TOKENS)
    assert value(observer, "cost_usd_total", paid_by="tokens") == 0
    for _ in range(2):
        observer.answered(answered(dollars=0.25))
    assert value(observer, "cost_usd_total", paid_by="tokens") == 0.5
    assert value(observer, "cost_usd_total", paid_by="machine") is None


def test_a_machine_costs_as_long_as_it_serves(colours_row: MeasuredRow) -> None:
    observer = PrometheusObserver(colours_row, HOUR)
    first = value(observer, "cost_usd_total", paid_by="machine")
    second = value(observer, "cost_usd_total", paid_by="machine")
    assert first is not None and second is not None
    assert 0 < first < second < 60  # a dollar a second
    assert value(observer, "cost_usd_total", paid_by="tokens") is None


def test_what_has_no_price_is_not_free(observer: PrometheusObserver) -> None:
    observer.answered(answered())
    assert not [name for name, _ in exported(observer) if "cost" in name]


def test_what_is_too_slow_is_a_bound_of_the_histogram(colours_row: MeasuredRow) -> None:
    limited = replace(colours_row, limits=replace(colours_row.limits, p95_ms=777.0))
    assert value(PrometheusObserver(limited, Tariff()), "e2e_request_latency_seconds_bucket", le="0.777") == 0
