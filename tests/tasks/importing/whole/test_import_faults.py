"""The mistakes that tables come with: each is named with its place and what fixes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Import, workbook, write

Mistake = Callable[..., str]
ROWS = [{"text": f"text number {n}", "label": "ab"[n % 2]} for n in range(12)]


def test_a_column_that_is_not_there(mistake: Mistake) -> None:
    said = mistake("t.csv", ROWS, inputs=("txt",), target="label")
    assert 'there is no column "txt"' in said
    assert 'did you mean "text"? The columns: text, label' in said


def test_a_column_that_is_there_twice(mistake: Mistake) -> None:
    said = mistake("t.csv", "text,label,label\nx,a,b\ny,b,a\n")
    assert '2 columns are named "label"' in said


def test_columns_that_nobody_can_guess_are_asked_for(mistake: Mistake) -> None:
    said = mistake("t.csv", "one,two,three\nx y z,b c d,c d e\nx q z,b v d,c w e\n")
    assert "which column is the input?" in said
    assert "--input (there are: one, two, three)" in said


def test_a_header_that_is_missing(mistake: Mistake, import_file: Import) -> None:
    text = "".join(f"Where is the box number {n}?,It is on shelf {n}.\n" for n in range(8))
    said = mistake("t.csv", text)
    assert "the first row looks like data" in said
    assert "--no-header" in said
    done = import_file("t.csv", text, header=False, inputs=("1",), target="2")
    assert done.pairs[0] == ("Where is the box number 0?", "It is on shelf 0.")


def test_mixed_types_in_the_answers(import_file: Import) -> None:
    rows: list[dict[str, object]] = [*ROWS, {"text": "n", "label": 1}, {"text": "o", "label": True}]
    done = import_file("t.jsonl", [*rows, {"text": "p", "label": {"a": 1}}], kind="classification")
    assert done.pairs[-2:] == [("n", "1"), ("o", "true")]
    assert done.why == {"the answer is an object, not a text (--kind extraction takes objects)": ("t.jsonl:15",)}


def test_answers_that_are_null(import_file: Import, mistake: Mistake) -> None:
    gone: list[dict[str, object]] = [
        {"text": "a", "label": None},
        {"text": "b"},
        {"text": "c", "label": float("nan")},
        {"text": "d", "label": " "},
        {"text": None, "label": "a"},
    ]
    done = import_file("t.jsonl", [*ROWS, *gone])
    places = tuple(f"t.jsonl:{n}" for n in (13, 14, 15, 16))
    assert done.why == {"the answer is empty": places, "the input is empty": ("t.jsonl:17",)}
    said = mistake("t.jsonl", gone)
    assert "t.jsonl:1: the answer is empty" in said
    assert "and 2 more faults" in said


def test_a_column_that_is_nearly_empty_is_no_answer(mistake: Mistake) -> None:
    rows = [{"text": f"t{n}", "label": "x" if n > 30 else ""} for n in range(40)]
    said = mistake("t.csv", rows)
    assert "t.csv:2: 20 of the first 20 rows cannot be used, the first because the answer is empty" in said


def test_ids_that_are_there_twice(import_file: Import) -> None:
    rows = [{"id": "q1" if n < 8 else f"q{n}", **row} for n, row in enumerate(ROWS)]
    done = import_file("t.csv", rows)
    (changed,) = done.said.changed
    assert "its id is that of an earlier row" in changed.why
    assert changed.places[0] in {"t.csv:3", "t.csv:4"}
    ids = [example.id for example in (*done.task.train,)]
    assert len(set(ids)) == len(ids)


def test_ragged_rows(import_file: Import) -> None:
    text = "text,label\n" + "".join(f"t{n},{'ab'[n % 2]}\n" for n in range(8)) + "one, two,a\nshort\ntrailing,b,,\n"
    done = import_file("t.csv", text)
    assert list(done.why.values()) == [("t.csv:10",), ("t.csv:11",)]
    assert "it has 3 cells, the header 2 (cells are separated by commas" in next(iter(done.why))
    assert done.pairs[-1] == ("trailing", "b")


def test_a_quote_that_stays_open(mistake: Mistake) -> None:
    said = mistake("t.csv", 'text,label\n"fine",a\n"never closed,b\nx,a\n')
    assert "t.csv:3: not a valid table: unexpected end of data" in said
    assert "double quotes" in said


@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (
            "text,label\nGröße,a\n".encode("cp1252"),
            "t.csv:2: not UTF-8: byte 0xf6",
            "say it with --encoding (there are: cp1252, ",
        ),
        ("text,label\nGröße,a\n".encode("utf-16-le"), "UTF-16 without its mark", "--encoding utf-16-le"),
        (
            "text,label\nGröße,a\nÜbel,b\n".encode() + b"br\xffken,a\n",
            "t.csv:4: not UTF-8: byte 0xff",
            "the rest is UTF-8, so that these bytes are probably damaged",
        ),
        (
            "text,label\nGröße,a\n".encode("cp1252") + b"a\0b,c",
            "t.csv: no text: it holds zero bytes",
            "the file of the table",
        ),
        (b"", "t.csv: the file is empty", "begin it with a line of column names"),
    ],
)
def test_encodings(mistake: Mistake, content: bytes, what: str, hint: str) -> None:
    said = mistake("t.csv", content)
    assert what in said
    assert hint in said


def test_an_encoding_that_is_unknown_or_not_the_files(mistake: Mistake) -> None:
    assert "did you mean latin-1?" in mistake("t.csv", ROWS, encoding="latin-01x")
    assert "not ascii" in mistake("t.csv", "text,label\nGröße,a\n", encoding="ascii")


def test_lines_that_are_no_json(import_file: Import, mistake: Mistake) -> None:
    lines = "".join(f'{{"text": "t{n}", "label": "{"ab"[n % 2]}"}}\n' for n in range(8))
    done = import_file("t.jsonl", f"{lines}{{'text': 'x'}}\n[1]\n")
    assert list(done.why.values()) == [("t.jsonl:9",), ("t.jsonl:10",)]
    assert any("the line is a list, not an object" in why for why in done.why)
    assert "is not valid JSON" in mistake("t.jsonl", "no json\nat all\n")
    assert "t.json:1: not valid JSON: it ends within a record, in entry 2" in mistake(
        "t.json", '[{"text": "a", "label": "b"}, {"text": '
    )


def test_json_that_holds_columns_or_several_lists(mistake: Mistake) -> None:
    for columns in ({"text": ["a", "b"], "label": ["x", "y"]}, {"text": {"0": "a"}, "label": {"0": "x"}}):
        said = mistake("t.json", json.dumps(columns))
        assert "the file holds columns, not rows: text, label" in said
        assert 'orient="records"' in said
    assert "several lists of objects: rows, others" in mistake("t.json", json.dumps({"rows": ROWS, "others": ROWS}))


def test_sheets_that_are_empty_or_several(mistake: Mistake, import_file: Import, tmp_path: Path) -> None:
    empty = workbook(tmp_path / "e.xlsx", {"A": [], "B": [[None]]})
    assert "its 2 sheets are empty" in mistake(empty)
    table = [["text", "label"], *([row["text"], row["label"]] for row in ROWS)]
    both = workbook(tmp_path / "b.xlsx", {"A": table, "B": table[:5]})
    said = mistake(both)
    assert "2 sheets hold something" in said
    assert "say it with --sheet (there are: A, B)" in said
    assert "there is no sheet 'C'" in mistake(both, sheet="C")
    assert len(import_file(both, sheet="A").pairs) == 12


def test_a_second_table_in_a_sheet_is_left_out(import_file: Import, tmp_path: Path) -> None:
    rows = [["text", "label"], *([row["text"], row["label"]] for row in ROWS)]
    path = workbook(tmp_path / "t.xlsx", {"S": [*rows, [], ["city", "people", "river"], ["Bonn", "3", "Rhein"]]})
    done = import_file(path)
    assert done.why == {
        "a second table begins above it in the sheet (move it to a sheet of its own)": ("t.xlsx[S]:15", "t.xlsx[S]:16")
    }


def test_merged_cells_and_errors_of_formulas(import_file: Import, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    rows: list[list[Any]] = [["text", "label"], *([f"t{n}", "#N/A" if n == 7 else None] for n in range(8))]
    path = workbook(tmp_path / "t.xlsx", {"S": rows})
    book = openpyxl.load_workbook(path)
    book["S"]["B2"], book["S"]["B6"] = "a", "b"
    book["S"].merge_cells("B2:B5")
    book["S"].merge_cells("B6:B8")
    book.save(path)
    done = import_file(path, kind="classification")
    assert [label for _, label in done.pairs] == ["a", "a", "a", "a", "b", "b", "b"]
    assert done.why == {"the answer is empty": ("t.xlsx[S]:9",)}
    assert any("merged cells" in note for note in done.said.notes)


def test_files_that_are_not_what_their_ending_says(mistake: Mistake, tmp_path: Path) -> None:
    for ending, named in ((".xlsx", "workbook"), (".parquet", "Parquet"), (".arrow", "Arrow")):
        said = mistake(write(tmp_path / f"t{ending}", "text,label\n"))
        assert f"not a readable {named}" in said
    assert "save" in mistake("old.xls", b"x").casefold()
    assert "in no format that is known" in mistake("t.bin", b"\0\1")
    assert "holds documents alone (1 .pdf)" in mistake("t.pdf", b"%PDF")
    assert "did you mean" in mistake(tmp_path / "t.xslx")


def test_a_folder_without_tables(mistake: Mistake, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    assert "it holds no table" in mistake(tmp_path / "f")
    write(tmp_path / "f" / "a.csv", ROWS)
    write(tmp_path / "f" / "b.csv", [{"question": "a?", "answer": "b"}])
    assert "it holds a.csv, b.csv, whose columns differ" in mistake(tmp_path / "f")


def test_files_with_the_same_columns_are_one_table(import_file: Import, tmp_path: Path) -> None:
    write(tmp_path / "f" / "a.csv", ROWS[:6])
    write(tmp_path / "f" / "b.csv", ROWS[6:])
    assert len(import_file(tmp_path / "f").pairs) == 12


def test_labels_that_are_not_among_those_named(import_file: Import) -> None:
    rows = [*ROWS, {"text": "x", "label": "c"}]
    done = import_file("t.csv", rows, labels=("a", "b"))
    assert done.task.labels == ("a", "b")
    assert done.why == {"the answer is not among the labels that were named": ("t.csv:14",)}


def test_json_that_is_broken_in_an_extraction(import_file: Import) -> None:
    rows = [{"text": f"t{n}", "fields": {"name": f"n{n}"} if n else "{broken"} for n in range(9)]
    done = import_file("t.jsonl", rows, inputs=("text",), target="fields", kind="extraction")
    assert done.why == {"the answer is no valid JSON": ("t.jsonl:1",)}
    assert done.pairs[0] == ("t1", '{"name":"n1"}')


def test_what_stands_in_the_way_stays(import_file: Import, mistake: Mistake, tmp_path: Path) -> None:
    write(tmp_path / "out" / "mine.txt", "precious")
    assert "is no task folder, which alone --overwrite replaces" in mistake("t.csv", ROWS)
    assert (tmp_path / "out" / "mine.txt").read_text() == "precious"


def test_a_failed_import_leaves_what_was_there(import_file: Import, mistake: Mistake, tmp_path: Path) -> None:
    before = import_file("t.csv", ROWS).task.fingerprint
    mistake("t.csv", [{"text": "x", "label": ""}])
    assert import_file("t.csv", ROWS).task.fingerprint == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "t.csv"]
