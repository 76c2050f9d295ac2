"""Runs of the same task side by side: what is paired with what, and what is no run of the same task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from advisor.errors import UserError
from advisor.measuring.records import Comparison, Run
from advisor.verdict import Decision, decide
from advisor.verdict.between_runs import SideBySide, side_by_side

Make = Callable[..., Any]


def of(comparison: Comparison, folder: str, places: Sequence[int] | None = None, prefix: str = "") -> Decision:
    """The comparison judged, as measured in a folder, with inputs, on some of its test examples by ids of its own."""
    kept = list(comparison.answers)
    kept = [kept[i] for i in places] if places is not None else kept
    answers = {prefix + key: replace(comparison.answers[key], input=f"input {key}") for key in kept}
    runs = tuple(
        replace(run, predictions=tuple(replace(p, id=prefix + p.id) for p in run.predictions if p.id in kept))
        for run in comparison.runs
    )
    task = replace(comparison.task, test=len(answers))
    return decide(replace(comparison, folder=folder, answers=answers, runs=runs, task=task))


@pytest.fixture
def two(run: Make, comparison: Make, answers: Make) -> Callable[..., SideBySide]:
    """Two runs of 200 examples with the same right answers but for `zero-shot`, which is 0.2 better in the second."""

    def build(**second: Any) -> SideBySide:
        first = comparison([run("zero-shot", answers(200, 0.5)), run("few-shot", answers(200, 0.6))])
        later = comparison([run("zero-shot", answers(200, 0.7)), run("few-shot", answers(200, 0.6))])
        return side_by_side([of(first, "runs/a"), of(later, "runs/b", **second)])

    return build


def test_differences_are_paired_corrected_and_to_the_first(two: Callable[..., SideBySide]) -> None:
    found = two()
    assert (len(found.shared.ids), found.shared.by, found.labels) == (200, "content", ("A", "B"))
    by_name = {line.name: line for line in found.aligned}
    assert list(by_name) == ["few-shot", "zero-shot"]
    gained, same = by_name["zero-shot"].shifts[1], by_name["few-shot"].shifts[1]
    assert gained and same
    assert gained.difference.value == pytest.approx(0.2)
    assert gained.shown and gained.difference.low > 0 and gained.p < 0.05
    assert (gained.better, gained.worse) == (40, 0)  # more right answers at the same places
    assert not same.shown and same.difference.value == 0 and (same.better, same.worse) == (0, 0)
    assert all(line.shifts[0] is None for line in found.aligned)


def test_the_choices_are_held_against_each_other(two: Callable[..., SideBySide]) -> None:
    found = two()
    assert [run.recommendation.approach for run in found.runs] == ["few-shot", "zero-shot"]
    shift = found.choices[1]
    assert shift and shift.difference.value == pytest.approx(0.1)


def test_examples_are_matched_by_content_whatever_their_ids(two: Callable[..., SideBySide]) -> None:
    plain = two()
    other = two(places=range(199, -1, -1), prefix="new-")
    assert [ids[1] for ids in other.shared.ids[:2]] == ["new-q0", "new-q1"]
    assert other.aligned[1].shifts == plain.aligned[1].shifts


def test_only_common_examples_count(two: Callable[..., SideBySide]) -> None:
    found = two(places=range(50, 120))
    assert len(found.shared.ids) == 70
    shift = found.aligned[1].shifts[1]
    assert shift and shift.better + shift.worse <= 70
    assert {one.name: one.values for one in found.facts}["test examples"] == ("200", "70")


def test_without_inputs_the_id_and_the_answers_tell(run: Make, comparison: Make) -> None:
    first = comparison([run("rag", ["yes"] * 4)])
    other = comparison([run("rag", ["yes"] * 4)], targets=["yes", "yes", "no", "yes"])
    found = side_by_side([decide(first), replace_folder(other, "runs/other")])
    assert found.shared.by == "id"
    assert [ids[0] for ids in found.shared.ids] == ["q0", "q1", "q3"]
    assert found.shared.otherwise == 1


def replace_folder(comparison: Comparison, folder: str) -> Decision:
    return decide(replace(comparison, folder=folder))


def test_repeated_examples_pair_off_one_by_one(run: Make, comparison: Make) -> None:
    """Three copies in the one, two in the other: two pairs."""
    decisions = []
    for n in (3, 2):
        whole = comparison([run("rag", ["yes"] * n)])
        alike = {key: replace(answer, input="the same") for key, answer in whole.answers.items()}
        decisions.append(decide(replace(whole, answers=alike)))
    assert side_by_side(decisions).shared.ids == (("q0", "q0"), ("q1", "q1"))


def test_rows_are_the_same_by_name_or_by_approach_and_model(run: Make, comparison: Make) -> None:
    one = comparison([run("rag", ["yes"] * 8)])
    renamed = replace(one.models[0], alias="small", key="k")
    rows = [run("rag@small", ["yes"] * 8, model="small", key="k"), run("majority", ["no"] * 8)]
    several = replace(comparison(rows), members=(renamed,), several=True)
    found = side_by_side([decide(one), replace_folder(several, "runs/several")])
    assert [(line.name, [row.spec if row else None for row in line.rows]) for line in found.aligned] == [
        ("rag", ["rag", "rag@small"]),
        ("majority", [None, "majority"]),
    ]


def test_what_differs_is_named(run: Make, comparison: Make) -> None:
    def build(k: int, **more: Any) -> Comparison:
        made: Comparison = comparison([run("rag", ["yes"] * 8, config={"rag": {"k": k}})], **more)
        return made

    first = replace(build(3), versions={"advisor": "0.1.0", "torch": "2"})
    second = replace(build(5, revision="r2", hardware={"cores": 8}), versions={"advisor": "0.2.0", "torch": "2"})
    found = side_by_side([decide(first), replace_folder(second, "runs/b")])
    facts = {one.name: one.values for one in found.facts}
    assert facts["model: revision"] == ("r1", "r2")
    assert facts["model: cores"] == ("4", "8")
    assert facts["version of advisor"] == ("0.1.0", "0.2.0")
    assert "version of torch" not in facts and "task" not in facts
    assert [(one.name, one.values) for one in found.aligned[0].settings] == [("rag: k", ("3", "5"))]


def test_a_run_beside_its_copy_differs_in_nothing(run: Make, comparison: Make) -> None:
    whole = comparison([run("rag", ["yes", "no"] * 8)])
    found = side_by_side([decide(whole), replace_folder(whole, "runs/copy")])
    assert found.facts == () and found.aligned[0].settings == ()
    assert found.aligned[0].shifts[1] is not None


def test_macro_f1_knows_the_labels_of_both_runs(run: Make, comparison: Make) -> None:
    """The second run gives a label that the first one never gave nor wanted."""
    wanted = ["yes", "no"] * 20
    first = comparison([run("rag", wanted)], "macro_f1", wanted)
    second = comparison([run("rag", ["maybe", "no"] * 20)], "macro_f1", wanted)
    shift = side_by_side([decide(first), replace_folder(second, "runs/b")]).aligned[0].shifts[1]
    assert shift and shift.shown
    assert shift.difference.value == pytest.approx(-2 / 3)  # F1 of "yes" and of "maybe" is 0
    assert (shift.better, shift.worse) == (0, 20)


def test_intervals_widen_with_the_number_of_runs(run: Make, comparison: Make, answers: Make) -> None:
    """All pairs that are shown are one family."""
    rng = np.random.default_rng(3)
    runs: list[Run] = [run("rag", answers(100, 0.5, seed)) for seed in range(4)]
    decisions = [replace_folder(comparison([one]), f"runs/{int(rng.integers(1_000_000))}") for one in runs]
    alone, among = (side_by_side(decisions[:number]).aligned[0].shifts[1] for number in (2, 4))
    assert alone and among
    assert among.difference.value == alone.difference.value
    assert among.difference.high - among.difference.low > alone.difference.high - alone.difference.low
    assert among.p >= alone.p


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"kind": "qa"}, "kind classification against qa"),
        ({"metric": "macro_f1"}, "metric accuracy against macro_f1"),
    ],
)
def test_unlike_tasks_are_refused_with_the_reason(run: Make, comparison: Make, changed: Any, why: str) -> None:
    whole = comparison([run("rag", ["yes"] * 8)])
    other = replace(whole, folder="runs/other", task=replace(whole.task, **changed))
    with pytest.raises(UserError, match=f"runs/desk and runs/other are not of the same task: {why}"):
        side_by_side([decide(whole), decide(other)])


def test_nothing_in_common_is_refused(run: Make, comparison: Make) -> None:
    one, other = (comparison([run("rag", ["yes"] * 3)], targets=[target] * 3) for target in ("yes", "no"))
    with pytest.raises(UserError, match="no test example in common: 3 have the same id"):
        side_by_side([decide(one), replace_folder(other, "runs/b")])
    with pytest.raises(UserError, match="1 runs side by side"):
        side_by_side([decide(one)])


def test_a_row_that_failed_has_no_difference(run: Make, comparison: Make) -> None:
    whole = comparison([run("rag", ["yes"] * 8), run("lora", ["no"] * 8)])
    failed = replace(whole.runs[1], status="failed", error="out of memory", predictions=())
    other = replace(whole, runs=(whole.runs[0], failed))
    found = side_by_side([decide(whole), replace_folder(other, "runs/b")])
    by_name = {line.name: line for line in found.aligned}
    assert by_name["lora"].shifts == (None, None)
    assert by_name["rag"].shifts[1] is not None
