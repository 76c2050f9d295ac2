"""The scripted model, approaches that misbehave, and comparisons that are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from advisor.approaches import Approach, Prediction, Predictor
from advisor.errors import NotApplicable, UserError
from advisor.models import Capabilities, LanguageModel
from advisor.tasks import Document, Example, Query, Task

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTED = HERE.parent / "approaches" / "scripted.py"


@pytest.fixture(autouse=True)
def no_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch is answered again for its time, so that what is asked can be counted; one test is about repeats."""
    monkeypatch.setattr("advisor.measuring.timing.REPEATS", 0)


@pytest.fixture
def numbers() -> Task:
    """Twelve training and seventy test questions, one document."""
    train = tuple(Example(f"t{i}", f"what is number {i}", f"it is {i}", evidence=("list",)) for i in range(12))
    test = tuple(Example(f"q{i}", f"and what is number {i}", f"it is {i}", evidence=("list",)) for i in range(70))
    listed = (Document("list", "List", "All numbers are listed here"),)
    return Task("numbers", "qa", "Answer.", "token_f1", train=train, test=test, documents=listed)


@pytest.fixture
def scorer(scripted: ModuleType) -> Any:
    """A model that tells likelihoods, finds good answers likelier and takes words for tokens; `scored` has what it was
    asked."""

    class Scorer(scripted.ScriptedModel):  # type: ignore[misc, name-defined]
        def score(self, prompts: Any, choices: Any, adaptation: Any = None) -> Any:
            self.scored.append(tuple(choices))
            found = super().score(prompts, choices, adaptation)
            return [replace(one, totals=tuple(-1.0 if "good" in c else -2.0 for c in choices)) for one in found]

        def count_tokens(self, text: str) -> int:
            return len(text.split())

    model = Scorer(can=Capabilities(score=True, rows_at_once=16))
    model.scored = []
    return model


@dataclass(frozen=True)
class Spy(Approach):
    """Echoes; `fitted` and `asked` keep what it was given."""

    name: ClassVar[str] = "spy"
    fitted: ClassVar[list[Task]] = []
    asked: ClassVar[list[list[Query]]] = []

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        self.fitted.append(task)
        return Echo(self.asked)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> Predictor:
        return Echo(self.asked)


@dataclass(frozen=True)
class ControlSpy(Spy):
    """The same as a control."""

    name: ClassVar[str] = "control-spy"
    control: ClassVar[bool] = True
    fitted: ClassVar[list[Task]] = []
    asked: ClassVar[list[list[Query]]] = []


class Echo(Predictor):
    def __init__(self, asked: list[list[Query]]) -> None:
        self.asked = asked

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        self.asked.append(list(queries))
        return [Prediction(q.id, q.input) for q in queries]

    def save(self, folder: Path) -> None:
        pass


@dataclass(frozen=True)
class Faulty(Approach):
    """Goes wrong in the way that it is told, the first `times` times."""

    how: str = "fit"
    times: int = 1000

    name: ClassVar[str] = "faulty"
    attempts: ClassVar[list[str]] = []

    def unsuited(self, task: Task) -> str:
        return "it suits nobody" if self.how == "unsuited" else ""

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        self.attempts.append(self.how)
        wrong = self.how if len(self.attempts) <= self.times else ""
        if wrong == "fit":
            raise RuntimeError("no luck while fitting")
        if wrong == "user error":
            raise UserError("the answers are too long", "shorten them")
        if wrong == "not applicable":
            raise NotApplicable("this model cannot be trained")
        return FaultyPredictor(wrong)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> Predictor:
        return FaultyPredictor("")


class FaultyPredictor(Predictor):
    closed: ClassVar[list[str]] = []

    def __init__(self, how: str) -> None:
        self.how = how

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        answers = [Prediction(q.id, q.input) for q in queries]
        match self.how:
            case "predict":
                raise ZeroDivisionError("no luck while predicting")
            case "second batch" if len(queries) < 32:
                raise ZeroDivisionError("no luck with the last")
            case "too few":
                return answers[1:]
            case "another order":
                return answers[::-1]
            case "no text":
                return [Prediction(q.id, None) for q in queries]  # type: ignore[arg-type]
        return answers

    def save(self, folder: Path) -> None:
        pass

    def close(self) -> None:
        self.closed.append(self.how)


@pytest.fixture
def spy() -> type[Spy]:
    Spy.fitted.clear()
    Spy.asked.clear()
    return Spy


@pytest.fixture
def control_spy() -> type[ControlSpy]:
    ControlSpy.fitted.clear()
    ControlSpy.asked.clear()
    return ControlSpy


@pytest.fixture
def faulty() -> type[Faulty]:
    Faulty.attempts.clear()
    FaultyPredictor.closed.clear()
    return Faulty


@pytest.fixture
def environment() -> dict[str, str]:
    """Of a process that finds this code and the scripted model."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SCRIPTED.parent}", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def killing() -> Callable[..., subprocess.Popen[str]]:
    """Starts killed.py."""

    def start(mode: str, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(HERE / "killed.py"), mode, str(folder)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SCRIPTED.parent}", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def deaths(
    tmp_path_factory: pytest.TempPathFactory, killing: Callable[..., subprocess.Popen[str]]
) -> list[dict[str, Any]]:
    """What killed.py tells: first the result of an uninterrupted run, then one entry for each moment of death."""
    process = killing("every", tmp_path_factory.mktemp("deaths"))
    told = process.communicate(timeout=300)[0]
    assert process.returncode == 0
    return [json.loads(line) for line in told.splitlines()]
