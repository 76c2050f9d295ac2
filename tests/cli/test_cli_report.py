"""`advisor report`: the same records judged again, without torch and without running anything."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import kinds, parameters
from advisor.approaches.contract import Part

Advisor = Callable[..., Any]
HEAVY = {"torch", "transformers", "sentence_transformers", "peft", "faiss", "langchain_core"}


@pytest.fixture
def decision(advisor: Advisor, finished: Any) -> Callable[..., dict[str, Any]]:
    """What is recommended when the records are judged with options."""

    def decide(*options: object) -> dict[str, Any]:
        said = advisor("report", finished.folder, "--format", "json", *options)
        assert said.code == 0
        found: dict[str, Any] = json.loads(said.out)
        return found

    return decide


@pytest.mark.parametrize(("form", "begins"), [("terminal", "Advisor: tickets"), ("markdown", "#"), ("json", "{")])
def test_every_format_goes_to_stdout_and_nothing_to_stderr(
    advisor: Advisor, finished: Any, form: str, begins: str
) -> None:
    said = advisor("report", finished.folder, "--format", form)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(begins)
    for spec in ("majority", "head", "few-shot:k=2", "lora:rank=2,epochs=1"):
        assert spec in said.out


@pytest.mark.parametrize("form", ["markdown", "terminal", "json"])
def test_a_report_needs_no_heavy_library_and_is_the_same_in_another_process(
    bringing: Callable[..., Any], advisor: Advisor, finished: Any, form: str
) -> None:
    said = bringing(HEAVY, "report", finished.folder, "--format", form)
    assert (said.code, said.err) == (0, "[]\n")
    assert said.out == advisor("report", finished.folder, "--format", form).out


@pytest.mark.parametrize("arguments", [("--help",), ("compare", "--help"), ("--version",)])
def test_help_needs_no_heavy_library(bringing: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    said = bringing(HEAVY, *arguments)
    assert (said.code, said.err) == (0, "[]\n")
    assert "advisor" in said.out


def test_limits_change_the_recommendation_and_rerun_nothing(
    decision: Callable[..., dict[str, Any]], finished: Any
) -> None:
    before = {path: path.read_bytes() for path in finished.folder.rglob("*") if path.is_file()}
    free = decision()
    assert free["recommendation"]["approach"] in ("head", "nearest")
    tight = decision("--p95-ms", "0.000001")
    assert tight["recommendation"]["approach"] is None
    assert not any(a["eligible"] for a in tight["approaches"])
    assert all(a["violations"] for a in tight["approaches"] if not a["control"])
    values = {a["spec"]: a["quality"]["value"] for a in free["approaches"] if not a["control"]}
    best = max(values.values())
    good = decision("--min-quality", best - 0.01)
    assert {a["spec"] for a in good["approaches"] if a["eligible"]} == {s for s, v in values.items() if v == best}
    assert good["limits"]["min_quality"] == pytest.approx(best - 0.01)
    assert {path: path.read_bytes() for path in finished.folder.rglob("*") if path.is_file()} == before


def test_limits_of_a_comparison_are_written_into_its_results(advisor: Advisor, finished: Any) -> None:
    said = advisor(*finished.command, "--json", "--min-quality", "0.99999")
    assert said.code == 0
    assert json.loads(said.out)["limits"]["min_quality"] == 0.99999
    assert (finished.folder / "results.json").read_text() == said.out
    assert advisor(*finished.command, "--json").out == finished.said.out


def test_prices_are_the_users_own(decision: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('date = "2025-10-01"\n[core]\nusd_per_hour = 3600.0\nsource = "a dream"\n')
    found = decision("--prices", prices, "--queries-per-day", "1000", "--horizon-days", "10")
    dear = next(a for a in found["approaches"] if a["spec"] == "few-shot:k=2")
    cheap = next(a for a in decision()["approaches"] if a["spec"] == "few-shot:k=2")
    assert dear["cost_usd"]["per_1k_queries"] > 100 * cheap["cost_usd"]["per_1k_queries"]
    assert dear["cost_usd"]["over_horizon"] > 0
    assert "2025-10-01" in found["prices"]


@pytest.mark.parametrize("form", ["terminal", "json"])
def test_a_reader_that_stops_early_is_no_error(
    start: Callable[..., subprocess.Popen[str]], finished: Any, form: str
) -> None:
    process = start("-m", "advisor.cli", "report", str(finished.folder), "--format", form)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    assert process.wait(timeout=30) == 0


def test_what_is_installed_is_listed_with_its_parameters(advisor: Advisor, broken: Path) -> None:
    said = advisor("approaches")
    assert (said.code, said.err) == (0, "")
    names = [line for line in said.out.splitlines() if line and not line.startswith(" ")]
    assert names[0] == "majority"
    assert [name for name in names if name in ("head", "few-shot", "rag", "lora")] == [
        "head",
        "few-shot",
        "rag",
        "lora",
    ]
    assert "broken" in names
    assert "Fails while fitting." in said.out
    assert "k=8, select=fixed|nearest, search=0" in said.out
    having = [" ".join(paragraph.split()).partition(" also take ") for paragraph in said.out.split("\n\n")]
    shared = next(names.split(", ") for names, _, taken in having if "epochs=0" in taken)
    assert "lora" in shared
    assert "zero-shot" not in shared
    assert all(len(line) <= 120 for line in said.out.splitlines())


def test_one_is_told_in_full(advisor: Advisor) -> None:
    said = advisor("approaches", "lora")
    assert (said.code, said.err) == (0, "")
    assert "    rank=16: of the update to each weight matrix.\n" in said.out
    assert "    lr=0.001: peak learning rate.\n" in said.out
    assert "A search varies lr 0.0002 to 0.005; rank 4, 8, 16, 32, 64; dropout" in said.out
    missed = advisor("approaches", "loar")
    assert missed.code == 2
    assert "did you mean 'lora'?" in missed.err


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_each_parameter_says_what_it_means(advisor: Advisor, kind: type[Part]) -> None:
    said = advisor("approaches", kind.name)
    told = [line for line in said.out.splitlines() if re.match(r"    (\w+=\S*|[A-Z]+)(:|$)", line)]
    assert len(told) == len(parameters(kind))
    assert all(": " in line or len(line) > 75 for line in told)  # what it may be may fill a line
    assert all(len(line) <= 120 for line in said.out.splitlines())
