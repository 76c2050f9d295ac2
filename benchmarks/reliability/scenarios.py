"""The scenarios: comparisons, a curve and a race on small tasks with a tiny model."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import advisor
from advisor.measuring.reading import read_comparison
from advisor.models import LanguageModel
from advisor.models.load import load_model
from advisor.racing.contest import Terms, race
from advisor.tasks import Document, Example, Task
from advisor.tasks.language import guess
from benchmarks.speed.material import tiny_folder

Answers = dict[str, str]


@dataclass(frozen=True)
class Scenario:
    """One command that a person runs.

    Attributes:
        run: does it, in a folder.
        answers: all that was answered there, by where and to what.
        settled: whether the same command runs the same approaches whatever time it has.
    """

    name: str
    run: Callable[[Path], object]
    answers: Callable[[Path], Answers]
    settled: bool = True


def scenarios(work: Path) -> list[Scenario]:
    """All scenarios, with one model that is loaded here and inherited by the processes that are killed."""
    model = load_model(str(tiny_folder(work / "tiny")), device="cpu", dtype="float32")
    model.embedder.embed(["warm"])
    guess(["read by way of a temporary file, once"])
    labels, questions = _labels(), _questions()
    return [
        _comparison("head, few-shot and LoRA", labels, model, ["majority", "head", "few-shot:k=2", "lora:epochs=2"]),
        _comparison("rag and its index, rag+lora", questions, model, ["rag", "oracle", "nearest", "rag+lora:epochs=1"]),
        Scenario(
            "curve",
            lambda out: advisor.curve(labels, model, ["nearest", "few-shot:k=2"], sizes=(4, 8, 16), out=out),
            _recorded,
        ),
        Scenario(
            "race (--budget)",
            lambda out: race(
                labels, model, ["zero-shot", "few-shot:k=2", "head"], Terms(advisor.Budget(60.0)), out=out
            ),
            _recorded,
            settled=False,
        ),
    ]


def _comparison(name: str, task: Task, model: LanguageModel, specs: list[str]) -> Scenario:
    return Scenario(name, lambda out: advisor.compare(task, model, specs, out=out), _recorded)


def _recorded(out: Path) -> Answers:
    """Every answer of every complete run below a folder."""
    found: Answers = {}
    for journal in sorted(out.rglob("comparisons.jsonl")):
        if journal.parent.name == "race" or "race" in journal.parent.relative_to(out).parts:
            continue  # how far a race goes depends on the time that it has
        for run in read_comparison(journal.parent).runs:
            place = f"{journal.parent.relative_to(out)} {run.spec} {run.seed}"
            found[place] = run.status
            found |= {f"{place} {prediction.id}": prediction.text for prediction in run.predictions}
    return found


def _labels() -> Task:
    draw = random.Random(1)
    things = {"red": ["rose", "brick", "cherry"], "green": ["leaf", "frog", "moss"], "blue": ["sky", "sea", "ink"]}
    rows = [(f"{draw.choice(things[c])} number {i}", c) for i in range(40) for c in [draw.choice(list(things))]]
    examples = [Example(str(i), text, label) for i, (text, label) in enumerate(rows)]
    train, test = tuple(examples[:24]), tuple(examples[24:])
    return Task("colours", "classification", "Name the colour.", "accuracy", tuple(things), train, test=test)


def _questions() -> Task:
    rooms = [(f"d{i}", f"The meeting of group {i} is in room {100 + 7 * i}.") for i in range(12)]
    documents = tuple(Document(key, f"Group {i}", text) for i, (key, text) in enumerate(rooms))
    examples = [
        Example(
            str(i),
            f"Where does group {i % 12} meet{'?' * (1 + i // 12)}",
            f"room {100 + 7 * (i % 12)}",
            evidence=(f"d{i % 12}",),
        )
        for i in range(24)
    ]
    train, test = tuple(examples[:12]), tuple(examples[12:])
    return Task("rooms", "qa", "Answer.", "token_f1", (), train, test=test, documents=documents)
