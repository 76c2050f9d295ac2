"""What CONTRIBUTING.md promises: its approach has at most 30 lines, installs by its snippet and runs."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import Adapted, part, spec_of

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SCRIPT = """
import json
import advisor
from advisor.approaches import installed, parse
from scripted import ScriptedModel

train = tuple(advisor.Example(f"t{i}", f"text {i}", f"answer {i}") for i in range(12))
test = tuple(advisor.Example(f"t{i}", f"another text {i}", f"answer {i}") for i in range(9))
task = advisor.Task("small", "qa", "Answer.", "token_f1", train=train, test=test)
model = ScriptedModel()
comparison = advisor.compare(task, model, ["few-shot:k=2", "recent:k=3", "recent"], out="run")
shown = {len(p.context.shots): [s.answer for s in p.context.shots] for p in model.prompts}
curriculum = parse("recent:k=3").builder.build(task, model, 0).training_contexts(train[-2:], 0)
print(json.dumps({
    "status": {run.spec: run.status for run in comparison.runs},
    "answers": [len(run.predictions) for run in comparison.runs],
    "config": [run.config for run in comparison.runs],
    "shown": shown,
    "taught": [[s.answer for s in context.shots] for context in curriculum],
    "known": [str(parse(spec.split("+")[0])) for spec in SPECS],
    "chosen": advisor.decide(comparison).recommendation.approach,
    "installed": list(installed()),
}))
"""


def block(language: str, containing: str) -> str:
    """The code block of the page in that language that contains something."""
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if containing in b]
    assert len(found) == 1
    return str(found[0])


EXAMPLE = block("python", "ContextBuilder")
COMMAND = block("bash", "--approach")
SNIPPET: dict[str, Any] = tomllib.loads(block("toml", "entry-points"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of installing the example as the page says and comparing it."""
    place = tmp_path_factory.mktemp("site")
    (place / "recent.py").write_text(EXAMPLE, encoding="utf-8")
    project = SNIPPET["project"]
    info = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    about = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(about)
    points = project["entry-points"]["advisor.approaches"]
    rows = [f"{name} = {value}\n" for name, value in points.items()]
    (info / "entry_points.txt").write_text("[advisor.approaches]\n" + "".join(rows))
    specs = re.findall(r"--approach (\S+)", COMMAND)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("SPECS", repr(specs))],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [place, ROOT / "tests" / "approaches", ROOT]))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_example_has_at_most_30_lines() -> None:
    assert len(EXAMPLE.splitlines()) <= 30


def test_the_example_is_installed_by_its_snippet(ran: dict[str, Any]) -> None:
    assert ran["installed"][-1] == "recent"


def test_the_example_is_measured_beside_the_others(ran: dict[str, Any]) -> None:
    assert ran["status"] == {"few-shot:k=2": "ok", "recent:k=3": "ok", "recent": "ok"}
    assert ran["answers"] == [9, 9, 9]
    assert ran["config"][1] == {"recent": {"k": 3}}
    assert ran["config"][2] == {"recent": {"k": 4}}
    assert ran["chosen"] in ran["status"]


def test_the_example_does_what_it_says(ran: dict[str, Any]) -> None:
    assert ran["shown"]["3"] == ["answer 11", "answer 10", "answer 9"]
    assert ran["taught"] == [["answer 11", "answer 9"], ["answer 10", "answer 9"]]


def test_the_command_of_the_page_can_be_given(ran: dict[str, Any]) -> None:
    assert re.findall(r"--approach (\S+)", COMMAND) == ["few-shot", "recent:k=6", "recent+lora"]
    assert [text.count("Recent(k=6)") for text in ran["known"]] == [0, 1, 0]
    assert (ROOT / COMMAND.split()[2] / "task.toml").exists()


def test_the_example_composes_with_a_tuner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recent.py").write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    recent = importlib.import_module("recent")
    monkeypatch.delitem(sys.modules, "recent")
    approach = Adapted(recent.Recent(k=6), part("lora")())  # type: ignore[arg-type]
    assert spec_of(approach) == "recent:k=6+lora"


def test_every_file_that_the_page_names_is_there() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", PAGE) + re.findall(r"`((?:advisor|rag|finetune)/\S+\.py)`", PAGE):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"^make (\w+)", PAGE, re.MULTILINE):
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE), name
