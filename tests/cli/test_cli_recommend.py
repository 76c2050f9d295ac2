"""`advisor recommend`, `advisor ask` and `compare --learn`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Advisor


def test_recommend_prints_advice_without_a_model(advisor: Advisor, desk: Path) -> None:
    said = advisor("recommend", desk)
    assert said.code == 0
    assert "Begin with" in said.out
    assert "What to do first" in said.out
    assert f"advisor compare {desk}" in said.out
    assert max(map(len, said.out.splitlines())) <= 100


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


def test_recommend_as_markdown(advisor: Advisor, desk: Path) -> None:
    said = advisor("recommend", desk, "--format", "markdown")
    assert said.out.startswith("# What to expect of desk")
    assert "| `rag+lora`" in said.out


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
