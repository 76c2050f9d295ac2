"""`advisor recommend`, `advisor ask` and `compare --learn`."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Advisor


def test_recommend_prints_advice_without_a_model(advisor: Advisor, desk: Path) -> None:
    said = advisor("recommend", desk)
    assert said.code == 0
    assert "Begin with" in said.out
    assert "What to do first" in said.out
    assert f"advisor compare {desk}" in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_what_does_not_run_unasked_is_estimated_where_it_is_named(advisor: Advisor, tickets: Path, desk: Path) -> None:
    named = ("--approach", "full", "--approach", "probe", "--approach", "rag+prefix")
    found = json.loads(advisor("recommend", tickets, "--approach", "full", "--approach", "probe", "--json").out)
    specs = {one["spec"]: one for one in found["approaches"]}
    assert {"full", "probe", "lora"} <= specs.keys()
    said = advisor("recommend", desk, *named)
    assert (said.code, said.out) == (2, "")
    assert "probe cannot be used on desk: it answers with labels" in said.err
    assert "rag+prefix" in advisor("recommend", desk, "--approach", "rag+prefix").out


def test_recommend_probes_a_model(advisor: Advisor, tickets: Path, model: list[str]) -> None:
    said = advisor("recommend", tickets, *model, "--seconds", "20", "--json", "--p95-ms", "5000")
    assert said.code == 0
    found = json.loads(said.out)
    assert found["probes"]["readings"]
    assert found["model"]["id"]
    assert found["limits"]["p95_ms"] == 5000
    assert found["advice"]["approach"] in {a["spec"] for a in found["approaches"]}
    head = next(a for a in found["approaches"] if a["spec"] == "head")
    assert head["fit_seconds"] is not None


def test_time_for_probes_needs_a_model(advisor: Advisor, desk: Path) -> None:
    said = advisor("recommend", desk, "--seconds", "5")
    assert said.code == 2
    assert "--seconds is for the probes of a model" in said.err


def test_recommend_as_markdown(advisor: Advisor, desk: Path) -> None:
    said = advisor("recommend", desk, "--format", "markdown")
    assert said.out.startswith("# Advisor: what to expect of desk")
    assert "| `rag+lora`" in said.out


def test_recommend_without_a_model_loads_no_torch(bringing: Callable[..., Any], desk: Path) -> None:
    heavy = ("torch", "transformers", "peft", "sklearn", "scipy")
    said = bringing(heavy, "recommend", desk, "--json")
    assert (said.code, said.err) == (0, "[]\n")


def test_commands_that_are_advised_name_the_task_as_it_was_typed(advisor: Advisor, tmp_path: Path) -> None:
    table = tmp_path / "my data.csv"
    table.write_text("q,more,a\n" + "".join(f"question {n},{n},answer {n % 3}\n" for n in range(30)))
    columns = (
        "--split",
        "0.3",
        "--input",
        "q",
        "--input",
        "more",
        "--target",
        "a",
        "--kind",
        "qa",
        "--instruction",
        "Say it.",
    )
    found = json.loads(advisor("recommend", "--train", table, *columns, "--json").out)
    commands = [step["command"] for step in found["advice"]["steps"] if "compare" in step["command"]]
    assert commands
    assert all(f"--train '{table}'" in command and "--split 0.3" in command for command in commands)
    assert all("--input q --input more" in command for command in commands)
    typed = shlex.split(commands[0])
    assert advisor(*typed[1:], "--model", tmp_path / "none.gguf").err.startswith(
        "error: " + str(tmp_path / "none.gguf")
    )


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--min-quality", "70"], "--min-quality is 70"),
        (["--p95-ms", "-1"], "--p95-ms is -1"),
        (["--prices", "nowhere.toml"], "nowhere.toml"),
        (["--model", "./nowhere"], "no such model folder"),
    ],
)
def test_recommend_tells_a_mistake_in_two_lines(advisor: Advisor, desk: Path, arguments: list[str], what: str) -> None:
    said = advisor("recommend", desk, *arguments)
    assert (said.code, said.out) == (2, "")
    assert what in said.err
    assert len(said.err.splitlines()) == 2


def test_recommend_names_a_mistake(advisor: Advisor, desk: Path) -> None:
    said = advisor("recommend", desk, "--seconds", "0")
    assert said.code == 2
    assert "--seconds is 0" in said.err


def test_ask_reads_lines_and_writes_a_skeleton(
    advisor: Advisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = "label\n5\n200\nno\nnever\nsome\nnone\nnone\ncpu\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(answers))
    folder = tmp_path / "new"
    said = advisor("ask", "--write", folder)
    assert said.code == 0
    assert "judgement without data" in said.out
    again = advisor("profile", folder)
    assert again.code == 2
    assert "train.jsonl" in again.err
    monkeypatch.setattr("sys.stdin", io.StringIO(answers))
    assert advisor("ask", "--write", folder).code == 2


def test_ask_takes_a_file_and_says_when_lines_end(
    advisor: Advisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text('output = "short"\ndocuments = true\nchanges = "daily"\n')
    found = json.loads(advisor("ask", "--answers", tmp_path / "a.toml", "--json").out)
    assert found["advice"]["approach"] == "rag"
    assert found["task"]["fingerprint"] is None
    monkeypatch.setattr("sys.stdin", io.StringIO("label\n"))
    said = advisor("ask")
    assert said.code == 2
    assert "ended before" in said.err
    (tmp_path / "a.toml").write_text("output = ")
    assert "no TOML" in advisor("ask", "--answers", tmp_path / "a.toml").err


def test_ask_takes_json_and_names_the_file_of_a_wrong_answer(advisor: Advisor, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"output": "label", "classes": 4, "labelled": 80, "p95_ms": null}')
    assert json.loads(advisor("ask", "--answers", path, "--json").out)["task"]["metric"] == "accuracy"
    path.write_text('{"output": "poem"}')
    said = advisor("ask", "--answers", path)
    assert said.code == 2
    assert f"{path}: 'poem' is no answer" in said.err
    path.write_text("[1]")
    assert "holds no answers by name" in advisor("ask", "--answers", path).err
    assert "cannot be read" in advisor("ask", "--answers", tmp_path / "none.json").err


def test_ask_asks_again_and_writes_nothing_where_it_is_interrupted(
    advisor: Advisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leaving(io.StringIO):
        """Somebody who gives one wrong answer, a right one, and then presses Ctrl-C."""

        def readline(self, size: int = -1, /) -> str:
            line = super().readline(size)
            if not line:
                raise KeyboardInterrupt
            return line

    monkeypatch.setattr("sys.stdin", Leaving("poem\nshort\n"))
    said = advisor("ask", "--write", tmp_path / "new")
    assert said.code == 130
    assert "'poem' is no answer" in said.err
    assert said.err.count("What is an answer") == 3  # asked, told, asked again
    assert "nothing was kept" in said.err
    assert not (tmp_path / "new").exists()


def test_ask_does_not_write_where_something_is(advisor: Advisor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    said = advisor("ask", "--write", tmp_path / "file")
    assert (said.code, said.out) == (2, "")
    assert "is a file" in said.err
    assert (tmp_path / "file").read_text() == "mine"


def test_compare_can_be_learned_from(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = tmp_path / "mine" / "cases.jsonl"
    monkeypatch.setenv("ADVISOR_CASES", str(cases))
    specs = ("--approach", "head", "--approach", "nearest", "--approach", "majority")
    said = advisor("compare", tickets, *model, *specs, "--out", tmp_path / "run", "--learn")
    assert said.code == 0
    assert str(cases) in said.err
    (line,) = cases.read_text().splitlines()
    case = json.loads(line)
    assert case["task"] == "tickets"
    assert set(case["qualities"]) == {"head", "nearest"}
    assert case["features"]["zero-shot"] is not None
    assert advisor("recommend", tickets).code == 0
    cases.write_text("nonsense\n")
    assert "cases.jsonl:1" in advisor("recommend", tickets).err
