"""The command `advisor grade`: answers of a run folder to a file that people fill in, blind to who gave them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from advisor.cli import main
from advisor.tasks.faults import FaultLog
from advisor.tasks.grades import read_grades

KEPT = Path(__file__).parents[1] / "kept" / "handbook"
TICKETS = KEPT.with_name("tickets")


def test_answers_are_written_to_be_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "grades.jsonl"
    assert main(["grade", str(KEPT), "--out", str(out), "--n", "7"]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) >= 7 and all(set(row) == {"id", "input", "reference", "answer", "grade"} for row in rows)
    assert f"{len(rows)} answers" in capsys.readouterr().err
    log = FaultLog()
    assert read_grades(out, log) == () and not len(log)
    out.write_text("".join(json.dumps({**row, "grade": 1}) + "\n" for row in rows))
    assert len(read_grades(out, log)) == len(rows) and not len(log)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "grades.jsonl"
    out.write_text("mine")
    assert main(["grade", str(KEPT), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err and out.read_text() == "mine"
    assert main(["grade", str(KEPT), "--out", str(tmp_path / "x"), "--n", "0"]) == 2


def test_answers_that_are_labels_are_not_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", str(TICKETS), "--out", str(tmp_path / "grades.jsonl")]) == 2
    said = capsys.readouterr().err
    assert "is a classification" in said and f"advisor report {TICKETS}" in said and not list(tmp_path.iterdir())


def test_records_without_texts_are_not_given_to_grade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    shutil.copytree(KEPT, folder)
    journal = folder / "comparisons.jsonl"
    heads = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(head | {"texts": False}) + "\n" for head in heads))
    assert main(["grade", str(folder), "--out", str(tmp_path / "grades.jsonl")]) == 2
    said = capsys.readouterr().err
    assert "hold no questions (--no-texts)" in said and "compare without --no-texts" in said
    assert not (tmp_path / "grades.jsonl").exists()
