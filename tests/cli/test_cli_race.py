"""`advisor compare --budget` on small task folders with a tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task folder: eighty labelled towns to learn from, eight to test on."""
    folder = tmp_path_factory.mktemp("tasks") / "towns"
    folder.mkdir()
    (folder / "task.toml").write_text('[task]\nname = "towns"\nkind = "classification"\ninstruction = "Where?"\n')
    rows = [
        {"input": f"{word} place {number}", "target": label}
        for number in range(44)
        for word, label in (("mountain", "south"), ("harbour", "north"))
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:80]))
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[80:]))
    return folder


@pytest.fixture(scope="module")
def raced(advisor: Callable[..., Any], towns: Path, model: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The command, its run folder and what it said."""
    folder = tmp_path_factory.mktemp("runs") / "towns"
    specs = ["majority", "nearest", "head", "zero-shot"]
    options = [word for spec in specs for word in ("--approach", spec)]
    command = ["compare", str(towns), *model, "--out", str(folder), "--budget", "2m", *options]
    return command, folder, advisor(*command)


def test_the_report_has_a_race(raced: Any) -> None:
    _, folder, said = raced
    assert said.code == 0
    assert "\nRace\n" in said.out
    assert "Budget 2 min; spent" in said.out
    assert "Raced on 20 training examples that nobody learned from; 60 training examples were left." in said.out
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert found["task"]["train"] == 60
    assert {e["spec"] for e in found["race"]["entrants"]} == {"nearest", "head", "zero-shot"}
    assert found["approaches"][0]["quality"]["n"] == 8


def test_progress_says_what_the_race_does(raced: Any) -> None:
    said = raced[2]
    assert "[1/3] nearest on 16 race examples: ok" in said.err
    assert "\nrace: " in said.err
    assert "to be measured on the test set: " in said.err
    assert "nearest on the test set: ok" in said.err


def test_the_same_command_repeats_nothing_and_the_report_stays(advisor: Callable[..., Any], raced: Any) -> None:
    command, folder, said = raced
    again = advisor(*command)
    assert again.code == 0
    assert "predict:" not in again.err
    assert "fit:" not in again.err
    assert again.out == said.out
    assert advisor("report", folder).out == said.out
    assert "## Race" in advisor("report", folder, "--format", "markdown").out


def test_a_budget_in_dollars_is_time_at_the_price_of_the_machine(
    advisor: Callable[..., Any], towns: Path, model: list[str], tmp_path: Path
) -> None:
    said = advisor(
        "compare", towns, *model, "--out", tmp_path, "--budget", "0.01usd", "--approach", "nearest", "--json"
    )
    race = json.loads(said.out)["race"]
    cores = json.loads(said.out)["hardware"]["cores"]
    assert race["budget_usd"] == 0.01
    assert race["budget_seconds"] == pytest.approx(0.01 / (0.0408 * cores) * 3600, rel=1e-4)
    assert race["stopped"] == "alone"


def test_a_budget_that_cannot_be_read_is_told_before_anything_runs(advisor: Callable[..., Any], towns: Path) -> None:
    said = advisor("compare", towns, "--budget", "soon")
    assert said.code == 2
    assert said.err.startswith("error: --budget is 'soon'") or "--budget is 'soon'" in said.err
    assert len(said.err.strip().splitlines()) == 2
