"""What CONTRIBUTING.md promises: each of its packages has at most 30 lines of code, installs by its snippet, and does
in a run what the page says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import advisor

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HANDBOOK = ROOT / "examples" / "handbook-qa" / "test.jsonl"
MOST = 30
PLAIN = "--embedder hashed:64"  # no weights are needed for what is tested here
EMBEDDER = '''
"""Embeds texts as hashed bags of words."""

import zlib
import numpy as np


class Hashed:
    revision = "1"

    def __init__(self, name, loading):
        self.name = name
        self.dimension = int(name.partition(":")[2])

    def embed(self, texts):
        vectors = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
'''
TUNED = """
from advisor.approaches import Adapted, part, spec_of
from recent import Recent
print(spec_of(Adapted(Recent(k=6), part("lora")())))
"""
TAUGHT = """
from advisor.approaches import parse
import advisor
train = tuple(advisor.Example(f"t{n}", f"text {n}", f"answer {n}") for n in range(12))
task = advisor.Task("small", "qa", "Answer.", "token_f1", train=train)
source = parse("recent:k=3").builder.build(task, None, 0)
print([[shot.answer for shot in context.shots] for context in source.training_contexts(train[-2:], 0)])
"""


@dataclass(frozen=True)
class Package:
    """A package as the page shows it: its code, its pyproject.toml, and the command that uses it."""

    code: str
    project: dict[str, Any]
    command: str

    @property
    def points(self) -> dict[str, dict[str, str]]:
        """Entry points by group and name."""
        found: dict[str, dict[str, str]] = self.project["entry-points"]
        return found

    def install(self, site: Path) -> None:
        """Lie in a folder as pip would lay it there."""
        ((target, *_),) = [list(points.values()) for points in self.points.values()]
        (site / f"{target.partition(':')[0]}.py").write_text(self.code, encoding="utf-8")
        name, version = self.project["name"], self.project["version"]
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        rows = [
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in named.items()) for group, named in self.points.items()
        ]
        (info / "entry_points.txt").write_text("".join(rows))


def block(section: str, language: str) -> str:
    """The only code block of a section in that language."""
    (text,) = re.findall(rf"^### {section}\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(found)


PACKAGES = {
    name: Package(
        block(name, "python"),
        tomllib.loads(block(name, "toml"))["project"],
        block(name, "bash").replace("\\\n", " ").strip(),
    )
    for name in ("An approach", "A model", "A searcher", "A metric", "A sink")
}
HASHED = {"entry-points": {"advisor.embedders": {"hashed": "hashed:Hashed"}}, "name": "hashed", "version": "1"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all packages of the page are installed, and an embedder."""
    place = tmp_path_factory.mktemp("site")
    for package in (*PACKAGES.values(), Package(EMBEDDER, HASHED, "")):
        package.install(place)
    return place


def python(site: Path, *arguments: str, where: Path = ROOT) -> str:
    """What a process of its own prints where the packages are installed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=where,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [site, ROOT])), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(site: Path, command: str, out: Path, where: Path = ROOT) -> dict[str, Any]:
    """The rows of a command of the page, by spec, from what `--json` prints; into another run folder."""
    program, *given = shlex.split(command)
    assert program == "advisor"
    result = json.loads(python(site, "-m", "advisor.cli", *given, "--json", "--out", str(out), where=where))
    return {row["spec"]: row for row in result["approaches"]}


def answers(out: Path, spec: str) -> Iterator[tuple[str, Any]]:
    """Inputs and recorded predictions of a row."""
    comparison = advisor.read_comparison(out)
    (run,) = [run for run in comparison.runs if run.spec == spec]
    inputs = {row["id"]: row["input"] for row in map(json.loads, HANDBOOK.read_text(encoding="utf-8").splitlines())}
    return ((inputs[prediction.id], prediction) for prediction in run.predictions)


def codes(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if re.search(r"\d", word)}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_at_most_30_lines(name: str) -> None:
    assert 0 < len([line for line in PACKAGES[name].code.splitlines() if line.strip()]) <= MOST


def test_the_approach_is_listed_measured_and_answers_without_its_task(site: Path, tmp_path: Path) -> None:
    assert "recent" in python(site, "-m", "advisor.cli", "approaches").split()
    measured = rows(site, f"{PACKAGES['An approach'].command} --model echo:2048 {PLAIN}", tmp_path)
    assert {spec: row["status"] for spec, row in measured.items()} == {
        "few-shot": "ok",
        "recent:k=6": "ok",
        "recent+lora": "skipped",  # this model answers only; with a tuner below
    }
    train = (ROOT / "examples" / "ticket-routing" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    (saved,) = tmp_path.glob("*/recent*.seed0/**/shots.json")
    newest = [(row["input"], row["target"]) for row in map(json.loads, reversed(train[-6:]))]
    assert [(shot["input"], shot["answer"]) for shot in json.loads(saved.read_text())] == newest
    said = python(
        site, "-m", "advisor.cli", "answer", str(tmp_path), "recent:k=6", "where is my parcel", where=tmp_path
    )
    assert said.strip()


def test_the_approach_composes_with_a_tuner_and_shows_no_example_its_answer(site: Path) -> None:
    assert python(site, "-c", TUNED).strip() == "recent:k=6+lora"
    assert python(site, "-c", TAUGHT).strip() == "[['answer 11', 'answer 9'], ['answer 10', 'answer 9']]"


def test_the_model_runs_what_prompts_to_a_report(site: Path, tmp_path: Path) -> None:
    command = f"{PACKAGES['A model'].command} {PLAIN}"
    measured = rows(site, command, tmp_path)
    assert {spec: row["status"] for spec, row in measured.items()} == dict.fromkeys(
        ("zero-shot", "few-shot", "rag"), "ok"
    )
    for query, prediction in answers(tmp_path, "rag"):
        shown = " ".join(f"Documents: {p.title}: {p.text}" for p in prediction.passages)
        assert prediction.text in f"{shown} Query: {query}"
    assert {prediction.text for _, prediction in answers(tmp_path, "zero-shot")} > {""}
    report = python(site, "-m", "advisor.cli", "report", str(tmp_path))
    assert "echo:2048" in report
    assert "2,048 tokens" in report
    assert "echo:" in python(site, "-m", "advisor.cli", "models")


def test_the_searcher_finds_what_it_says(site: Path, tmp_path: Path) -> None:
    measured = rows(site, f"{PACKAGES['A searcher'].command} --model echo:2048 {PLAIN}", tmp_path)
    assert {spec: row["status"] for spec, row in measured.items()} == {"rag": "ok", "rag:retriever=codes": "ok"}
    found = {True: 0, False: 0}
    for query, prediction in answers(tmp_path, "rag:retriever=codes"):
        asked = codes(query)
        assert all(asked & codes(f"{passage.title} {passage.text}") for passage in prediction.passages)
        found[bool(prediction.passages)] += 1
    assert all(found.values())  # most questions name no code, and for these nothing is found


def test_the_metric_judges_a_table(site: Path, tmp_path: Path) -> None:
    prices = [f"what does model {n} cost,{'about ' * (n % 2)}{100 + n} dollars\n" for n in range(40)]
    (tmp_path / "prices.csv").write_text("question,answer\n" + "".join(prices))
    measured = rows(site, f"{PACKAGES['A metric'].command} --model echo:2048 {PLAIN}", tmp_path / "run", where=tmp_path)
    assert measured["nearest"]["status"] == "ok"
    assert 0 < measured["nearest"]["quality"]["value"] <= 1
    assert "near_number" in python(site, "-m", "advisor.cli", "metrics")
    judged = "from near_number import NEAR; print(NEAR.score('It is 1,005.', ['1000']), NEAR.score('no', ['1000']))"
    assert python(site, "-c", judged).split() == ["1.0", "0.0"]


def test_the_sink_logs_a_comparison_once(site: Path, tmp_path: Path) -> None:
    program, *given = shlex.split(PACKAGES["A sink"].command)
    assert (program, given[:2]) == ("advisor", ["report", "runs/handbook-qa"])
    given[1] = str(ROOT / "tests" / "kept" / "handbook")
    said = [python(site, "-m", "advisor.cli", *given, where=tmp_path) for _ in range(2)]
    assert said[0] == "ledger: handbook 2026-11-29 is logged in team.csv\n"
    assert "is there already" in said[1]
    logged = [line.split(",") for line in (tmp_path / "team.csv").read_text(encoding="utf-8").splitlines()]
    assert {line[2] for line in logged} == {"handbook-qa"}
    assert len(logged) == 4


def test_every_file_that_the_page_names_is_there() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", PAGE) + re.findall(r"`((?:advisor|rag|finetune)/\S+\.py)`", PAGE):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"^make (\w+)", PAGE, re.MULTILINE):
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE), name
