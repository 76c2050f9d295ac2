"""From runs to rows: the measurements of each approach over all seeds, without costs and ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from advisor.approaches import known
from advisor.measuring import timing
from advisor.measuring.disturbance import disturbances
from advisor.measuring.example_scores import is_scored, is_whole
from advisor.measuring.latency import p50_interval, p95_interval
from advisor.measuring.records import Answer, Comparison, Run, Status
from advisor.verdict import sources, words
from advisor.verdict.decision import LatencySummary, Row
from advisor.verdict.degenerate import all_alike

_TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


PRETRAINING = "cpt"  # the part of a spec that reads raw text before the task is learned
NOT_DONE = "not done yet"
"""What is said of a row while a run is at work on it."""
UNANSWERED = 0.05
"""Share of the queries up to which a row is judged although they got no answer."""


def complete_runs(comparison: Comparison) -> list[Run]:
    """The runs that may be judged: every test example is answered and no other seed of the approach failed."""
    return [run for spec in dict.fromkeys(run.spec for run in comparison.runs) for run in _complete(comparison, spec)]


def unfinished(comparison: Comparison) -> list[str]:
    """The rows of which a run has not been begun, or was begun and is not at its end, in order of appearance."""
    return list(dict.fromkeys(run.spec for run in comparison.runs if run.status == "interrupted"))


def complete(runs: Sequence[Run], answers: Mapping[str, Answer], metric: str) -> list[Run]:
    """Those of an approach's runs that may be judged.

    Args:
        answers: to the test examples, by their ids.
    """
    if any(run.status == "failed" for run in runs):
        return []
    return [run for run in runs if run.status == "ok" and _is_judged(run, answers, metric) and not lacking(run)]


def measured(comparison: Comparison) -> list[Row]:
    """One row per approach in order of appearance, without quality, costs and eligibility."""
    return [_row(comparison, spec) for spec in dict.fromkeys(run.spec for run in comparison.runs)]


def _complete(comparison: Comparison, spec: str) -> list[Run]:
    runs = [run for run in comparison.runs if run.spec == spec]
    return complete(runs, comparison.answers, comparison.task.metric)


def lacking(run: Run) -> str:
    """Why a run whose queries went unanswered too often cannot be judged; empty where it can.

    Up to `UNANSWERED` of them count as not right and are named: what fails rarely can be used, and is seen in use.
    """
    found = Counter(p.failure for p in run.predictions if p.failure)
    if found.total() <= UNANSWERED * len(run.predictions):
        return ""
    why = words.listed([f"{number:,} {reason}" for reason, number in found.most_common()])
    return f"{found.total():,} of {len(run.predictions):,} queries got no answer: {why}"


def _is_judged(run: Run, answers: Mapping[str, Answer], metric: str) -> bool:
    """Whether every test example is answered, and what the metric has to ask a model was asked."""
    return is_whole(run, answers) and is_scored(metric, run, answers)


def _row(comparison: Comparison, spec: str) -> Row:
    runs = [run for run in comparison.runs if run.spec == spec]
    good = _complete(comparison, spec)
    status, error = ("ok", None) if good else _trouble(comparison, runs)
    member = comparison.model_of(runs[0])
    notes = list(dict.fromkeys(note for run in runs for note in run.notes))
    if good and len(good) < len(runs):
        notes.append(f"{len(good)} of {len(runs)} seeds were complete and are reported")
    return Row(
        spec=spec,
        status=status,
        error=error,
        control=runs[0].control,
        uses_model=runs[0].uses_model,
        eligible=False,
        violations=(),
        quality=None,
        n=len(comparison.answers) if good else 0,
        shows=runs[0].shows or _as_installed(spec),
        latency=_latency(good),
        throughput_qps=_throughput(good),
        **_tokens(good),
        fit_seconds=_median(run.fit_seconds for run in good),
        index_seconds=_median(run.index_seconds for run in good),
        peak_memory_bytes=_largest(run.peak_memory_bytes for run in good),
        artifact_bytes=_largest(run.artifact_bytes for run in good),
        trainable_parameters=_largest(run.trainable_parameters for run in good),
        tokens_seen=_largest(run.tokens_seen for run in good),
        served=next((run.served for run in good), ""),
        retrieval=sources.retrieval(good, comparison.answers),
        citations=sources.citations(good, comparison.answers),
        abstention=sources.abstention(comparison, good),
        dropped=max((sum(p.dropped for p in run.predictions) for run in good), default=0),
        cut=max((sum(p.cut > 0 for p in run.predictions) for run in good), default=0),
        notes=tuple(notes),
        unread=max((sum(p.unread for p in run.predictions) for run in good), default=0),
        bare=max((sum(p.bare for p in run.predictions) for run in good), default=0),
        timing_error=timing.error(run.timings for run in good),
        seeds=len(good),
        reused=_summed(run.reused for run in good),
        measured=min((run.measured for run in good if run.measured), default=None),
        alike=all_alike(good, comparison.answers),
        others=disturbances(good, member.facts) if member else {},
        timed_again=min((run.timed_again for run in good if run.timed_again), default=None),
        differing=sum(run.differing for run in good),
        model=runs[0].model,
        tuned=any(run.tuned for run in good),
        reasons=any(values.get("cot") for run in good for values in run.config.values()),
        labels_by=next((run.labels_by for run in good), None),
        failures=failures(good),
        answered_by=tuple(dict.fromkeys(version for run in good for version in run.answered_by)),
        perplexity=_perplexity(good),
        pretrained=next(
            (values["on"] for run in good if (values := run.config.get(PRETRAINING)) and "on" in values), ""
        ),
        asked=next((run.asked for run in good), ()),
    )


def _perplexity(runs: Sequence[Run]) -> tuple[float, float] | None:
    known = [run.perplexity for run in runs if run.perplexity]
    return (fmean(before for before, _ in known), fmean(after for _, after in known)) if known else None


def failures(runs: Sequence[Run]) -> dict[str, int]:
    """Why queries got no answer, of the seed in which most did not."""
    found = [Counter(p.failure for p in run.predictions if p.failure) for run in runs]
    return dict(max(found, key=lambda one: one.total(), default={}))


def _tokens(runs: Sequence[Run]) -> dict[str, Any]:
    """Tokens of a query, and what models elsewhere were asked by a seed, each on average."""
    answers = [p for run in runs for p in run.predictions]
    if not answers:
        return {}
    means = {name: fmean(getattr(p, name) for p in answers) for name in _TOKENS}
    steps = dict.fromkeys(step for run in runs for step in run.calls)
    calls = {step: _summed(run.calls.get(step, {}) for run in runs) for step in steps}
    each = {step: {what: amount / len(runs) for what, amount in found.items()} for step, found in calls.items()}
    return means | {"calls": each, "estimated": max(sum(p.estimated for p in run.predictions) for run in runs)}


def _as_installed(spec: str) -> str:
    """What an approach shows, looked up where the record does not say; empty where it is not installed."""
    approach = known(spec)
    return approach.shows if approach else ""


def _trouble(comparison: Comparison, runs: Sequence[Run]) -> tuple[Status, str | None]:
    """The most severe status of an approach without a complete run, with its reason."""
    for run in runs:
        if run.status == "ok" and (reason := lacking(run)):
            return "failed", reason
    order: tuple[Status, ...] = ("failed", "interrupted", "skipped")
    for status in order:
        for run in runs:
            if run.status == status:
                return status, run.error or (NOT_DONE if comparison.at_work else None)
    metric = comparison.task.metric
    if any(not is_scored(metric, run, comparison.answers) for run in runs):
        why = next((one.error for run in runs if (one := run.scored.get(metric)) and one.error), "")
        return "interrupted", f"not every answer was judged by {metric}" + (f": {why}" if why else "")
    return "interrupted", "not every test example was answered"


def _latency(runs: Sequence[Run]) -> LatencySummary | None:
    """The latency over all seeds; a query sent by several seeds counts once, since they are not independent."""
    requests = {request.id: request for run in reversed(runs) for request in run.latencies}.values()
    if not requests:
        return None
    seconds = [1000 * request.seconds for request in requests]
    first = [1000 * request.ttft_seconds for request in requests]
    p50, p95 = p50_interval(seconds), p95_interval(seconds)
    return LatencySummary(
        p50=p50.value,
        p95=p95.value,
        ttft_p50=p50_interval(first).value,
        n=len(requests),
        p50_low=p50.low,
        p50_high=p50.high,
        p95_low=p95.low,
        p95_high=p95.high,
    )


def _throughput(runs: Sequence[Run]) -> float | None:
    timed = [(len(run.predictions), run.predict_seconds) for run in runs if run.predict_seconds]
    seconds = sum(s for _, s in timed)
    return sum(n for n, _ in timed) / seconds if seconds else None


def _summed(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for count in counts:
        for name, value in count.items():
            total[name] = total.get(name, 0.0) + value
    return total


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
