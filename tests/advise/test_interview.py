"""Ten questions, and the judgement that follows."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest

from advisor.advise import Answers, ask
from advisor.advise.interview import QUESTIONS, answers_of, read_interview
from advisor.advise.skeleton import skeleton
from advisor.errors import UserError

LABELS = Answers(output="label", classes=12, labelled=600, manages="some")
FACTS = Answers(output="short", documents=True, changes="weekly", labelled=0)


def test_facts_in_documents_call_for_retrieval() -> None:
    found = ask(FACTS)
    assert found.advised == "rag"
    assert {option.expected.basis for option in found.options} == {"rule"}
    assert "nothing was measured" in found.caveats[0]
    assert found.limits.documents_change_every_days == 7


def test_many_labels_call_for_learning() -> None:
    found = ask(LABELS)
    assert found.advised in {"lora", "head"}
    assert len(found.reasons) == 3


def test_weights_that_cannot_be_had_are_not_trained() -> None:
    found = ask({"output": "label", "classes": 12, "labelled": 600, "hardware": "api", "private": True})
    assert not any("lora" in option.spec for option in found.options)
    assert any("exclude each other" in caveat for caveat in found.caveats)
    assert any("weights" in change.circumstance for change in found.changes)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"output": "poem"}, "'poem'"),
        ({"colour": "red"}, '"colour"'),
        ({"labelled": "-3"}, "'-3'"),
        ({"p95_ms": 0}, "'0'"),
    ],
)
def test_a_wrong_answer_is_named(given: dict[str, object], seen: str) -> None:
    with pytest.raises(UserError, match=seen):
        answers_of(given)


def test_at_most_ten_questions_are_asked_and_wrong_answers_asked_again() -> None:
    lines = iter(["poem", "label", "12", "600", "no", "never", "nearly", "some", "1,000", "none", "api", "yes"])
    asked: list[str] = []
    complaints: list[str] = []

    def line(question: str) -> str:
        asked.append(question)
        return next(lines)

    found = read_interview(line, complaints.append)
    assert found == Answers(
        output="label", classes=12, labelled=600, manages="some", queries_per_day=1000.0, hardware="api", private=True
    )
    assert len(complaints) == 2
    assert "'poem'" in complaints[0]
    assert len({question.split(".")[0] for question in asked}) == 10


def every_path() -> Iterator[int]:
    for output in ("label", "text"):
        for hardware in ("gpu", "api"):
            answers = {"output": output, "hardware": hardware}
            yield sum(question.asked(answers) for question in QUESTIONS)


def test_no_path_has_more_than_ten_questions() -> None:
    assert max(every_path()) == 10


def test_a_skeleton_holds_what_is_known() -> None:
    files = skeleton(Answers(output="fields", queries_per_day=500, p95_ms=200, documents=True))
    task = tomllib.loads(files["task.toml"])
    assert task["task"]["kind"] == "extraction"
    assert task["limits"] == {"queries_per_day": 500, "p95_ms": 200}
    assert set(files) == {"task.toml", "train.jsonl", "test.jsonl", "README.txt"}
    assert "documents/" in files["README.txt"]
