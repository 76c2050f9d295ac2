"""Rows that are measured, observers of them, and what they export: for the tests of watching."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from advisor.deploy.serving.observer import Answered
from advisor.deploy.watching.metrics import PrometheusObserver


def exported(observer: PrometheusObserver) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    kind, body = observer.exposed()
    assert kind.startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(body.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(observer: PrometheusObserver, name: str, **labels: str) -> float | None:
    """One sample; None where there is none."""
    return exported(observer).get((f"advisor_{name}", tuple(sorted(labels.items()))))


def answered(**more: Any) -> Answered:
    """An answer, by default to a query of three words."""
    usual: dict[str, Any] = {"route": "/answer", "spec": "row", "seconds": 0.5, "queue_seconds": 0.1, "input_words": 3}
    return Answered(**{**usual, **more})


def tool(name: str) -> str:
    """A program of Prometheus; the test is skipped where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def promtool(*arguments: str | Path, asked: str = "") -> subprocess.CompletedProcess[str]:
    """Run it."""
    command: Sequence[str] = [tool("promtool"), *map(str, arguments)]
    return subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=60)


Feed = Callable[[PrometheusObserver], None]


def busy(observer: PrometheusObserver) -> None:
    """Everything that can be told is told once."""
    labels = observer.row.labels
    observer.ready_when(lambda: True)
    observer.received("/answer")
    observer.waiting(2, 1)
    observer.first_token(0.2)
    label = {"label": labels[0], "confidence": 0.7} if labels else {"abstained": True, "output_words": 4}
    tokens = {"prompt_tokens": 30, "completion_tokens": 4, "cached_tokens": 10, "dollars": 0.25}
    observer.answered(answered(retrieval_scores=(0.6, 0.2), passages=2, **label, **tokens))
    observer.refused("queue_full")
    observer.failed("timeout")
    observer.documents_changed(3, 5, 0.5)
