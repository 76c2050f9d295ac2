"""A user's mistake ends with 2 and says in two lines what was seen and what fixes it; never a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from advisor.cli import main

Advisor = Callable[..., Any]

MISTAKES = [
    ("compare", "no task was given"),
    ("compare {tmp}/nowhere", "no such folder"),
    ("compare {tmp}", "which column is the input"),
    ("compare {task} --train {tmp}/data.csv", "both a task folder and --train"),
    ("compare {task} --kind qa", "--kind goes with --train"),
    ("compare {task} --metric exact_match", "--metric goes with --train"),
    ("compare {task} --labels a,b", "--labels goes with --train"),
    ("compare {task} --documents {tmp}", "--documents goes with --train"),
    ("compare --train {tmp}/data.csv", "--train needs --kind, --instruction"),
    ("compare --train {tmp}/no.csv --split 0.5 --input a --target b --kind qa --instruction Do", "no such file"),
    ("compare {task} --split 0.5", "there is a test file"),
    ("compare {task} --split 7", "--split is 7"),
    ("compare {task} --limit 0", "--limit is 0"),
    ("compare {task} --train-limit -3", "--train-limit is -3"),
    ("compare {task} --approach few-shto", "'few-shto' is unknown"),
    ("compare {task} --approach rag:kk=2", "no parameter 'kk'"),
    ("compare {task} --approach few-shot:k=0", "k is 0"),
    ("compare {task} --approach rag+oracle", "does not combine"),
    ("compare {task} --p95-ms -5", "--p95-ms is -5"),
    ("compare {task} --queries-per-day nan", "--queries-per-day is nan"),
    ("compare {task} --min-quality 70", "--min-quality is 70"),
    ("compare {task} --margin -1", "--margin is -1"),
    ("compare {task} --prices {tmp}/none.toml", "price list cannot be read"),
    ("compare {task} --device gpu9", "device 'gpu9' cannot be used"),
    ("compare {task} --device cuda:99", "device 'cuda:99' cannot be used"),
    ("compare {task} --dtype int4", "dtype 'int4' is unknown"),
    ("compare {task} --model {tmp}/nowhere", "no such model folder"),
    ("compare {task} --model {task}", "no config.json"),
    ("compare {task} --model {tmp}/model.gguf", "no such model file"),
    ("compare {task} {model} --embedder ./nowhere", "no such model folder"),
    ("compare {task} {model} --seeds 0", "--seeds is 0"),
    ("compare {task} {model} --out {tmp}/data.csv", "cannot be written to"),
    ("report {tmp}", "holds no comparison"),
    ("report {tmp}/nowhere", "holds no comparison"),
    ("report {tmp}/data.csv", "holds no comparison"),
    ("report {finished} --budget-usd 0", "--budget-usd is 0"),
    ("report {finished} --prices {tmp}/data.csv", "not a TOML file"),
    ("report {finished} --format markdwon", "report format 'markdwon' is unknown"),
    ("profile {task} --format pdf", "report format 'pdf' is unknown"),
    ("recommend {task} --format pdf", "report format 'pdf' is unknown"),
    ("ask --format pdf", "report format 'pdf' is unknown"),
]


@pytest.fixture
def fill(tmp_path: Path, tickets: Path, model: list[str], finished: Any) -> Callable[[str], list[str]]:
    """The words of a command, with its places filled in."""
    (tmp_path / "data.csv").write_text("a,b\n1,2\n", encoding="utf-8")

    def fill(command: str) -> list[str]:
        places = {"tmp": tmp_path, "task": tickets, "finished": finished.folder, "model": "MODEL"}
        words = command.format(**places).split()
        return [part for word in words for part in (model if word == "MODEL" else [word])]

    return fill


@pytest.mark.parametrize(("command", "what"), MISTAKES)
def test_a_mistake_is_told_in_two_lines(
    advisor: Advisor, fill: Callable[[str], list[str]], command: str, what: str
) -> None:
    said = advisor(*fill(command))
    assert said.code == 2, said.err
    assert said.out == ""
    assert what in said.err
    assert said.err.startswith("error: ")
    first, second = said.err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("  try: ")


@pytest.mark.parametrize(
    "command",
    [
        "",
        "compair {task}",
        "compare {task} --seeds many",
        "compare {task} --limitt 3",
        "compare --train {tmp}/data.csv --kind sorting",
        "report",
        "report {finished} --p95-ms fast",
    ],
)
def test_a_wrong_option_shows_the_usage(advisor: Advisor, fill: Callable[[str], list[str]], command: str) -> None:
    said = advisor(*fill(command))
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("usage: advisor")
    assert "Traceback" not in said.err


def test_an_unknown_model_gives_two_lines(
    advisor: Advisor, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network, as on a machine behind a wall; a name that no hub has."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said = advisor("compare", tickets, "--model", "no-such-owner/no-such-model", "--out", tmp_path / "run")
    assert said.code == 2
    first, second = said.err.splitlines()
    assert first.startswith("error: model 'no-such-owner/no-such-model' is not in the local cache and the hub ")
    assert "--model embedded" in second
    assert not (tmp_path / "run").exists()


def test_all_mistakes_in_a_task_are_told_with_their_lines(advisor: Advisor, tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text('[task]\nname = "t"\nkind = "classifcation"\ninstruction = "Sort."\n')
    (tmp_path / "train.jsonl").write_text('{"input": "a", "target": "b"}\n{"input": "c"}\n')
    (tmp_path / "test.jsonl").write_text("not json\n")
    said = advisor("compare", tmp_path)
    assert said.code == 2
    for place in ("task.toml:3:", "train.jsonl:2:", "test.jsonl:1:"):
        assert f"{tmp_path}/{place}" in said.err
    assert 'did you mean "classification"?' in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_a_run_folder_that_lost_something_is_still_reported(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path, damage: str
) -> None:
    specs = ("--approach", "majority", "--approach", "nearest")
    assert advisor("compare", tickets, *model, *specs, "--out", tmp_path).code == 0
    (path,) = tmp_path.glob("*/nearest.seed0.jsonl")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    said = advisor("report", tmp_path, "--format", "json")
    assert said.code == 0
    found = {a["spec"]: a["status"] for a in json.loads(said.out)["approaches"]}
    assert found == {"majority": "ok", "nearest": "interrupted"}


EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp"


def test_nothing_that_is_quoted_moves_the_cursor(advisor: Advisor, tmp_path: Path, model: list[str]) -> None:
    folder = tmp_path / "task"
    folder.mkdir()
    quoted = json.dumps(EVIL)[1:-1]
    (folder / "task.toml").write_text(f'[task]\nname = "x"\nkind = "{quoted}"\ninstruction = "a"\n"{quoted}" = 1\n')
    rows = json.dumps({"input": "a", EVIL: "b"}) + "\n"
    for name in ("train", "test"):
        (folder / f"{name}.jsonl").write_text(rows)
    (tmp_path / "t.csv").write_text(f"a,b{EVIL}\n1,2\n", encoding="utf-8")
    (tmp_path / "p.toml").write_text(f'date = "x"\n"{quoted}" = 1\n')
    table = ["--split", "0.5", "--input", "q", "--target", "a", "--kind", "qa", "--instruction", "x"]
    for command in (
        ["profile", str(folder)],
        ["profile", str(tmp_path / EVIL)],
        ["profile", "--train", str(tmp_path / "t.csv"), *table],
        ["report", str(tmp_path), "--prices", str(tmp_path / "p.toml")],
        ["compare", str(folder), "--approach", EVIL],
        ["report", str(tmp_path / EVIL)],
    ):
        said = advisor(*command)
        assert said.code == 2
        assert not set(said.err + said.out) & set("\x1b\x07\x9b\u202e"), command


def test_json_means_the_same_and_turns_nothing(advisor: Advisor, tickets: Path, tmp_path: Path) -> None:
    text = (tickets / "task.toml").read_text().replace('name = "tickets"', 'name = "a\\u202eb\\u009bc"')
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tickets.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    (copy / "task.toml").write_text(text)
    said = advisor("profile", str(copy), "--json")
    assert said.code == 0
    assert not set(said.out) & set("\x9b\u202e")
    assert "\\u202e" in said.out
    assert json.loads(said.out)["task"]["name"] == "a\u202eb\x9bc"


def test_a_full_standard_output_is_said_in_two_lines(finished: Any) -> None:
    command = [sys.executable, "-m", "advisor.cli", "report", str(finished.folder)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: standard output: there is no space left"
    assert len(done.stderr.splitlines()) == 2


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A disk that is full for this process: no file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_with_the_folders_name_and_goes_on_later(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path
) -> None:
    command = ["compare", str(tickets), *model, "--approach", "majority", "--approach", "zero-shot"]
    whole = advisor(
        *command, "--out", str(tmp_path / "whole")
    )  # and what is loaded by way of a temporary file is there
    for size in (1000, 3000, 6000):
        out = tmp_path / str(size)
        with files_no_larger_than(size):
            done = advisor(*command, "--out", str(out))
        assert done.code == 2, done.err
        said = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert len(said) == 1
        assert said[0].startswith(f"error: {out}")
        assert said[0].endswith("the file may not grow any larger")
        assert "Traceback" not in done.err
        again = advisor(*command, "--out", str(out))
        assert again.code == whole.code == 0
        assert _answers(out) == _answers(tmp_path / "whole")


def _answers(out: Path) -> list[str]:
    rows = [json.loads(row) for path in sorted(out.glob("*/*.seed0.jsonl")) for row in path.read_text().splitlines()]
    return sorted(f"{p['id']} {p['text']}" for row in rows if row["type"] == "predictions" for p in row["predictions"])


def test_a_reader_of_the_progress_that_goes_away_does_not_end_the_run(
    tickets: Path, model: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(tickets), *model, "--out", str(tmp_path / "run")]
    with unread() as gone, contextlib.redirect_stderr(gone):
        code = main([*command, "--approach", "majority", "--approach", "zero-shot"])
    assert code == 0
    assert json.loads((tmp_path / "run" / "results.json").read_text())["schema"] == 1
    assert "zero-shot" in capsys.readouterr().out


def test_nor_does_it_spoil_how_the_process_ends(tickets: Path) -> None:
    with unread() as gone:
        command = [sys.executable, "-m", "advisor.cli", "profile", str(tickets)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=gone, check=False)
    assert done.returncode == 0
    assert b"tickets" in done.stdout


@contextlib.contextmanager
def unread() -> Iterator[TextIO]:
    """A pipe whose reader has gone away."""
    reader, writer = os.pipe()
    os.close(reader)
    gone = os.fdopen(writer, "w")
    try:
        yield gone
    finally:
        with contextlib.suppress(BrokenPipeError):
            gone.close()
