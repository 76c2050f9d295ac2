"""`advisor curve`: from a task folder to curves, on the disk, on the page and again in a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import advisor as package
from advisor.approaches import spec_of
from advisor.curves.sampling import learners

Advisor = Callable[..., Any]
HEAVY = {"torch", "transformers", "sentence_transformers", "peft", "faiss", "langchain_core", "sklearn"}
SPECS = ["zero-shot", "nearest", "head", "lora:rank=2,epochs=1"]


@pytest.fixture(scope="module")
def grown(advisor: Advisor, tickets: Path, model: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four approaches at three sizes, of which one is more than there is: the command, its folder, what it said."""
    folder = tmp_path_factory.mktemp("runs") / "curve"
    options = [word for spec in SPECS for word in ("--approach", spec)]
    command = ["curve", tickets, *model, "--out", folder, "--sizes", "3,6,99", *options]
    return command, folder, advisor(*command, "--json")


def test_all_is_measured_at_each_size(grown: Any) -> None:
    _, folder, said = grown
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert said.out == (folder / "curve.json").read_text(encoding="utf-8")
    assert (found["sizes"], found["asked"], found["test"]) == ([3, 6, 12], [3, 6, 99], 9)
    assert [curve["spec"] for curve in found["curves"]] == ["zero-shot", "nearest", "head", "lora:rank=2,epochs=1"]
    for curve in found["curves"]:
        assert [point["size"] for point in curve["points"]] == [3, 6, 12]
        assert all(point["quality"]["low"] <= point["quality"]["value"] for point in curve["points"])
        assert curve["more"]["end"] == 48  # four times what was measured
    assert any("99 training examples were asked for; there are 12" in caveat for caveat in found["caveats"])
    assert "[12/12] lora:rank=2,epochs=1 with 12 examples: ok" in said.err


def test_the_same_command_again_runs_nothing_and_says_the_same(advisor: Advisor, grown: Any) -> None:
    command, _, said = grown
    again = advisor(*command, "--json")
    assert again.out == said.out
    assert again.err.count("already done") == 12


def test_the_page_fits_and_names_what_overtakes(advisor: Advisor, grown: Any) -> None:
    command, folder, _ = grown
    page = advisor(*command).out
    assert page.startswith("Advisor: learning curves of tickets")
    assert max(map(len, page.splitlines())) <= 100
    assert "Where one overtakes another" in page
    assert str(folder) in page.replace("\n", "")


@pytest.mark.parametrize("form", ["markdown", "terminal", "json"])
def test_a_report_of_it_needs_no_heavy_library_and_is_the_same(
    bringing: Callable[..., Any], advisor: Advisor, grown: Any, form: str
) -> None:
    command, folder, said = grown
    again = bringing(HEAVY, "report", folder, "--format", form)
    assert (again.code, again.err) == (0, "[]\n")
    if form == "json":
        assert again.out == said.out
    if form == "terminal":
        assert again.out == advisor(*command).out


def test_python_gives_the_same_as_the_command(grown: Any, tickets: Path, llama_folder: Path, tmp_path: Path) -> None:
    _, _, said = grown
    model = package.load_model(str(llama_folder), device="cpu", dtype="float32")
    found = package.curve(package.load_task(tickets), model, SPECS[:3], sizes=(3, 6, 99), out=tmp_path)
    assert isinstance(found, package.Curves)
    shown = json.loads(said.out)
    measured = {curve.spec: [p.quality.value for p in curve.points if p.quality] for curve in found.curves}
    assert measured == {
        curve["spec"]: pytest.approx([point["quality"]["value"] for point in curve["points"]])
        for curve in shown["curves"][:3]
    }


def test_draws_are_counted(advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path) -> None:
    said = advisor(
        "curve", tickets, *model, "--out", tmp_path, *["--sizes", "4,12", "--seeds", "2", "--approach", "nearest"]
    )
    assert said.code == 0, said.err
    assert (tmp_path / "4.draw1").is_dir() and not (tmp_path / "12.draw1").exists()
    page = advisor("report", tmp_path).out
    assert "2 samples of the training examples are few" in " ".join(page.split())


def test_a_failed_approach_ends_with_1_and_is_named(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path, broken: Path
) -> None:
    options = ["--sizes", "4,12", "--approach", "nearest", "--approach", "broken"]
    said = advisor("curve", tickets, *model, "--out", tmp_path, *options)
    assert said.code == 1
    assert "broken with 4 and 12: failed: RuntimeError: out of luck" in said.out
    assert "nearest" in said.out


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("--sizes 8,many", "--sizes is '8,many'"),
        ("--sizes 0,8", "--sizes is 0,8"),
        ("--sizes 8 --seeds 0", "--seeds is 0"),
        ("--limit 0", "--limit is 0"),
        ("--approach loar", "'loar' is unknown"),
    ],
)
def test_mistakes_are_told_in_two_lines_before_the_model_is_read(
    advisor: Advisor, tickets: Path, tmp_path: Path, options: str, what: str
) -> None:
    said = advisor("curve", tickets, "--model", tmp_path / "none", "--out", tmp_path / "o", *options.split())
    assert said.code == 2
    assert what in said.err and said.err.count("\n") == 2
    assert not (tmp_path / "o").exists()


def test_unless_named_it_takes_zero_shot_and_what_learns(tickets: Path, desk: Path) -> None:
    assert [spec_of(a) for a in learners(package.load_task(tickets))] == [
        *("zero-shot", "head", "nearest", "few-shot", "few-shot:select=nearest", "lora", "few-shot+lora")
    ]
    chosen = [spec_of(a) for a in learners(package.load_task(desk))]
    assert chosen[0] == "zero-shot" and "rag+lora" in chosen
    assert {"rag", "oracle", "majority", "head"}.isdisjoint(chosen)
