"""Alpaca's files, prompts with completions, and preference sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.tasks.faults import Faults

File = Callable[[str, object], Path]
Bring = Callable[..., Any]


def alpaca(*rows: tuple[object, object, object]) -> list[dict[str, object]]:
    return [dict(zip(("instruction", "input", "output"), row, strict=True)) for row in rows]


def test_one_instruction_for_all_rows_is_the_tasks(file: File, bring: Bring) -> None:
    found = bring(file("a.json", alpaca(("Say where.", "Box 0?", "here"), ("Say where.", "Box 1?", "there"))))
    assert (found.format.name, found.format.instruction) == ("alpaca", "Say where.")
    assert found.pairs == [("Box 0?", "here"), ("Box 1?", "there")]


def test_instructions_that_differ_are_joined_with_inputs(file: File, bring: Bring) -> None:
    found = bring(file("a.jsonl", alpaca(("Add.", "1 1", 2), ("Name a city.", "", "Oslo"))))
    assert found.format.instruction == ""
    assert found.pairs == [("Add.\n\n1 1", "2"), ("Name a city.", "Oslo")]


def test_the_same_instruction_without_inputs_is_the_input(file: File, bring: Bring) -> None:
    found = bring(file("a.jsonl", alpaca(("Joke!", "", "a"), ("Joke!", None, "b"))))
    assert found.pairs == [("Joke!", "a"), ("Joke!", "b")]


def test_an_alpaca_table(file: File, bring: Bring) -> None:
    found = bring(file("a.csv", 'instruction;input;output\nAdd.;"1;\n1";2\nAdd.;2 2;\n'))
    assert found.pairs == [("1;\n1", "2")]
    assert found.dropped == {"a.csv:4": '"output" is empty (write the answer, or leave the row out)'}


def test_history_and_system(file: File, bring: Bring) -> None:
    rows = [
        {"instruction": "And?", "input": "", "output": "b", "system": "S", "history": [["Q", "a"]]},
        {"instruction": "And then?", "input": "", "output": "b", "history": ["Q"]},
    ]
    found = bring(file("a.jsonl", rows))
    assert found.pairs == [("S\n\nUser: Q\nAssistant: a\nUser: And?", "b")]
    assert '"history" is no list of pairs' in found.dropped["a.jsonl:2"]


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        (("Add.", "1", None), '"output" is null'),
        (("Add.", "1", ""), '"output" is empty'),
        (("Add.", "1", ["2"]), '"output" is a list, not a text'),
        (("Add.", {"a": 1}, "2"), '"input" is an object, not a text'),
        ((None, "1", "2"), '"instruction" is null'),
        ((["Add."], "1", "2"), '"instruction" is a list, not a text'),
    ],
)
def test_faults_of_alpaca(file: File, bring: Bring, row: tuple[object, object, object], seen: str) -> None:
    found = bring(file("a.jsonl", alpaca(("Add.", "1", "2"), ("Sum.", "", "2"), row)))
    assert len(found.pairs) == 2
    assert seen in found.dropped["a.jsonl:3"]


def test_a_column_that_is_missing_is_named(file: File, bring: Bring) -> None:
    rows = [*alpaca(("Add.", "1", "2"), ("Sum.", "", "2")), {"instruction": "Add.", "response": "3"}]
    assert '"output" is missing' in bring(file("a.jsonl", rows)).dropped["a.jsonl:3"]


def pairs(*rows: tuple[object, object]) -> list[dict[str, object]]:
    return [{"prompt": prompt, "completion": completion} for prompt, completion in rows]


def test_separators_of_prompts_and_completions_are_taken_away(file: File, bring: Bring) -> None:
    found = bring(file("p.jsonl", pairs(("Good?\n\n###\n\n", " yes END"), ("Bad?\n\n###\n\n", " no END"))))
    assert found.format.name == "completion"
    assert found.pairs == [("Good?", "yes"), ("Bad?", "no")]
    assert r"'\n\n###\n\n', with which every prompt ends, is taken away" in found.notes
    assert "the blank before the completion is taken away (2 rows, first p.jsonl:1)" in found.notes


@pytest.mark.parametrize("end", [" ->", "\n\nIntent:\n\n", " =>"])
def test_other_separators(file: File, bring: Bring, end: str) -> None:
    assert bring(file("p.jsonl", pairs((f"ab?{end}", "1"), (f"cb?{end}", "2")))).pairs == [("ab?", "1"), ("cb?", "2")]


def test_what_all_prompts_end_with_is_no_separator_if_it_is_text(file: File, bring: Bring) -> None:
    found = bring(file("p.jsonl", pairs(("Is it blue?", "a town"), ("Is it true?", "my town"))))
    assert found.pairs == [("Is it blue?", "a town"), ("Is it true?", "my town")]
    mixed = bring(file("m.jsonl", pairs(("a\n\n###\n\n", "b"), ("c", "d"))))
    assert mixed.pairs == [("a\n\n###", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        (("", "a"), '"prompt" is empty'),
        ((None, "a"), '"prompt" is null'),
        (("a ->", None), '"completion" is null'),
        (("a ->", {"b": 1}), '"completion" is an object'),
        ((" ->", "a"), "holds nothing but its separator"),
    ],
)
def test_faults_of_pairs(file: File, bring: Bring, row: tuple[object, object], seen: str) -> None:
    found = bring(file("p.jsonl", pairs(("a ->", "1"), ("b ->", 2), row)))
    assert found.pairs == [("a", "1"), ("b", "2")]
    assert seen in found.dropped["p.jsonl:3"]


def test_answers_marked_as_bad_are_left_out(file: File, bring: Bring) -> None:
    rows = [{"prompt": "a", "completion": "b", "label": good} for good in (True, False)]
    found = bring(file("k.jsonl", rows))
    assert found.pairs == [("a", "b")]
    assert "marked as a bad answer" in found.dropped["k.jsonl:2"]


USER = {"role": "user", "content": "Q"}
GOOD, BAD = ({"role": "assistant", "content": text} for text in ("good", "bad"))
PAIR = {"input": "Q", "chosen": "good", "rejected": "bad"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Q", "chosen": "good", "rejected": "bad"},
        {"question": "Q", "chosen": "good", "rejected": "bad"},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": "Q", "chosen": [USER, GOOD], "rejected": [USER, BAD], "score_chosen": 8.0, "score_rejected": 2.0},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": "\n\nHuman: Q\n\nAssistant: good", "rejected": "\n\nHuman: Q\n\nAssistant: bad"},
        {"input": {"messages": [USER]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
        {
            "instruction": "Q",
            "completions": [
                {"response": "good", "overall_score": 9},
                {"response": "so so", "overall_score": 5},
                {"response": "bad", "overall_score": 1.5},
            ],
        },
    ],
)
def test_every_form_of_preferences(file: File, bring: Bring, row: dict[str, object]) -> None:
    found = bring(file("p.jsonl", [row]))
    assert found.format.name == "preferences"
    assert found.preferences == [PAIR]
    assert not found.examples


def test_what_both_have_in_common_is_the_input(file: File, bring: Bring) -> None:
    before = [{"role": "system", "content": "S"}, USER, {"role": "assistant", "content": "A"}, USER]
    found = bring(file("p.jsonl", [{"chosen": [*before, GOOD], "rejected": [*before, BAD]}]))
    assert found.preferences[0]["input"] == "S\n\nUser: Q\nAssistant: A\nUser: Q"


PREFERENCE_FAULTS = {
    "both answers are the same": {"prompt": "Q", "chosen": "a", "rejected": "a"},
    "a tie": {"prompt": "Q", "chosen": "a", "rejected": "b", "score_chosen": 1, "score_rejected": 1},
    '"rejected" is null': {"prompt": "Q", "chosen": "a", "rejected": None},
    '"chosen" is empty': {"prompt": "Q", "chosen": " ", "rejected": "a"},
    '"rejected" is missing': {"prompt": "Q", "chosen": "a"},
    "no input stands before": {"prompt": None, "chosen": "a", "rejected": "b"},
    "no input stands before ": {"chosen": [GOOD], "rejected": [BAD]},
    "part before their last turn": {"chosen": [USER, GOOD, USER, GOOD], "rejected": [USER, BAD]},
    "the last turn is not the assistant's": {"chosen": [USER, GOOD, USER], "rejected": [USER, GOOD, BAD]},
    '"chosen" is no list of turns': {"prompt": "Q", "chosen": ["a"], "rejected": ["b"]},
    'the last turn of "chosen" is empty': {
        "chosen": [USER, {"role": "assistant", "content": None}],
        "rejected": [USER, BAD],
    },
    '"rejected" is an object': {"prompt": "Q", "chosen": "a", "rejected": {"text": "b"}},
}


@pytest.mark.parametrize("seen", PREFERENCE_FAULTS)
def test_faults_of_preferences(file: File, bring: Bring, seen: str) -> None:
    good = {"prompt": "Q", "chosen": "good", "rejected": "bad"}
    found = bring(file("p.jsonl", [good, good, PREFERENCE_FAULTS[seen]]))
    assert found.preferences == [PAIR, PAIR]
    assert seen.strip() in found.dropped["p.jsonl:3"]


def test_a_format_that_is_asked_for_and_not_there_is_a_fault(file: File, bring: Bring) -> None:
    path = file("a.jsonl", [{"text": "a", "label": "b"}])
    with pytest.raises(Faults, match="is not a preference set: its first rows hold none of it"):
        bring(path, format="preferences")


def test_columns_that_are_named_are_left_to_the_table(file: File, bring: Bring) -> None:
    found = bring(file("p.jsonl", pairs(("a", "b"))), inputs=("prompt",), target="completion")
    assert found.format.name == "table"
