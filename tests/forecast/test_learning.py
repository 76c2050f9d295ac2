"""Learning from measured comparisons: on made-up ones whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from advisor.forecast.learning import Case, conformal, differences, fit
from advisor.forecast.scale import angle, around, beside, quality

TASKS, SIZES, NOISE = 24, (8, 32, 128), 0.03


def made_up(seed: int, tasks: int = TASKS) -> list[Case]:
    """Qualities of `lora` that follow the probe `head` and rise with the number of examples; two of `rag`."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(tasks):
        head, fog, shift = rng.uniform(0.2, 0.7), rng.normal(), rng.normal(0, NOISE)
        for size in SIZES:
            train = float(np.log2(1 + size))
            lora = quality(angle(head) - 0.1 + 0.03 * train + shift + rng.normal(0, NOISE))
            found: dict[str, float | None] = {"train": train, "fog": fog, "head": head, "nothing": None}
            cases.append(Case(f"task {number}", found, {"lora": lora} | ({"rag": 0.5} if number < 2 else {})))
    return cases


def test_a_relation_is_found_and_what_means_nothing_gets_no_weight() -> None:
    fitted = fit("lora", made_up(0))
    assert fitted is not None
    assert fitted.anchor == "head"
    assert (fitted.tasks, fitted.cases) == (TASKS, TASKS * len(SIZES))
    assert fitted.weights["train"].weight > 3 * abs(fitted.weights["fog"].weight)
    assert fitted.error == pytest.approx(NOISE * 2**0.5, rel=0.4)
    known = {"train": float(np.log2(129)), "fog": 0.0, "head": 0.4}
    assert fitted.predict(known) == pytest.approx(quality(angle(0.4) - 0.1 + 0.03 * known["train"]), abs=0.03)


def test_what_is_not_known_counts_as_usual() -> None:
    fitted = fit("lora", made_up(0))
    assert fitted is not None
    whole = {"train": 5.0, "fog": fitted.weights["fog"].mean, "head": 0.4}
    assert fitted.predict(whole) == pytest.approx(fitted.predict({"train": 5.0, "head": 0.4}))


def test_an_expectation_stays_a_quality() -> None:
    fitted = fit("lora", made_up(0))
    assert fitted is not None
    assert fitted.predict({"train": 7.0, "head": 1.4}) == 1.0
    assert replace(fitted, intercept=-1.0).predict({"train": 3.0, "head": 0.0}) == 0.0


def test_beyond_what_was_seen_a_feature_adds_no_more() -> None:
    fitted = fit("lora", made_up(0))
    assert fitted is not None
    largest = float(np.log2(1 + max(SIZES)))
    assert fitted.predict({"train": 200.0, "head": 0.4}) == fitted.predict({"train": largest, "head": 0.4})


def test_too_few_tasks_teach_nothing() -> None:
    assert fit("rag", made_up(0)) is None
    assert fit("head", made_up(0)) is None


def covered(learned: Sequence[Case], new: Sequence[Case]) -> list[bool]:
    fitted = fit("lora", learned)
    assert fitted is not None
    intervals = [around(fitted.predict(case.features), fitted.within) for case in new]
    return [low <= case.qualities["lora"] <= high for (low, high), case in zip(intervals, new, strict=True)]


def test_intervals_hold_what_they_say_on_tasks_that_were_not_learned_from() -> None:
    held = [hit for seed in range(30) for hit in covered(made_up(seed), made_up(1000 + seed, 4))]
    assert 0.92 <= np.mean(held) <= 0.99


def test_the_quantile_is_that_of_groups() -> None:
    sizes, even = np.arange(1.0, 41.0), np.full(40, 1 / 40)
    assert conformal(sizes, even, tasks=39) == 39.0  # 0.95 of 40 fortieths, and a 39th of it more
    assert conformal(sizes, even, tasks=10**6) == 39.0
    assert conformal(sizes[:10], np.full(10, 0.1), tasks=10) == 12.5
    heavy = np.array([*np.full(39, 0.5 / 39), 0.5])
    assert conformal(sizes, heavy, tasks=10**6) == 40.0


def test_differences_are_learned_without_the_tasks_difficulty() -> None:
    cases = [
        replace(case, qualities={**case.qualities, "few-shot": quality(angle(case.qualities["lora"]) - 0.2)})
        for case in made_up(0)
    ]
    fitted = fit("few-shot", differences(cases, "lora"), ())
    assert fitted is not None
    assert fitted.anchor == ""
    assert fitted.total({"train": 5.0, "head": 0.4}) == pytest.approx(-0.2, abs=0.01)
    assert fitted.within < 0.01
    assert not differences(cases, "oracle")


def test_the_same_number_of_examples_is_equally_unsure_anywhere_on_the_scale() -> None:
    rng = np.random.default_rng(0)
    spreads = [np.std([angle(share / 400) for share in rng.binomial(400, p, 4000)]) for p in (0.05, 0.3, 0.5, 0.9)]
    assert spreads == pytest.approx([1 / 40] * 4, rel=0.06)
    for value in (0.0, 0.2, 0.97, 1.0):
        assert quality(angle(value)) == pytest.approx(value)
        low, high = around(value, 0.1)
        assert 0 <= low <= value <= high <= 1
    assert around(0.5, 0.1) == pytest.approx((0.4, 0.6), abs=0.002)
    ahead, half = beside(0.9, 0.0, -0.1, 0.05)
    assert 0.9 + ahead == pytest.approx(quality(angle(0.9) - 0.1))
    assert 0 < half < 0.05
    assert beside(0.0, 0.0, -0.1, 0.05) == (0.0, 0.0)
    far, near = beside(0.0, 0.5, -0.2, 0.05)[0], beside(0.0, 0.5, -0.1, 0.05)[0]
    assert far < near < 0
