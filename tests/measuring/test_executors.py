"""Runs that are carried out in several processes record what one process would."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.errors import UserError
from advisor.measuring.comparing import Plan, assignment_of, head_of
from advisor.measuring.executors import Processes
from advisor.measuring.lines import lines
from advisor.measuring.lineup import chosen_of
from advisor.measuring.progress import Silence
from advisor.measuring.reading import record_path
from advisor.models.local.engine import LocalModel
from advisor.tasks import Task

ROOT = Path(__file__).parents[2]
SCRIPTED = ROOT / "tests" / "approaches" / "scripted.py"
SPECS = ["majority", "zero-shot", "few-shot:k=2", "rag:k=1", "oracle", "lora:rank=2,epochs=1"]
NO_EVIDENCE = 'no example says which documents hold its answer ("evidence")'
WORDS = """
import time
from scripted import ScriptedModel, WordEmbedder

class Words(ScriptedModel):
    def __init__(self, name, loading):
        super().__init__(name=name)

    def generate(self, *given):
        time.sleep(float(self.name.partition(":")[2]))
        return super().generate(*given)

class Embedder(WordEmbedder):
    def __init__(self, name, loading):
        super().__init__(told=lambda *call: None, name=name)
"""
POINTS = "[advisor.models]\nwords = words:Words\n[advisor.embedders]\nwords = words:Embedder\n"
OF_TIME = {"seconds", "ttft_seconds", "spans", "reused", "others", "started", "kills", "peak_memory_bytes"}
TIMED = ("fit_seconds", "index_seconds")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Another package's model and embedder without weights, which any process loads in a moment; returns where.

    `words:0.1` takes a tenth of a second for a batch.
    """
    site = tmp_path_factory.mktemp("site")
    (site / "words.py").write_text(WORDS, encoding="utf-8")
    info = site / "words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: words\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTED.parent)
        patch.syspath_prepend(site)
        yield site


@pytest.fixture(scope="module")
def named(llama_folder: Path, words: Path) -> LocalModel:
    """A model that was loaded by its name."""
    model: Any = advisor.load_model(str(llama_folder), embedder="words:", device="cpu", dtype="float32")
    return model


def recorded(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of each record, but for times and how often they were taken."""
    return {
        path.name: [
            {key: value for key, value in line.items() if key not in (*OF_TIME, *TIMED)}
            for line in lines(path)
            if line["type"] not in ("repeated", "latency")
        ]
        for path in folder.glob("*/*.seed*.jsonl")
    }


@dataclass
class Heard(Silence):
    """Keeps what ended."""

    def __post_init__(self) -> None:
        self.ended: dict[str, str] = {}

    def end(self, spec: str, outcome: str) -> None:
        self.ended[spec] = "ok" if outcome.startswith("ok after ") else outcome


def test_two_processes_record_what_one_does(light_task: Task, named: LocalModel, tmp_path: Path) -> None:
    heard = Heard()
    light_task = replace(light_task, test_after=light_task.test, documents_after=light_task.documents[:1])
    alone = advisor.compare(light_task, named, SPECS, out=tmp_path / "one", seeds=2)
    shared = advisor.compare(light_task, named, SPECS, out=tmp_path / "two", seeds=2, workers=2, progress=heard)
    assert recorded(tmp_path / "one") == recorded(tmp_path / "two")
    assert len(recorded(tmp_path / "two")) == 8  # two seeds of what depends on one
    assert [(run.spec, run.seed, run.status) for run in shared.runs] == [
        (run.spec, run.seed, run.status) for run in alone.runs
    ]
    assert heard.ended == dict.fromkeys(SPECS, "ok") | {"oracle": f"skipped: {NO_EVIDENCE}"}


def test_an_assignment_is_plain_data(light_task: Task, named: LocalModel, tmp_path: Path) -> None:
    chosen = chosen_of(light_task, ["rag:k=1+lora:rank=2"])
    head = head_of(Plan(tmp_path), light_task, named, chosen)
    (found,) = [
        assignment_of(approach, named, head, record_path(tmp_path, spec, 0), 0) for spec, approach in chosen.items()
    ]
    assert pickle.loads(pickle.dumps(found)) == found
    assert json.loads(json.dumps(named.loaded_from)) == named.loaded_from


def test_a_model_that_no_other_process_can_load_is_refused(light_task: Task, model: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="was not loaded by its name"):
        advisor.compare(light_task, model, ["majority"], out=tmp_path, workers=2)
    with pytest.raises(UserError, match="--workers is 0"):
        advisor.compare(light_task, model, ["majority"], out=tmp_path, workers=0)


@pytest.mark.usefixtures("words")
def test_a_killed_worker_costs_its_run_alone(light_task: Task, tmp_path: Path) -> None:
    """Its run is interrupted, the others go on, and the same call measures what is missing."""
    task, model = replace(light_task, kind="qa", metric="token_f1", labels=()), advisor.load_model("words:0.1")
    killed: list[int] = []

    class Killing(Heard):
        def end(self, spec: str, outcome: str) -> None:
            super().end(spec, outcome)
            if not killed:
                killed.append(active_children()[0].pid or 0)
                os.kill(killed[0], signal.SIGKILL)

    heard = Killing()
    specs = ["majority", "nearest", "zero-shot", "few-shot:k=1", "few-shot:k=2", "rag:k=1", "rag:k=2"]
    found = advisor.compare(task, model, specs, out=tmp_path, workers=2, progress=heard)
    assert killed
    interrupted = [spec for spec, outcome in heard.ended.items() if outcome.startswith("interrupted")]
    assert len(interrupted) <= 1
    assert {run.spec for run in found.runs if run.status != "ok"} == set(interrupted)
    again = advisor.compare(task, model, specs, out=tmp_path)
    assert {run.status for run in again.runs} == {"ok"}


def test_threads_are_shared_and_given_back_however_it_ends(scripted: Any) -> None:
    class Threaded(scripted.ScriptedModel):  # type: ignore[name-defined, misc]
        def use_threads(self, number: int) -> None:
            self.facts = {"threads": number}

    model = Threaded(facts={"threads": 8})
    model.loaded_from = {"name": "threaded"}
    with pytest.raises(KeyboardInterrupt), Processes(3).sharing(model):
        assert model.describe()["threads"] == 2
        raise KeyboardInterrupt
    assert model.describe()["threads"] == 8


ORPHANING = """
import sys
import advisor
from advisor.tasks import Example, Task

if __name__ == "__main__":
    examples = tuple(Example(f"t{i}", f"the thing {i}", f"it is {i}") for i in range(40))
    task = Task("things", "qa", "Say.", "token_f1", train=examples, test=examples[:2])
    advisor.compare(task, advisor.load_model("words:9999"), ["zero-shot", "few-shot"], out=sys.argv[1], workers=2)
"""


def test_workers_end_with_the_process_that_started_them(words: Path, tmp_path: Path) -> None:
    """Else they would go on writing into a folder in which somebody else may be at work by then."""
    (tmp_path / "orphaning.py").write_text(ORPHANING, encoding="utf-8")
    started = subprocess.Popen(
        [sys.executable, str(tmp_path / "orphaning.py"), str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [words, SCRIPTED.parent, ROOT]))},
    )
    try:
        until(lambda: len(list(tmp_path.glob("run/*/*-shot*.jsonl"))) == 2)
        workers = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    finally:
        started.kill()
        started.wait()
    assert len(workers) >= 2
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def until(happened: Callable[[], bool]) -> None:
    """Wait for it, a minute at most."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)
