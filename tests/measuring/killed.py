"""A comparison that is killed: at every moment of its own choosing, or from outside while it works slowly.

`python killed.py every FOLDER` runs it in one child process after another. Each kills itself with SIGKILL at another
moment (a call of the model or a word of progress); then a second child goes on to the end. For each moment one JSON
line tells what was recorded when it died, what the second child asked of the model, and the result.

`python killed.py slow FOLDER` runs it once, every call of the model taking a little time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from scripted import ScriptedModel

from advisor.approaches import Approach, Facts, Prediction, Predictor
from advisor.measuring import timing
from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.progress import Silence
from advisor.measuring.records import Comparison
from advisor.models import LanguageModel
from advisor.tasks import Example, Query, Task

TORN = b'{"type": "predictions", "seco'
timing.REPEATS = 0  # so that what is answered once can be told from what is answered twice
LISTED = 7  # of the many requests sent alone, kill at one in so many


@dataclass(frozen=True)
class Learner(Approach):
    """Learns slowly, in three calls of the model, how many training examples there are."""

    name: ClassVar[str] = "learner"
    seeded: ClassVar[bool] = True

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        for _ in range(3):
            model.told("fit learner", [], 0)  # type: ignore[attr-defined]
        return Learned(f"{len(task.train)} of seed {seed}", model)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> Predictor:
        return Learned((folder / "learned.txt").read_text(), model)


class Learned(Predictor):
    def __init__(self, learned: str, model: LanguageModel) -> None:
        self.learned, self.model = learned, model
        self.facts = Facts(artifact_bytes=len(learned), notes=("It learned.",))

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        self.model.told("learner", [q.input for q in queries], 0)  # type: ignore[attr-defined]
        return [Prediction(q.id, f"{q.input} {self.learned}") for q in queries]

    def save(self, folder: Path) -> None:
        (folder / "learned.txt").write_text(self.learned)


def task() -> Task:
    train = tuple(Example(f"t{i}", f"what is number {i}", f"it is {i}") for i in range(12))
    test = tuple(Example(f"q{i}", f"and what is number {i}", f"it is {i}") for i in range(70))
    return Task("numbers", "qa", "Answer.", "token_f1", train=train, test=test)


def run(folder: Path, told: Callable[[str, list[str], int], None], progress: Any = None) -> Comparison:
    approaches = [Learner(), "nearest", "few-shot:k=2"]
    return compare(task(), ScriptedModel(told=told), approaches, out=folder, progress=progress)


@dataclass
class Watch(Silence):
    """Counts moments and, at the one wanted, kills the process that it runs in."""

    die_at: int
    seen: list[str]

    def at(self, moment: str) -> None:
        self.seen.append(moment)
        if len(self.seen) == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def told(self, call: str, texts: list[str], size: int) -> None:
        self.at(f"{call} {len(texts)}")

    def begin(self, spec: str, index: int, of: int) -> None:
        self.at(f"begin {spec}")

    def step(self, name: str, total: int | None) -> None:
        self.at(f"step {name}")

    def advance(self, n: int = 1) -> None:
        self.at(f"advance {n}")

    def end(self, spec: str, outcome: str) -> None:
        self.at(f"end {spec}")


def result(comparison: Comparison) -> list[Any]:
    return [
        [r.spec, r.status, list(r.notes), [[p.id, p.text] for p in r.predictions], sorted(x.id for x in r.latencies)]
        for r in comparison.runs
    ]


def recorded(folder: Path) -> dict[str, list[Any]]:
    """By run: the lines of its record, in short."""
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("*/*.seed*.jsonl")):
        short = []
        for line in lines(path):
            ids = [p["id"] for p in line["predictions"]] if line["type"] == "predictions" else [line.get("id", "")]
            short.append([line["type"], ids])
        found[path.name] = short
    return found


def child(work: Callable[[], object]) -> int:
    """Do `work` in a child process; returns how it ended, negative for a signal."""
    number = os.fork()
    if number:
        return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def tear(folder: Path) -> None:
    """Leave half a line behind the last that was written, as a kill in the middle of a write does."""
    newest = max(folder.glob("*/*.seed*.jsonl"), key=lambda path: path.stat().st_mtime_ns, default=None)
    for path in filter(None, (newest, folder / "comparisons.jsonl")):
        if path.exists():
            with path.open("ab") as file:
                file.write(TORN)


def every(folder: Path) -> None:
    seen: list[str] = []
    watch = Watch(0, seen)
    print(json.dumps({"result": result(run(folder / "whole", watch.told, watch))}))
    for moment, what in enumerate(seen, start=1):
        if what.startswith(("advance 1", "learner 1", "generate 1", "embed 1")) and moment % LISTED:
            continue
        place, heard = folder / str(moment), folder / f"{moment}.heard"
        dying = Watch(moment, [])
        code = child(lambda place=place, dying=dying: run(place, dying.told, dying))  # type: ignore[misc]
        assert code == -signal.SIGKILL, (moment, what, code)
        left = recorded(place)
        tear(place)

        def go_on(place: Path = place, heard: Path = heard) -> None:
            asked: list[Any] = []
            found = result(run(place, lambda *call: asked.append(call)))
            heard.write_text(json.dumps({"asked": asked, "result": found, "after": recorded(place)}))

        assert child(go_on) == 0, (moment, what)
        print(json.dumps({"moment": f"{moment}: {what}", "left": left, **json.loads(heard.read_text())}))


if __name__ == "__main__":
    if sys.argv[1] == "every":
        every(Path(sys.argv[2]))
    else:
        run(Path(sys.argv[2]), lambda *call: time.sleep(0.03))
