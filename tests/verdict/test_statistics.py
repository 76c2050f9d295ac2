"""Intervals, tests and corrections against known answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from advisor.measuring import metrics
from advisor.measuring.records import Comparison, Run
from advisor.measuring.student import VariancePart, half_width, p_value
from advisor.tasks.power import detectable
from advisor.verdict import decide
from advisor.verdict.paired import pivot
from advisor.verdict.permutation import p_values
from advisor.verdict.resampling import Bootstrap, wilson
from advisor.verdict.sample import Sample
from advisor.verdict.seeds import DEGREES, MACRO_SPREAD, SPREAD, seed_variance
from advisor.verdict.simultaneous import Family
from advisor.verdict.statistics import Contrasts, letters

RNG = np.random.default_rng


def sample(scores: object, spec: str = "a") -> Sample:
    return Sample(spec, np.atleast_2d(np.asarray(scores, dtype=float)))


def labelled(spec: str, predicted: list[str], true: list[str]) -> Sample:
    targets = [(t,) for t in true]
    counts = metrics.confusion(predicted, targets, ("x", "y", "z"))
    return Sample(spec, metrics.scores("accuracy", predicted, targets)[None], (counts,))


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


def test_two_approaches_that_always_agree_are_not_shown_to_be_equal() -> None:
    found = Contrasts([sample(np.ones(48), "a"), sample(np.ones(48), "b")]).between("a", "b")
    assert found.difference.value == 0
    assert found.difference.low < -0.02 < 0.02 < found.difference.high
    assert found.p == 1


def test_paired_intervals_cover_the_truth_for_48_examples() -> None:
    rng, n, times = RNG(6), 48, 150
    truth = 0.1 * (0.7 - 0.3)
    held = []
    for _ in range(times):
        u, a = rng.random(n), rng.random(n) < 0.7
        b = np.where(u < 0.1, ~a, a)
        alone = pivot(sample(a, "a"), sample(b, "b"), 0.0).interval(0.05)
        held.append(alone.low <= truth <= alone.high)
    assert np.mean(held) >= 0.93


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
    as_large = np.mean([s >= differences.sum() - 1e-9 for s in sums])
    just_so = np.mean([abs(s - differences.sum()) < 1e-9 for s in sums])
    assert p_values([(a, b)]) == [pytest.approx(as_large - just_so / 2)]
    official = stats.permutation_test(
        (a.scores[0], b.scores[0]), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert p_values([(a, b)]) == [pytest.approx(official.pvalue - just_so / 2)]


def test_the_random_permutation_test_is_near_mcnemars_mid_p() -> None:
    a, b = np.ones(100), np.ones(100)
    b[:20], a[20:28] = 0, 0
    expected = stats.binomtest(8, 28).pvalue - stats.binom.pmf(8, 28, 0.5)
    assert p_values([(sample(a), sample(b))])[0] == pytest.approx(expected, abs=0.008)


def test_p_is_never_zero() -> None:
    assert p_values([(sample(np.ones(60)), sample(np.zeros(60)))])[0] == pytest.approx(0.5 / 10_000)


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
    expected = np.mean([0.5 * (g >= gap(one, two) - 1e-9) + 0.5 * (g > gap(one, two) + 1e-9) for g in swapped])
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
    assert Contrasts([a, labelled("c", true, true)]).between("a", "c").difference.low < -0.02


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


def test_a_control_takes_no_power_from_the_choice() -> None:
    rng = RNG(1)
    drawn = [sample(rng.random(80) < share, name) for name, share in (("a", 0.9), ("b", 0.7), ("m", 0.2), ("o", 0.9))]
    alone, among = Contrasts(drawn[:2]), Contrasts(drawn, frozenset({"m", "o"}))
    assert among.between("a", "b").p == pytest.approx(alone.between("a", "b").p, abs=1e-3)
    assert among.between("a", "b").difference == pytest.approx(among.between("a", "b").alone, abs=2e-3)
    assert among.between("a", "m").detectable > 1.1 * among.between("a", "b").detectable
    assert among.between("b", "a").difference.value == -among.between("a", "b").difference.value


def test_the_same_samples_give_the_same_numbers() -> None:
    def numbers() -> tuple[object, ...]:
        rng = RNG(4)
        found = Contrasts([sample(rng.random(60), name) for name in "abc"])
        return tuple(found.intervals.values()), found.between("a", "b"), found.between("b", "c")

    assert numbers() == numbers()


def test_the_studentised_difference_is_the_paired_t_of_the_examples_and_two_at_the_ends() -> None:
    rng = RNG(11)
    a, b = sample(rng.random(40), "a"), sample(rng.random(40), "b")
    differences = a.scores[0] - b.scores[0]
    size = math.sqrt((float((differences**2).sum()) + 1) / 41)
    expected = stats.ttest_1samp([*differences, size, -size], 0.0)
    found = pivot(a, b, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    interval, official = found.interval(0.05), expected.confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((official.low, official.high), abs=1e-6)


def test_p_and_interval_always_say_the_same() -> None:
    rng = RNG(12)
    for n in (5, 12, 48):
        for _ in range(60):
            u, shares = rng.random(n), rng.uniform(0.2, 0.9, 4)
            drawn = [sample(np.where(rng.random(n) < 0.5, u, rng.random(n)) < s, str(i)) for i, s in enumerate(shares)]
            found = Contrasts(drawn)
            letter = found.letters()
            for i, j in combinations("0123", 2):
                contrast = found.between(i, j)
                held = contrast.difference.low <= 0 <= contrast.difference.high
                assert contrast.shown == (not held)
                assert contrast.shown == (not set(letter[i]) & set(letter[j]))
                alone = contrast.alone
                assert (contrast.p_alone < 0.05) == (not alone.low <= 0 <= alone.high)
                assert contrast.p >= contrast.p_alone


def test_the_correction_is_tukeys_where_approaches_are_independent() -> None:
    rng = RNG(13)
    drawn = [sample(rng.standard_normal(4000), str(i)) for i in range(6)]
    family = Family(drawn, list(combinations(range(6), 2)))
    expected = 2 * stats.norm.sf(stats.studentized_range.ppf(0.95, 6, np.inf) / math.sqrt(2))
    assert family.level == pytest.approx(expected, rel=0.1)
    assert family.level > 0.05 / 15
    for p in (1e-4, 0.002, 0.02, 0.5):
        tukey = stats.studentized_range.sf(math.sqrt(2) * stats.norm.isf(p / 2), 6, np.inf)
        assert family.adjusted(p) == pytest.approx(tukey, abs=0.01)


def test_approaches_that_answer_alike_need_less_correction() -> None:
    rng = RNG(14)
    base = rng.random(400)
    alike = [sample(base + 0.01 * rng.standard_normal(400) * (i == 5), str(i)) for i in range(6)]
    assert Family(alike, list(combinations(range(6), 2))).level > 0.045


def test_one_seed_of_training_is_not_taken_for_the_approach() -> None:
    better, worse = np.zeros(2000), np.zeros(2000)
    better[:1000], worse[:960] = 1, 1
    plain = Contrasts([sample(better, "a"), sample(worse, "b")]).between("a", "b")
    assert plain.beats
    tuned = [Sample("a", better[None], tuned=True), sample(worse, "b")]
    assert not Contrasts(tuned).between("a", "b").beats
    worse[480:] = 0
    assert Contrasts([Sample("a", better[None], tuned=True), sample(worse, "b")]).between("a", "b").beats


def test_variance_of_seeds_is_that_of_a_two_way_layout() -> None:
    rng = RNG(15)
    seeds, n = 4, 500
    scores = 0.5 + 0.2 * rng.standard_normal((1, n)) + 0.05 * rng.standard_normal((seeds, 1))
    scores = scores + 0.1 * rng.standard_normal((seeds, n))
    mean_squares = n * scores.mean(axis=1).var(ddof=1)
    residual = scores - scores.mean(0) - scores.mean(1, keepdims=True) + scores.mean()
    of_seeds = (mean_squares - (residual**2).sum() / ((seeds - 1) * (n - 1))) / n
    moderated = (3 * SPREAD**2 + (seeds - 1) * of_seeds) / (3 + seeds - 1)
    found = seed_variance(Sample("a", scores, tuned=True))
    assert found.variance == pytest.approx(max(moderated, of_seeds) / seeds)
    assert found.degrees == 6
    assert seed_variance(sample(scores[0])).variance == 0
    assert seed_variance(Sample("a", scores[:1], tuned=True)) == VariancePart(SPREAD**2, DEGREES)
    alike = np.tile(scores[:1], (3, 1))
    assert seed_variance(Sample("a", alike)).variance == 0  # not tuned, and no seed answers otherwise
    assert seed_variance(Sample("a", scores)).variance == pytest.approx(of_seeds / seeds)
    macro = labelled("a", ["x", "y"] * 20, ["x", "x"] * 20)
    tuned = Sample("a", macro.scores, macro.counts, tuned=True)
    assert seed_variance(tuned).variance == pytest.approx(MACRO_SPREAD**2)
    wide = seed_variance(Sample("a", 0.5 + np.array([[-0.4], [0.4]]) + np.zeros((2, 50)), tuned=True))
    assert wide.variance == pytest.approx(0.32 / 2)  # as seen: not drawn towards the usual spread


def test_parts_that_are_known_differently_well_are_combined_as_howe_does() -> None:
    examples, seeds = VariancePart(0.0004, 100), VariancePart(0.0025, 3)
    assert half_width([examples], 0.05) == pytest.approx(0.02 * stats.t.ppf(0.975, 100))
    both = math.hypot(0.02 * stats.t.ppf(0.975, 100), 0.05 * stats.t.ppf(0.975, 3))
    assert half_width([examples, seeds], 0.05) == pytest.approx(both)
    for level in (1e-9, 1e-4, 0.03, 0.2, 0.9):
        assert p_value(half_width([examples, seeds], level), [examples, seeds]) == pytest.approx(level)
        assert p_value(-half_width([seeds], level), [seeds]) == pytest.approx(level)
    assert p_value(0.0, [examples, seeds]) == pytest.approx(1)
    assert p_value(2.0, [VariancePart(6.25e-5, 201), VariancePart(0.0011, 12)]) <= 1e-14  # beyond what is told apart
    assert p_value(0.0, [VariancePart(0.0, 3)]) == 1


def test_equal_approaches_are_shown_to_differ_no_more_often_than_said_where_seeds_are_few() -> None:
    rng = RNG(17)
    shown = 0
    for _ in range(400):
        by_seed = 0.6 + SPREAD * rng.standard_normal((3, 1))
        tuned = Sample("a", (rng.random((3, 300)) < by_seed).astype(float), tuned=True)
        shown += pivot(tuned, sample(rng.random(300) < 0.6, "b"), 0.0).p < 0.05
    assert shown <= 0.05 * 400 + 2 * math.sqrt(400 * 0.05 * 0.95)


def test_contributions_to_macro_f1_have_it_as_their_mean_and_its_spread() -> None:
    rng = RNG(16)
    true = rng.choice(["x", "y", "z"], 120)
    said = np.where(rng.random(120) < 0.7, true, rng.choice(["x", "y", "z"], 120))
    a = labelled("a", said.tolist(), true.tolist())
    assert a.values.mean() == pytest.approx(a.quality)
    places = [rng.integers(0, 120, 120) for _ in range(400)]
    again = [f1_score(true[p], said[p], average="macro") for p in places]
    assert a.values.std() / math.sqrt(120) == pytest.approx(np.std(again), rel=0.15)


def test_sample_sizes_are_the_textbook_ones() -> None:
    assert detectable(0.5 / math.sqrt(197)) == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_no_interval_holds_a_difference_that_there_cannot_be(
    metric: str, run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    n, rows = 8, ("lora", "rag+lora", "rag", "few-shot", "zero-shot")
    targets = ["yes", "no"] * (n // 2)
    wrong = ["no", "yes"] * (n // 2)
    runs = [run(spec, targets if i < 2 else wrong) for i, spec in enumerate(rows)] + [run("majority", ["yes"] * n)]
    whole = comparison(runs, metric=metric, targets=targets)
    grouped = {
        key: replace(a, group="even" if i % 4 < 2 else "odd") for i, (key, a) in enumerate(whole.answers.items())
    }
    decision = decide(replace(whole, answers=grouped))
    found = [row.versus_best for row in decision.rows if row.versus_best]
    assert found[-1].low == -1.0, "one seed and many pairs reach as far as there is"
    told = [item.estimate for item in decision.diagnosis] + [gap.difference for gap in decision.gaps]
    ends = [(one.low, one.high) for one in (*found, *told)]
    assert ends and all(-1 <= low <= high <= 1 for low, high in ends)
    contrasts = decision.grounds.contrasts if decision.grounds else None
    assert contrasts is not None
    pair = contrasts.between("zero-shot", "lora")
    assert pair.difference.low == -1.0 and pair.half > 0.2
    assert (pair.reversed.difference.low, pair.reversed.difference.high) == (-pair.difference.high, 1.0)
