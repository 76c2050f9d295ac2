"""Parts of a test set: which there are, what is shown on them, and how often it is shown by chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from advisor.measuring.records import Comparison, Run
from advisor.tasks.power import SLICE
from advisor.verdict import decide
from advisor.verdict.decision import Decision
from advisor.verdict.gaps import gaps
from advisor.verdict.sample import Sample
from advisor.verdict.subsets import Subset
from advisor.verdict.within import Within

Make = Callable[..., Comparison]
MakeRun = Callable[..., Run]
GROUPS = ("billing", "delivery", "returns", "account")


def with_facts(comparison: Comparison, **facts: Sequence[str]) -> Comparison:
    """The comparison with facts of its test examples, in order: `group=[...]`, `input=[...]`."""
    answers = {
        key: replace(answer, **{name: values[at] for name, values in facts.items()})
        for at, (key, answer) in enumerate(comparison.answers.items())
    }
    return replace(comparison, answers=answers)


def drawn(rng: np.random.Generator, groups: Sequence[str], quality: float, **in_group: float) -> list[str]:
    """Answers that are right with a chance, another one in the groups that are named."""
    return ["yes" if rng.random() < in_group.get(group, quality) else "no" for group in groups]


def planted(comparison: Make, run: MakeRun, **facts: object) -> Comparison:
    """`rag` is the best overall, and `lora` is much better in the group `billing`."""
    rng = np.random.default_rng(5)
    groups = [GROUPS[at % 4] for at in range(240)]
    runs = [
        run("rag", drawn(rng, groups, 0.95, billing=0.3), **facts),
        run("lora", drawn(rng, groups, 0.6, billing=0.95), **facts),
        run("majority", ["yes"] * 240),
    ]
    return with_facts(comparison(runs), group=groups)


def named(decision: Decision, by: str) -> dict[str, int]:
    return {one.name: one.n for one in decision.slices if one.by == by}


def test_a_planted_slice_effect_is_found_and_speaks_against_the_choice(comparison: Make, run: MakeRun) -> None:
    decision = decide(planted(comparison, run))
    assert decision.rows[0].spec == "majority"  # a control: the best row is the best that can be chosen
    slices = {one.name: one for one in decision.slices}
    assert set(slices) == set(GROUPS)
    billing = slices["billing"]
    assert billing.n == 60
    assert billing.quality["lora"].value > billing.quality["rag"].value + 0.4
    assert billing.shown == {"lora"}
    assert billing.versus["lora"].low > 0
    assert "majority" in billing.quality
    assert "majority" not in billing.versus
    (told,) = [one for one in decision.recommendation.against if "billing" in one]
    assert told.startswith('rag is the best overall, but is shown to be worse than lora in the group "billing" (n = 60')
    assert "difference -0." in told


def test_the_largest_gap_between_groups_is_shown_for_the_row_that_has_one(comparison: Make, run: MakeRun) -> None:
    found = {gap.row: gap for gap in decide(planted(comparison, run)).gaps}
    assert set(found) == {"rag", "lora"}
    assert found["rag"].shown
    assert found["rag"].worst == "billing"
    assert found["rag"].difference.low > 0
    assert found["lora"].best == "billing"


def test_no_slice_and_no_gap_is_shown_too_often_where_nothing_is_planted() -> None:
    rng, repetitions, slices, unequal = np.random.default_rng(11), 120, 0, 0
    for _ in range(repetitions):
        alike = rng.random(120) < 0.7
        each = [np.where(rng.random(120) < 0.5, alike, rng.random(120) < 0.7).astype(float) for _ in range(3)]
        samples = sorted((Sample(f"row{at}", one[None]) for at, one in enumerate(each)), key=lambda s: -s.quality)
        group, label = rng.integers(0, 3, 120), rng.integers(0, 3, 120)
        parts = [Subset("group", str(at), np.flatnonzero(group == at)) for at in range(3)]
        parts += [Subset("label", str(at), np.flatnonzero(label == at)) for at in range(3)]
        within = Within(samples, parts)
        slices += any(within.difference(at, row, 0)[1] for at in range(6) for row in (1, 2))
        unequal += any(gap.shown for gap in gaps(samples, parts[:3]))
    assert slices <= 0.05 * repetitions + 4  # 5 %, and two standard deviations of that many repetitions
    assert unequal <= 0.05 * repetitions + 4


def test_intervals_of_all_slices_hold_together() -> None:
    rng, repetitions, missed = np.random.default_rng(12), 100, 0
    truth = np.array([0.9, 0.5, 0.7])
    for _ in range(repetitions):
        group = rng.integers(0, 3, 150)
        samples = [
            Sample("one", (rng.random(150) < truth[group]).astype(float)[None]),
            Sample("two", (rng.random(150) < 0.7).astype(float)[None]),
        ]
        within = Within(samples, [Subset("group", str(at), np.flatnonzero(group == at)) for at in range(3)])
        found = [within.difference(at, 0, 1)[0] for at in range(3)]
        missed += any(not one.low <= truth[at] - 0.7 <= one.high for at, one in enumerate(found))
    assert missed <= 0.05 * repetitions + 5


def test_lengths_are_parted_in_quantiles_with_their_bounds_in_words(comparison: Make, run: MakeRun) -> None:
    rng = np.random.default_rng(0)
    inputs = ["word " * int(length) for length in rng.integers(3, 40, 200)]
    runs = [run(spec, drawn(rng, inputs, 0.7)) for spec in ("rag", "lora")]
    found = named(decide(with_facts(comparison(runs), input=inputs)), "input length")
    assert len(found) == 4
    assert sum(found.values()) == 200
    assert min(found.values()) > 35
    assert next(iter(found)).startswith("3 to ")
    assert all(name.endswith(" words") for name in found)
    alike = ["word"] * 150 + ["word " * length for length in range(2, 52)]
    decision = decide(with_facts(comparison(runs), input=alike))
    assert named(decision, "input length") == {"1 word": 150, "2 to 51 words": 50}


def test_rare_labels_are_judged_together_and_a_single_one_is_left_out(comparison: Make, run: MakeRun) -> None:
    targets = ["a"] * 60 + ["b"] * 40 + [name for name in "cdef" for _ in range(8)]
    runs = [run(spec, targets) for spec in ("rag", "lora")]
    decision = decide(comparison(runs, targets=targets))
    assert named(decision, "label") == {"a": 60, "b": 40, "4 rare labels together": 32}
    assert [one.pooled for one in decision.slices] == [False, False, True]
    assert "4 rare labels have fewer than 20 test examples each and are judged together" in decision.slice_notes[0]
    targets = ["a"] * 60 + ["b"] * 40 + ["c"] * (SLICE - 1)
    decision = decide(comparison([run(spec, targets) for spec in ("rag", "lora")], targets=targets))
    assert named(decision, "label") == {"a": 60, "b": 40}
    assert '"c" has fewer than 20 test examples and was left out.' in decision.slice_notes[0]


@pytest.mark.parametrize(
    ("targets", "why"),
    [
        ([name for name in "abcdef" for _ in range(8)], "6 rare labels have fewer than 20 test examples each"),
        (["a"] * 60 + ["b"] * 5 + ["c"] * 4, "2 rare labels have fewer than 20 test examples each"),
        (["a"] * 60 + ["b"] * 5, '"b" has fewer than 20 test examples'),
    ],
)
def test_parts_of_which_no_two_are_left_are_not_said_to_be_judged(
    targets: list[str], why: str, comparison: Make, run: MakeRun
) -> None:
    decision = decide(comparison([run(spec, targets) for spec in ("rag", "lora")], targets=targets))
    assert named(decision, "label") == {}
    assert decision.slice_notes == (f"There are no slices by label: {why}.",)
    assert not any("together" in note or "left out" in note for note in decision.slice_notes)


def test_a_slice_by_evidence_is_one_of_the_retrieval_and_the_same_for_all_rows(comparison: Make, run: MakeRun) -> None:
    """Two rows that retrieved the same share their parts; another retrieval has parts of its own."""
    n = 100
    found = [("right",) if at < 60 else ("wrong",) for at in range(n)]
    other = [("right",) if at < 70 else ("wrong",) for at in range(n)]
    runs = [
        run("rag", ["yes" if at < 55 else "no" for at in range(n)], evidence=found),
        run("rag+lora", ["yes" if at < 65 else "no" for at in range(n)], evidence=found),
        run("rag:k=9", ["yes" if at < 50 else "no" for at in range(n)], evidence=other),
        run("lora", ["yes" if at >= 40 else "no" for at in range(n)]),
    ]
    evidence = {f"q{at}": ("right",) for at in range(n)}
    decision = decide(comparison(runs, evidence=evidence))
    assert named(decision, "evidence found") == {
        "found by rag+lora": 60,
        "missed by rag+lora": 40,
        "found by rag:k=9": 70,
        "missed by rag:k=9": 30,
    }
    missed = next(one for one in decision.slices if one.name == "missed by rag+lora")
    assert missed.quality["lora"].value == 1
    assert missed.shown >= {"lora"}


def test_answerable_questions_and_languages_are_slices(comparison: Make, run: MakeRun) -> None:
    targets = ["unanswerable" if at % 3 == 0 else "yes" for at in range(90)]
    made = comparison([run(spec, ["yes"] * 60 + ["no"] * 30) for spec in ("rag", "few-shot")], targets=targets)
    made = replace(made, task=replace(made.task, kind="qa"))
    languages = ["de" if at < 25 else "en" if at < 85 else "" for at in range(90)]
    decision = decide(with_facts(made, language=languages))
    assert named(decision, "answerable") == {"answerable": 60, "unanswerable": 30}
    assert named(decision, "language") == {"English": 60, "German": 25}
    assert named(decision, "label") == {}


def test_macro_f1_is_judged_by_accuracy_on_a_slice_which_is_said(comparison: Make, run: MakeRun) -> None:
    made = planted(comparison, run)
    decision = decide(replace(made, task=replace(made.task, metric="macro_f1")))
    billing = next(one for one in decision.slices if one.name == "billing")
    right = [p.text == "yes" for p in made.runs[0].predictions if made.answers[p.id].group == "billing"]
    assert billing.quality["rag"].value == pytest.approx(np.mean(right))
    assert decision.slice_notes[0].startswith("Macro F1 needs all labels")


def test_what_varies_between_seeds_widens_the_intervals_of_slices(comparison: Make, run: MakeRun) -> None:
    rng = np.random.default_rng(2)
    groups = [GROUPS[at % 2] for at in range(200)]
    best = [run("lora", drawn(rng, groups, 0.9), seed=seed) for seed in range(3)]
    steady, shaky = ([0.7, 0.7, 0.7], [0.95, 0.7, 0.45])

    def half(qualities: Sequence[float]) -> float:
        other = [run("rag+lora", drawn(rng, groups, q), seed=seed) for seed, q in enumerate(qualities)]
        (found, _) = decide(with_facts(comparison([*best, *other]), group=groups)).slices
        return found.versus["rag+lora"].high - found.versus["rag+lora"].low

    assert half(shaky) > 1.5 * half(steady)


def test_slices_need_inputs_for_lengths_and_say_so(comparison: Make, run: MakeRun) -> None:
    decision = decide(replace(planted(comparison, run), texts=False))
    assert any("--no-texts" in note for note in decision.slice_notes)
    assert named(decision, "group")


def test_one_row_or_a_small_test_set_has_nothing_to_be_compared(comparison: Make, run: MakeRun) -> None:
    groups = [GROUPS[at % 2] for at in range(60)]
    alone = decide(with_facts(comparison([run("rag", ["yes", "no"] * 30)]), group=groups))
    assert [one.versus for one in alone.slices] == [{}, {}]
    small = decide(with_facts(comparison([run("rag", ["yes"] * 12), run("lora", ["no"] * 12)]), group=groups[:12]))
    assert small.slices == ()
    assert small.gaps == ()
    nothing = decide(comparison([run("rag", (), status="failed", error="no")]))
    assert nothing.slices == ()


def test_500_examples_12_rows_and_40_slices_are_judged_at_once() -> None:
    rng = np.random.default_rng(0)
    samples = [Sample(f"row{at}", (rng.random((1, 500)) < 0.7).astype(float)) for at in range(12)]
    parts = [Subset("group", str(at), np.sort(rng.choice(500, 60, replace=False))) for at in range(40)]
    Within(samples[:2], parts[:2]).difference(0, 0, 1)  # what is imported on first use
    start = process_time()
    within = Within(samples, parts)
    found = [within.difference(at, row, 0) for at in range(40) for row in range(1, 12)]
    assert len(found) == 440
    assert process_time() - start < 1.5  # 0.2 on a machine that is not busy
