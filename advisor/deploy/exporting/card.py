"""The model card of an export, in the hub's format: what it is, how good it was measured to be, and what proves it.

Of the task's texts it holds the instruction and the labels, and no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from advisor.approaches.adapted import AdaptedPredictor
from advisor.cleaning import plain
from advisor.deploy.exporting.certificate import Certificate
from advisor.deploy.exporting.compared import ReadingResult
from advisor.deploy.exporting.contract import ExportedFiles, Exporter, FittedRow
from advisor.measuring.records import ModelFacts
from advisor.reporting.markdown import code, text
from advisor.verdict.cells import Interval

UNKNOWN = "unknown"
_PUBLIC = re.compile(r"[\w.-]+/[\w.-]+")
_MOST_LABELS = 200


@dataclass(frozen=True)
class Licences:
    """As whoever exports gives them.

    Attributes:
        export: of what is exported, as the hub names licences (`apache-2.0`).
        base: of the base model.
        data: of the training data.
    """

    export: str = UNKNOWN
    base: str = UNKNOWN
    data: str = UNKNOWN


def model_card(
    row: FittedRow, exporter: Exporter, written: ExportedFiles, certificate: Certificate, licences: Licences
) -> str:
    """The text of README.md."""
    front = _front(row, exporter, certificate, licences)
    body = "\n\n".join(_sections(row, exporter, written, certificate, licences))
    lines = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items())  # JSON is YAML
    return f"---\n{lines}\n---\n\n{body}\n"


def public_name(model: ModelFacts) -> str:
    """The base model's name on the hub; empty where it has none that is known."""
    at_hub = model.source in ("hub", "cache", "package") and _PUBLIC.fullmatch(model.id)
    return model.id if at_hub else ""


def base_name(model: ModelFacts) -> str:
    """What the base model is called, without the folders of a machine."""
    return public_name(model) or plain(re.split(r"[/\\]", model.id.rstrip("/"))[-1])


def _front(row: FittedRow, exporter: Exporter, certificate: Certificate, licences: Licences) -> Mapping[str, Any]:
    task, facts = row.comparison.task, _model(row)
    found: dict[str, Any] = {"license": licences.export}
    if base := public_name(facts):
        found["base_model"] = base
    found["library_name"] = exporter.library
    if isinstance(row.predictor, AdaptedPredictor):
        found["pipeline_tag"] = "text-generation"
    found["tags"] = ["advisor", plain(row.run.spec), task.kind]
    if measured := _quality(certificate):
        result = {
            "task": {"type": "text-classification" if task.kind == "classification" else "text-generation"},
            "dataset": {"type": plain(task.name), "name": plain(task.name)},
            "metrics": [{"type": task.metric, "value": measured.value, "name": task.metric}],
        }
        found["model-index"] = [{"name": f"{plain(task.name)}: {plain(row.run.spec)}", "results": [result]}]
    return found


def _model(row: FittedRow) -> ModelFacts:
    found = row.comparison.model_of(row.run)
    return found.facts if found else row.comparison.model


def _quality(certificate: Certificate) -> Interval | None:
    """Of the export itself."""
    return certificate.readings[0].exported


def _sections(
    row: FittedRow, exporter: Exporter, written: ExportedFiles, certificate: Certificate, licences: Licences
) -> Iterator[str]:
    task, model = row.comparison.task, _model(row)
    yield f"# {text(plain(task.name))}: {text(plain(row.run.spec))}"
    if not certificate.passed:
        yield "**The certificate of this export failed. Do not use it in place of what was measured.**"
    stored = f" from {text(model.quantisation)} weights" if model.quantisation else ""
    yield (
        f"The row {code(plain(row.run.spec))} of a comparison by Advisor on the task {text(plain(task.name))}, "
        f"exported as {code(exporter.name)}. Base model: {text(base_name(model))}, "
        f"revision {code(model.revision or UNKNOWN)}, measured in {text(model.dtype)}{stored}."
    )
    yield "## Task\n\n" + _list(_task(row))
    yield "## Quality\n\n" + _list(_qualities(row, certificate))
    yield "## Certificate\n\n" + _list(_certified(certificate))
    if usage := exporter.usage(row):
        yield f"## Use\n\n{usage}"
    yield "## Limits\n\n" + _list(_limits(row, written))
    yield "## Licences, as given\n\n" + _list(
        [f"This export: {text(licences.export)}", f"Base model: {text(licences.base)}", f"Data: {text(licences.data)}"]
    )


def _list(lines: Iterator[str] | list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _task(row: FittedRow) -> Iterator[str]:
    task, brief = row.comparison.task, row.brief
    yield f"Kind: {task.kind}; metric: {code(task.metric)}"
    yield f"Instruction: {text(plain(brief.instruction))}"
    if brief.labels:
        shown = ", ".join(text(plain(label)) for label in brief.labels[:_MOST_LABELS])
        more = len(brief.labels) - _MOST_LABELS
        yield f"Labels: {shown}{f', and {more} more' if more > 0 else ''}"
    yield f"Data: fingerprint {code(task.fingerprint)}; train {task.train}, dev {task.dev}, test {task.test} examples"


def _qualities(row: FittedRow, certificate: Certificate) -> Iterator[str]:
    metric, first = code(row.comparison.task.metric), certificate.readings[0]
    if first.exported is None or first.measured is None or first.difference is None:
        yield f"{metric} cannot be told from the answers alone; see the comparison."
        return
    yield f"{metric} of the export on {first.test} test examples: {_figure(first.exported)} (95 % interval)"
    yield f"As measured: {_figure(first.measured)}; paired difference {_signed(first.difference)}"
    for one in certificate.readings[1:]:
        if one.exported and one.as_measured:
            yield (
                f"With labels generated under a grammar, as a bare server has it: {_figure(one.exported)}; paired "
                f"difference to what was measured {_signed(one.as_measured)}"
            )


def _certified(certificate: Certificate) -> Iterator[str]:
    yield f"Verdict: **{certificate.outcome}**, by {text(certificate.runtime)}"
    yield from (text(reason) for reason in certificate.reasons)
    for one in certificate.readings:
        yield _reading(one)
    if certificate.exact.facts:
        yield "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in certificate.exact.facts.items())
    yield f"SHA-256 of all files: {code(certificate.digest)}; all of it is in `certificate.json`"


def _reading(one: ReadingResult) -> str:
    said = (
        f"{one.identical} of {one.test + one.more} answers identical ({one.test} of test, {one.more} of dev and train)"
    )
    if one.log_probability is not None:
        said += f"; largest difference of a log-probability {one.log_probability:.4f}"
    return f"{one.reading}: {said}"


def _limits(row: FittedRow, written: ExportedFiles) -> Iterator[str]:
    task = row.comparison.task
    yield "Measured on this task alone; of other tasks, languages and kinds of text nothing is known."
    yield from (text(plain(caveat)) for caveat in (*task.caveats, *written.notes))


def _figure(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
