"""Learning curves: the fit, where curves cross, and what is said of sizes that were measured in part or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from advisor.measuring.records import Comparison, Run
from advisor.verdict.crossings import crossing, flat_from, last_change
from advisor.verdict.curves import LABELS, Curve, Curves, judge
from advisor.verdict.growth import Growth
from advisor.verdict.saturation import FARTHEST, fit

SIZES = (8, 32, 128, 512)
TEST = 200
SLOW, STEADY, FLAT = (0.2, 0.3, 0.7, 0.85), (0.5, 0.55, 0.6, 0.62), (0.4, 0.4, 0.4, 0.4)

Make = Callable[..., Any]
Shares = Mapping[str, Sequence[float | None]]


@pytest.fixture
def growth(run: Make, comparison: Make, answers: Make) -> Callable[..., Growth]:
    """Records in which so large a share of the answers was right at each size; None where nothing was measured."""

    def make(shares: Shares, sizes: Sequence[int] = SIZES, draws: int = 1, **facts: Any) -> Growth:
        found: dict[int, tuple[Comparison, ...]] = {}
        for place, size in enumerate(sizes):
            done = []
            for draw in range(draws):
                there = {spec: values[place] for spec, values in shares.items() if values[place] is not None}
                runs = [run(spec, answers(TEST, share, seed=draw)) for spec, share in there.items()]
                done += [comparison(runs)] if runs else []
            if done:
                found[size] = tuple(done)
        task = replace(found[max(found)][0].task, train=facts.pop("train", 4000), caveats=())
        known = {"asked": tuple(sizes), "sizes": tuple(sizes), "draws": draws, "specs": tuple(shares)}
        return Growth(**{"folder": "curve", "task": task, "comparisons": found, **known, **facts})

    return make


def of(curves: Curves, spec: str) -> Curve:
    return next(curve for curve in curves.curves if curve.spec == spec)


def fitted(sizes: Sequence[int], qualities: Sequence[float]) -> Any:
    """The curve through exact qualities, with resamples that differ from them by next to nothing."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1e-4, (50, len(sizes)))
    return fit(sizes, np.vstack([qualities, np.array(qualities) + noise]), rng)


TRUTHS: Mapping[str, Callable[[Any], Any]] = {
    "logistic": lambda n: 0.85 - 0.6 / (1 + (n / 60) ** 1.3),
    "power law": lambda n: 0.9 - 1.2 * n**-0.5,
    "exponential": lambda n: 0.85 - 0.6 * np.exp(-n / 120),
    "logarithm": lambda n: 0.1 + 0.09 * np.log(n),
    "step": lambda n: 0.2 + 0.6 / (1 + (n / 60) ** -15.0),
}


@pytest.mark.parametrize("family", TRUTHS)
def test_a_curve_of_each_family_is_found_again_between_and_beyond_its_sizes(family: str) -> None:
    truth, n = TRUTHS[family], np.array([8.0, 32.0, 128.0, 300.0, 512.0, 1000.0, 2000.0])
    values = fitted((8, 32, 128, 512), truth(np.array(SIZES))).at(n)
    np.testing.assert_allclose(values[0, :5], truth(n[:5]), atol=0.02)
    low, high = np.quantile(values[1:], (0.025, 0.975), axis=0)
    assert (low[5:] - 1e-3 <= truth(n[5:])).all() and (truth(n[5:]) <= high[5:] + 1e-3).all()


def test_what_the_families_differ_in_is_as_wide_as_they_differ() -> None:
    """Four sizes do not tell a logarithm, which goes on, from a saturation, which ends: what doubling adds is open."""
    truth = np.array([0.30, 0.45, 0.60, 0.72])
    found = fitted(SIZES, truth)
    at = found.at([512, 1024])
    low, high = np.quantile(at[1:, 1] - at[1:, 0], (0.025, 0.975))
    assert sum(found.families.values()) == pytest.approx(1)
    assert sum(weight > 0.02 for weight in found.families.values()) >= 3
    assert high - low > 0.03


@pytest.mark.parametrize("qualities", [(0.9, 0.5, 0.3, 0.1), (0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0), (0.2,) * 4])
def test_a_curve_never_falls_and_stays_between_0_and_1(qualities: Sequence[float]) -> None:
    values = fitted(SIZES, qualities).at(np.geomspace(1, 5000, 200))
    assert (np.diff(values, axis=1) >= -1e-12).all()
    assert values.min() >= 0 and values.max() <= 1


def test_what_only_falls_is_fitted_by_its_mean() -> None:
    np.testing.assert_allclose(fitted(SIZES, (0.9, 0.5, 0.3, 0.1)).at(SIZES)[0], 0.45)


def test_two_sizes_leave_the_bend_open() -> None:
    """The curve goes through both; between and beyond them its resamples are as wide as shapes differ."""
    values = fitted((32, 512), (0.4, 0.7)).at([32, 128, 512, 1024])
    np.testing.assert_allclose(values[0, [0, 2]], (0.4, 0.7), atol=0.01)
    spread = values.std(axis=0)
    assert spread[1] > 10 * spread[0] and spread[3] > 10 * spread[2]


def test_the_last_change_of_places_is_found_between_sizes() -> None:
    sizes = np.array([10.0, 100.0, 1000.0])
    rows = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, 1], [1, 1, -1], [-1, -3, 1], [0, 0, 0]], dtype=float)
    found = last_change(rows, sizes)
    expected = [10**1.5, 10**2.5, -np.inf, np.inf, 10**2.75, np.inf]
    np.testing.assert_allclose(found, expected)


def test_a_crossing_is_the_same_whoever_is_named_first() -> None:
    rng = np.random.default_rng(1)
    sizes = np.geomspace(8, 512, 50)
    difference = np.log(sizes / 90) + rng.normal(0, 0.3, (401, 1))
    difference[0] = np.log(sizes / 90)
    found = crossing(("a", "b"), difference, sizes, 128, 512)
    assert found == crossing(("b", "a"), -difference, sizes, 128, 512)
    assert (found.later, found.earlier, found.extrapolated) == ("a", "b", False)
    assert found.at == pytest.approx(90)
    assert found.low == pytest.approx(90 * np.exp(-0.59), rel=0.1)
    assert found.high is None  # the upper end lies beyond 128


def test_what_crosses_only_later_is_marked_as_extrapolated() -> None:
    sizes = np.geomspace(8, 512, 50)
    found = crossing(("a", "b"), np.tile(np.log(sizes / 300), (9, 1)), sizes, 128, 512)
    assert (found.later, found.extrapolated, found.end) == ("a", True, 512)
    assert found.at == pytest.approx(300)


def test_a_curve_is_flat_from_where_doubling_adds_too_little() -> None:
    sizes = np.array([8.0, 16.0, 32.0])
    assert flat_from(np.array([0.1, 0.3, 0.5, 0.3, 0.5, 0.505]), sizes, 0.02) == 32
    assert flat_from(np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.505]), sizes, 0.02) == 8
    assert flat_from(np.array([0.1, 0.3, 0.5, 0.3, 0.5, 0.6]), sizes, 0.02) is None


def test_where_one_overtakes_another_with_its_interval(growth: Callable[..., Growth]) -> None:
    curves = judge(growth({"lora": SLOW, "nearest": STEADY}))
    (found,) = curves.crossings
    assert (found.later, found.earlier, found.extrapolated) == ("lora", "nearest", False)
    assert found.low and found.at and found.high
    assert 32 < found.low < found.at < found.high < 128
    assert [leader.spec for leader in curves.leaders] == ["nearest", "lora"]
    assert curves.leaders[0].end < found.at * 1.1
    assert curves.farthest == FARTHEST * 512


def test_the_measured_qualities_are_those_of_a_comparison(growth: Callable[..., Growth]) -> None:
    points = of(judge(growth({"lora": SLOW, "nearest": STEADY})), "lora").points
    assert [point.size for point in points] == list(SIZES)
    assert [point.quality.value for point in points if point.quality] == list(SLOW)
    assert points[0].quality and 0.14 < points[0].quality.low < 0.2 < points[0].quality.high < 0.27


def test_what_the_next_labels_would_buy(growth: Callable[..., Growth]) -> None:
    curves = judge(growth({"lora": (0.2, 0.3, 0.4, 0.6), "zero-shot": FLAT}))
    rising, flat = of(curves, "lora"), of(curves, "zero-shot")
    assert rising.more and flat.more and rising.doubling and flat.doubling
    assert (rising.more.start, rising.more.end) == (512, 512 + LABELS)
    assert rising.more.gain.low <= rising.more.gain.value <= rising.more.gain.high
    assert 0 < rising.more.gain.value < rising.doubling.gain.value < 0.2
    assert flat.doubling.gain.value < 0.01 and flat.doubling.gain.low == 0
    assert rising.flat_from is None
    assert flat.flat_from == 8


def test_nothing_is_said_far_beyond_what_was_measured(growth: Callable[..., Growth]) -> None:
    curve = of(judge(growth({"lora": (0.3, 0.5)}, sizes=(4, 8))), "lora")
    assert curve.more and (curve.more.start, curve.more.end) == (8, 32)
    assert max(size for size, _ in curve.line) == 32


def test_a_curve_that_falls_is_said_to(growth: Callable[..., Growth]) -> None:
    curve = of(judge(growth({"few-shot": (0.4, 0.6, 0.7, 0.4)})), "few-shot")
    assert curve.falls == ((128, 512),)
    assert curve.misses == (128, 512)


def test_what_was_not_measured_in_full_has_no_quality_but_a_reason(growth: Callable[..., Growth]) -> None:
    made = growth({"lora": (None, 0.3, 0.7, 0.85), "nearest": STEADY, "head": (None, None, None, 0.8)})
    part = Run("lora", 0, "skipped", error="too few")
    torn = Run("head", 0, "interrupted", predictions=made.comparisons[512][0].runs[0].predictions[:5])
    first, second = made.comparisons[8][0], made.comparisons[32][0]
    changed = {
        **made.comparisons,
        8: (replace(first, runs=(*first.runs, part)),),
        32: (replace(second, runs=(*second.runs, torn)),),
    }
    curves = judge(replace(made, comparisons=changed))
    lora, head = of(curves, "lora"), of(curves, "head")
    assert lora.points[0].trouble == "skipped: too few" and lora.points[0].quality is None
    assert lora.line[0][0] == 32
    assert [point.trouble for point in head.points] == ["not measured yet", "interrupted", "not measured yet", ""]
    assert not head.families and head.more is None
    (found,) = curves.crossings
    assert (found.later, found.earlier, found.start) == ("lora", "nearest", 32)


def test_controls_are_shown_but_never_lead_or_cross(growth: Callable[..., Growth]) -> None:
    curves = judge(growth({"oracle": (0.9,) * 4, "nearest": STEADY}))
    assert of(curves, "oracle").control and of(curves, "oracle").families
    assert curves.crossings == ()
    assert {leader.spec for leader in curves.leaders} == {"nearest"}


def test_samples_of_the_training_examples_that_differ_widen_the_intervals(
    growth: Callable[..., Growth], run: Make, comparison: Make, answers: Make
) -> None:
    def drawn(*offsets: float) -> Growth:
        made = growth({"lora": SLOW, "nearest": STEADY}, draws=len(offsets))
        shifted = {
            size: tuple(
                comparison(
                    [run("lora", answers(TEST, SLOW[i] + offset)), run("nearest", answers(TEST, STEADY[i], seed=9))]
                )
                for offset in offsets
            )
            for i, size in enumerate(SIZES)
        }
        return replace(made, comparisons=shifted)

    (same,), (differing,) = judge(drawn(0, 0, 0)).crossings, judge(drawn(-0.12, 0, 0.12)).crossings
    assert same.low and same.high and differing.low and differing.high
    assert differing.high / differing.low > 1.5 * same.high / same.low
    assert of(judge(drawn(-0.12, 0, 0.12)), "lora").points[0].draws == 3


def test_macro_f1_is_fitted_too(growth: Callable[..., Growth]) -> None:
    made = growth({"lora": SLOW, "nearest": STEADY})
    targets = ["yes", "no"] * (TEST // 2)
    changed = {
        size: tuple(
            replace(
                found,
                task=replace(found.task, metric="macro_f1"),
                answers={
                    key: replace(answer, targets=(target,))
                    for (key, answer), target in zip(found.answers.items(), targets, strict=True)
                },
            )
            for found in draws
        )
        for size, draws in made.comparisons.items()
    }
    curve = of(judge(replace(made, comparisons=changed)), "lora")
    assert curve.families and all(point.quality for point in curve.points)


def test_the_same_records_give_the_same_curves(growth: Callable[..., Growth]) -> None:
    made = growth({"lora": SLOW, "nearest": STEADY})
    assert judge(made) == judge(made)
