"""What reports say of slices, gaps between groups, errors and single examples."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Answer, Comparison, ModelFacts, Run, TaskFacts
from advisor.models import Passage
from advisor.reporting import report
from advisor.verdict import Decision, decide

HOSTILE = ("billing\x1b[2J\u202e", "<script>alert(1)</script> | `x`", "returns\n\n# heading", "a" * 5_000, "")
MODEL = ModelFacts("tiny", "r1", None, "folder", "float32", "cpu", "", 1000, 512, "", ())


def run_of(spec: str, texts: list[str], evidence: tuple[str, ...] = ()) -> Run:
    passages = tuple(Passage(name, "", "text of it") for name in evidence)
    predictions = tuple(PredictionRecord(f"q{at}", text, evidence, passages=passages) for at, text in enumerate(texts))
    return Run(spec, 0, "ok", predictions=predictions, fit_seconds=1.0, shows="documents" if evidence else "nothing")


def made(groups: list[str], **given: float) -> Comparison:
    """`rag` is the best overall and fails in the first group, where `lora` does well."""
    n, rng = len(groups), np.random.default_rng(7)
    task = TaskFacts("desk", "f", "classification", "accuracy", ("yes", "no"), 50, 0, n, 0, 0, (), {})
    answers = {f"q{at}": Answer(("yes",), ("d1",), f"question {at}", group) for at, group in enumerate(groups)}

    def texts(quality: float, first: float) -> list[str]:
        return ["yes" if rng.random() < (first if group == groups[0] else quality) else "no" for group in groups]

    runs = (
        run_of("rag", texts(given.get("rag", 0.95), given.get("rag_first", 0.2)), ("d2", "d1")),
        run_of("lora", texts(0.6, given.get("lora_first", 0.97))),
        run_of("zero-shot", texts(0.55, 0.5)),
    )
    return Comparison("runs/desk", task, MODEL, answers, runs)


@pytest.fixture(scope="module")
def planted() -> Decision:
    return decide(made(["billing", "delivery", "returns", "account"] * 60))


def lines(text: str, title: str) -> str:
    """The section of a report for a terminal."""
    _, _, rest = text.partition(f"\n{title}\n")
    return rest.partition("\n\n")[0]


def test_a_screen_shows_the_slices_where_something_is_to_be_said(planted: Decision) -> None:
    text = report(planted)
    told = lines(text, "Slices")
    assert "in 1 of them another row is shown to be better than rag, the best overall" in " ".join(told.split())
    assert "group billing (n = 60)  +0." in told
    assert "delivery" not in told
    assert "is shown for 2 of 3 rows" in lines(text, "Gaps between groups")
    assert "billing 0." in lines(text, "Gaps between groups")
    assert "rag is the best overall, but is shown to be worse than lora" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100


def test_a_page_shows_every_slice_of_every_row(planted: Decision) -> None:
    text = report(planted, "markdown")
    for group in ("billing", "delivery", "returns", "account"):
        assert f"\n| {group} | 60 | " in text
    assert "| group | n | rag | lora | zero-shot |" in text
    assert r"\* shown to differ from rag, the best overall" in text
    assert "| `zero-shot` |" in text.partition("## Gaps between groups")[2]


def test_that_nothing_is_shown_is_said() -> None:
    text = report(decide(made(["billing", "delivery"] * 60, rag_first=0.95, lora_first=0.6)))
    assert "in none of them is another row shown to be better than rag, the best overall." in " ".join(text.split())


def test_results_hold_slices_errors_and_gaps(planted: Decision) -> None:
    found = json.loads(report(planted, "json"))
    rows = {row["row"]: row for row in found["approaches"]}
    slices = {one["name"]: one for one in rows["lora"]["slices"]}
    assert set(slices) == {"billing", "delivery", "returns", "account"}
    assert slices["billing"]["n"] == 60
    assert slices["billing"]["by"] == "group"
    assert slices["billing"]["versus_best"]["shown"] is True
    assert slices["billing"]["low"] < slices["billing"]["value"] < slices["billing"]["high"]
    assert rows["rag"]["slices"][0]["versus_best"] is None
    (wrong,) = rows["rag"]["errors"]
    assert wrong["name"] == "wrong label"
    assert wrong["pairs"] == [{"true": "yes", "given": "no", "count": wrong["count"]}]
    gap = next(one for one in found["gaps"] if one["row"] == "rag")
    assert gap["worst"] == "billing"
    assert gap["shown"] is True
    assert gap["low"] > 0


def test_hostile_names_of_groups_do_nothing_to_a_terminal_or_a_page() -> None:
    decision = decide(made([HOSTILE[at % 5] for at in range(300)]))
    assert len(decision.gaps) == 3
    screen, page, facts = (report(decision, name) for name in ("terminal", "markdown", "json"))
    for text in (screen, page, facts):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert max(map(len, screen.splitlines())) <= 100
    assert page.count("<script") == page.count("\\<script") > 0
    assert "\n# heading" not in page
    assert "aaaa" * 100 not in screen + page
    assert "without a group" in page
    names = {one["name"] for one in json.loads(facts)["approaches"][0]["slices"]}
    assert names == {*HOSTILE[:4], "without a group"}


def test_errors_are_a_table_of_kinds_with_the_rest_on_a_page() -> None:
    comparison = made(["billing"] * 40)
    task = replace(comparison.task, kind="qa", labels=())
    runs = [run_of(f"rag:k={k}", ["yes"] * 30 + ["no"] * k + [""] * (10 - k), ("d1",)) for k in range(1, 9)]
    decision = decide(replace(comparison, task=task, runs=tuple(runs)))
    screen, page = report(decision), report(decision, "markdown")
    assert "wrong despite" in lines(screen, "Errors")
    assert "The other 2 rows are on a page" in lines(screen, "Errors")
    assert "| format failure | wrong despite the right passage |" in page
    assert "0.225 [0.12, 0.38]" in page  # 9 of 40


def test_where_rows_differ_shows_three_examples_with_answers_and_what_was_retrieved(planted: Decision) -> None:
    text = report(planted)
    _, _, told = text.partition("\nWhere rows differ\n")
    assert [told.startswith("  1. question "), *(f"\n  {number}. question " in told for number in (2, 3))] == [True] * 3
    assert "\n  4. " not in told
    assert "right      yes" in told
    assert "retrieved  d2 and d1 (right) - by rag" in told
    first = told.split("\n\n")[0]
    assert "0.000      no - rag" in first  # one where the best row fails


def test_without_texts_no_example_is_shown_and_why(planted: Decision) -> None:
    bare = decide(replace(planted.comparison, texts=False))
    text = " ".join(report(bare).split())
    assert "Where rows differ Inputs and passages were left out of the records (--no-texts)" in text
    assert "question 0" not in text
