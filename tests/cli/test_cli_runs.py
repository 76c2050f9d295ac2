"""Several run folders in one report: side by side, and an index of those in a folder."""

from __future__ import annotations

import contextlib
import html
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.cli import main
from advisor.measuring.lock import alone
from advisor.reporting import report
from advisor.reporting.run_index import read_index
from advisor.verdict import decide

KEPT = Path(__file__).parents[1] / "kept"
FORMATS = ("terminal", "markdown", "html", "json")


def said(*arguments: object) -> tuple[int, str, str]:
    """How a command ends, and what it says."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A kept run folder, and a copy whose `zero-shot` gave another answer to every question."""
    first, second = (Path(shutil.copytree(KEPT / "handbook", tmp_path / name)) for name in ("first", "second"))
    (record,) = second.glob("*/zero-shot.seed0.jsonl")
    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    right = {"test-001": "two years", "test-003": "35 euros", "test-010": "mobile mechanic", "test-015": "unanswerable"}
    for line in lines:
        for prediction in line.get("predictions", ()):
            prediction["text"] = right.get(prediction["id"], prediction["text"])
    record.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    journal = second / "comparisons.jsonl"
    head, *rest = journal.read_text(encoding="utf-8").splitlines()
    changed = json.loads(head)
    changed["versions"]["advisor"] = "0.0.9"
    journal.write_text("\n".join([json.dumps(changed), *rest]) + "\n", encoding="utf-8")
    return first, second


@pytest.mark.parametrize("form", FORMATS)
def test_two_runs_stand_side_by_side_in_every_format(pair: tuple[Path, Path], form: str) -> None:
    code, out, err = said("report", *pair, "--format", form)
    assert (code, err) == (0, "")
    for told in ("zero-shot", "rag", "version of advisor", "0.0.9"):
        assert told in out
    if form == "terminal":
        assert "version of advisor  A 0.1.0, B 0.0.9" in out
        assert "A and B choose zero-shot" in out
    if form == "markdown":
        assert out.startswith("# Advisor: 2 runs of handbook-qa, side by side\n\n**A and B choose zero-shot")


def test_programs_get_the_same_figures(pair: tuple[Path, Path]) -> None:
    found = json.loads(said("report", *pair, "--format", "json")[1])
    assert [run["run"] for run in found["runs"]] == ["A", "B"]
    assert (found["schema"], found["common_examples"], found["matched_by"]) == (1, 5, "id")
    line = next(line for line in found["approaches"] if line["row"] == "zero-shot")
    first, second = line["runs"]
    versus = second["versus_first"]
    assert first["versus_first"] is None
    gained = second["quality"]["value"] - first["quality"]["value"]
    assert versus["difference"]["value"] == pytest.approx(gained) and gained > 0.3
    assert versus["better"] >= 3 and versus["worse"] == 0
    assert {"name": "version of advisor", "values": ["0.1.0", "0.0.9"]} in found["differs"]


@pytest.mark.parametrize(
    ("others", "why"),
    [
        (["tickets"], "are not of the same task: kind qa against classification"),
        (["curve"], "holds learning curves, not a comparison"),
        (["handbook"], "was named twice"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(others: list[str], why: str) -> None:
    code, out, err = said("report", KEPT / "handbook", *(KEPT / other for other in others))
    assert (code, out) == (2, "")
    assert why in err and len(err.splitlines()) == 2


@pytest.fixture
def growing(pair: tuple[Path, Path]) -> Path:
    """The second of the pair, of whose `rag` nothing is recorded yet."""
    (record,) = pair[1].glob("*/rag*.seed0.jsonl")
    record.unlink()
    return pair[1]


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_is_at_work_is_named_with_what_it_has_not_done(
    pair: tuple[Path, Path], growing: Path, form: str
) -> None:
    with alone(growing):
        code, out, err = said("report", *pair, "--format", form)
        alone_told = said("report", growing, "--format", form)[1]
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    if form == "json":
        first, second = json.loads(out)["runs"]
        assert (first["at_work"], first["unfinished"]) == (False, [])
        assert second["at_work"] and [one.split(":")[0] for one in second["unfinished"]] == ["rag"]
        assert any("A run is at work" in why for why in json.loads(alone_told)["recommendation"]["reasons"])
        return
    assert "A run is at work in it. Not finished: rag" in words and "not done yet" in words
    assert "B is not finished, and may choose otherwise" in words
    assert "A run is at work in this folder: rag" in " ".join(alone_told.split())
    assert "at work" not in said("report", *pair, "--format", form)[1]  # it is over, or was killed
    assert "Not finished: rag" in " ".join(said("report", *pair, "--format", form)[1].split())


def test_a_run_without_any_finished_row_is_held_against_nothing(pair: tuple[Path, Path], growing: Path) -> None:
    for record in growing.glob("*/*.seed0.jsonl"):
        record.unlink()
    code, out, err = said("report", *pair)
    assert (code, out) == (2, "") and "no row is finished yet" in err and "advisor compare goes on" in err
    with alone(growing):
        code, out, err = said("report", *pair)
    assert (code, out) == (2, "") and "wait for the run that is at work" in err


def test_the_index_says_where_a_run_is_at_work(pair: tuple[Path, Path]) -> None:
    with alone(pair[0]):
        text = said("report", pair[0].parent)[1]
        found = json.loads(said("report", pair[0].parent, "--format", "json")[1])
    assert {run["folder"]: run["at_work"] for run in found["runs"]} == {"first": True, "second": False}
    assert [line for line in text.splitlines() if "a run is at work" in line and "first" in line]
    assert "at work" not in said("report", pair[0].parent)[1]


@pytest.fixture
def elsewhere(pair: tuple[Path, Path]) -> Path:
    """The first of the pair, whose model and embedder were loaded from folders of somebody's home."""
    journal = pair[0] / "comparisons.jsonl"
    heads = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    for head in heads:
        if head["type"] != "comparison":
            continue
        head["model"] |= {"id": f"{HOME}/models/desk-7b", "embedder": f"{HOME}/models/e5@0a1b", "source": "folder"}
        head["model"]["caveats"] = [f"{HOME}/models/desk-7b: has no chat template."]
        head["loaded_from"] = {"name": f"{HOME}/models/desk-7b", "embedder": f"{HOME}/models/e5"}
    journal.write_text("".join(json.dumps(head) + "\n" for head in heads), encoding="utf-8")
    return pair[0]


HOME = "/home/somebody"


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
def test_no_report_tells_where_a_model_lies(elsewhere: Path, pair: tuple[Path, Path], form: str) -> None:
    for folders in ([elsewhere], pair, [elsewhere.parent]):
        code, out, err = said("report", *folders, "--format", form)
        assert (code, err) == (0, "") and HOME not in out and "desk-7b" in out
        if form in ("html", "markdown"):
            assert str(elsewhere.parent) not in out
    text = re.sub("<[^>]*>", "", said("report", elsewhere, "--format", "html")[1])
    assert "advisor compare TASK --model desk-7b --embedder e5 --" in text
    assert "TASK stands for the task's folder, and desk-7b for the place of the model of this name" in html.unescape(
        text
    )


@pytest.mark.parametrize("spec", ["few-shot:k=16,select=nearest,search=8+lora:rank=64,alpha=128,targets=all-linear"])
def test_an_index_has_intervals_and_models_in_a_hundred_columns(elsewhere: Path, spec: str) -> None:
    index = read_index(elsewhere.parent, decide)
    assert index is not None
    entries = tuple(replace(one, approach=spec, task="a-task-of-some-length") for one in index.entries)
    text = report(replace(index, entries=entries), width=100)
    assert "desk-7b" in text and re.search(r"0\.\d{3} \[\d\.\d\d, \d\.\d\d\]", text)
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Run folders in a folder, one of them deeper; one damaged, one cut off; one with a page."""
    folder = tmp_path / "runs"
    for name in ("handbook", "tickets", "race", "curve"):
        shutil.copytree(KEPT / name, folder / "kept [1]" / name if name == "race" else folder / name)
    damaged = Path(shutil.copytree(KEPT / "handbook", folder / "damaged"))
    next(damaged.glob("*/answers.jsonl")).write_text("nothing\n")
    (folder / "cut").mkdir()
    (folder / "cut" / "comparisons.jsonl").write_text('{"type": "compar')
    (folder / "kept [1]" / "race" / "report.html").write_text("<p>")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize("form", FORMATS)
def test_an_index_of_a_folder_names_every_run_and_what_cannot_be_read(shelf: Path, form: str) -> None:
    code, out, err = said("report", shelf, "--format", form)
    assert (code, err) == (0, "")
    for told in ("handbook-qa", "ticket-routing", "head", "2026-11-29", "damaged", "cut", "zero-shot"):
        assert told in out
    link = {"markdown": "(<kept%20%5B1%5D/race/report.html>)", "html": 'href="kept%20%5B1%5D/race/report.html"'}
    assert link.get(form, "") in out
    assert out.count("report.html") == (1 if form in link else 0)


def test_the_index_for_programs(shelf: Path) -> None:
    found = json.loads(said("report", shelf, "--format", "json")[1])
    runs = {run["folder"]: run for run in found["runs"]}
    assert set(runs) == {"handbook", "tickets", "kept [1]/race", "curve"}
    race, curve = runs["kept [1]/race"], runs["curve"]
    assert (race["approach"], race["decided"], race["page"]) == ("head", True, True)
    then = json.loads((KEPT / "race" / "results.json").read_text(encoding="utf-8"))
    best = next(row for row in then["approaches"] if row["spec"] == "head")
    assert race["quality"] == {name: best["quality"][name] for name in ("value", "low", "high")}
    assert (curve["curves"], curve["approach"]) == (True, None)
    assert {one["folder"] for one in found["damaged"]} == {"damaged", "cut"}


def test_results_that_are_newer_than_all_records_are_believed_and_others_are_not(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(KEPT / "race", tmp_path / "runs" / "race"))
    results = folder / "results.json"
    assert main(["report", str(folder), "--format", "json"]) == 0
    told = json.loads(said("report", folder, "--format", "json")[1])
    told["recommendation"]["decided"] = False  # as nothing but this file says
    results.write_text(json.dumps(told), encoding="utf-8")

    def decided(*options: object) -> Any:
        return json.loads(said("report", folder.parent, "--format", "json", *options)[1])["runs"][0]["decided"]

    newest = max(path.stat().st_mtime for path in folder.rglob("*.jsonl"))
    os.utime(results, (newest + 5, newest + 5))
    assert decided() is False
    assert decided("--margin", "0.021") is True  # judged otherwise than when it was written
    os.utime(results, (newest - 5, newest - 5))
    assert decided() is True
    os.utime(results, (newest + 5, newest + 5))
    results.write_text("{", encoding="utf-8")
    assert decided() is True


def test_a_folder_without_runs_is_as_it_was(tmp_path: Path) -> None:
    code, out, err = said("report", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}: holds no comparison")


def test_it_needs_no_heavy_library(pair: tuple[Path, Path], bringing: Callable[..., Any]) -> None:
    found = bringing({"torch", "transformers", "mlflow", "wandb"}, "report", *pair)
    assert (found.code, found.err) == (0, "[]\n")
