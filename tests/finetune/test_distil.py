"""`distil`: LoRA on the answers of another model of the comparison, whatever stands beside the inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from advisor.approaches import SecondAnswer, TrainingExample, TrainingSet, configuration, owed, parse, spec_of
from advisor.approaches.shots import FewShot, ZeroShot
from advisor.errors import NotApplicable, UserError
from advisor.measuring.comparing import compare
from advisor.measuring.progress import Silence
from advisor.models import Prompt
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from advisor.tasks import Example, Task
from advisor.verdict import decide
from finetune.distil import Distil, TeacherAnswers, key_of, taught

LABELS = ("red", "green", "blue")
LESSONS = (
    TrainingExample(Prompt("Say the colour.", "sea"), "Blue"),
    TrainingExample(Prompt("Say the colour.", "rose"), "red", ("crimson",)),
    TrainingExample(Prompt("Say the colour.", "sky"), "blue"),
    TrainingExample(Prompt("Say the colour.", "fog"), "grey"),
)


def told(**answers: str | None) -> SecondAnswer:
    what = {"answers": {key_of(text): said for text, said in answers.items()}, "tokens": {"read": 80, "written": 9}}
    return SecondAnswer(Distil(teacher="big"), "teacher", "big", what, 2.0)


def learned(training: TrainingSet) -> list[tuple[str, str]]:
    return [(example.prompt.input, example.answer) for example in training.examples]


def test_a_spec_names_the_teacher_and_comes_back() -> None:
    approach = parse("few-shot:k=2+distil:teacher=big,on=both,rank=4")
    assert spec_of(approach) == "few-shot:k=2+distil:rank=4,teacher=big,on=both"
    assert configuration(approach)["distil"]["teacher"] == "big"
    with pytest.raises(UserError, match="distil needs a value for 'teacher'"):
        parse("distil")


def test_answers_stand_in_place_of_the_targets() -> None:
    training, notes = taught(TrainingSet(LESSONS, LESSONS[:1]), told(sea="blue.", rose="crimson", sky="pink", fog=None))
    assert learned(training) == [("sea", "blue."), ("rose", "crimson"), ("sky", "pink")]
    assert training.dev == LESSONS[:1]
    assert notes[0] == (
        "big answered 3 of 4 training inputs, 50% of them as the targets do; 3 of its answers were learned in place of "
        "the targets."
    )
    assert notes[1] == "Asking big took 2 s, 80 tokens read and 9 written, which are part of the fit."


def test_answers_stand_beside_the_targets_where_they_differ() -> None:
    training, _ = taught(TrainingSet(LESSONS), told(sea="Blue", rose="crimson", sky="pink", fog=None), "both")
    assert learned(training) == [
        ("sea", "Blue"),
        ("rose", "red"),
        ("rose", "crimson"),
        ("sky", "blue"),
        ("sky", "pink"),
        ("fog", "grey"),
    ]


def test_only_answers_that_are_right_may_be_learned() -> None:
    said = told(sea="blue.", rose="crimson", sky="pink", fog=None)
    assert learned(taught(TrainingSet(LESSONS), said, agree=True)[0]) == [("sea", "blue."), ("rose", "crimson")]
    with pytest.raises(NotApplicable, match="big agreed with no target on 4 training examples"):
        taught(TrainingSet(LESSONS), told(sea="no", rose="no"), agree=True)
    with pytest.raises(NotApplicable, match="big gave no answer on 4 training examples"):
        taught(TrainingSet(LESSONS), told(sea=None))


def colours(**changed: Any) -> Task:
    things = ("tomato red", "grass green", "sky blue", "rose red", "leaf green", "sea blue", "fire red", "frog green")
    examples = tuple(
        Example(str(n), f"the {thing.split()[0]}", thing.split()[1], evidence=("d1",)) for n, thing in enumerate(things)
    )
    given: dict[str, Any] = {"labels": LABELS, "train": examples[:6], "test": examples[6:]} | changed
    return Task("colours", "classification", "Say which colour the thing has.", "accuracy", **given)


def test_a_teacher_is_asked_as_a_row_of_its_own_is_and_never_shown_the_answer(scripted: ModuleType) -> None:
    task = colours().for_fitting()
    model = scripted.ScriptedModel(scoring=scripted.by_overlap)
    one = TeacherAnswers("big", FewShot(k=3, select="nearest"), 0)
    found = one.ask(task, model)
    assert set(found["answers"]) == {key_of(example.input) for example in task.train}
    assert set(found["answers"].values()) <= set(LABELS)
    assert found["tokens"]["read"] > 0
    asked = [prompt for prompt in model.prompts if prompt.context.shots]
    assert asked
    assert not [prompt for prompt in asked if prompt.input in {shot.input for shot in prompt.context.shots}]


def test_equal_requests_share_a_pass_whatever_is_trained() -> None:
    specs = ("distil:teacher=a", "distil:teacher=a,rank=2")
    passes = [owed(parse(spec), seed)[0][1] for spec in specs for seed in (0, 1)]
    assert len({(one.alias, one.request) for one in passes}) == 1
    shown = [owed(parse("few-shot+distil:teacher=a"), seed)[0][1].request for seed in (0, 1)]
    assert len({*shown, passes[0].request}) == 3


class Dies:
    """A rule that answers a few times and is then killed."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, prompt: Prompt) -> str:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return "well"


def test_a_pass_that_was_killed_goes_on(scripted: ModuleType, tmp_path: Path) -> None:
    train = tuple(Example(str(n), f"what is {n}", f"it is {n}") for n in range(8))
    task = Task("numbers", "qa", "Answer.", "token_f1", train=train)
    one = TeacherAnswers("big", ZeroShot(), 0)
    few = scripted.Capabilities(rows_at_once=2)
    with pytest.raises(KeyboardInterrupt), lending(Scratch(tmp_path, every=0.0)):
        one.ask(task, scripted.ScriptedModel(writing=Dies(5), can=few))
    model = scripted.ScriptedModel(writing=lambda prompt: "well", can=few)
    with lending(Scratch(tmp_path)):
        found = one.ask(task, model)
    asked = [prompt.input for prompt in model.prompts]
    assert asked == [example.input for example in train[-len(asked) :]]
    assert len(asked) in (4, 6)  # keeping a thing takes its time, so that the second batch may not have been kept
    whole = one.ask(task, scripted.ScriptedModel(writing=lambda prompt: "well"))
    assert found == whole


@pytest.fixture
def pair(scripted: ModuleType, llama: LocalModel) -> Callable[[], list[Any]]:
    """A model that is trained, and a teacher that says `red` to everything."""

    def make() -> list[Any]:
        big = scripted.ScriptedModel(name="maker/big", scoring=lambda prompt, label: 5.0 * (label == "red"))
        big.alias, llama.alias = "big", "small"
        return [llama, big]

    return make


def test_rows_learn_what_the_teacher_says_with_any_context_builder(
    pair: Callable[[], list[Any]], tmp_path: Path
) -> None:
    settings = "teacher=big,epochs=12,rank=4,lr=3e-3"
    specs = [f"distil:{settings}", f"few-shot:k=1+distil:{settings}", f"prompt:tokens=2+distil:{settings},on=both"]
    models = pair()
    comparison = compare(colours(), models, specs, out=tmp_path)
    runs = {run.spec: run for run in comparison.runs}
    assert [run.status for run in runs.values()] == ["ok"] * 3, [run.error for run in runs.values()]
    assert len(list((tmp_path / "asked").glob("*.json"))) == 2
    plain = next(run for name, run in runs.items() if name.startswith("distil"))
    assert plain.notes[0].startswith("big answered 6 of 6 training inputs, 33% of them as the targets do; 6 of its")
    assert {prediction.text for prediction in plain.predictions} == {"red"}
    (one,) = plain.asked
    assert one.seconds is not None
    assert plain.fit_seconds is not None
    assert 0 < one.seconds < plain.fit_seconds
    assert plain.tokens_seen
    (row,) = [row for row in decide(comparison).rows if row.spec == plain.spec]
    assert row.asked == plain.asked


def test_what_is_kept_holds_no_inputs(pair: Callable[[], list[Any]], tmp_path: Path) -> None:
    class Killed(Silence):
        def step(self, name: str, total: int | None) -> None:
            if name == "fit":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(colours(), pair(), ["distil:teacher=big,epochs=1"], out=tmp_path, texts=False, progress=Killed())
    (kept,) = (tmp_path / "asked").iterdir()
    said = json.loads(kept.read_text())
    assert "the tomato" not in kept.read_text()
    assert list(said["told"]["answers"].values()) == ["red"] * 6
    assert (said["model"]["id"], said["alias"]) == ("maker/big", "big")
