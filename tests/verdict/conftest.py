"""Comparisons made by hand: runs whose answers are right where a list says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from advisor.measuring.query_records import LatencyRecord, PredictionRecord
from advisor.measuring.records import Answer, Comparison, ModelFacts, Run, TaskFacts

MODEL = ModelFacts(
    id="tiny",
    revision="r1",
    quantisation=None,
    source="folder",
    dtype="float32",
    device="cuda:0",
    device_name="NVIDIA L4",
    parameters=1000,
    context_window=512,
    embedder="",
    caveats=(),
)


def make_run(spec: str, texts: Sequence[str], **facts: Any) -> Run:
    """A complete run that gave `texts`; costs 1 second to fit and 0.01 second a query unless `facts` differ."""
    evidence = facts.pop("evidence", [()] * len(texts))
    predictions = tuple(
        PredictionRecord(id=f"q{i}", text=text, evidence=tuple(found), prompt_tokens=100, completion_tokens=2)
        for i, (text, found) in enumerate(zip(texts, evidence, strict=True))
    )
    seconds = facts.pop("seconds_per_query", 0.01)
    latency = facts.pop("latency", 0.1)
    known: dict[str, Any] = {
        "seed": 0,
        "status": "ok",
        "fit_seconds": 1.0,
        "trainable_parameters": 1000 if "lora" in spec else None,
        "index_seconds": 2.0 if "rag" in spec else None,
        "uses_model": not spec.startswith(("majority", "nearest", "head")),
        "control": spec.startswith(("majority", "oracle")),
        "predict_seconds": seconds * len(texts),
        "latencies": tuple(LatencyRecord(f"q{i}", latency / 2, latency, 2) for i in range(60)) if latency else (),
    }
    return Run(spec=spec, predictions=predictions, **{**known, **facts})


def make_comparison(
    runs: Sequence[Run],
    metric: str = "accuracy",
    targets: Sequence[str] | None = None,
    evidence: Mapping[str, tuple[str, ...]] | None = None,
    **model: Any,
) -> Comparison:
    """A comparison in which "yes" is the right answer of every example unless `targets` say otherwise."""
    n = max((len(run.predictions) for run in runs if run.status == "ok"), default=10)
    wanted = targets or ["yes"] * n
    known = evidence or {}
    task = TaskFacts(
        name="desk",
        fingerprint="f",
        kind="classification",
        metric=metric,
        labels=("yes", "no"),
        train=50,
        dev=0,
        test=n,
        documents=0,
        document_words=0,
        caveats=("a caveat of the task",),
        limits={},
    )
    hardware = model.pop("hardware", {"cores": 4})
    return Comparison(
        folder="runs/desk",
        task=task,
        model=ModelFacts(**{**{f: getattr(MODEL, f) for f in MODEL.__dataclass_fields__}, **model}),
        answers={f"q{i}": Answer((t,), known.get(f"q{i}", ())) for i, t in enumerate(wanted)},
        runs=tuple(runs),
        latency_examples=60,
        hardware=hardware,
    )


def right(n: int, share: float, seed: int = 0) -> list[str]:
    """`n` answers of which exactly the share is right, at random places."""
    chosen = set(np.random.default_rng(seed).permutation(n)[: round(n * share)].tolist())
    return ["yes" if i in chosen else "no" for i in range(n)]


@pytest.fixture
def run() -> Callable[..., Run]:
    return make_run


@pytest.fixture
def comparison() -> Callable[..., Comparison]:
    return make_comparison


@pytest.fixture
def answers() -> Callable[..., list[str]]:
    return right
