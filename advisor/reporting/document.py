"""`results.json`, for programs. Keys may be added; none changes its meaning."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from advisor.approaches import apart
from advisor.cleaning import escaped
from advisor.measuring.attempt import FIT
from advisor.measuring.disturbance import Disturbance
from advisor.measuring.records import Comparison, Member, ModelFacts, TaskFacts
from advisor.measuring.second_models import SecondModel
from advisor.models.load import last_part
from advisor.reporting import figures, race
from advisor.verdict.cells import Preferring, Retrieval
from advisor.verdict.decision import Decision, LatencySummary, Recommendation, Row, Staleness, Versus
from advisor.verdict.effort import OPERATIONS, ceiling_of, effort

SCHEMA = 1
_NAMES = dict.fromkeys(("above the majority class", "above the most frequent answer"), "above the majority answer")
"""The names of diagnoses in schema 1, where they differ from those that reports show."""
_DIGITS = 6
"""Significant digits of every figure: more than any measurement holds, and the same on every machine."""


def as_json(found: Mapping[str, Any], encoding: str) -> str:
    """A document as indented JSON with a final line break; never NaN or Infinity.

    What would turn or hide text on a terminal is escaped.

    Args:
        encoding: the encoding of the output; for any but UTF-8, all is escaped to ASCII.
    """
    ascii_only = encoding.lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig")
    return escaped(json.dumps(found, indent=1, ensure_ascii=ascii_only, allow_nan=False)) + "\n"


def document(decision: Decision) -> dict[str, Any]:
    """The decision as plain JSON values. What is not known is null, never 0."""
    comparison = decision.comparison
    chosen = next((row for row in decision.rows if row.spec == decision.recommendation.approach), None)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "task": _task(comparison.task),
        "model": _model(comparison.model),
        "models": [{"alias": _alias(member), **_model(member.facts)} for member in comparison.models],
        "approaches": [_approach(row) for row in decision.rows],
        "recommendation": _recommendation(decision.recommendation, chosen.model if chosen else ""),
        "diagnosis": [
            {
                "name": _name_of(f.name),
                **dataclasses.asdict(f.estimate),
                "shown": f.shown,
                "meaning": f.meaning,
            }
            for f in decision.diagnosis
        ],
        "break_even": [dataclasses.asdict(point) for point in decision.break_even],
        "limits": dataclasses.asdict(decision.limits),
        "margin": decision.margin,
        "prices": decision.prices,
        "seeds": comparison.seeds,
        "latency_examples": comparison.latency_examples,
        "settings": comparison.settings,
        "versions": comparison.versions,
        "hardware": comparison.hardware,
        "folder": comparison.folder,
        "time": _time(comparison),
        "race": race.as_json(decision.race),
    }
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def _name_of(name: str) -> str:
    """A diagnosis by its name in schema 1, the model's alias behind it where there are several."""
    base, between, alias = name.partition(" (")
    return _NAMES.get(base, base) + between + alias


def clean(value: object) -> Any:
    """The value in JSON types: floats rounded, NaN and infinities null, lone surrogates replaced."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return _rounded(value)
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case Mapping():
            return {clean(str(key)): clean(item) for key, item in value.items()}
        case list() | tuple():
            return [clean(item) for item in value]
        case set() | frozenset():
            return [clean(item) for item in sorted(value, key=str)]
    return clean(str(value))


def _rounded(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") + 0.0 if math.isfinite(value) else None


def _task(task: TaskFacts) -> dict[str, object]:
    return {
        "name": task.name,
        "fingerprint": task.fingerprint,
        "kind": task.kind,
        "metric": task.metric,
        "train": task.train,
        "dev": task.dev,
        "test": task.test,
        "documents": task.documents,
        "document_words": task.document_words,
        "labels": task.labels,
        "leaked": task.leaked,
        "caveats": task.caveats,
    }


def _alias(member: Member) -> str:
    """What rows call a model; of one that was recorded without an alias its name's last part."""
    return member.alias or last_part(member.facts.id)


def _model(model: ModelFacts) -> dict[str, object]:
    return {
        "id": model.id,
        "revision": model.revision or None,
        "dtype": model.dtype,
        "device": model.device,
        "device_name": model.device_name or None,
        "parameters": model.parameters or None,
        "quantisation": model.quantisation,
        "source": model.source or None,
        "embedder": model.embedder or None,
        "context_window": model.context_window or None,
        "threads": model.threads,
        "threads_alone": model.threads_alone,
        "place": model.place,
        "provider": model.provider or None,
        "reasoning": model.reasoning,
        "engine": model.engine or None,
        "caveats": model.caveats,
    }


def _approach(row: Row) -> dict[str, object]:
    return {
        "spec": apart(row.spec)[0],
        "model": row.model or None,
        "row": row.spec,
        "status": row.status,
        "error": row.error,
        "control": row.control,
        "uses_model": row.uses_model,
        "eligible": row.eligible,
        "violations": row.violations,
        "straddles": row.straddles,
        "group": row.group or None,
        "quality": {**dataclasses.asdict(row.quality), "n": row.n} if row.quality else None,
        "versus_best": _versus(row.versus_best),
        "latency_ms": _latency(row.latency),
        "throughput_qps": row.throughput_qps,
        "tokens_per_query": _tokens(row),
        "fit_seconds": row.fit_seconds,
        "index_seconds": row.index_seconds,
        "peak_memory_bytes": row.peak_memory_bytes,
        "artifact_bytes": row.artifact_bytes,
        "trainable_parameters": row.trainable_parameters,
        "tokens_seen": row.tokens_seen,
        "served": row.served or None,
        "retrieval": _retrieval(row.retrieval),
        "citations": dataclasses.asdict(row.citations) if row.citations else None,
        "abstention": dataclasses.asdict(row.abstention) if row.abstention else None,
        "calibration": dataclasses.asdict(row.calibration) if row.calibration else None,
        "coverage": dataclasses.asdict(row.coverage) if row.coverage else None,
        "cost_usd": dataclasses.asdict(row.cost),
        "dropped_context": row.dropped,
        "without_context": row.bare,
        "truncated_inputs": row.cut,
        "inputs_embedded_in_part": row.unread,
        "notes": row.notes,
        "seeds": row.seeds,
        "reused": row.reused,
        "measured": row.measured,
        "others_cpu_share": _largest(d.cpu for step, d in row.others.items() if step != FIT),
        "others": {step: _others(found) for step, found in row.others.items()},
        "timed_again": row.timed_again,
        "answers_differing": row.differing,
        "labels_by": row.labels_by,
        "unanswered": row.failures,
        "answered_by": row.answered_by,
        "calls": row.calls,
        **({"asked": [_asked(one) for one in row.asked]} if row.asked else {}),
        **({"after": _after(row.after)} if row.after else {}),
        **({"perplexity": dict(zip(("before", "after"), row.perplexity, strict=True))} if row.perplexity else {}),
        **({"preferences": _preferring(row.preferring)} if row.preferring else {}),
        **({"forgetting": dataclasses.asdict(row.forgotten)} if row.forgotten else {}),
    }


def _asked(one: SecondModel) -> dict[str, object]:
    """Another model that was asked before the fit; its seconds are among `fit_seconds`."""
    names = ("parameter", "alias", "id", "revision", "seconds", "tokens", "calls")
    return {name: getattr(one, name) for name in names}


def _after(after: Staleness) -> dict[str, object]:
    """What a change of the documents did to an approach that was not fitted anew."""
    difference = after.difference and {**dataclasses.asdict(after.difference), "n": after.paired}
    return {
        "quality": {**dataclasses.asdict(after.quality), "n": after.n},
        "index_seconds": after.index_seconds,
        "difference": difference,
        "loses": after.loses,
        "outcome": after.outcome,
        "documents": after.documents,
    }


def _preferring(found: Preferring) -> dict[str, object]:
    """The accuracy on the preferences held out, and its difference to the row with one tuner fewer."""
    versus = {"versus": found.versus, "difference": dataclasses.asdict(found.difference)} if found.difference else {}
    return {**dataclasses.asdict(found.accuracy), "n": found.n, **versus}


def _retrieval(found: Retrieval | None) -> dict[str, object] | None:
    """The measures as numbers, as schema 1 has them, and their intervals beside."""
    if found is None:
        return None
    measures = {one.name: getattr(found, one.name) for one in dataclasses.fields(found)}
    intervals = {name: [measure.low, measure.high] for name, measure in measures.items()}
    return {**{name: measure.value for name, measure in measures.items()}, "intervals": intervals}


def _tokens(row: Row) -> dict[str, object] | None:
    """Tokens of a query; those of reasoning are not among the answer's."""
    answered = _known(prompt=row.prompt_tokens, completion=row.completion_tokens)
    return answered and {**answered, "reasoning": row.reasoning_tokens}


def _others(found: Disturbance) -> dict[str, object]:
    """What other processes took of the machine while a step was timed."""
    threads, alone = found.threads or (None, None)
    return {
        "cpu_share": found.cpu,
        "gpu_share": found.gpu,
        "threads": threads,
        "threads_alone": alone,
        "busy": found.busy,
        "factor": found.factor,
    }


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _time(comparison: Comparison) -> dict[str, object]:
    found, model = effort(comparison), ceiling_of(comparison.models)
    return {
        "seconds": found.seconds,
        "tokens": found.tokens,
        "ceiling": {
            "flops": model and model.matrix_flops,
            "parameters": model and model.matrix_parameters,
            "dtype": model and model.dtype,
            "others_cpu_share": model and model.matrix_others,
        },
        "share_of_ceiling": found.shares,
        "operations": OPERATIONS,
    }


def _versus(versus: Versus | None) -> dict[str, object] | None:
    return dataclasses.asdict(versus) if versus else None


def _latency(summary: LatencySummary | None) -> dict[str, object] | None:
    return dataclasses.asdict(summary) if summary else None


def _known(**values: float | None) -> dict[str, object] | None:
    """The values by name; None where none of them is known."""
    return dict(values) if any(figures.known(v) is not None for v in values.values()) else None


def _recommendation(r: Recommendation, model: str) -> dict[str, object]:
    return {
        "approach": apart(r.approach)[0] if r.approach else None,
        "model": model or None,
        "row": r.approach,
        "decided": r.decided,
        "alternatives": r.alternatives,
        "quality": dataclasses.asdict(r.quality) if r.quality else None,
        "unmeasured": r.unmeasured,
        "settling": dataclasses.asdict(r.settling) if r.settling else None,
        "reasons": r.reasons,
        "against": r.against,
        "caveats": r.caveats,
        "flips_when": r.flips_when,
    }
