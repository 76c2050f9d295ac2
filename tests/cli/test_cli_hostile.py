"""What cannot be read, from the command line: two lines and exit 2."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Advisor

LONG = "a" * 300


@pytest.fixture(autouse=True)
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADVISOR_CASES", str(tmp_path / "cases.jsonl"))
    return tmp_path / "cases.jsonl"


def refused(advisor: Advisor, *arguments: object) -> str:
    said = advisor(*arguments)
    assert said.code == 2, said.err
    assert said.out == ""
    seen, tried = said.err.rstrip("\n").split("\n")
    assert seen.startswith("error: ") and tried.startswith("  try: ")
    return said.err


@pytest.mark.parametrize(
    "option", ["--instruction", "--name", "--input", "--target", "--group", "--labels", "--documents"]
)
def test_an_option_that_is_not_utf8_is_named(advisor: Advisor, tickets: Path, option: str) -> None:
    text = os.fsdecode(b"x\xff")
    table = ["--train", tickets / "train.jsonl", "--split", 0.5, "--kind", "qa", "--instruction", "a"]
    assert '"x\\xff"' in refused(advisor, "profile", *table, option, text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("profile", "TASK", "--model"),
        ("compare", "TASK", "--approach"),
        ("compare", "TASK", "--out"),
        ("recommend", "TASK", "--prices"),
        ("ask", "--answers"),
        ("report",),
        ("profile",),
    ],
)
def test_so_is_one_of_any_command(advisor: Advisor, tickets: Path, arguments: tuple[str, ...]) -> None:
    given = [tickets if one == "TASK" else one for one in arguments]
    assert "is not UTF-8" in refused(advisor, *given, os.fsdecode(b"\xfe"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("profile", LONG),
        ("profile", "--train", f"{LONG}.csv", "--split", "0.5", "--kind", "qa", "--instruction", "a"),
        ("profile", "TASK", "--embedder", LONG),
        ("compare", "TASK", "--out", LONG),
        ("curve", "TASK", "--out", LONG),
        ("recommend", "TASK", "--prices", LONG),
        ("ask", "--answers", LONG),
        ("ask", "--write", LONG),
        ("report", LONG),
    ],
)
def test_a_path_that_no_file_system_takes_is_named(advisor: Advisor, tickets: Path, arguments: tuple[str, ...]) -> None:
    said = refused(advisor, *(tickets if one == "TASK" else one for one in arguments))
    assert "File name too long" in said


@pytest.mark.parametrize(("option", "name"), [("--prices", "p.toml"), ("--answers", "a.json"), ("--answers", "a.toml")])
def test_a_pipe_in_place_of_a_file_does_not_hang(
    advisor: Advisor, tickets: Path, tmp_path: Path, option: str, name: str
) -> None:
    os.mkfifo(tmp_path / name)
    command = ("recommend", tickets) if option == "--prices" else ("ask",)
    assert f"{name}: is a pipe, not a file" in refused(advisor, *command, option, tmp_path / name)


def test_cases_that_are_a_pipe_do_not_hang(advisor: Advisor, tickets: Path, cases: Path) -> None:
    os.mkfifo(cases)
    assert "cases.jsonl: is a pipe, not a file" in refused(advisor, "recommend", tickets)


@pytest.mark.parametrize(("given", "seen"), [("0", "--max-document-mb is 0"), ("nan", "--max-document-mb is nan")])
def test_a_bound_is_above_nothing(advisor: Advisor, tickets: Path, given: str, seen: str) -> None:
    assert seen in refused(advisor, "profile", tickets, "--max-document-mb", given)


def test_a_bound_can_be_moved(advisor: Advisor, tickets: Path) -> None:
    said = advisor("profile", tickets, "--max-table-mb", 0.0001)  # two tables are too large, each a fault
    assert said.code == 2
    assert said.err.count("more than the 0.0001 MB that are read") == said.err.count("--max-table-mb 1") == 2
    assert advisor("profile", tickets, "--max-table-mb", 1).code == 0


def task_of(folder: Path, labels: list[str]) -> Path:
    folder.mkdir()
    (folder / "task.toml").write_text('[task]\nname = "l"\nkind = "classification"\ninstruction = "Sort."\n')
    for split in ("train", "test"):
        rows = [{"input": f"{split} {n} of {n * n}", "target": label} for n, label in enumerate(labels * 2)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize(
    "labels",
    [["a" * 5_000, "b " * 2_500, "ж" * 5_000, "short"], [f"label number {n}" for n in range(500)]],
    ids=["of 5,000 letters", "500 of them"],
)
@pytest.mark.parametrize("command", ["profile", "recommend", "compare"])
def test_labels_do_not_fill_a_page(
    advisor: Advisor, model: list[str], tmp_path: Path, labels: list[str], command: str
) -> None:
    folder = task_of(tmp_path / "l", labels)
    options = [*model, "--out", tmp_path / "x", "--approach", "majority"] if command == "compare" else []
    said = advisor(command, folder, *options)
    assert said.code == 0, said.err
    assert len(said.out.splitlines()) < 90
    assert len(said.out) < 8_000
    if command == "profile":
        assert labels[0] in advisor("profile", folder, "--json").out


def test_labels_do_not_fill_an_error(advisor: Advisor, tmp_path: Path) -> None:
    folder = task_of(tmp_path / "l", [f"{n:03}{'x' * 5_000}" for n in range(300)])
    named = json.dumps([f"{n:03}{'y' * 5_000}" for n in range(300)])
    with (folder / "task.toml").open("a") as file:
        file.write(f"labels = {named}\n")
    said = advisor("profile", folder)
    assert said.code == 2
    assert len(said.err) < 4_000
