"""What times may be off by: batches that are answered again, and the interval by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.measuring import timing
from advisor.measuring.comparing import compare
from advisor.tasks import Task
from advisor.verdict.rows import measured


@pytest.fixture
def repeats(monkeypatch: pytest.MonkeyPatch, no_repeats: None) -> None:
    monkeypatch.setattr("advisor.measuring.timing.REPEATS", 3)


def plan(timings: dict[str, list[float]]) -> list[str]:
    """The batches that are answered again, each taking as long as the first time."""
    found = []
    while (key := timing.to_repeat(timings)) is not None:
        timings[key].append(timings[key][0])
        found.append(key)
    return found


@pytest.mark.usefixtures("repeats")
def test_three_batches_all_over_the_run_are_repeated_where_there_is_time() -> None:
    assert plan({key: [0.1] for key in "abcdef"}) == ["a", "c", "e"]
    assert plan({"a": [0.1], "b": [0.1]}) == ["a", "b", "a"]
    assert plan({"a": [1.0]}) == ["a", "a", "a"]
    assert plan({"a": [2.0]}) == ["a", "a"]  # five seconds at most
    assert plan({"a": [6.0], "b": [1.0]}) == ["b", "b", "b"]
    assert plan({"a": [6.0]}) == []
    assert plan({}) == []


def test_the_error_is_students_interval_of_the_logarithms() -> None:
    e = math.e
    # one batch, e times as long the second time: s = 1 / sqrt(2), t(1) = 12.706
    assert timing.error([{"a": [1.0, e]}]) == pytest.approx(math.exp(12.706 / math.sqrt(2)) - 1, rel=1e-3)
    # three batches of other lengths, each once more, off by 2 %: s = ln(1.02) / sqrt(2), t(3) = 3.182
    three = {"a": [1.0, 1.02], "b": [5.1, 5.0], "c": [0.3, 0.306]}
    assert timing.error([three]) == pytest.approx(math.exp(3.182 * math.log(1.02) / math.sqrt(2)) - 1, rel=1e-3)
    # two seeds have twice the freedom: t(6) = 2.447
    assert timing.error([three, three]) == pytest.approx(math.exp(2.447 * math.log(1.02) / math.sqrt(2)) - 1, rel=1e-3)
    assert timing.error([{"a": [1.0]}]) is None
    assert timing.error([]) is None


def test_the_interval_holds_in_as_many_comparisons_as_it_says() -> None:
    draw, held = random.Random(5), 0
    for _ in range(2000):
        timings = {str(i): [draw.lognormvariate(0, 0.08) for _ in range(2)] for i in range(3)}
        error, other = timing.error([timings]), draw.lognormvariate(0, 0.08)
        assert error is not None
        held += 1 / (1 + error) <= other <= 1 + error
    assert abs(held / 2000 - 0.95) < 0.016


@pytest.mark.usefixtures("repeats")
def test_repeats_are_recorded_and_change_no_answer(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    found = compare(numbers, make_model(), ["zero-shot", "oracle"], out=tmp_path)
    run, control = found.runs
    assert [p.id for p in run.predictions] == [e.id for e in numbers.test]
    assert sorted(map(len, run.timings.values())) == [2, 2, 2]
    assert run.predict_seconds == pytest.approx(sum(seconds[0] for seconds in run.timings.values()))
    assert set(map(len, control.timings.values())) == {1}
    row, oracle = measured(found)
    assert row.timing_error is not None
    assert row.timing_error > 0
    assert oracle.timing_error is None
