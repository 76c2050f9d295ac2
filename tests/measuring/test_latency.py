"""Bounds of quantiles by hand, and how many requests a limit asks for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.measuring import latency
from advisor.measuring.comparing import compare
from advisor.measuring.records import Run
from advisor.tasks import Limits, Task


def counting(n: int) -> list[float]:
    """1, 2, ..., n in disorder."""
    return random.Random(n).sample([float(i) for i in range(1, n + 1)], n)


@pytest.mark.parametrize(
    ("n", "share", "low", "high"),
    [
        # P(B >= 13) = 0.993, P(B >= 14) = 0.957, P(B >= 15) = 0.811; all sixteen lie below it with 0.440
        (16, 0.95, 14, None),
        (58, 0.95, 52, None),  # 0.95 ** 58 = 0.0510
        (59, 0.95, 53, 59),  # 0.95 ** 59 = 0.0485
        (92, 0.95, 84, 92),
        (93, 0.95, 85, 92),  # one above it or none: 0.0085 + 0.0415 = 0.0500
        # the median of ten: P(2 <= B) = 0.989, P(3 <= B) = 0.945; by symmetry the ninth
        (10, 0.50, 2, 9),
        (4, 0.50, None, None),  # 0.5 ** 4 = 0.0625
        (5, 0.50, 1, 5),
    ],
)
def test_bounds_are_those_of_the_binomial_distribution(n: int, share: float, low: int | None, high: int | None) -> None:
    found = latency.quantile(counting(n), share)
    assert (found.low, found.high) == (low, high)


def test_a_quantile_lies_between_two_requests() -> None:
    assert latency.p50_interval([1.0, 2.0]).value == 1.5
    assert latency.p95_interval(counting(21)).value == 20.0
    assert latency.p95_interval([7.0]) == latency.Quantile(7.0, 7.0, None)


@pytest.mark.parametrize("shape", ["lognormal", "two humps"])
def test_bounds_hold_in_as_many_samples_as_they_say(shape: str) -> None:
    draw = random.Random(7)
    held = [0, 0]
    for _ in range(2000):
        if shape == "lognormal":
            sample, true = [draw.lognormvariate(0, 1) for _ in range(93)], 5.180  # exp(1.6449)
        else:  # 0.95 of all lie below 5 where six in a hundred are drawn from 4.8 to 6
            sample, true = [draw.uniform(4.8, 6) if draw.random() < 0.06 else draw.random() for _ in range(93)], 5.0
        found = latency.p95_interval(sample)
        held[0] += found.low is not None and found.low <= true
        held[1] += found.high is not None and found.high >= true
    # 0.951 and 0.950 by the binomial distribution; 2,000 samples come within 0.015 of that
    assert all(abs(count / 2000 - 0.951) < 0.016 for count in held)


def test_requests_are_wanted_until_a_limit_can_be_judged() -> None:
    assert latency.wanted([], None) == 0
    assert latency.wanted([0.1] * 16, 0.5) == 77
    assert latency.wanted([0.1] * 93, 0.5) == 0
    assert latency.wanted([0.1] * 11 + [0.9] * 5, 0.5) == 0  # five of sixteen above it: beyond any doubt
    assert latency.wanted([0.1] * 13 + [0.9] * 3, 0.5) == 77
    assert latency.wanted([10.0] * 13, 20.0) == 0  # the time is up


def only(comparison: Any) -> Run:
    (run,) = comparison.runs
    return run


LIMIT = Limits(p95_ms=60_000)


def test_a_limit_sends_more_test_examples_each_once(numbers: Task, model: Any, spy: Any, tmp_path: Path) -> None:
    run = only(compare(replace(numbers, limits=LIMIT), model, [spy()], out=tmp_path))
    sent = [r.id for r in run.latencies]
    assert len(sent) == len(set(sent)) == 70 + 12  # all of test, then all of train
    assert set(sent) >= {e.id for e in numbers.test}
    assert {f"train/{e.id}" for e in numbers.train} <= set(sent)
    assert [p.id for p in run.predictions] == [e.id for e in numbers.test]


def test_controls_are_sent_no_more(numbers: Task, model: Any, control_spy: Any, tmp_path: Path) -> None:
    assert len(only(compare(replace(numbers, limits=LIMIT), model, [control_spy()], out=tmp_path)).latencies) == 16


def test_a_limit_that_is_set_later_adds_requests_and_changes_no_answer(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    before = only(compare(numbers, make_model(), ["zero-shot"], out=tmp_path))
    calls: list[int] = []
    model = make_model(told=lambda call, texts, size: calls.append(len(texts)))
    after = only(compare(replace(numbers, limits=LIMIT), model, ["zero-shot"], out=tmp_path))
    assert after.latencies[:16] == before.latencies
    assert len(after.latencies) == 82
    assert replace(after, latencies=(), spans={}, others={}) == replace(before, latencies=(), spans={}, others={})
    assert max(calls) == 1
    calls.clear()
    assert only(compare(replace(numbers, limits=LIMIT), model, ["zero-shot"], out=tmp_path)) == after
    assert calls == []


def test_another_seed_sends_other_examples(numbers: Task, model: Any, tmp_path: Path) -> None:
    first, second = compare(numbers, model, ["few-shot"], out=tmp_path, seeds=2).runs
    assert not {r.id for r in first.latencies} & {r.id for r in second.latencies}
