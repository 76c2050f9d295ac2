"""The same weights here and behind a server: how often they answer alike, and how fast each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import advisor
from advisor.approaches import apart
from advisor.measuring.records import Comparison
from advisor.models.load import Loading, ModelSource, model_sources
from advisor.tasks import Task, subset
from advisor.verdict.decision import Row

HERE, THERE = "here", "there"


@dataclass(frozen=True)
class Size:
    """Examples that are taken of a task."""

    test: int = 100
    train: int = 100


def parity(task: Task, server: str, approaches: Sequence[str], size: Size, out: Path) -> list[dict[str, Any]]:
    """One row for each approach: equal answers, those that are equal as far as both go, and quality, throughput and
    latency on either side.

    Args:
        server: the name by which the served model is loaded.
    """
    taken = subset(task, limit=min(size.test, len(task.test)), train_limit=min(size.train, len(task.train)))
    return on_both_sides(advisor.compare(taken, _models(server), approaches, out=out))


def on_both_sides(comparison: Comparison) -> list[dict[str, Any]]:
    """One row for each approach that both sides measured to the end."""
    rows = {row.spec: row for row in advisor.decide(comparison).rows}
    texts = {run.spec: {p.id: p.text for p in run.predictions} for run in comparison.runs}
    found = []
    for spec in dict.fromkeys(apart(row)[0] for row in rows):
        here, there = (f"{spec}@{side}" for side in (HERE, THERE))
        if any(side not in rows or rows[side].status != "ok" for side in (here, there)):
            continue
        pairs = [(text, texts[there][id]) for id, text in texts[here].items()]
        equal = sum(mine == other for mine, other in pairs)
        as_far = sum(mine.startswith(other) or other.startswith(mine) for mine, other in pairs)
        sides = {HERE: _side(rows[here]), THERE: _side(rows[there])}
        same = {"n": len(pairs), "equal": equal, "as_far": as_far}
        found.append({"task": comparison.task.name, "spec": spec, **same, **sides})
    return found


def _models(server: str) -> list[ModelSource]:
    """Both sides in the same number format as far as that goes: llama.cpp computes in its own."""
    return model_sources([f"{HERE}=embedded", f"{THERE}={server}"], Loading(dtype="float32"))


def _side(row: Row) -> dict[str, Any]:
    latency = row.latency
    return {
        "status": row.status,
        "labels_by": row.labels_by,
        "quality": asdict(row.quality) if row.quality else None,
        "qps": row.throughput_qps,
        "p50": latency.p50 if latency else None,
        "ttft": latency.ttft_p50 if latency else None,
        "requests": sum(amounts.get("requests", 0.0) for amounts in row.calls.values()),
    }
