"""What an import guesses: columns, the kind of task, the instruction."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.errors import UserError

from .conftest import Import

Rows = list[dict[str, object]]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("question", "answer"), ("question", "answer")),
        (("Text", "Label"), ("Text", "Label")),
        (("review", "sentiment"), ("review", "sentiment")),
        (("Frage", "Antwort"), ("Frage", "Antwort")),
        (("input", "target"), ("input", "target")),
        (("v2", "v1"), ("v2", "v1")),
    ],
)
def test_names_and_values_tell_the_columns(
    import_file: Import, names: tuple[str, str], columns: tuple[str, str]
) -> None:
    rows: Rows = [{"id": str(n), names[0]: f"some text {n} of words", names[1]: "ab"[n % 2]} for n in range(20)]
    done = import_file("t.csv", rows)
    assert (done.said.columns["input"], done.said.columns["target"]) == columns
    assert done.task.train[0].id in {"0", "1", "2", "3"}


def test_unread_columns_are_named(import_file: Import) -> None:
    rows: Rows = [{"text": f"t{n}", "label": "ab"[n % 2], "length": n, "context": "c"} for n in range(12)]
    done = import_file("t.csv", rows)
    assert 'columns that are not read: "length", "context"' in done.said.notes
    assert any('the column "context" is not read; if it belongs to the input' in note for note in done.said.notes)


KINDS: list[tuple[str, Rows]] = [
    ("classification", [{"text": f"text {n}", "label": "abc"[n % 3]} for n in range(30)]),
    ("classification", [{"text": f"text {n}", "label": n % 2} for n in range(30)]),
    ("extraction", [{"text": f"text {n}", "output": {"name": f"n{n}", "age": n}} for n in range(30)]),
    ("extraction", [{"text": f"text {n}", "output": f'{{"name": "n{n}"}}'} for n in range(30)]),
    ("qa", [{"question": f"How many are {n}?", "answer": str(n)} for n in range(30)]),
    ("qa", [{"question": f"How many are {n}?", "answers": [str(n), f"{n}.0"]} for n in range(30)]),
    ("generation", [{"prompt": f"Write of {n}.", "completion": f"{n} was a number. " * 9} for n in range(30)]),
]


@pytest.mark.parametrize(("kind", "rows"), KINDS)
def test_the_answers_tell_the_kind(import_file: Import, kind: str, rows: Rows) -> None:
    done = import_file("t.jsonl", rows)
    assert done.said.kind == kind
    assert any(note.startswith(f"the kind is {kind}, since") for note in done.said.notes)


def test_fields_of_an_extraction_are_named_to_the_model(import_file: Import) -> None:
    assert "name, age" in import_file("t.jsonl", KINDS[2][1]).task.instruction


def test_several_answers_all_count(import_file: Import) -> None:
    done = import_file("t.jsonl", KINDS[5][1])
    assert done.task.train[0].targets[1].endswith(".0")
    cells = [{"question": f"Where is {n}?", "answer": f'["shelf {n}", "s{n}"]'} for n in range(12)]
    assert len(import_file("t.csv", cells, kind="qa").task.train[0].targets) == 2


def test_what_is_said_is_not_guessed(import_file: Import) -> None:
    told: dict[str, Any] = {"kind": "generation", "instruction": "Do.", "inputs": ("label",), "target": "text"}
    done = import_file("t.jsonl", KINDS[0][1], name="mine", metric="chrf", **told)
    assert (done.task.name, done.task.kind, done.task.instruction, done.task.metric) == (
        *("mine", "generation", "Do."),
        "chrf",
    )
    assert not done.said.notes


def test_conversations_are_read(import_file: Import) -> None:
    turns = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Here."}]
    rows: Rows = [{"messages": [{**turns[0], "content": f"Where is {n}?"}, turns[1]]} for n in range(9)]
    done = import_file("t.jsonl", [*rows, {"messages": turns[:1]}], format="table")
    assert done.pairs[0] == ("Where is 0?", "Here.")
    assert len(done.said.dropped) == 1


def test_lines_of_alpaca_are_joined(import_file: Import) -> None:
    rows: Rows = [
        {"instruction": f"Add {n}", "input": "to 1" if n % 2 else "", "output": f"{n} more"} for n in range(9)
    ]
    assert import_file("t.jsonl", rows, format="table").pairs[:2] == [("Add 0", "0 more"), ("Add 1\n\nto 1", "1 more")]


def test_a_format_may_be_named(import_file: Import) -> None:
    assert (
        len(import_file("t.log", "text|label\n" + "".join(f"t{n}|x{n}\n" for n in range(9)), format="table").pairs) == 9
    )
    with pytest.raises(UserError, match="there is no format 'tabel'"):
        import_file("t.csv", KINDS[0][1], format="tabel")


@pytest.mark.parametrize("told", [{}, {"header": False}, {"target": "cats"}])
def test_a_row_of_data_is_not_taken_for_names(import_file: Import, told: dict[str, Any]) -> None:
    text = "".join(f"text {n} about them,{'cats' if n % 2 else 'dogs'}\n" for n in range(1, 21))
    if not told:
        with pytest.raises(UserError, match="the first row looks like data, not like names of columns"):
            import_file("t.csv", text)
        return
    done = import_file("t.csv", text, **told)
    assert sum(done.said.counts.values()) == (19 if "target" in told else 20)


@pytest.mark.parametrize(("metric", "what"), [("rouge", 'unknown metric "rouge"'), ("accuracy", 'not "qa"')])
def test_a_metric_that_does_not_go_with_the_guessed_kind(import_file: Import, metric: str, what: str) -> None:
    rows: Rows = [{"question": f"How many are {n}?", "answer": str(n)} for n in range(30)]
    with pytest.raises(UserError, match=f"^error: advisor import: .*{what}"):
        import_file("t.jsonl", rows, metric=metric)


def test_a_classification_is_not_made_of_what_are_no_labels(import_file: Import) -> None:
    rows: Rows = [{"text": f"text {n}", "labels": ["a"] if n % 2 else ["a", "b"]} for n in range(30)]
    done = import_file("t.jsonl", rows, kind="classification")
    assert {target for _, target in done.pairs} == {"a"}
    assert list(done.why) == ["the row has several labels; a classification takes one (--kind extraction takes lists)"]
    tags = "".join(f"Oslo B-city\n{n} O\n\n" for n in range(30))
    with pytest.raises(UserError, match="is a CoNLL or BIO file, whose answers are JSON objects"):
        import_file("t.conll", tags, kind="classification")
