"""The shapes in which data comes: conversations, Alpaca, SQuAD, preference pairs, CoNLL, lists of answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.tasks import Example, Faults, TableSource, Task, load_table, load_task


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Task]:
    """Loads one file, JSON lines for a list, as train and test."""

    def load(file: str, content: object, **told: Any) -> Task:
        path = tmp_path / file
        lines = isinstance(content, list) and not file.endswith(".json")
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in content) if lines else json.dumps(content)
        path.write_text(content if isinstance(content, str) else text, encoding="utf-8")
        return load_table(TableSource(path, test=path, **{"kind": "qa", "instruction": "Answer.", **told}))

    return load


def _pairs(task: Task) -> list[tuple[str, str]]:
    return [(example.input, example.target) for example in task.train]


CHAT = [
    {
        "messages": [
            {"role": "system", "content": "Du hilfst."},
            {"role": "user", "content": "Wo?"},
            {"role": "assistant", "content": "Hier."},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "いつ?"}]},
            {"role": "assistant", "content": "明日"},
            {"role": "user", "content": "どこで?"},
            {"role": "assistant", "content": "駅で"},
            {"role": "user", "content": "ありがとう"},
        ]
    },
]


@pytest.mark.parametrize("told", [{}, {"input": "messages", "target": "messages"}])
def test_a_conversation_is_its_last_answer_and_all_before_it(load: Callable[..., Task], told: dict[str, str]) -> None:
    task = load("t.jsonl", CHAT, **told)
    assert _pairs(task) == [("Du hilfst.\n\nWo?", "Hier."), ("User: いつ?\nAssistant: 明日\nUser: どこで?", "駅で")]
    assert any("the last turn of the assistant is the answer" in caveat for caveat in task.caveats)


def test_conversations_of_sharegpt_and_in_a_task_folder(load: Callable[..., Task], write) -> None:
    turns = [{"from": "human", "value": "Где?"}, {"from": "gpt", "value": "Здесь."}]
    assert _pairs(load("t.json", [{"conversations": turns}])) == [("Где?", "Здесь.")]
    rows = [{"conversations": turns}]
    assert load_task(write(train_jsonl=rows, test_jsonl=rows)).test[0].target == "Здесь."


@pytest.mark.parametrize(
    ("turns", "what"),
    [
        ([{"role": "user", "content": "a"}], "the conversation has no turn of the assistant"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": None}], "last turn has no text in it"),
        ([{"role": "assistant", "content": "a"}], "last turn has no text before it"),
        ("hello", 'input and target are both "messages", which is no conversation'),
    ],
)
def test_faults_of_a_conversation(load: Callable[..., Task], turns: object, what: str) -> None:
    with pytest.raises(Faults, match=what):
        load("t.jsonl", [{"messages": turns}], input="messages", target="messages")


def test_alpacas_columns_are_joined_and_that_is_said(load: Callable[..., Task]) -> None:
    rows = [
        {"instruction": "Übersetze.", "input": "Hund", "output": "dog"},
        {"instruction": "Sag ja.", "input": "", "output": "yes"},
    ]
    for told in ({}, {"input": "instruction", "target": "output"}):
        task = load("t.json", rows, **told)
        assert _pairs(task) == [("Übersetze.\n\nHund", "dog"), ("Sag ja.", "yes")]
        assert task.caveats == ('the columns "instruction" and "input" are joined to one input, as in Alpaca\'s files',)


def test_a_part_of_the_input_that_is_not_read_is_named(load: Callable[..., Task]) -> None:
    rows = [{"instruction": "Say", "input": "this", "reply": "that"}]
    (caveat,) = load("t.jsonl", rows, input="instruction", target="reply").caveats
    assert caveat.startswith('the column "input" is not read;')
    assert caveat.endswith("--input instruction --input input")


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Who?", "context": "Ada was here.", "answers": {"text": ["Ada"], "answer_start": [0]}},
        {"input": "Who?", "context": "Ada was here.", "target": "Ada"},
    ],
)
def test_a_task_folder_too_names_what_is_not_read(write, row: dict[str, object]) -> None:
    (caveat,) = load_task(write(train_jsonl=[row], test_jsonl=[row])).caveats
    what = 'the column "context" is not read; if it belongs to the input, write its text into'
    assert caveat == f'{what} "{next(iter(row))}" too'


def test_names_of_columns_are_quoted_as_a_shell_needs_it(load: Callable[..., Task]) -> None:
    rows = [{"System": "Be brief.", "User's text": str(at), "A": "b", "Customer ID": str(at % 6)} for at in range(30)]
    path = load("t.jsonl", rows, input="User's text", target="A").origin
    table = TableSource(path, input="User's text", target="A", kind="qa", instruction="Answer.")
    said = "\n".join(load_table(table, split=0.3).caveats)
    assert """--input 'User'"'"'s text' --input System""" in said
    assert "--group 'Customer ID' keeps" in said


def test_several_input_columns_are_joined_with_their_names(load: Callable[..., Task]) -> None:
    task = load(
        "t.csv", "Subject,Body,Queue\nRechnung,Zu hoch.,a\nHallo,,b\n", input=("Subject", "Body"), target="Queue"
    )
    assert _pairs(task) == [("Subject: Rechnung\nBody: Zu hoch.", "a"), ("Subject: Hallo", "b")]
    with pytest.raises(Faults, match='there is no column "Text"'):
        load("u.csv", "Subject,Queue\na,b\n", input=("Subject", "Text"), target="Queue")


def test_squad_nested_and_flat(load: Callable[..., Task]) -> None:
    asked = [
        {"id": "a", "question": "Кто?", "answers": [{"text": "Анна", "answer_start": 0}, {"text": "Анна К."}]},
        {"id": "b", "question": "Когда?", "answers": [], "is_impossible": True},
    ]
    nested = {"version": "2", "data": [{"title": "T", "paragraphs": [{"context": "Анна К. здесь.", "qas": asked}]}]}
    found = load("t.json", nested)
    assert found.train == (
        Example("a", "Кто?", "Анна", ("Анна", "Анна К.")),
        Example("b", "Когда?", "unanswerable"),
    )
    assert any('"context" is not read' in caveat for caveat in found.caveats)
    with_passage = load("t.json", nested, input=("context", "question"), target="answers")
    assert with_passage.train[0].input == "context: Анна К. здесь.\nquestion: Кто?"
    flat = [{"id": "a", "context": "c", "question": "q", "answers": {"text": ["x", "y"], "answer_start": [1, 2]}}]
    assert load("u.jsonl", flat).train[0].answers == ("x", "y")


@pytest.mark.parametrize("kind", ["qa", "generation"])
def test_a_list_is_all_acceptable_answers_the_target_first(load: Callable[..., Task], kind: str) -> None:
    task = load("t.jsonl", [{"q": "Où?", "a": ["ici", 12, "ici"]}], input="q", target="a", kind=kind)
    assert task.train[0].target == "ici"
    assert task.train[0].targets == ("ici", "12")
    assert task.caveats == ("targets that are lists: the first answer is the target, and each of them counts as right",)


@pytest.mark.parametrize("cell", ['"[""ici"", ""là""]"', "\"['ici', 'là']\"", "\"['ici' 'là']\"", "\"['ici'\n 'là']\""])
def test_a_list_that_was_written_into_a_cell(load: Callable[..., Task], cell: str) -> None:
    assert load("t.csv", f"q,a\nOù?,{cell}\n", input="q", target="a").train[0].answers == ("ici", "là")


def test_quotes_commas_and_blanks_in_a_numpy_cell_are_the_answers_own(load: Callable[..., Task]) -> None:
    answers = ("Paris", "Paris, France", "l'eau", "say 'a' 'b'", "a\\b")
    cell = f"[{' '.join(map(repr, answers))}]".replace('"', '""')
    assert load("t.csv", f'q,a\nOù?,"{cell}"\n', input="q", target="a").train[0].answers == answers


def test_a_json_cell_of_escaped_emoji(load: Callable[..., Task]) -> None:
    assert load("t.csv", 'q,a\nx,"[""\\ud83d\\ude00""]"\n', input="q", target="a").train[0].target == "😀"


def test_a_classification_takes_one_label(load: Callable[..., Task]) -> None:
    assert load("t.jsonl", [{"q": "x", "a": ["one"]}], input="q", target="a", kind="classification").labels == ("one",)
    with pytest.raises(Faults, match='"a" holds 2 labels; a classification takes one'):
        load("t.jsonl", [{"q": "x", "a": ["one", "two"]}], input="q", target="a", kind="classification")


def test_an_extraction_may_be_a_list_of_records(write) -> None:
    records = [{"text": "Oslo", "type": "city"}, {"text": "Рига", "type": "city"}]
    rows = [{"input": "a", "target": records}, {"input": "b", "target": json.dumps(records)}]
    task = load_task(write(kind="extraction", train_jsonl=rows, test_jsonl=rows))
    assert [json.loads(example.target) for example in task.train] == [records, records]


def test_preference_pairs_name_their_columns(load: Callable[..., Task]) -> None:
    rows = [{"prompt": "a", "chosen": "b", "rejected": "c"}]
    with pytest.raises(Faults) as caught:
        load("t.jsonl", rows)
    assert caught.value.hint.startswith("name it with --input prompt --target chosen.")
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    task = load("t.jsonl", [{"prompt": "a", "chosen": turns}], input="prompt", target="chosen")
    assert _pairs(task) == [("a", "b")]


def test_conll(load: Callable[..., Task]) -> None:
    text = (
        "-DOCSTART- X O\n\nAda NN B-person\nK. NN I-person\nin IN O\nОсло NN B-city\nРига NN B-city\n\n朝 O\nです O\n"
    )
    task = load("t.conll", text, kind="extraction")
    assert [(e.id, e.input) for e in task.train] == [("3", "Ada K. in Осло Рига"), ("9", "朝 です")]
    assert json.loads(task.train[0].target) == {"person": ["Ada K."], "city": ["Осло", "Рига"]}
    assert task.train[1].target == "{}"
    with pytest.raises(Faults, match=r"t\.conll:2: .* is no token with a tag"):
        load("t.conll", "a O\nloose\n", kind="extraction")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"text": {"0": "a"}, "label": {"0": "b"}}, "the file holds columns, not rows: text, label"),
        ({"text": ["a"], "label": ["b"]}, "the file holds columns, not rows"),
        ({"train": [{"text": "a"}], "test": [{"text": "b"}]}, "holds several lists of objects: train, test"),
        (["a", "b"], "the list holds no objects"),
        ('[{"text": "a"},\n{"text" "b"}]', r"t\.json:2: not valid JSON"),
    ],
)
def test_faults_of_a_json_file(load: Callable[..., Task], content: object, what: str) -> None:
    with pytest.raises(Faults, match=what):
        load("t.json", content, input="text", target="label")


def test_rows_under_one_key_and_lines_in_a_json_file(load: Callable[..., Task]) -> None:
    row = {"q": "x", "a": "y"}
    assert _pairs(load("t.json", {"version": 1, "rows": [row]}, input="q", target="a")) == [("x", "y")]
    assert _pairs(load("t.json", f"{json.dumps(row)}\n{json.dumps(row)}\n", input="q", target="a")) == [("x", "y")] * 2
