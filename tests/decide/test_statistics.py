"""Intervals, tests and corrections against known answers."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from advisor.decide.decision import Interval
from advisor.decide.permutation import p_values
from advisor.decide.resampling import Bootstrap, wilson
from advisor.decide.sample import Sample
from advisor.decide.statistics import Contrast, Contrasts, holm, letters
from advisor.measure import metrics
from advisor.tasks.power import detectable, examples_for

RNG = np.random.default_rng


def sample(scores: object, spec: str = "a") -> Sample:
    return Sample(spec, np.atleast_2d(np.asarray(scores, dtype=float)))


def labelled(spec: str, predicted: list[str], true: list[str]) -> Sample:
    targets = [(t,) for t in true]
    counts = metrics.confusion(predicted, targets, ("x", "y", "z"))
    return Sample(spec, metrics.scores("accuracy", predicted, targets)[None], counts[None])


def test_wilson_is_that_of_scipy() -> None:
    for right, n in ((48, 48), (0, 48), (31, 48), (1, 3)):
        expected = stats.binomtest(right, n).proportion_ci(method="wilson")
        found = wilson(right / n, n)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_all_right_is_no_certainty() -> None:
    one = sample(np.ones(48))
    assert Bootstrap([one]).interval(one).low == pytest.approx(0.926, abs=1e-3)
    seeds = sample(np.ones((3, 48)))
    found = Bootstrap([seeds]).interval(seeds)
    assert found.value == found.high == 1
    assert 0.85 < found.low < 0.97


def test_two_approaches_that_always_agree_are_not_shown_to_be_equal() -> None:
    a, b = sample(np.ones(48), "a"), sample(np.ones(48), "b")
    found = Bootstrap([a, b]).difference(a, b)
    assert found.value == 0
    assert found.low < -0.02 < 0.02 < found.high


@pytest.mark.parametrize(("kind", "least"), [("coin", 0.92), ("rare", 0.92), ("graded", 0.91)])
def test_intervals_cover_the_truth_for_48_examples(kind: str, least: float) -> None:
    rng, n, times = RNG(5), 48, 150
    draw = {
        "coin": lambda: (rng.random(n) < 0.6).astype(float),
        "rare": lambda: (rng.random(n) < 0.97).astype(float),
        "graded": lambda: np.where(rng.random(n) < 0.96, 1.0, rng.random(n)),
    }[kind]
    truth = {"coin": 0.6, "rare": 0.97, "graded": 0.98}[kind]
    drawn = [sample(draw(), str(i)) for i in range(times)]
    bootstrap = Bootstrap(drawn)
    intervals = [bootstrap.interval(s) for s in drawn]
    assert np.mean([i.low <= truth <= i.high for i in intervals]) >= least


def test_paired_intervals_cover_the_truth_for_48_examples() -> None:
    rng, n, times = RNG(6), 48, 150
    pairs = []
    for i in range(times):
        u, a = rng.random(n), rng.random(n) < 0.7
        b = np.where(u < 0.1, ~a, a)
        pairs.append((sample(a, f"a{i}"), sample(b, f"b{i}")))
    truth = 0.1 * (0.7 - 0.3)
    bootstrap = Bootstrap([s for pair in pairs for s in pair])
    found = [bootstrap.difference(a, b) for a, b in pairs]
    assert np.mean([i.low <= truth <= i.high for i in found]) >= 0.93


def test_more_spread_between_seeds_gives_a_wider_interval() -> None:
    rng = RNG(2)
    base = rng.random(200)
    steady, moody = np.stack([base] * 3), np.clip(np.stack([base - 0.2, base, base + 0.2]), 0, 1)
    a, b = sample(steady, "a"), sample(moody, "b")
    bootstrap = Bootstrap([a, b])
    width = {s.spec: bootstrap.interval(s).high - bootstrap.interval(s).low for s in (a, b)}
    assert width["b"] > 1.5 * width["a"]


def test_the_exact_permutation_test_is_full_enumeration() -> None:
    differences = np.array([0.5, 0.25, -0.1, 0.4, 0.3, 0.0, 0.2, 0.45])
    a, b = sample(0.5 + differences / 2, "a"), sample(0.5 - differences / 2, "b")
    sums = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=8)]
    expected = np.mean([s >= differences.sum() - 1e-9 for s in sums])
    assert p_values([(a, b)]) == [pytest.approx(expected)]
    official = stats.permutation_test(
        (a.scores[0], b.scores[0]), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert p_values([(a, b)]) == [pytest.approx(official.pvalue)]


def test_the_random_permutation_test_is_near_mcnemars_exact_test() -> None:
    a, b = np.ones(100), np.ones(100)
    b[:20], a[20:28] = 0, 0
    expected = stats.binomtest(8, 28).pvalue
    assert p_values([(sample(a), sample(b))])[0] == pytest.approx(expected, abs=0.008)


def test_p_is_never_nought() -> None:
    assert p_values([(sample(np.ones(60)), sample(np.zeros(60)))])[0] == pytest.approx(1 / 10_000)


def test_identical_answers_have_a_p_of_one() -> None:
    assert p_values([(sample(np.ones(60)), sample(np.ones(60)))]) == [1.0]
    true = ["x", "y", "z"] * 10
    assert p_values([(labelled("a", true, true), labelled("b", true, true))]) == [1.0]


def test_macro_f1_is_permuted_as_a_whole() -> None:
    true = ["x", "x", "y", "y", "z", "z"]
    one, two = true, ["x", "y", "y", "x", "z", "x"]

    def gap(a: list[str], b: list[str]) -> float:
        first, second = (f1_score(true, p, average="macro", zero_division=0) for p in (a, b))
        return abs(first - second)

    swapped = []
    for mask in product((False, True), repeat=6):
        pairs = [(q, p) if m else (p, q) for p, q, m in zip(one, two, mask, strict=True)]
        swapped.append(gap([p for p, _ in pairs], [q for _, q in pairs]))
    expected = np.mean([g >= gap(one, two) - 1e-9 for g in swapped])
    a, b = labelled("a", one, true), labelled("b", two, true)
    assert p_values([(a, b)]) == [pytest.approx(expected)]
    assert a.quality - b.quality == pytest.approx(gap(one, two))


def test_macro_f1_intervals_hold_the_value_and_do_not_collapse() -> None:
    true = ["x", "y", "z"] * 16
    a = labelled("a", true, true)
    b = labelled("b", ["x" if i % 5 == 0 else t for i, t in enumerate(true)], true)
    bootstrap = Bootstrap([a, b])
    assert bootstrap.interval(a).value == 1
    assert bootstrap.interval(a).low == pytest.approx(0.926, abs=1e-3)
    expected = f1_score(true, ["x" if i % 5 == 0 else t for i, t in enumerate(true)], average="macro")
    found = bootstrap.interval(b)
    assert found.value == pytest.approx(expected)
    assert 0.6 < found.low < found.value < found.high <= 1
    assert bootstrap.difference(a, a).low < -0.02


def test_holm_by_hand() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert corrected == {
        "d": pytest.approx(0.02),
        "a": pytest.approx(0.03),
        "c": pytest.approx(0.06),
        "b": pytest.approx(0.06),
    }
    assert holm({"a": 0.8, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_letters_are_shared_exactly_by_those_that_do_not_differ() -> None:
    differ = {("a", "c"), ("a", "d"), ("b", "d")}
    names = "abcd"
    found = letters(names, lambda x, y: (x, y) in differ or (y, x) in differ)
    assert found["a"].startswith("a")
    for x, y in product(names, names):
        apart = (x, y) in differ or (y, x) in differ
        assert bool(set(found[x]) & set(found[y])) != apart
    assert letters(["one"], lambda x, y: True) == {"one": "a"}
    assert letters(["one", "two"], lambda x, y: True) == {"one": "a", "two": "b"}


def test_sample_sizes_are_the_textbook_ones() -> None:
    assert examples_for(0.1, 0.5) == math.ceil((2.8015852 * 0.5 / 0.1) ** 2)
    assert detectable(0.5, 197) == pytest.approx(0.1, abs=1e-3)
    contrast = Contrast("a", "b", Interval(0.1, -0.05, 0.25), 0.3, 1, 0.5, 48)
    assert contrast.examples_needed == 197
    assert Contrast("a", "b", Interval(0.1, 0.05, 0.15), 0.01, 1, 0.5, 48).examples_needed is None
    assert Contrast("a", "b", Interval(0.0, -0.05, 0.05), 1.0, 1, 0.5, 48).examples_needed is None


def test_the_size_for_the_margin_counts_on_the_observed_difference() -> None:
    far = Contrast("a", "b", Interval(-0.03, -0.1, 0.04), 0.3, 1, 0.3, 48)
    assert far.examples_for_margin(0.02) is None
    near = Contrast("a", "b", Interval(0.0, -0.05, 0.05), 1.0, 1, 0.3, 48)
    size = near.examples_for_margin(0.02)
    assert size is not None
    assert 2.8016**2 * (0.3**2 / size + 2 / size**2) == pytest.approx(0.02**2, rel=0.01)


def test_a_control_takes_no_power_from_the_choice() -> None:
    rng = RNG(1)
    drawn = [sample(rng.random(80) < share, name) for name, share in (("a", 0.9), ("b", 0.7), ("m", 0.2), ("o", 0.9))]
    alone, among = Contrasts(drawn[:2]), Contrasts(drawn, frozenset({"m", "o"}))
    assert among.between("a", "b").p == pytest.approx(alone.between("a", "b").p, abs=1e-3)
    assert among.between("a", "b").pairs == 1
    assert among.between("a", "m").pairs == 6
    assert among.between("b", "a").difference.value == -among.between("a", "b").difference.value


def test_the_same_samples_give_the_same_numbers() -> None:
    def numbers() -> tuple[object, ...]:
        rng = RNG(4)
        found = Contrasts([sample(rng.random(60), name) for name in "abc"])
        return tuple(found.intervals.values()), found.between("a", "b"), found.between("b", "c")

    assert numbers() == numbers()
