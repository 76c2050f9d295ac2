"""Every kind of table gives the same task."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Import, workbook, write

PAIRS = [(f"Where is box {n}?", f"On shelf {n}, behind the door.") for n in range(10)]
ENDINGS = ["csv", "tsv", "jsonl", "ndjson", "json", "xlsx", "parquet", "arrow", "feather"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_kind_of_table_needs_no_flags(import_file: Import, asked_rows: Any, ending: str) -> None:
    done = import_file(f"t.{ending}", asked_rows)
    assert done.pairs == PAIRS
    assert done.said.columns == {"input": "question", "target": "answer"}
    assert (done.said.kind, done.said.counts) == ("qa", {"train": 8, "test": 2})
    assert len(done.said.examples) == 5
    assert any("the kind is qa" in note for note in done.said.notes)


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\nquestion;answer\r\n{};{}\r\n",
        "\ufeffquestion|answer\n{}|{}\n",
        'question, answer\n"{}", "{}"\n',
        "question\tanswer\n{}\t{}\n",
        "Export of 3 March\n\nquestion;answer\n{};{}\n",
    ],
)
def test_dialects_and_titles_above_the_header(import_file: Import, text: str) -> None:
    head, row = text.rstrip("\r\n").rsplit("\n", 1)
    body = "\n".join(row.format(*pair) for pair in PAIRS)
    assert import_file("t.csv", f"{head}\n{body}\n").pairs == PAIRS


def test_line_breaks_in_quotes_and_lines_of_rows(import_file: Import) -> None:
    done = import_file("t.csv", 'question,answer\n"two\nlines?",a\n,b\n' + "".join(f"q{n},x{n}\n" for n in range(6)))
    assert done.pairs[0] == ("two\nlines?", "a")
    assert done.why == {"the input is empty": ("t.csv:4",)}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_marks_of_encodings_are_obeyed(import_file: Import, encoding: str) -> None:
    text = "text;label\n" + "".join(f"Grüße {n};{'ja' if n % 2 else 'nein'}\n" for n in range(8))
    done = import_file("t.csv", text.encode(encoding))
    assert done.pairs[0] == ("Grüße 0", "nein")
    assert any("UTF-" in note for note in done.said.notes) == (encoding != "utf-8-sig")


def test_an_encoding_may_be_named(import_file: Import) -> None:
    text = "text,label\n" + "".join(f"Größe {n},{n % 2}\n" for n in range(8))
    assert import_file("t.csv", text.encode("cp1252"), encoding="cp1252").pairs[0] == ("Größe 0", "0")


def test_a_list_of_json_may_be_long_and_in_one_line(import_file: Import) -> None:
    rows = [{"question": f"{n} " + "word " * 40, "answer": f"{n}: {{[\\"} for n in range(9_000)]  # above one piece
    done = import_file("t.json", rows)
    assert len(done.pairs) == 9_000
    assert done.pairs[-1][1] == "8999: {[\\"


def test_a_list_in_an_object_and_lines_called_json(import_file: Import, asked_rows: Any, tmp_path: Path) -> None:
    lines = write(tmp_path / "t.jsonl", asked_rows).read_text()
    assert import_file("lines.json", lines).pairs == PAIRS
    inside = '{"version": 1, "rows": [' + ",".join(lines.splitlines()) + "]}"
    assert import_file("inside.json", inside).pairs == PAIRS


def test_lists_in_one_object_are_splits_by_their_keys(import_file: Import, asked_rows: Any) -> None:
    done = import_file(
        "t.json", json.dumps({"train": asked_rows[:6], "validation": asked_rows[6:8], "test": asked_rows[8:]})
    )
    assert done.said.counts == {"train": 6, "dev": 2, "test": 2}


def test_cells_of_a_workbook_are_read_as_people_see_them(import_file: Import, tmp_path: Path) -> None:
    cells = [
        (dt.datetime(2024, 1, 31), "dd/mm/yyyy"),
        (0.1 + 0.2, "General"),
        (0.125, "0%"),
        (1234.5, '"€" #,##0.00'),
        (501, "00000"),
        (7.0, "General"),
        True,
        "text",
    ]
    shown = ["2024-01-31", "0.3", "12%", "1234.50", "00501", "7", "true", "text"]
    rows = [["text", "label"], *([f"row {n}", cell] for n, cell in enumerate(cells))]
    path = workbook(tmp_path / "t.xlsx", {"data": rows})
    done = import_file(path, kind="generation", instruction="Say it.")
    assert [answer for _, answer in done.pairs] == shown


def test_the_header_of_a_sheet_may_stand_below_titles(import_file: Import, tmp_path: Path) -> None:
    rows = [["Report 2024"], [], [None, "question", "answer"], *([None, *pair] for pair in PAIRS)]
    done = import_file(workbook(tmp_path / "t.xlsx", {"data": rows, "empty": []}))
    assert done.pairs == PAIRS
    assert "the names of the columns are read from row 3; what stands above is not read" in done.said.notes
    assert '"data" is read; the other sheet is empty: empty' in done.said.notes


def test_several_columns_are_joined(import_file: Import) -> None:
    rows = [{"Subject": f"s{n}", "Body": f"b{n}" if n else "", "label": n % 2} for n in range(8)]
    done = import_file("t.csv", rows, inputs=("Subject", "Body"), target="label")
    assert done.pairs[:2] == [("Subject: s0", "0"), ("Subject: s1\nBody: b1", "1")]


def test_a_folder_of_splits(import_file: Import, tmp_path: Path, asked_rows: Any) -> None:
    write(tmp_path / "data" / "train-00000-of-00002.parquet", asked_rows[:4])
    write(tmp_path / "data" / "train-00001-of-00002.parquet", asked_rows[4:6])
    write(tmp_path / "data" / "validation.csv", asked_rows[6:8])
    write(tmp_path / "data" / "my_test.jsonl", asked_rows[8:])
    write(tmp_path / "data" / "documents" / "a.md", "# Boxes\n\nThey stand on shelves.")
    done = import_file(tmp_path / "data")
    assert done.said.counts == {"train": 6, "dev": 2, "test": 2, "documents": 1}
    assert done.said.split == "given by the source"
    assert done.task.documents[0].title == "Boxes"


def test_test_and_dev_files_of_their_own(import_file: Import, tmp_path: Path, asked_rows: Any) -> None:
    test = write(tmp_path / "held.jsonl", asked_rows[8:])
    dev = write(tmp_path / "d.tsv", asked_rows[6:8])
    done = import_file("t.csv", asked_rows[:6], test=str(test), dev=str(dev))
    assert done.said.counts == {"train": 6, "dev": 2, "test": 2}


def test_a_folder_of_documents_with_another_name_is_said(import_file: Import, tmp_path: Path, asked_rows: Any) -> None:
    write(tmp_path / "data" / "train.csv", asked_rows)
    write(tmp_path / "data" / "handbook" / "a.md", "# A\n\nText.")
    done = import_file(tmp_path / "data")
    assert f"{tmp_path / 'data' / 'handbook'}/ holds 1 .md, not read (--documents reads them)" in done.said.notes
    assert not done.task.documents


def test_a_test_file_is_read_by_the_columns_of_the_source(import_file: Import, tmp_path: Path) -> None:
    """By itself a table of three rows, whose labels do not repeat, tells nothing."""
    rows = [{"one": f"text of row {n}", "two": "ab"[n % 2]} for n in range(12)]
    test = write(tmp_path / "held.csv", [{"two": "a", "one": "x y z"}, {"two": "b", "one": "u v w"}])
    done = import_file("t.csv", rows, test=str(test))
    assert [(one.input, one.target) for one in done.task.test] == [("x y z", "a"), ("u v w", "b")]


def test_dates_and_numbers_are_no_input(import_file: Import) -> None:
    rows = [
        {"No": n, "Antwort": "ja" if n % 2 else "nein", "Anliegen": f"Wort {n}", "Am": "3.4.2024"} for n in range(9)
    ]
    assert import_file("t.csv", rows).said.columns == {"input": "Anliegen", "target": "Antwort"}


def test_the_examples_shown_are_of_all_kinds(import_file: Import) -> None:
    done = import_file("t.csv", [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(50)])
    assert {shown.answer for shown in done.said.examples} == {"a", "b"}


def test_documents_and_evidence(import_file: Import, tmp_path: Path) -> None:
    write(tmp_path / "docs" / "d1.md", "# Shelves\n\nBox 1 is on shelf 1.")
    rows = [{"question": f"Where is box {n}?", "answer": f"shelf {n}", "evidence": ["d1", "d9"]} for n in range(6)]
    done = import_file("t.jsonl", rows, documents=str(tmp_path / "docs"))
    assert done.task.train[0].evidence == ("d1",)
    assert [reason.why for reason in done.said.changed] == ["its evidence names a document that is not there"]
    assert done.said.instruction == "Answer the question from the documents in a few words."


def test_what_was_done_is_recorded_in_the_folder(import_file: Import) -> None:
    rows = [{"text": f"t{n}", "label": "ab"[n % 2] if n else ""} for n in range(12)]
    done = import_file("t.csv", rows, split=0.25, seed=3)
    settings = (done.said.folder / "task.toml").read_text()
    assert "[import]" in settings
    assert f'sha256 = "{done.said.sha256}"' in settings
    assert "seed = 3" in settings
    assert '"the answer is empty" = 1' in settings
    assert any("25 % test, seed 3" in caveat for caveat in done.task.caveats)
    assert any("1 row of the source was left out" in caveat for caveat in done.task.caveats)
