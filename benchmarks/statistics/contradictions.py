"""Reports of comparisons drawn at random, searched for statements that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from advisor.measuring.query_records import LatencyRecord, PredictionRecord
from advisor.measuring.records import Answer, Comparison, ModelFacts, Run, TaskFacts
from advisor.reporting.statements import groups, verdict
from advisor.verdict import Decision, decide
from advisor.verdict.sample import Sample
from benchmarks.statistics.drawing import Design, Truth, draw

SPECS = ("zero-shot", "few-shot", "rag", "lora", "rag+lora", "oracle", "majority")


def contradictory(rng: np.random.Generator, reports: int) -> list[str]:
    """The contradictions in `reports` simulated reports."""
    return [found for _ in range(reports) for found in contradictions(simulated_report(rng))]


def simulated_report(rng: np.random.Generator) -> Decision:
    """A report of a random comparison under random circumstances."""
    base = rng.uniform(0.3, 0.8)
    step = float(rng.choice([0.0, 0.03, 0.1]))
    design = Design(int(rng.choice([20, 48, 100, 200])), int(rng.choice([1, 3])))
    spread = float(rng.choice([0.0, 0.03, 0.08]))
    truths = [
        Truth(float(np.clip(base + step * rng.standard_normal(), 0.05, 0.95)), "lora" in spec, spread) for spec in SPECS
    ]
    return decide(_comparison(draw(rng, truths, design), design, rng))


def contradictions(decision: Decision) -> Iterator[str]:
    """Yield each statement that another one of the same report contradicts."""
    chosen = next((row for row in decision.rows if row.spec == decision.recommendation.approach), None)
    best = next((row for row in decision.rows if row.quality and row.versus_best is None and not row.control), None)
    for row in decision.rows:
        versus = row.versus_best
        if versus is None or best is None:
            continue
        apart = not set(row.group) & set(best.group)
        if versus.shown != apart:
            yield f"star of {row.spec} against its letters"
        if versus.shown == (versus.low <= 0 <= versus.high) or versus.shown != (versus.p < 0.05):
            yield f"interval of {row.spec} against its p-value"
        if chosen is best and row.spec in decision.recommendation.alternatives and versus.shown:
            yield f"{row.spec} cannot be told apart and is shown to differ"
    rows = {row.spec: row for row in decision.rows}
    for finding in decision.diagnosis:
        if finding.shown is None:
            continue
        if finding.shown == (finding.estimate.low <= 0 <= finding.estimate.high):
            yield f"{finding.name}: interval against words"
        named = [rows[spec] for spec in SPECS if f"({spec})" in finding.meaning or f" {spec}" in f" {finding.meaning}"]
        pair = [row for row in named if row.quality][:2]
        if len(pair) == 2 and finding.shown != (not set(pair[0].group) & set(pair[1].group)):
            yield f"{finding.name}: words against letters"
    yield from _verdict(decision)


def _verdict(decision: Decision) -> Iterator[str]:
    found = decision.recommendation
    if found.decided and (found.alternatives or "cannot be told apart" in verdict(found) or found.settling):
        yield "decided with alternatives"
    below = any("is not shown to be better than always giving" in reason for reason in found.reasons)
    if not found.decided and found.approach and not found.alternatives and not below:
        yield "not decided without alternatives"
    quality = next((row.quality for row in decision.rows if row.spec == found.approach), None)
    if quality and found.quality and not found.quality.value <= quality.value + 1e-9:
        yield "the corrected quality is above the measured one"
    shared = any(
        row.spec != found.approach and row.eligible and set(row.group) & set(one.group)
        for row in decision.rows
        for one in decision.rows
        if one.spec == found.approach
    )
    if found.decided and shared != ("a claim of its own" in groups(decision)):
        yield "the winner shares a letter and nothing explains it"


def _comparison(samples: Sequence[Sample], design: Design, rng: np.random.Generator) -> Comparison:
    runs = [run for spec, sample in zip(SPECS, samples, strict=True) for run in _runs(spec, sample, rng)]
    task = TaskFacts("simulated", "f", "qa", "exact_match", (), 100, 0, design.n, 10, 1000, (), {})
    model = ModelFacts("m", "r", None, "folder", "float32", "cuda:0", "NVIDIA L4", 1000, 512, "", ())
    answers = {f"q{i}": Answer(("yes",)) for i in range(design.n)}
    return Comparison("runs/simulated", task, model, answers, tuple(runs), design.n, hardware={"cores": 2})


def _runs(spec: str, sample: Sample, rng: np.random.Generator) -> Iterator[Run]:
    seconds = float(rng.uniform(0.01, 0.1))
    for seed, scores in enumerate(sample.scores):
        yield Run(
            spec=spec,
            seed=seed,
            status="ok",
            control=spec in ("oracle", "majority"),
            predictions=tuple(
                PredictionRecord(id=f"q{i}", text="yes" if right else f"no {i % 3}", evidence=())
                for i, right in enumerate(scores)
            ),
            predict_seconds=seconds * sample.n,
            latencies=tuple(LatencyRecord(f"q{i}", seconds, seconds, 2) for i in range(min(16, sample.n))),
            fit_seconds=1.0,
            trainable_parameters=1000 if sample.tuned else None,
        )
