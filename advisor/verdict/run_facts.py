"""What a run is of, as names and values, and in which of them several runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from advisor.measuring.records import Member
from advisor.models.load import last_part
from advisor.verdict.decision import Decision

_MODEL = {  # what of `ModelFacts` tells models apart, and what it is called
    "id": "name",
    "revision": "revision",
    "quantisation": "quantised",
    "dtype": "dtype",
    "device": "device",
    "device_name": "device name",
    "context_window": "context window",
    "embedder": "embedder",
    "place": "runs in",
    "engine": "engine",
    "labels_by": "labels told by",
    "reasoning": "reasoning",
}
_PROGRAM = 8  # digits of a digest that are shown


@dataclass(frozen=True, slots=True)
class Differing:
    """Something in which runs differ.

    Attributes:
        values: one for each run; empty where a run has none.
    """

    name: str
    values: tuple[str, ...]


def differing(facts: Sequence[Mapping[str, Any]]) -> Iterator[Differing]:
    """The names under which not all have the same, in order of appearance."""
    for name in dict.fromkeys(name for found in facts for name in found):
        values = tuple(_shown(found.get(name)) for found in facts)
        if len(set(values)) > 1:
            yield Differing(name, values)


def facts_of(run: Decision, several: bool) -> dict[str, Any]:
    """What a run is of: its task, models, settings, versions, hardware and prices.

    Args:
        several: whether models are called by their aliases.
    """
    comparison = run.comparison
    task = comparison.task
    found: dict[str, Any] = {
        "task": task.name,
        "data fingerprint": task.fingerprint,
        "training examples": task.train,
        "dev examples": task.dev,
        "test examples": task.test,
        "documents": task.documents,
        "document words": task.document_words,
        "labels": ", ".join(task.labels),
    }
    for name, value in asdict(run.limits).items():
        found[f"limit {name}"] = value
    for member in comparison.models:
        found |= _of_model(member, f"model {member.alias or last_part(member.facts.id)}" if several else "model")
    found |= {"seeds": comparison.seeds, "requests for latency": comparison.latency_examples}
    found |= {f"setting {name}": value for name, value in comparison.settings.items() if name != "latency_examples"}
    for name, value in comparison.versions.items():
        found[f"version of {name}"] = value
    programs = dict.fromkeys(run.program[:_PROGRAM] for run in comparison.runs if run.program)
    return found | {"digest of the code": ", ".join(sorted(programs)), "prices": run.prices}


def _of_model(member: Member, called: str) -> Iterator[tuple[str, Any]]:
    for name, words in _MODEL.items():
        yield f"{called}: {words}", getattr(member.facts, name)
    for name, value in member.hardware.items():
        if name == "memory_bytes" and isinstance(value, int):
            yield f"{called}: memory", f"{value / 1e9:.0f} GB"  # machines of one make differ in the last digits
        elif name != "device_name":
            yield f"{called}: {name}", value


def _shown(value: object) -> str:
    match value:
        case None | "" | False:
            return ""
        case True:
            return "yes"
        case float():
            return f"{value:g}"
    return str(value)
