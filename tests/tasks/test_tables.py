"""Reading tables: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.tasks import Example, Faults, TableSource, Task, load_table

SOURCE = TableSource("", input="question", target="answer", kind="qa", instruction="Answer.")


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Task]:
    """Loads one written table as both train and test."""

    def load(file: str, content: str | bytes, **changes: Any) -> Task:
        path = tmp_path / file
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_table(replace(SOURCE, train=path, test=path, **changes))

    return load


@pytest.fixture
def report(load: Callable[..., Task], tmp_path: Path) -> Callable[..., str]:
    """The faults of one written table, without those found again in its second reading as test."""

    def report(file: str, content: str | bytes, **changes: Any) -> str:
        with pytest.raises(Faults) as caught:
            load(file, content, **changes)
        faults = list(dict.fromkeys(map(str, caught.value.faults)))
        return "\n".join(faults).replace(f"{tmp_path}/", "")

    return report


def test_csv_with_line_breaks_in_cells_and_all_columns(load):
    text = (
        "id,question,answer,targets,evidence,other\r\n"
        'a,"one\r\ntwo",x,"[""y"", 3]",,1\r\n'
        "\r\n"
        ',"say ""hi""",7,z,,\r\n'
        ",,,,,\r\n"
    )
    assert load("t.csv", text).train == (
        Example("a", "one\r\ntwo", "x", ("x", "y", "3")),
        Example("5", 'say "hi"', "7", ("7", "z")),
    )


def test_csv_with_semicolons_and_a_byte_order_mark(load):
    task = load("t.csv", b"\xef\xbb\xbfquestion;answer\nhow, now?;so\n")
    assert task.train == (Example("2", "how, now?", "so"),)


def test_a_very_long_cell(load):
    assert len(load("t.csv", "question,answer\n" + "x" * 300_000 + ",b\n").train[0].input) == 300_000


def test_tsv_with_and_without_quotes(load):
    assert load("t.tsv", 'question\tanswer\n"a\tb"\tc\n').train[0].input == "a\tb"
    assert [e.input for e in load("t.tsv", 'question\tanswer\n"Hm" he said\tc\n"open\td\n').train] == [
        '"Hm" he said',
        '"open',
    ]


def test_json_lines_with_other_column_names(load):
    assert load("t.ndjson", '{"question": "a", "answer": "b"}\n').train == (Example("1", "a", "b"),)


def test_parquet_takes_numbers_and_lists(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "question": ["a", "b"],
        "answer": [1, 2],
        "targets": [["one"], None],
        "id": [10, 11],
        "x": [0, 0],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    task = load_table(replace(SOURCE, train=tmp_path / "t.parquet", test=tmp_path / "t.parquet"))
    assert task.train == (Example("10", "a", "1", ("1", "one")), Example("11", "b", "2"))


def test_faults_of_a_parquet_file(report, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    assert report("t.parquet", "no").startswith("error: t.parquet: not a readable Parquet file: ")
    parquet.write_table(pyarrow.table({"question": ["a", "b"], "answer": ["c", None]}), tmp_path / "u.parquet")
    with pytest.raises(Faults, match=r'u\.parquet:2: "answer" is null'):
        load_table(replace(SOURCE, train=tmp_path / "u.parquet"), split=0.5)


def test_parquet_without_pyarrow(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="reading Parquet needs pyarrow") as caught:
        load("t.parquet", "x")
    assert caught.value.hint == "pip install 'adaptation-advisor[parquet]'"


def test_the_evidence_and_documents_of_a_table(load, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.md").write_text("# A\ntext")
    task = load("t.csv", "question,answer,evidence\nx,y,a\n", documents=tmp_path / "pages")
    assert task.train[0].evidence == ("a",)


def test_the_name_of_the_task(load, tmp_path):
    text = "question,answer\nx,y\n"
    assert load("tickets.csv", text).name == "tickets"
    assert load("train.csv", text).name == tmp_path.name
    assert load("train.csv", text, name="mine").name == "mine"


def test_a_missing_column_lists_those_seen(report):
    assert report("t.csv", "Question,reply\nx,y\n") == (
        'error: t.csv: there is no column "question"\n'
        '  try: did you mean "Question"? The columns: Question, reply\n'
        'error: t.csv: there is no column "answer"\n  try: The columns: Question, reply'
    )
    assert "The columns: question, reply" in report("t.jsonl", '{"question": "x", "reply": "y"}\n')


@pytest.mark.parametrize(
    ("name", "text", "what", "hint"),
    [
        ("t.csv", 'question,answer\n"a\nb",c\nd,\n', 't.csv:4: "answer" is empty', "write the answer"),
        (
            "t.csv",
            "question,answer\na,b,c\n",
            "t.csv:2: the row has 3 cells, the header 2",
            "in double quotes",
        ),
        (
            "t.csv",
            'question,answer\na,b\n"a,b\nc,d\n',
            "t.csv:3: not a valid table: unexpected end",
            "double",
        ),
        ("t.csv", "question,answer,answer\na,b,c\n", '2 columns are named "answer"', "rename all but one"),
        ("t.csv", "", "t.csv: the file is empty", "begin it with a line of column names"),
        ("t.csv", "question,answer\n", "t.csv: the file holds no examples", "one example a line"),
        (
            "t.csv",
            "question,answer,targets\na,b,['c']\n",
            'the cell "targets" is not a valid JSON list',
            '["...',
        ),
        ("t.csv", "question,answer\n\xe9,b\n".encode("latin-1"), "t.csv:2: not UTF-8: byte 0xe9", "iconv"),
        (
            "t.xlsx",
            "x",
            't.xlsx: unknown ending ".xlsx"',
            ".parquet, .conll, .bio, .iob (in Excel: File, Save As, CSV UTF-8)",
        ),
        ("t.csv", 'question,answer\n"a \\"b\\" c",d\n', "t.csv:2: not a valid table", 'doubled, not written \\"'),
        ("t.csv", 'question|answer\na|"b" c\n', "t.csv:2: not a valid table: '|' expected", "vertical bars"),
        ("t.csv", "question;answer\na;b;c\n", "the row has 3 cells", "separated by semicolons"),
    ],
)
def test_a_fault(report, name, text, what, hint):
    seen, tried = report(name, text).split("\n")
    assert what in seen
    assert hint in tried


def test_a_missing_table_suggests_a_near_name(tmp_path):
    (tmp_path / "tickets.csv").write_text("question,answer\nx,y\n")
    with pytest.raises(Faults) as caught:
        load_table(replace(SOURCE, train=tmp_path / "ticket.csv"), split=0.5)
    assert caught.value.hint == f"did you mean {tmp_path / 'tickets.csv'}?"


def test_what_is_told_is_checked_too(report):
    text = report("t.csv", "question,answer\nx,y\n", kind="q", target="question", metric="f1")
    assert text.startswith('error: TableSource: unknown kind "q"')
    assert 'error: TableSource: unknown metric "f1"' in text


def test_a_table_without_a_test_table_needs_a_split(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("question,answer\n" + "".join(f"q{n},a\n" for n in range(10)))
    with pytest.raises(UserError, match="there are no test examples") as caught:
        load_table(replace(SOURCE, train=path))
    assert caught.value.hint == "give a test table, or set a part of this one aside with --split 0.3"
    task = load_table(replace(SOURCE, train=path), split=0.3)
    assert (len(task.train), len(task.test)) == (7, 3)
    assert task.caveats == ("test is a seeded split: 30 % of t.csv (seed 0, 3 of 10 examples)",)


def test_a_parquet_date_is_the_text_that_it_is_in_a_csv(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"question": [date(2024, 1, 2), date(2024, 1, 3)], "answer": ["a", "b"]})
    parquet.write_table(table, tmp_path / "t.parquet")
    path = tmp_path / "t.parquet"
    assert load_table(replace(SOURCE, train=path, test=path)).train[0].input == "2024-01-02"
