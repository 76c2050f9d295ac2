"""Where the time of a comparison goes: recorded with what was done, so that it survives a kill."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.reading import note_spans, read_comparison
from advisor.measuring.records import Comparison
from advisor.models import Prompt
from advisor.models.clock import clock
from advisor.tasks import Task

PAUSE = 0.01


@pytest.fixture
def busy(make_model: Any) -> Any:
    """Takes a moment for each call, of which it counts half."""

    def write(prompt: Prompt) -> str:
        return "an answer"

    def told(call: str, texts: list[str], size: int) -> None:
        with clock.span("generate", tokens=len(texts)):
            time.sleep(PAUSE)
        time.sleep(PAUSE)

    return make_model(writing=write, told=told)


def test_each_part_is_counted_with_the_line_that_keeps_it(numbers: Task, busy: Any, tmp_path: Path) -> None:
    (run,) = compare(numbers, busy, ["zero-shot"], out=tmp_path).runs
    (path,) = tmp_path.rglob("zero-shot.seed0.jsonl")
    rows = list(lines(path))
    counted = [row["type"] for row in rows if "spans" in row]
    assert [kind for kind in counted if kind != "latency"] == ["fitted", "predictions", "predictions", "predictions"]
    assert counted.count("latency") == 16
    asked = 3 + 16 + 2
    assert run.spans["generate"].tokens == 70 + 16 + 2
    for name in ("generate", "other"):
        assert asked * PAUSE <= run.spans[name].seconds < asked * 10 * PAUSE


def test_what_a_killed_attempt_counted_is_not_lost(numbers: Task, busy: Any, tmp_path: Path) -> None:
    (whole,) = compare(numbers, busy, ["zero-shot"], out=tmp_path).runs
    (path,) = tmp_path.rglob("zero-shot.seed0.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    (resumed,) = compare(numbers, busy, ["zero-shot"], out=tmp_path).runs
    assert resumed.spans["generate"].tokens == whole.spans["generate"].tokens


def test_a_failure_keeps_what_was_counted(numbers: Task, busy: Any, tmp_path: Path) -> None:
    def fail(prompt: Prompt) -> str:
        raise RuntimeError("no luck")

    busy.writing = fail
    (run,) = compare(numbers, busy, ["zero-shot"], out=tmp_path).runs
    assert run.status == "failed"
    assert run.spans["generate"].tokens == 32


def call(task: Task, model: Any, specs: list[str], folder: Path) -> Comparison:
    """As the command line does it: load, compare, report."""
    with clock.span("load"):
        time.sleep(PAUSE)
    with clock.span("generate"):
        time.sleep(PAUSE)
    comparison = compare(task, model, specs, out=folder)
    assert "generate" not in comparison.spans  # what a caller did with the model before is not of the comparison
    with clock.span("report"):
        time.sleep(PAUSE)
    return note_spans(comparison)


def test_loading_and_reporting_are_added_up_over_the_calls_that_measured(
    numbers: Task, busy: Any, tmp_path: Path
) -> None:
    clock.drain()
    busy.facts["matrix_flops"] = 2e9
    first = call(numbers, busy, ["zero-shot"], tmp_path)
    busy.facts["matrix_flops"] = 3e9
    assert call(numbers, busy, ["zero-shot"], tmp_path) == first  # nothing to do, nothing to say
    busy.facts["matrix_flops"] = 1e9
    second = call(numbers, busy, ["zero-shot", "few-shot:k=1"], tmp_path)
    for name in ("load", "report"):
        assert PAUSE <= first.spans[name].seconds < 10 * PAUSE
        assert first.spans[name].seconds + PAUSE <= second.spans[name].seconds < 20 * PAUSE
    assert (first.model.matrix_flops, second.model.matrix_flops) == (2e9, 2e9)  # the higher of those that measured
    assert read_comparison(tmp_path) == second
    assert compare(replace(numbers, instruction="Say it."), busy, ["zero-shot"], out=tmp_path).spans == {}
