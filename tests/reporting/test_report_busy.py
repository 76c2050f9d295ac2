"""Figures from a busy machine: marked in every form of the report, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from advisor.measuring.disturbance import Disturbance
from advisor.reporting import report
from advisor.verdict.decision import Decision

HALF = Disturbance(cpu=0.5, gpu=None, lost=0.5, threads=(2, 2))
QUIET = Disturbance(cpu=0.02, gpu=None, lost=0.02, threads=(2, 2))


def beside_others(full: Decision, others: Mapping[str, Disturbance], fit_seconds: float = 40.0) -> Decision:
    """The decision, of which the first row was measured beside other programs."""
    first = replace(full.rows[0], others=others, fit_seconds=fit_seconds)
    return replace(full, rows=(first, *(replace(row, others={"predict": QUIET}) for row in full.rows[1:])))


def line_of(decision: Decision, number: int = 1) -> str:
    """The first row that has a number, in the terminal's table."""
    return next(line for line in report(decision, "terminal").splitlines() if line[2:6].strip(" >?c!") == str(number))


@pytest.mark.parametrize(
    ("others", "fit_seconds", "marked"),
    [
        ({"fit": HALF, "predict": HALF, "latency": HALF}, 40.0, ["395 / 640~", "$0.0040~", "40 s~"]),
        ({"fit": HALF, "predict": QUIET, "latency": QUIET}, 40.0, ["40 s~"]),
        ({"fit": HALF, "predict": QUIET, "latency": HALF}, 0.1, ["395 / 640~"]),  # what fitted in no time is not asked
        ({"predict": QUIET, "latency": QUIET}, 40.0, []),
        ({}, 40.0, []),
    ],
)
def test_the_figures_of_a_busy_step_are_marked_and_no_others(
    full: Decision, others: Mapping[str, Disturbance], fit_seconds: float, marked: list[str]
) -> None:
    decision = beside_others(full, others, fit_seconds)
    text, page = report(decision, "terminal"), report(decision, "markdown")
    row = line_of(decision)
    assert row.count("~") == len(marked)
    assert all(figure in row for figure in marked)
    assert all(figure in page for figure in marked)
    assert ("~ measured on a busy machine" in text) == bool(marked)
    assert ("measured on a busy machine" in page) == bool(marked)
    assert max(map(len, text.splitlines())) <= 100
    assert "~" not in line_of(decision, 2)


def test_programs_read_the_share_for_each_approach(full: Decision) -> None:
    decision = beside_others(full, {"fit": HALF, "predict": QUIET, "latency": replace(QUIET, cpu=0.3, lost=0.3)})
    first, second, *_ = json.loads(report(decision, "json"))["approaches"]
    assert first["others_cpu_share"] == 0.3  # the largest of what was taken while it answered
    assert first["others"]["fit"] == {
        "cpu_share": 0.5,
        "gpu_share": None,
        "threads": 2,
        "threads_alone": 2,
        "busy": True,
        "factor": 2.0,
    }
    assert [first["others"][step]["busy"] for step in ("predict", "latency")] == [False, True]
    assert second["others_cpu_share"] == 0.02
    unknown = json.loads(report(beside_others(full, {}), "json"))["approaches"][0]
    assert (unknown["others_cpu_share"], unknown["others"], unknown["timed_again"]) == (None, {}, None)
