"""Kinds of errors: which answer is of which, and that they add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Answer, Comparison, Run
from advisor.verdict import decide
from advisor.verdict.decision import Row
from advisor.verdict.errors import (
    ABSTAINED,
    FORMAT,
    LABEL,
    MISS,
    NO_ANSWER,
    PARTLY,
    READER,
    UNANSWERABLE,
    WRONG,
)

Make = Callable[..., Comparison]
MakeRun = Callable[..., Run]


def judged(made: Comparison, kind: str, metric: str, *answers: Answer) -> dict[str, Row]:
    """The rows of a comparison of another kind, with known answers, by spec."""
    made = replace(made, task=replace(made.task, kind=kind, metric=metric, labels=()))
    known = {f"q{at}": answer for at, answer in enumerate(answers)}
    return {row.spec: row for row in decide(replace(made, answers=known)).rows}


def counts(row: Row) -> dict[str, float]:
    return {one.name: one.count for one in row.errors}


def predicted(run: Run, *changes: dict[str, Any]) -> Run:
    return replace(run, predictions=tuple(replace(p, **c) for p, c in zip(run.predictions, changes, strict=True)))


CASES: Sequence[tuple[str, dict[str, Any], Answer, str]] = (
    ("in 1999", {"evidence": ("d1",)}, Answer(("the red house",), ("d1",)), READER),
    ("in 1999", {"evidence": ("d2",)}, Answer(("the red house",), ("d1",)), MISS),
    ("in 1999", {"evidence": ("d1", "d2"), "shown": 0, "dropped": 2}, Answer(("the red house",), ("d1",)), MISS),
    ("in 1999", {"evidence": ("d2",)}, Answer(("the red house",)), WRONG),
    (" ", {"evidence": ("d1",)}, Answer(("the red house",), ("d1",)), FORMAT),
    ("Unanswerable.", {"evidence": ("d1",)}, Answer(("the red house",), ("d1",)), ABSTAINED),
    ("unanswerable", {"evidence": ("d2",)}, Answer(("the red house",), ("d1",)), MISS),
    ("in 1999", {"evidence": ("d2",)}, Answer(("unanswerable",)), UNANSWERABLE),
    ("a red house there", {"evidence": ("d1",)}, Answer(("the red house",), ("d1",)), PARTLY),
    ("the red house", {"evidence": ("d2",)}, Answer(("the red house",), ("d1",)), ""),
)


def test_each_answer_is_of_the_first_kind_that_applies(comparison: Make, run: MakeRun) -> None:
    made = predicted(run("rag", [text for text, *_ in CASES]), *(changes for _, changes, *_ in CASES))
    plain = run("zero-shot", ["unanswerable"] * len(CASES))
    rows = judged(comparison([made, plain]), "qa", "token_f1", *(answer for *_, answer, _ in CASES))
    wanted: dict[str, float] = {}
    for *_, name in CASES:
        wanted |= {name: wanted.get(name, 0) + 1} if name else {}
    assert counts(rows["rag"]) == wanted
    assert counts(rows["zero-shot"]) == {ABSTAINED: 9}  # without retrieval there is none to miss


def test_kinds_add_up_to_the_answers_that_are_not_fully_right_over_seeds(comparison: Make, run: MakeRun) -> None:
    answers = [Answer(("yes",), ("d1",)) for _ in range(40)]
    runs = [
        run("rag", ["yes"] * 30 + ["no"] * 6 + [""] * 4, seed=0, evidence=[("d1",)] * 40),
        run("rag", ["yes"] * 33 + ["no"] * 7, seed=1, evidence=[("d1",)] * 40),
    ]
    row = judged(comparison(runs), "qa", "exact_match", *answers)["rag"]
    assert row.quality is not None
    assert sum(counts(row).values()) == pytest.approx(40 * (1 - row.quality.value))
    assert counts(row) == {FORMAT: 2, READER: 6.5}
    share = next(one.share for one in row.errors if one.name == READER)
    assert share.value == pytest.approx(6.5 / 40)
    assert share.low < 6.5 / 40 < share.high


def test_wrong_labels_name_the_pairs_that_are_confused_most(comparison: Make, run: MakeRun) -> None:
    targets = ["a"] * 10 + ["b"] * 10
    given = ["b"] * 4 + ["a"] * 6 + ["a"] * 1 + ["b"] * 7 + ["neither"] * 2
    made = comparison([run("lora", given)], targets=targets)
    made = replace(made, task=replace(made.task, labels=("a", "b")))
    (row,) = decide(made).rows
    assert counts(row) == {FORMAT: 2, LABEL: 5}
    assert next(one.pairs for one in row.errors if one.name == LABEL) == (("a", "b", 4), ("b", "a", 1))


def test_json_that_cannot_be_read_is_a_format_failure(comparison: Make, run: MakeRun) -> None:
    wanted = Answer(('{"people": 3, "time": "noon"}',))
    texts = ['{"people": 3, "time": "noon"}', '{"people": 3, "time": "one"}', '{"people": 4}', "three people", ""]
    row = judged(comparison([run("lora", texts)]), "extraction", "json_f1", *[wanted] * 5)["lora"]
    assert counts(row) == {PARTLY: 1, WRONG: 1, FORMAT: 2}


def test_what_failed_is_no_answer_whatever_came_of_it(comparison: Make, run: MakeRun) -> None:
    made = run("rag", ["yes"] * 40)
    first, *rest = made.predictions
    failed = replace(made, predictions=(PredictionRecord(first.id, "yes", failure="timed out"), *rest))
    (row,) = decide(comparison([failed])).rows
    assert counts(row) == {NO_ANSWER: 1}


def test_a_row_that_is_not_judged_has_no_errors(comparison: Make, run: MakeRun) -> None:
    broken = Run("lora", 0, "failed", error="out of memory")
    rows = {row.spec: row for row in decide(comparison([run("rag", ["yes"] * 10), broken])).rows}
    assert rows["lora"].errors == ()
    assert rows["rag"].errors == ()  # all right
