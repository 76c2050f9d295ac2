"""Ten questions, and the judgement that follows."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from advisor.advice import Answers, ask
from advisor.advice.interview import QUESTIONS, answers_of, read_interview
from advisor.advice.skeleton import skeleton, write_skeleton
from advisor.errors import UserError
from advisor.tasks import load_task

LABELS = Answers(output="label", classes=12, labelled=600, manages="some")
FACTS = Answers(output="short", documents=True, changes="weekly", labelled=0)


def test_facts_in_documents_call_for_retrieval() -> None:
    found = ask(FACTS)
    assert found.advised == "rag"
    assert {option.expected.basis for option in found.options} == {"rule"}
    assert "without data" in found.caveats[0]
    assert found.limits.documents_change_every_days == 7


def test_many_labels_call_for_learning() -> None:
    found = ask(LABELS)
    assert found.advised in {"lora", "head"}
    assert len(found.reasons) == 3


def test_weights_that_cannot_be_had_are_not_trained() -> None:
    found = ask({"output": "label", "classes": 12, "labelled": 600, "hardware": "api", "private": True})
    assert not any("lora" in option.spec for option in found.options)
    assert "exclude each other" in found.settling
    assert all(option.violations for option in found.options if option.uses_model)
    assert found.advised in {"head", "nearest"}
    (with_weights,) = [change for change in found.changes if "weights" in change.circumstance]
    assert with_weights.advised in {"lora", "few-shot+lora", "head"}


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


@pytest.mark.parametrize(
    ("field", "line", "value"),
    [
        ("labelled", "5k", 5_000),
        ("labelled", "about 1,200", 1_200),
        ("p95_ms", "2 s", 2_000),
        ("p95_ms", "350ms", 350),
        ("p95_ms", "none", None),
        ("queries_per_day", "", None),
        ("changes", "", "never"),
        ("changes", "W", "weekly"),
        ("documents", "y", True),
    ],
)
def test_answers_are_read_as_people_write_them(field: str, line: str, value: object) -> None:
    (question,) = [question for question in QUESTIONS if question.field == field]
    assert question.read(line) == value


@pytest.mark.parametrize(
    ("field", "line"),
    [("labelled", ""), ("labelled", "many"), ("classes", "1"), ("changes", "often"), ("output", ""), ("p95_ms", "0")],
)
def test_what_is_no_answer_is_told_with_the_question(field: str, line: str) -> None:
    (question,) = [question for question in QUESTIONS if question.field == field]
    with pytest.raises(UserError) as told:
        question.read(line)
    assert question.text in told.value.what
    assert told.value.hint == question.wanted


def test_the_answers_are_kept_with_their_questions() -> None:
    found = dict(ask(FACTS).told)
    assert found["How often do the facts behind right answers change?"] == "weekly"
    assert found["How many queries a day will there be?"] == "none"
    assert not any("How many labels" in question for question in found)


def test_the_judgement_is_decided_anew_for_other_circumstances() -> None:
    found = ask(Answers(output="short", labelled=20, manages="none"))
    changes = {change.circumstance: change.advised for change in found.changes}
    assert set(changes.values()) != {found.advised}
    assert any("200 labelled examples" in circumstance for circumstance in changes)
    assert any("API" in circumstance for circumstance in changes)


def test_a_folder_that_is_there_is_named_in_what_to_do() -> None:
    made, new = ask(FACTS, folder="my tasks/desk"), ask(FACTS)
    assert new.steps[0].command == "advisor ask --write my-task"
    assert not any("--write" in step.command for step in made.steps)
    assert any("'my tasks/desk'" in step.command for step in made.steps)


def test_a_skeleton_is_filled_in_and_then_loads(tmp_path: Path) -> None:
    folder = tmp_path / "desk: 2"
    write_skeleton(Answers(output="fields", queries_per_day=500), folder)
    with pytest.raises(UserError, match="holds no examples"):
        load_task(folder)
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text('{"input": "a", "target": "{}"}\n')
    task = load_task(folder)
    assert (task.name, task.kind, task.limits.queries_per_day) == ("desk- 2", "extraction", 500)
    with pytest.raises(UserError, match="not empty"):
        write_skeleton(Answers(), folder)
    with pytest.raises(UserError, match="is a file"):
        write_skeleton(Answers(), folder / "task.toml")


def test_a_skeleton_holds_what_is_known() -> None:
    files = skeleton(Answers(output="fields", queries_per_day=500, p95_ms=200, documents=True))
    task = tomllib.loads(files["task.toml"])
    assert task["task"]["kind"] == "extraction"
    assert task["limits"] == {"queries_per_day": 500, "p95_ms": 200}
    assert set(files) == {"task.toml", "train.jsonl", "test.jsonl", "README.txt"}
    assert "documents/" in files["README.txt"]


def test_labels_that_are_still_to_come_are_spread_over_all_classes() -> None:
    found = ask({"output": "label", "classes": 5, "labelled": 0, "manages": "none"})
    assert found.advised == "zero-shot"
    assert found.reasons[0].claim.startswith("There is nothing to learn from")
    more = found.changes[0]
    assert more.circumstance.startswith("With 100 labelled examples")
    assert more.advised in ("head", "lora")


def test_classes_without_an_example_cannot_be_learned() -> None:
    few = ask({"output": "label", "classes": 1000, "labelled": 10})
    many = ask({"output": "label", "classes": 1000, "labelled": 20_000})
    assert few.option("head").expected.value < 0.1 < 0.5 < many.option("head").expected.value
    assert few.option("lora").expected.value < many.option("lora").expected.value


def test_nothing_of_a_judgement_counts_as_measured() -> None:
    found = ask({"output": "label", "classes": 4, "labelled": 100})
    assert {option.expected.basis for option in found.options} == {"rule"}
