"""`advisor import`, and importing on the way to another command."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.cli import main
from advisor.tasks import load_task

from .conftest import ASKED, LABELLED, Advisor


class Terminal(io.StringIO):
    """Standard input or error of a person."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CSV of labelled tickets, in the folder of now."""
    monkeypatch.chdir(tmp_path)
    both = {label: [*LABELLED[label], *ASKED[label]] for label in LABELLED}
    lines = [f'"{text}",{label}' for label, texts in both.items() for text in texts]
    path = tmp_path / "tickets.csv"
    path.write_text("\n".join(["text,label", *lines, '"",card', "x\x1b[2Jy,card"]) + "\n")
    return path


def test_what_was_understood_is_shown(advisor: Advisor, table: Path) -> None:
    said = advisor("import", "tickets.csv", "--out", "task")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Imported tickets.csv to task\n")
    for line in (
        'columns      input: "text", target: "label"',
        "kind         classification",
        "rows         18 train, 4 test, 3 labels",
        "1 row: the input is empty (tickets.csv:23)",
        "advisor compare task",
    ):
        assert line in said.out
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 100
    assert len(load_task("task").test) == 4


def test_as_json(advisor: Advisor, table: Path) -> None:
    found = json.loads(advisor("import", table, "--out", "task", "--json", "--split", 0.5, "--name", "mine").out)
    assert (found["name"], found["kind"], found["labels"]) == ("mine", "classification", 3)
    assert found["dropped"] == [{"why": "the input is empty", "rows": 1, "first": ["tickets.csv:23"]}]
    assert len(found["examples"]) == 5


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        ("ticket.csv --out t", "ticket.csv: no such file or folder", "did you mean tickets.csv?"),
        ("tickets.csv --out t --target lable", 'there is no column "lable"', 'did you mean "label"?'),
        ("tickets.csv --out t --split 2", "--split is 2", "above 0 and below 1"),
        ("tickets.csv --out t --metric acuracy --kind classification", 'unknown metric "acuracy"', "accuracy"),
        ("tickets.csv --out t --format cvs", "there is no format 'cvs'", "table"),
        ("tickets.csv --out tickets.csv", "tickets.csv: is a file", "--out"),
        ("two.csv --out t", "two.csv: which column is the input?", "say it with --input (there are: a, b, c)"),
    ],
)
def test_mistakes(advisor: Advisor, table: Path, words: str, what: str, hint: str) -> None:
    Path("two.csv").write_text("a,b,c\nx y,y z,z x\nx z,z y,y x\n")
    said = advisor("import", *words.split())
    assert said.code == 2
    assert what in said.err
    assert hint in said.err
    assert not Path("t").exists()


def test_a_person_is_asked(advisor: Advisor, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"why {n} so,since {n} is,as {n} was\n" for n in range(9))
    Path("three.csv").write_text(f"a,b,c\n{rows}")
    monkeypatch.setattr(sys, "stdin", Terminal("1\nc\n"))
    monkeypatch.setattr(sys, "stderr", asking := Terminal())
    assert main(["import", "three.csv", "--out", "t"]) == 0
    assert "which column is the input?\n  1  a\n  2  b\n  3  c\n" in asking.getvalue()
    assert "--target c says so next time" in asking.getvalue()
    settings = Path("t/task.toml").read_text()
    assert 'input = "a"' in settings
    assert 'target = "c"' in settings


def test_a_source_is_compared_directly_and_gone_on_with(advisor: Advisor, table: Path, model: list[str]) -> None:
    command = ["compare", "tickets.csv", "--approach", "majority", "--approach", "nearest", *model]
    first = advisor(*command, "--json")
    assert first.code == 0, first.err
    assert "tickets.csv was imported to runs/tickets/task as classification: 18 train, 4 test" in first.err
    again = advisor(*command, "--json")
    assert "was imported to runs/tickets/task before" in again.err
    fingerprints = [json.loads(said.out)["task"]["fingerprint"] for said in (first, again)]
    assert fingerprints[0] == fingerprints[1]
    assert "fit:" in first.err
    assert "fit:" not in again.err


def test_another_source_or_split_is_imported_anew(advisor: Advisor, table: Path) -> None:
    advisor("profile", "tickets.csv")
    before = load_task("runs/tickets/task").fingerprint
    assert "was imported" in advisor("profile", "tickets.csv", "--split", "0.5").err
    assert load_task("runs/tickets/task").fingerprint != before
    table.write_text(table.read_text().replace("stolen", "taken"))
    assert " before" not in advisor("profile", "tickets.csv").err
    assert any(
        "taken" in one.input for one in load_task("runs/tickets/task").train + load_task("runs/tickets/task").test
    )


def test_a_folder_that_no_import_made_is_left_alone(advisor: Advisor, table: Path) -> None:
    own = Path("runs/tickets/task/task.toml")
    own.parent.mkdir(parents=True)
    own.write_text('[task]\nname = "x"\n')
    said = advisor("profile", "tickets.csv")
    assert "no import made it" in said.err
    assert own.read_text() == '[task]\nname = "x"\n'


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Questions on documents, and the documents of before and after a change, in the folder of now."""
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"Where is box {n}?", "answer": f"shelf {n}", "evidence": [f"b{n}"]} for n in range(8)]
    Path("q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for version, moved in (("old", ()), ("new", (1, 3))):
        Path(version).mkdir()
        for n in range(8):
            shelf = n + 9 if n in moved else n
            Path(version, f"b{n}.md").write_text(f"# Box {n}\n\nBox {n} is on shelf {shelf}, behind the door.\n")
    return tmp_path


def test_documents_alone_make_no_task(advisor: Advisor, boxes: Path) -> None:
    for command in (("import", "old", "--out", "t"), ("compare", "old")):
        said = advisor(*command)
        assert said.code == 2
        assert "old: holds documents alone (8 .md), and a task needs examples" in said.err
        assert "advisor import QUESTIONS.csv --documents old --out TASK" in said.err
    assert sorted(path.name for path in boxes.iterdir()) == ["new", "old", "q.jsonl"]


def test_a_change_of_the_documents_is_imported(advisor: Advisor, boxes: Path) -> None:
    both = ("--documents", "old", "--documents-after", "new")
    said = advisor("import", "q.jsonl", *both, "--split", 0.5, "--seed", 1, "--out", "t")
    assert (said.code, said.err) == (0, "")
    assert "documents after the change: 2 changed, 6 as before" in said.out
    task = load_task("t")
    assert len(task.documents_after) == 8
    assert advisor("import", "q.jsonl", "--test-after", "q.jsonl", "--out", "u").err.startswith("error: q.jsonl: what")
    wrong = advisor("import", "q.jsonl", "--documents", "old", "--documents-after", "nwe", "--out", "u")
    assert "nwe: no such file or folder" in wrong.err
    assert not Path("u").exists()


def test_a_task_folder_gets_a_change_in_a_copy(advisor: Advisor, boxes: Path) -> None:
    advisor("import", "q.jsonl", "--documents", "old", "--split", 0.5, "--out", "t")
    assert "t: is a task folder already" in advisor("import", "t", "--out", "u").err
    Path("mine.csv").write_text("question,answer\nWhere is box 1?,shelf 10\nWhere is box 3?,shelf 12\nWho?,Ada\n")
    said = advisor("import", "t", "--documents-after", "new", "--test-after", "mine.csv", "--out", "u")
    assert (said.code, said.err) == (0, "")
    before, after = load_task("t"), load_task("u")
    assert after.before_change() == replace(before, origin=after.origin)
    answers = {example.input: example.target for example in after.test_after}
    assert answers["Who?"] == "Ada"
    assert {answers.get("Where is box 1?"), answers.get("Where is box 3?")} == {"shelf 10", "shelf 12"}
    same = advisor("import", "t", "--documents-after", "new", "--out", "t", "--overwrite")
    assert "is the task folder that is copied" in same.err


def test_a_folder_of_tables_and_documents(advisor: Advisor, boxes: Path) -> None:
    Path("both").mkdir()
    Path("q.jsonl").rename("both/train.jsonl")
    Path("old").rename("both/documents")
    Path("new").rename("both/documents_after")
    said = advisor("import", "both", "--out", "t")
    assert (said.code, said.err) == (0, "")
    task = load_task("t")
    assert (len(task.documents), len(task.documents_after)) == (8, 8)
    assert task.train[0].evidence


def test_an_encoding_is_asked_for_and_compare_says_where_it_goes(advisor: Advisor, table: Path) -> None:
    table.write_text("text,label\n" + "".join(f"Größe {n},{'ab'[n % 2]}\n" for n in range(9)), encoding="cp1252")
    said = advisor("compare", "tickets.csv", "--approach", "majority")
    assert "tickets.csv:2: not UTF-8" in said.err
    assert "advisor import tickets.csv --out TASK --encoding" in said.err
    assert advisor("import", "tickets.csv", "--encoding", "cp1252", "--out", "t").code == 0


CTRL_C_WHILE_WRITING = """
import os, signal, sys
from advisor.cli import main

pressed = []

def press(event, arguments):
    if event == "open" and ".importing" in str(arguments[0]) and not pressed:
        pressed.append(event)
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(press)
sys.exit(main())
"""


def test_an_interrupted_import_leaves_nothing(table: Path) -> None:
    """By a Ctrl-C as the first file of the new folder is opened."""
    command = [sys.executable, "-c", CTRL_C_WHILE_WRITING, "import", "tickets.csv", "--out", "t"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert [path.name for path in Path().iterdir()] == ["tickets.csv"]


def test_documents_that_are_left_out_are_counted_as_documents(advisor: Advisor, table: Path) -> None:
    folder = table.parent / "handbook"
    folder.mkdir()
    for name, text in (("a.md", "# A\n\nText."), ("b.md", ""), ("c.pdf", "no pdf")):
        (folder / name).write_text(text, encoding="utf-8")
    said = advisor("import", table, "--out", "task", "--documents", folder).out
    assert "Left out: 1 row and 2 documents" in said
    assert "1 document: the document is empty" in said
    assert re.search(r"rows +.* train, .* test, .*1 document\n", said)
    assert "1 row and 2 documents of the source were left out on import" in Path("task/task.toml").read_text("utf-8")
    again = advisor("import", table, "--out", "other", "--documents", folder, "--json").out
    assert [found.get("documents") for found in json.loads(again)["dropped"]] == [None, 1, 1]
