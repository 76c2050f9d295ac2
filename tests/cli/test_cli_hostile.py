"""What cannot be read, from the command line: two lines and exit 2."""

from __future__ import annotations

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
