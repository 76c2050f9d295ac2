"""What a report says of reuse, of where the time went and of the share of the ceiling."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.cells import cell_len

from advisor.measuring.records import Member, ModelFacts, Run
from advisor.models.clock import Span
from advisor.reporting import figures, report
from advisor.verdict.decision import Decision


@pytest.fixture
def spent(full: Decision) -> Decision:
    """100 s of reading and 200 s of training on a machine that does 80 GFLOP/s; two approaches were taken over."""
    spans = {"prefill": Span(100.0, 20_000), "train": Span(200.0, 30_000), "other": Span(0.01)}
    model = replace(full.comparison.model, matrix_parameters=100_000_000, matrix_flops=8e10)
    runs = (Run("rag:k=3+lora:rank=16", 0, "ok", spans=spans),)
    comparison = replace(full.comparison, model=model, runs=runs, spans={"load": Span(2.5)})
    reused = {
        "zero-shot": {"measured": "2026-11-01T10:00:00+0000", "reused": {"embeddings": 77.0}},
        "majority": {"measured": "2026-11-01T23:00:00+0000"},
        "rag:k=3": {"reused": {"embeddings": 3.0}},
        "rag:k=3+lora:rank=16": {"reused": {"embeddings": 4.0}},
    }
    rows = tuple(replace(row, **reused.get(row.spec, {})) for row in full.rows)  # type: ignore[arg-type]
    return replace(full, comparison=comparison, rows=rows)


def words(report: str) -> str:
    return " ".join(report.split())


@pytest.mark.parametrize("format", ["terminal", "markdown"])
def test_the_report_says_where_the_time_went(spent: Decision, format: str) -> None:
    told = words(report(spent, format)).replace("\\", "")
    assert (
        "train 3 min 20 s (30,000 tokens), prefill 1 min 40 s (20,000 tokens), load 2.5 s, other <0.1 s; "
        "5 min 3 s in all" in told
    )
    assert (
        "share of ceiling: prefill 50 %, train 75 % of 80 GFLOP/s, which matrix products of the model's shapes "
        "reached here in float32. Counted are 2 (prefill) and 4 (train) operations for each token and each of the "
        "100 M weights of the linear layers, not attention, the output layer or an adapter." in told
    )


@pytest.mark.parametrize("format", ["terminal", "markdown"])
def test_the_report_says_what_was_reused_and_that_no_figure_profits(spent: Decision, format: str) -> None:
    told = words(report(spent, format)).replace("\\", "")
    assert (
        "zero-shot and majority (measured on 2026-11-01); embeddings (7.0 s). Times and costs are as if nothing had "
        "been reused." in told
    )


@pytest.mark.parametrize("format", ["terminal", "markdown"])
def test_it_is_silent_where_nothing_is_known(full: Decision, format: str) -> None:
    told = report(full, format)
    assert "ceiling" not in told
    assert "reused" not in told
    assert "in all" not in told.split("records")[0].split("Caveats")[-1]


@pytest.mark.parametrize("width", [60, 100])
def test_the_lines_fit(spent: Decision, width: int) -> None:
    assert all(cell_len(line) <= width for line in report(spent, width=width).splitlines())


def test_programs_read_it_too(spent: Decision, full: Decision) -> None:
    found = json.loads(report(spent, "json"))
    assert found["time"] == {
        "seconds": {"train": 200.0, "prefill": 100.0, "load": 2.5, "other": 0.01},
        "tokens": {"train": 30_000, "prefill": 20_000},
        "ceiling": {"flops": 8e10, "parameters": 100_000_000, "dtype": "float32", "others_cpu_share": None},
        "share_of_ceiling": {"prefill": 0.5, "train": 0.75},
        "operations": {"prefill": 2, "train": 4},
    }
    by_spec = {a["spec"]: a for a in found["approaches"]}
    assert by_spec["zero-shot"]["measured"] == "2026-11-01T10:00:00+0000"
    assert by_spec["rag:k=3"]["reused"] == {"embeddings": 3.0}
    unknown = json.loads(report(full, "json"))["time"]
    assert (unknown["seconds"], unknown["share_of_ceiling"], unknown["ceiling"]["flops"]) == ({}, {}, None)


HOSTED = {"place": "network", "device": "elsewhere", "dtype": "unknown"}


def of_several(spent: Decision, *models: ModelFacts) -> Decision:
    """The work of `spent`, once on each of the models; the next reads in twice the time."""
    runs, members = [], []
    for number, model in enumerate(models):
        span = Span(100.0 * (number + 1), 20_000)
        runs.append(Run(f"zero-shot@m{number}", 0, "ok", spans={"prefill": span}, key=f"k{number}", model=f"m{number}"))
        members.append(Member(f"m{number}", model, key=f"k{number}"))
    made = replace(spent.comparison, model=models[0], runs=tuple(runs), members=tuple(members), several=True)
    return replace(spent, comparison=made)


def test_the_ceiling_is_that_of_the_model_that_has_one(spent: Decision) -> None:
    here = spent.comparison.model
    hosted = replace(here, matrix_flops=None, matrix_parameters=None, **HOSTED)  # type: ignore[arg-type]
    decision = of_several(spent, hosted, here)
    told = words(report(decision))
    assert "prefill 25 % of 80 GFLOP/s, which matrix products of the model's shapes reached here in float32." in told
    found = json.loads(report(decision, "json"))["time"]
    assert found["ceiling"] == {
        "flops": 8e10,
        "parameters": 100_000_000,
        "dtype": "float32",
        "others_cpu_share": None,
    }
    assert found["share_of_ceiling"] == {"prefill": 0.25}


def test_of_several_models_with_a_ceiling_each_has_its_own(spent: Decision) -> None:
    one = spent.comparison.model
    other = replace(one, matrix_flops=1e10, matrix_parameters=50_000_000, dtype="bfloat16")
    decision = of_several(spent, one, other)
    told = words(report(decision))
    # 4e12 and 2e12 operations, where 8e12 and 2e12 were possible
    assert (
        "prefill 60 % of what matrix products of each model's shapes reached here (m0 80 GFLOP/s in float32 and m1 10 "
        "GFLOP/s in bfloat16). Counted are 2 (prefill) operations for each token and each of the weights of the linear "
        "layers" in told
    )
    found = json.loads(report(decision, "json"))["time"]
    assert found["share_of_ceiling"] == {"prefill": 0.6}
    assert set(found["ceiling"].values()) == {None}


def test_rates() -> None:
    assert [figures.rate(x) for x in (8.4e10, 9.999e11, 1.23e12, 4.1e14)] == [
        "84 GFLOP/s",
        "1 TFLOP/s",
        "1.23 TFLOP/s",
        "410 TFLOP/s",
    ]
