"""A Grafana dashboard of a served row: what it takes, what it answers, and how far that is from what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from advisor.deploy.watching import reference
from advisor.deploy.watching.drift import WINDOW, chance_differences, chance_distance
from advisor.deploy.watching.panels import SOURCE, Panel, PanelSection, placed
from advisor.deploy.watching.reference import MeasuredRow

UID = "advisor-serve"
SCHEMA = 39  # of Grafana 11; newer ones migrate it when they read it
_LENGTHS = (reference.INPUT_WORDS, reference.PROMPT_TOKENS, reference.OUTPUT_WORDS)


def dashboard(row: MeasuredRow) -> str:
    """The dashboard as JSON, to be provisioned or imported."""
    return json.dumps(_dashboard(row), indent=1, ensure_ascii=False) + "\n"


def _dashboard(row: MeasuredRow) -> dict[str, Any]:
    return {
        "uid": UID,
        "title": f"Advisor: {row.spec}",
        "description": "Made from a run folder by advisor serve DIR --files FOLDER.",
        "tags": ["advisor"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables()},
        "panels": placed(list(sections(row))),
    }


def _variables() -> list[dict[str, Any]]:
    """The data source, and the instances of the server that are shown."""
    query = "label_values(advisor_build_info, instance)"
    return [
        {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "hide": 0},
        {
            "type": "query",
            "name": "instance",
            "label": "Instance",
            "datasource": SOURCE,
            "query": {"query": query, "refId": "instances"},
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def sections(row: MeasuredRow) -> Iterator[PanelSection]:
    """What is drawn of this row."""
    yield PanelSection("Now", tuple(_now(row)))
    yield PanelSection("Requests", tuple(_requests()))
    yield PanelSection("Latency", tuple(_latency(row)))
    yield PanelSection("Tokens and cost", tuple(_cost()))
    yield PanelSection("Answers", tuple(_answers(row)))
    yield PanelSection("Drift", tuple(_drift(row)))
    yield PanelSection("Process", tuple(_process()))


def _of(metric: str, labels: str = "") -> str:
    """A series of the instances that are shown."""
    prefix = "" if metric.startswith("process_") else "advisor_"
    return f'{prefix}{metric}{{instance=~"$instance"{"," if labels else ""}{labels}}}'


def _rate(metric: str, labels: str = "", by: str = "") -> str:
    return f"sum{f' by ({by}) ' if by else ''}(rate({_of(metric, labels)}[$__rate_interval]))"


def _max(metric: str, labels: str = "") -> str:
    """One of what is the same for all instances."""
    return f"max({_of(metric, labels)})"


def _percentile(metric: str, share: float) -> str:
    return f"histogram_quantile({share:g}, {_rate(f'{metric}_bucket', by='le')})"


def _percentiles(metric: str, *shares: float) -> tuple[tuple[str, str], ...]:
    return tuple((_percentile(metric, share), f"p{100 * share:g}") for share in shares)


_FAILED = _rate("request_failures_total", 'kind!="cancelled"')
_ANSWERED = _rate("request_success_total")


def _now(row: MeasuredRow) -> Iterator[Panel]:
    def stat(title: str, unit: str, query: str, said: str, legend: str = "", line: float | None = None) -> Panel:
        return Panel(title, unit, ((query, legend),), said, "stat", 4, line)

    yield stat("Row", "none", _of("build_info"), "What is served.", "{{spec}} of {{run_key}}, {{model}}")
    yield stat("Ready", "none", f"min({_of('ready')})", "1 where every instance takes requests.")
    yield stat("Answers a second", "reqps", _ANSWERED, "Of all routes.")
    yield stat(
        "p95", "s", _percentile("e2e_request_latency_seconds", 0.95), "From acceptance to the end.", line=row.slow
    )
    share = f"{_FAILED} / ({_FAILED} + {_ANSWERED})"
    yield stat("Errors", "percentunit", share, "Accepted requests that end without an answer.", line=row.failing)
    yield stat("Spent in a day", "currencyUSD", f"sum(increase({_of('cost_usd_total')}[1d]))", "By the price list.")


def _requests() -> Iterator[Panel]:
    yield Panel(
        "Accepted",
        "reqps",
        ((_rate("requests_received_total", by="route"), "{{route}}"),),
        "Into the queue, by route.",
        width=6,
    )
    yield Panel(
        "Turned away",
        "reqps",
        ((_rate("requests_refused_total", by="reason"), "{{reason}}"),),
        "By reason; queue_full is load.",
        width=6,
    )
    yield Panel(
        "Ended without an answer",
        "reqps",
        ((_rate("request_failures_total", by="kind"), "{{kind}}"),),
        "By kind.",
        width=6,
    )
    queue = (f"sum({_of('num_requests_waiting')})", "waiting"), (f"sum({_of('num_requests_running')})", "running")
    yield Panel("Queue", "short", queue, "Requests that wait, and those of the batch that is being answered.", width=6)


def _latency(row: MeasuredRow) -> Iterator[Panel]:
    said = "Dashed where it is too slow: the task's limit, else twice what was measured."
    yield Panel(
        "To the end of the answer",
        "s",
        (
            *_percentiles("e2e_request_latency_seconds", 0.5, 0.95, 0.99),
            (_max("reference_latency_seconds", 'percentile="95"'), "p95 measured, sent alone"),
        ),
        said,
        line=row.slow,
    )
    yield Panel(
        "To the first token",
        "s",
        (
            *_percentiles("time_to_first_token_seconds", 0.5, 0.95),
            (_max("reference_time_to_first_token_seconds"), "p50 measured, sent alone"),
        ),
        "An answer that comes in one piece has its first token at its end.",
    )
    yield Panel(
        "Waiting and computing",
        "s",
        (
            (_percentile("request_queue_time_seconds", 0.95), "p95 in the queue"),
            (_percentile("request_inference_time_seconds", 0.95), "p95 from its batch's start"),
        ),
        "Whether it is the queue that makes requests slow.",
    )


def _cost() -> Iterator[Panel]:
    tokens = (_rate("prompt_tokens_total"), "read"), (_rate("generation_tokens_total"), "written")
    yield Panel("Tokens a second", "short", tokens, "Of prompts, those in a cache among them, and of answers.")
    sizes = tuple(
        (_percentile(f"request_{kind}_tokens", share), f"{kind} p{100 * share:g}")
        for kind in ("prompt", "generation")
        for share in (0.5, 0.95)
    )
    yield Panel("Tokens of a request", "short", sizes, "What its cost and its time follow from.")
    cached = f"{_rate('prefix_cache_hits_total')} / {_rate('prompt_tokens_total')}"
    yield Panel("Found in a cache", "percentunit", ((cached, "of prompt tokens"),), "Tokens that were not read again.")
    paid = f"sum by (paid_by) (increase({_of('cost_usd_total')}[1d]))"
    yield Panel(
        "Cost of a day", "currencyUSD", ((paid, "{{paid_by}}"),), "Tokens, or a machine as long as it serves.", width=12
    )
    each = f"1000 * sum(increase({_of('cost_usd_total')}[1h])) / sum(increase({_of('request_success_total')}[1h]))"
    yield Panel(
        "Cost of 1,000 answers",
        "currencyUSD",
        ((each, "in the last hour"),),
        "A machine's idle time is in it.",
        width=12,
    )


def _answers(row: MeasuredRow) -> Iterator[Panel]:
    if row.labels:
        mix = f"{_rate('answers_total', by='label')} / scalar({_rate('answers_total')})"
        yield Panel(
            "Answers by label", "percentunit", ((mix, "{{label}}"),), "Shares of what is answered.", stacked=True
        )
        both = (_of("drift_answer_share"), "{{label}}, now"), (_of("reference_answer_share"), "{{label}}, test set")
        yield Panel(
            "Mix of labels", "percentunit", both, f"Of the last {WINDOW} answers and of the test set.", "bargauge"
        )
    yield from _distribution(row, reference.CONFIDENCE, "Confidence", "answer_confidence", "percentunit")
    yield from _distribution(row, reference.SCORE, "Score of the best passage", "retrieval_score", "short")
    if reference.ABSTAINED in row.moments:
        share = f"{_rate('abstentions_total')} / {_ANSWERED}"
        then = _max("reference_mean", f'quantity="{reference.ABSTAINED}"')
        said = "Answers saying that the documents do not tell."
        yield Panel("Abstentions", "percentunit", ((share, "now"), (then, "test set")), said)
    counts = (_max("documents"), "documents"), (_max("document_pieces"), "pieces")
    yield Panel("Documents", "short", counts, "Since they were last changed; 0 before a change.")
    changes = f"sum(increase({_of('document_indexing_seconds_count')}[1d]))"
    yield Panel("Changes of documents", "short", ((changes, "in a day"),), "POST /documents.")
    each = (
        f"increase({_of('document_indexing_seconds_sum')}[1d]) / increase({_of('document_indexing_seconds_count')}[1d])"
    )
    yield Panel("Indexing", "s", ((each, "{{instance}}"),), "Seconds of a change, on average of a day.")


def _distribution(row: MeasuredRow, quantity: str, title: str, metric: str, unit: str) -> Iterator[Panel]:
    """Percentiles of a quantity, and its mean on the test set."""
    if quantity in row.moments:
        then = (_max("reference_mean", f'quantity="{quantity}"'), "mean of the test set")
        said = f"{reference.QUANTITIES[quantity].capitalize()}."
        yield Panel(title, unit, (*_percentiles(metric, 0.1, 0.5, 0.9), then), said)


def _drift(row: MeasuredRow) -> Iterator[Panel]:
    bound = chance_distance(row)
    if bound is not None:
        moved = ((_of("drift_answer_mix_distance"), "{{instance}}"),)
        said = "Total variation distance to the test set's mix; beyond the line once in a thousand by chance."
        yield Panel("Mix of answers", "percentunit", moved, said, line=bound)
    bounds = chance_differences(row).values()
    away = ((_of("drift_standardised_difference"), "{{quantity}}"),)
    said = "Means in standard deviations of the test set; beyond the lines once in a thousand by chance, each."
    if bounds:
        yield Panel("Means", "short", away, said, line=max(bounds), both=True)
    for lengths in _lengths(row):
        both = (
            (_of("drift_mean", lengths), "{{quantity}}, now"),
            (_of("reference_mean", lengths), "{{quantity}}, test set"),
        )
        yield Panel("Lengths", "short", both, "Mean words of queries and answers, and tokens of prompts.")
    full = ((f"{_of('drift_window_answers')} / {_of('drift_window_size')}", "{{instance}}"),)
    yield Panel("Window", "percentunit", full, f"How full it is of its {WINDOW} answers; alerts wait until it is.")


def _lengths(row: MeasuredRow) -> Iterator[str]:
    """The label that picks the lengths that the row has; nothing where it has none."""
    found = [name for name in _LENGTHS if name in row.moments]
    if found:
        yield f'quantity=~"{"|".join(found)}"'


def _process() -> Iterator[Panel]:
    memory = ((_of("process_resident_memory_bytes"), "{{instance}}"),)
    yield Panel("Memory", "bytes", memory, "Resident memory of the server; flat once it is warm.", width=12)
    cores = ((f"rate({_of('process_cpu_seconds_total')}[$__rate_interval])", "{{instance}}"),)
    yield Panel("Processor", "short", cores, "Cores that are busy.", width=12)
