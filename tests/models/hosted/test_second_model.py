"""A teacher behind a server: paid once, whatever stops the pass, and counted with the fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from advisor.approaches import Approach, Prediction, Predictor, SecondPass, ZeroShot, told_to
from advisor.measuring.comparing import compare
from advisor.models import LanguageModel
from advisor.tasks import Example, Task
from finetune.distil import TeacherAnswers


@dataclass(frozen=True)
class Copies(Approach):
    """Says what its teacher said last."""

    teacher: str = "big"

    name: ClassVar[str] = "copies"

    def second_passes(self, builder: Any, seed: int) -> tuple[SecondPass, ...]:
        return (TeacherAnswers(self.teacher, ZeroShot(), 0),)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        return Says(list(told_to(self, "teacher").what["answers"].values())[-1])

    def restore(self, folder: Path, task: Any, model: LanguageModel) -> Predictor:
        return Says(json.loads((folder / "said.json").read_text()))


class Says(Predictor):
    def __init__(self, said: str) -> None:
        self.said = said

    def predict(self, queries: Any) -> list[Prediction]:
        return [Prediction(query.id, self.said) for query in queries]

    def save(self, folder: Path) -> None:
        (folder / "said.json").write_text(json.dumps(self.said))


def numbers() -> Task:
    train = tuple(Example(f"t{n}", f"what is number {n}", f"number {n}") for n in range(12))
    return Task("numbers", "qa", "Answer.", "token_f1", train=train, test=(Example("q", "and number 5", "number 5"),))


def test_answers_of_a_teacher_are_paid_once(
    server: Any, load_served: Callable[..., Any], scripted: ModuleType, tmp_path: Path
) -> None:
    small = scripted.ScriptedModel(name="maker/small")
    small.alias = "small"
    server.answer = lambda messages: f"said of {messages[-1]['content'].split()[-2]}"
    task = numbers()
    task_inputs = {example.input for example in task.train}

    def asked() -> list[str]:
        found = [chat["messages"][-1]["content"] for chat in server.chats]
        return [text for text in found if any(one in text for one in task_inputs)]

    def measured() -> Any:
        big = load_served(server.name, concurrency=1, alias="big")
        big.alias = "big"
        (run,) = compare(task, [small, big], [Copies()], out=tmp_path).runs
        return run

    server.fault = lambda number: "drop" if len(server.answered) >= 8 else None
    run = measured()
    assert run.status == "interrupted"
    assert "teacher=big: " in run.error
    before = len(server.answered)
    server.fault = lambda number: None
    run = measured()
    assert run.status == "ok"
    assert {text for text in server.answered if any(one in text for one in task_inputs)} == set(asked())
    answered = [text for text in server.answered if any(one in text for one in task_inputs)]
    assert len(answered) == len(set(answered)) == len(task.train)
    assert before < len(server.answered)
    (teacher,) = run.asked
    assert teacher.calls["requests"] == len(task.train)
    assert teacher.calls["prompt"] > 0
    assert run.calls.get("fit", {}).get("requests", 0) == 0
    sent = len(server.answered)
    assert measured() == run
    assert [text for text in server.answered[sent:] if any(one in text for one in task_inputs)] == []
