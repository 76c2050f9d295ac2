"""Alert rules for Prometheus: each with what to do, and with thresholds that come from the run folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from advisor.deploy.watching import reference
from advisor.deploy.watching.drift import WINDOW, chance_differences, chance_distance
from advisor.deploy.watching.reference import MeasuredRow
from advisor.verdict.costs import horizon

Severity = Literal["critical", "warning", "info"]
_ENDED = 'advisor_request_failures_total{kind!="cancelled"}'


@dataclass(frozen=True)
class Alert:
    """A rule.

    Attributes:
        minutes: that it has to hold before it fires.
        seen: what is wrong, in a sentence that may name `$value`.
        fix: what to do.
    """

    name: str
    expression: str
    minutes: int
    severity: Severity
    summary: str
    seen: str
    fix: str


def alert_rules(row: MeasuredRow) -> str:
    """The rules as a file that Prometheus reads (`rule_files`)."""
    lines = ["groups:", "  - name: advisor", "    rules:"]
    for alert in alerts(row):
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {_quoted(alert.expression)}",
            f"        for: {alert.minutes}m",
            f"        labels: {{severity: {alert.severity}}}",
            "        annotations:",
            f"          summary: {_quoted(alert.summary)}",
            f"          description: {_quoted(alert.seen)}",
            f"          action: {_quoted(alert.fix)}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text in double quotes; what is JSON is YAML, too."""
    return json.dumps(text, ensure_ascii=False)


def alerts(row: MeasuredRow) -> tuple[Alert, ...]:
    """All rules that the record gives a threshold for."""
    return (*_state(), *_speed(row), *_failures(row), *_planned(row), *_mix(row), *_quantities(row))


def _state() -> Iterator[Alert]:
    yield Alert(
        "AdvisorDown",
        'up{job="advisor"} == 0',
        1,
        "critical",
        "advisor serve does not answer",
        "{{ $labels.instance }} could not be read for a minute.",
        "Its log says whether it was ended; else it was killed for memory, or cannot be reached. Start it again: it "
        "serves the same row.",
    )
    yield Alert(
        "AdvisorNotReady",
        "advisor_ready == 0",
        5,
        "critical",
        "advisor serve takes no requests",
        "{{ $labels.instance }} is alive and has not been ready for five minutes.",
        "Its log says why the model could not be warmed up, or that it is ending.",
    )
    yield Alert(
        "AdvisorQueueFull",
        'increase(advisor_requests_refused_total{reason="queue_full"}[5m]) > 0',
        2,
        "warning",
        "requests are turned away because the queue is full",
        "{{ $value | humanize }} requests to {{ $labels.instance }} were told to come again within five minutes.",
        "Serve a second instance, a faster row (advisor report shows them), or fewer callers; a longer queue (--queue) "
        "only makes them wait.",
    )


def _speed(row: MeasuredRow) -> Iterator[Alert]:
    if row.slow is None:
        return
    limited = row.limits.p95_ms is not None
    than = "the task's limit" if limited else f"{reference.SLOWER:g} times what was measured of requests sent alone"
    yield Alert(
        "AdvisorSlow",
        "histogram_quantile(0.95, sum by (instance, le) (rate(advisor_e2e_request_latency_seconds_bucket[5m])))"
        f" > {_number(row.slow)}",
        10,
        "critical" if limited else "warning",
        f"the 95th percentile of latency is above {than}",
        f"It is {{{{ $value | humanizeDuration }}}} at {{{{ $labels.instance }}}}, above {_number(row.slow)} s.",
        "Where requests wait (advisor_request_queue_time_seconds), it is traffic: serve a second instance. Where they "
        "do not, something else takes the machine, or prompts have grown (advisor_request_prompt_tokens).",
    )


def _failures(row: MeasuredRow) -> Iterator[Alert]:
    if row.failing is None:
        return
    failed = f"sum by (instance) (rate({_ENDED}[5m]))"
    answered = "sum by (instance) (rate(advisor_request_success_total[5m]))"
    yield Alert(
        "AdvisorErrors",
        f"{failed} / ({failed} + {answered}) > {_number(row.failing)}",
        5,
        "critical",
        "more requests end without an answer than the test set allows for",
        f"{{{{ $value | humanizePercentage }}}} of requests to {{{{ $labels.instance }}}} end without an answer; of "
        f"the test set it was at most {row.failing:.1%} (upper end of the 95 % interval).",
        "advisor_request_failures_total says by kind which; timeouts are load, errors stand in the log.",
    )


def _planned(row: MeasuredRow) -> Iterator[Alert]:
    """Of traffic and money, as the task's limits have them."""
    limits = row.limits
    if limits.budget_usd is not None:
        a_day = limits.budget_usd / horizon(limits)
        yield Alert(
            "AdvisorSpendAboveBudget",
            f"sum(increase(advisor_cost_usd_total[1d])) > {_number(a_day)}",
            10,
            "warning",
            "a day costs more than its share of the budget",
            f"{{{{ $value | humanize }}}} USD within a day; {limits.budget_usd:g} USD over {horizon(limits):g} days "
            f"are {_number(a_day)} a day.",
            "Judge again with the traffic that there is (advisor report DIR --queries-per-day N): another row may keep "
            "within the budget.",
        )
    if limits.queries_per_day is not None:
        yield Alert(
            "AdvisorMoreQueriesThanPlanned",
            f"sum(increase(advisor_requests_received_total[1d])) > {_number(limits.queries_per_day)}",
            10,
            "info",
            "there are more queries than the choice of this row assumed",
            f"{{{{ $value | humanize }}}} queries within a day, and {limits.queries_per_day:g} were planned.",
            "Judge again with the traffic that there is: advisor report DIR --queries-per-day N.",
        )


def _mix(row: MeasuredRow) -> Iterator[Alert]:
    bound = chance_distance(row)
    if bound is not None:
        yield _drift(
            "AdvisorAnswersDrifted",
            f"advisor_drift_answer_mix_distance > {_number(bound)}",
            "the mix of answers is not that of the test set",
            f"Its total variation distance is {{{{ $value | humanize }}}}; by chance it is above {_number(bound)} once "
            "in a thousand.",
            "Label some of what is asked now and compare on it: the row that was best on the old mix need not be now.",
        )


_WATCHED = {  # name, direction in which it is a fault, what is wrong, what to do
    reference.SCORE: (
        "AdvisorRetrievalScoresFell",
        "below",
        "passages fit the queries worse than in the test set",
        "The documents lack what is asked now: add them (POST /documents), or measure again with those that there are.",
    ),
    reference.CONFIDENCE: (
        "AdvisorConfidenceFell",
        "below",
        "answers are less sure than in the test set",
        "Read some of the least sure ones; label them, measure, and train again if the row learns.",
    ),
    reference.ABSTAINED: (
        "AdvisorAbstentionsDrifted",
        "from",
        "another share of queries is left unanswered than in the test set",
        "More: the documents lack what is asked now. Fewer: see whether questions without an answer are declined.",
    ),
    reference.INPUT_WORDS: (
        "AdvisorInputsDrifted",
        "from",
        "queries are of another length than in the test set",
        "Something else is asked than was measured: import some of it as a test set and compare again.",
    ),
    reference.PROMPT_TOKENS: (
        "AdvisorPromptsDrifted",
        "from",
        "prompts are of another length than in the test set",
        "Queries or passages are others than were measured, and so are cost and latency: compare again on them.",
    ),
    reference.OUTPUT_WORDS: (
        "AdvisorAnswersLengthDrifted",
        "from",
        "answers are of another length than in the test set",
        "Read some of them beside those of the report; cost and latency follow from their length.",
    ),
}


def _quantities(row: MeasuredRow) -> Iterator[Alert]:
    bounds = chance_differences(row)
    for quantity, (name, direction, summary, fix) in _WATCHED.items():
        if quantity not in bounds:
            continue
        bound, mean = _number(bounds[quantity]), row.moments[quantity].mean
        series = f'advisor_drift_standardised_difference{{quantity="{quantity}"}}'
        yield _drift(
            name,
            f"{series} < -{bound}" if direction == "below" else f"abs({series}) > {bound}",
            summary,
            f"The mean is {{{{ $value | humanize }}}} standard deviations of the test set away from its mean there, "
            f"{mean:.4g}; by chance it is more than {bound} once in a thousand.",
            fix,
        )


def _drift(name: str, beyond: str, summary: str, seen: str, fix: str) -> Alert:
    """Only once the window is full, since the bound is that of a full one."""
    full = f"and on (instance, job) advisor_drift_window_answers >= {WINDOW}"
    return Alert(name, f"{beyond} {full}", 10, "warning", summary, seen, fix)


def _number(value: float) -> str:
    return f"{value:.4g}"
