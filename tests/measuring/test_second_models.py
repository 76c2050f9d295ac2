"""Parts that ask another model of the comparison before their fit: in a pass of its own, once, and again by no kill."""

from __future__ import annotations

import json
import pickle
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from advisor.approaches import Approach, Facts, Prediction, Predictor, SecondPass, told_to
from advisor.errors import Interrupted, NotApplicable, UserError
from advisor.measuring.assignment import Assignment
from advisor.measuring.comparing import Plan, carry_out, compare
from advisor.measuring.lineup import asked, lineup
from advisor.measuring.passes import Passes, told_for
from advisor.measuring.progress import Silence
from advisor.models import Decoding, LanguageModel, Prompt
from advisor.models.clock import clock
from advisor.models.load import Loading, ModelSource
from advisor.tasks import Query, Task
from tests.hearing import Ear


@dataclass(frozen=True)
class AnswersOf(SecondPass):
    """What the model answers to the first inputs."""

    number: int

    parameter: ClassVar[str] = "oracle"

    @property
    def request(self) -> str:
        return f"{self.number} answers"

    def ask(self, task: Task, model: LanguageModel) -> Any:
        assert not task.test
        prompts = [Prompt(task.instruction, example.input) for example in task.train[: self.number]]
        clock.called(requests=len(prompts), prompt=100)
        return [generation.text for generation in model.generate(prompts, Decoding(8))]


@dataclass(frozen=True)
class Pupil(Approach):
    """Answers with what another model said to the first of the training inputs."""

    oracle: str = "big"
    number: int = 1
    mark: str = ""

    name: ClassVar[str] = "pupil"
    fits: ClassVar[list[str]] = []

    def second_passes(self, builder: Any, seed: int) -> tuple[SecondPass, ...]:
        return (AnswersOf(self.oracle, self.number),)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        self.fits.append(model.alias)
        return Repeats(told_to(self, "oracle").what)

    def restore(self, folder: Path, task: Any, model: LanguageModel) -> Predictor:
        return Repeats(json.loads((folder / "said.json").read_text()))


class Repeats(Predictor):
    def __init__(self, said: Sequence[str]) -> None:
        self.said = said
        self.facts = Facts(notes=tuple(said))

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return [Prediction(query.id, self.said[-1]) for query in queries]

    def save(self, folder: Path) -> None:
        (folder / "said.json").write_text(json.dumps(self.said))


@pytest.fixture
def numbers(numbers: Task) -> Task:
    """The same with fewer questions: what counts here is what is asked before a fit."""
    return replace(numbers, test=numbers.test[:6])


@pytest.fixture
def pupil() -> type[Pupil]:
    Pupil.fits.clear()
    return Pupil


def models(scripted: ModuleType, *aliases: str) -> list[Any]:
    """Scripted models, each of which answers with its own name."""
    made = []
    for alias in aliases:
        model = scripted.ScriptedModel(name=f"maker/{alias}", writing=lambda prompt, alias=alias: f"{alias} says so")
        model.alias = alias
        made.append(model)
    return made


def runs_of(comparison: Any) -> dict[str, Any]:
    return {run.spec: run for run in comparison.runs}


def test_another_model_is_asked_once_for_all_rows_and_before_them(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    small, big, other = models(scripted, "small", "big", "other")
    heard = Ear()
    rows = [pupil(), pupil(mark="again"), "zero-shot@big"]
    comparison = compare(numbers, [small, big, other], [*rows, "zero-shot@other"], out=tmp_path, progress=heard)
    found = runs_of(comparison)
    pupils = [f"{spec}@{alias}" for spec in ("pupil", "pupil:mark=again") for alias in ("small", "other")]
    assert {name: run.status for name, run in found.items()} == dict.fromkeys(
        [*pupils, "zero-shot@big", "zero-shot@other"], "ok"
    )
    assert next(iter(heard.ended)) == "oracle=big"
    asked_inputs = [prompt.input for prompt in big.prompts if prompt.input.startswith("what is")]
    assert asked_inputs == [numbers.train[0].input]
    assert not [prompt for prompt in small.prompts if prompt.input.startswith("what is")]
    for run in (found["pupil@small"], found["pupil@other"], found["pupil:mark=again@small"]):
        assert {prediction.text for prediction in run.predictions} == {"big says so"}
        (told,) = run.asked
        assert (told.parameter, told.alias, told.id, told.revision) == ("oracle", "big", "maker/big", "r1")
        assert told.calls == {"requests": 1, "prompt": 100}
        assert 0 < told.seconds <= run.fit_seconds
    assert len(list((tmp_path / "asked").iterdir())) == 1


def test_a_kill_between_pass_and_fit_asks_nothing_again(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    small, big = models(scripted, "small", "big")

    class Killed(Silence):
        def step(self, name: str, total: int | None) -> None:
            if name == "fit":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(numbers, [small, big], [replace(pupil(), number=2)], out=tmp_path, progress=Killed())
    assert len(big.prompts) == 2
    small, big = models(scripted, "small", "big")
    comparison = compare(numbers, [small, big], [pupil(number=2)], out=tmp_path)
    assert not big.prompts
    assert runs_of(comparison)["pupil:number=2@small"].notes == ("big says so",) * 2
    again = compare(numbers, models(scripted, "small", "big"), [pupil(number=2)], out=tmp_path)
    assert pupil.fits == ["small"]
    assert again.runs == comparison.runs


def test_what_is_kept_and_damaged_is_asked_again(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    compare(numbers, models(scripted, "small", "big"), [pupil()], out=tmp_path)
    (kept,) = (tmp_path / "asked").iterdir()
    kept.write_text(kept.read_text()[:-20])
    small, big = models(scripted, "small", "big")
    comparison = compare(numbers, [small, big], [pupil(), pupil(mark="new")], out=tmp_path)
    assert len(big.prompts) == 1
    assert set(pupil.fits) == {"small"}
    assert len(pupil.fits) == 2
    assert runs_of(comparison)["pupil:mark=new@small"].status == "ok"


def test_another_second_model_of_the_same_alias_is_another_run(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    compare(numbers, models(scripted, "small", "big"), [pupil()], out=tmp_path)
    small, big = models(scripted, "small", "big")
    big.revision, big.writing = "r2", lambda prompt: "it changed its mind"
    comparison = compare(numbers, [small, big], [pupil()], out=tmp_path)
    run = runs_of(comparison)["pupil@small"]
    assert pupil.fits == ["small", "small"]
    assert (run.asked[0].revision, run.predictions[0].text) == ("r2", "it changed its mind")


class Gone(ModelSource):
    """A model whose server is gone when it is to be loaded."""

    def load(self) -> Any:
        raise Interrupted("the server is gone (refused); the same command goes on from there")


def test_where_the_second_model_is_gone_its_rows_wait_and_others_go_on(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    (small,) = models(scripted, "small")
    gone = Gone("http://127.0.0.1:9/v1#big", Loading(alias="big"))
    found = runs_of(compare(numbers, [small, gone], [pupil(), "zero-shot@small"], out=tmp_path))
    assert found["zero-shot@small"].status == "ok"
    assert found["pupil@small"].status == "interrupted"
    assert "oracle=big could not be asked: the server is gone" in found["pupil@small"].error
    found = runs_of(compare(numbers, models(scripted, "small", "big"), [pupil(), "zero-shot@small"], out=tmp_path))
    assert {run.status for run in found.values()} == {"ok"}
    found = runs_of(compare(numbers, [small, gone], [pupil(), "zero-shot@small"], out=tmp_path))
    assert found["pupil@small"].status == "ok"  # what was measured stands while the model is away


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NotApplicable("it gives no reasons"), "skipped", "oracle=big: it gives no reasons"),
        (RuntimeError("no luck"), "failed", "oracle=big: RuntimeError: no luck"),
        (UserError("too long", "shorten"), "failed", "oracle=big: too long (try: shorten)"),
    ],
)
def test_a_pass_that_fails_fails_its_rows_alone(
    error: Exception, status: str, said: str, numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    small, big = models(scripted, "small", "big")

    def fails(prompt: Prompt) -> str:
        if prompt.input.startswith("what is"):
            raise error
        return "well"

    big.writing = fails
    found = runs_of(compare(numbers, [small, big], [pupil(), "zero-shot"], out=tmp_path))
    assert (found["pupil@small"].status, found["pupil@small"].error) == (status, said)
    assert {found[name].status for name in ("zero-shot@small", "zero-shot@big")} == {"ok"}
    again = runs_of(compare(numbers, models(scripted, "small", "big"), [pupil(), "zero-shot"], out=tmp_path))
    assert again["pupil@small"].status == "ok"


def test_two_models_may_ask_each_other(numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]) -> None:
    rows = [pupil(oracle="one"), pupil(oracle="two"), "zero-shot"]
    found = runs_of(compare(numbers, models(scripted, "one", "two"), rows, out=tmp_path))
    assert {name: run.status for name, run in found.items()} == dict.fromkeys(
        ["pupil:oracle=two@one", "zero-shot@one", "pupil:oracle=one@two", "zero-shot@two"], "ok"
    )
    assert found["pupil:oracle=two@one"].predictions[0].text == "two says so"
    assert found["pupil:oracle=one@two"].predictions[0].text == "one says so"


def test_models_that_are_asked_come_first(numbers: Task, scripted: ModuleType, pupil: type[Pupil]) -> None:
    rows = lineup(asked([pupil(), "zero-shot@other"], numbers), models(scripted, "small", "other", "big"))
    assert [alias for alias, _ in rows.turns()] == ["big", "small", "other"]


def test_a_second_model_that_is_not_there_or_the_row_s_own_is_refused(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    small, big = models(scripted, "small", "big")
    with pytest.raises(UserError, match="oracle=huge names no model of this comparison") as caught:
        compare(numbers, [small, big], [pupil(oracle="huge")], out=tmp_path)
    assert "models are small, big" in caught.value.hint
    with pytest.raises(UserError, match="oracle=big is the model that it runs on"):
        compare(numbers, [big], [pupil()], out=tmp_path)
    with pytest.raises(UserError, match="oracle=big is another model, and there is but one here"):
        carry_out(Plan(tmp_path), numbers, small, [pupil()])
    with pytest.raises(UserError, match="rests on another model, and none was asked before this fit"):
        pupil().fit(numbers.for_fitting(), small, 0)


def test_what_a_run_rests_on_goes_to_another_process_with_it(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    approach = pupil()
    passes = Passes(tmp_path, numbers, [(approach, 0)])
    assignment = Assignment(approach, "pupil", 0, tmp_path / "x.jsonl", 8, 0, "p", "m", "k")
    small, big = models(scripted, "small", "big")
    passes.stop("big", "it was away")
    (waiting,) = pickle.loads(pickle.dumps(passes.onto(assignment))).second
    assert str(waiting.trouble) == "oracle=big could not be asked: it was away"
    passes.carry_out(small, Silence())
    passes.carry_out(big, Silence())
    rested = pickle.loads(pickle.dumps(passes.onto(assignment)))
    (told,) = told_for(rested.second)
    assert (told.part, told.what) == (approach, ["big says so"])
    assert rested.key not in ("", assignment.key)


def test_memory_holds_one_model_at_a_time(
    numbers: Task, scripted: ModuleType, tmp_path: Path, pupil: type[Pupil]
) -> None:
    there: list[weakref.ref[Any]] = []

    def gives_up(prompt: Prompt) -> str:
        if prompt.input.startswith("what is"):
            raise NotApplicable("it does not say")
        return "well"

    class Counted(ModelSource):
        def load(self) -> Any:
            assert not [one for one in there if one() is not None], "another model is in memory"
            (model,) = models(scripted, self.alias)
            model.writing = gives_up if self.alias == "mute" else model.writing
            there.append(weakref.ref(model))
            return model

    sources = [Counted(f"maker/{alias}", Loading(alias=alias)) for alias in ("small", "other", "big", "mute")]
    rows = [pupil(), pupil(oracle="mute"), pupil(oracle="small", mark="back"), "zero-shot"]
    found = runs_of(compare(numbers, sources, rows, out=tmp_path))
    assert found["pupil@small"].status == found["pupil:oracle=small,mark=back@big"].status == "ok"
    assert found["pupil:oracle=mute@small"].status == found["pupil:oracle=mute@other"].status == "skipped"
    assert len(there) == 6  # of small, big and mute each asks both others, so that two of them are loaded twice
