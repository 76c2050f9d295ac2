"""What tuning makes a model forget: measured beside the run, once for the untuned model, and never twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from advisor.approaches import Approach, Prediction, Predictor
from advisor.errors import Interrupted, UserError
from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.reading import read_comparison, record_path
from advisor.measuring.yardsticks import EXAMPLES, other_tasks, passages, text_key
from advisor.models import Adaptation, Capabilities, LanguageModel
from advisor.models.adaptation import Merged
from advisor.tasks import Example, Query, Task
from advisor.verdict import decide

TUNED = Merged("tuned", {})


@dataclass(frozen=True)
class Trains(Approach):
    """Leaves the model with other weights, or says that it does; `fitted` counts."""

    says: bool = True

    name: ClassVar[str] = "trains"
    trains_model: ClassVar[bool] = True
    fitted: ClassVar[list[int]] = []

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        self.fitted.append(seed)
        return Trained(self.says)

    def restore(self, folder: Path, task: Any, model: LanguageModel) -> Predictor:
        return Trained(self.says)


class Trained(Predictor):
    def __init__(self, says: bool) -> None:
        self.adaptation = TUNED if says else None

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return [Prediction(q.id, q.input) for q in queries]

    def save(self, folder: Path) -> None:
        (folder / "weights").write_text("tuned")


@pytest.fixture
def trains() -> Iterator[type[Trains]]:
    Trains.fitted.clear()
    yield Trains


@pytest.fixture
def learner(scripted: ModuleType) -> Any:
    """A model whose tuned weights find every word twice as hard, and always answer "red"."""

    class Learner(scripted.ScriptedModel):
        def log_likelihoods(self, texts: Sequence[str], adaptation: Adaptation | None = None) -> list[float]:
            self.read.append(adaptation and adaptation.key)
            return [-(4.0 if adaptation else 2.0) * self.count_tokens(text) for text in texts]

        def score(self, prompts: Any, choices: Any, adaptation: Adaptation | None = None) -> Any:
            self.scored.append((adaptation and adaptation.key, len(prompts)))
            if self.trouble and adaptation and len(prompts) < 9:
                raise self.trouble[0]
            found = super().score(prompts, choices, adaptation)
            red = tuple(0.0 if choice == "red" else -9.0 for choice in choices)
            return [replace(one, totals=red) for one in found] if adaptation else found

    model = Learner(can=Capabilities(score=True, text_likelihood=True, train=True, rows_at_once=16))
    model.read, model.scored, model.trouble = [], [], []
    return model


@pytest.fixture
def colours() -> Task:
    """Things that are named with their colour, which is also the label."""
    names = ("red", "green", "blue")
    rows = [Example(f"c{i}", f"thing {i} is {names[i % 3]}", names[i % 3]) for i in range(60)]
    train = tuple(replace(row, id=f"t{row.id}", input=f"a {row.input}") for row in rows[:6])
    return Task("colours", "classification", "Name it.", "accuracy", names, train=train, test=tuple(rows))


def test_a_general_text_and_another_task_are_measured_before_and_after(numbers, learner, trains, colours, tmp_path):
    found = compare(numbers, learner, [trains(), "zero-shot"], out=tmp_path, forgetting=[colours])
    decision = decide(found)
    row, untrained = (next(r for r in decision.rows if r.spec == spec) for spec in ("trains", "zero-shot"))
    assert untrained.forgotten is None
    known = row.forgotten
    assert known.passages == len(passages())
    assert known.perplexity_before == pytest.approx(2.718281828**2, rel=1e-6)
    assert known.ratio.value == pytest.approx(2.718281828**2, rel=1e-6)
    assert known.perplexity_after == pytest.approx(known.perplexity_before * known.ratio.value)
    (other,) = known.others
    assert (other.name, other.metric, other.n) == ("colours", "accuracy", 60)
    assert (other.before, other.after) == (1.0, pytest.approx(1 / 3))
    assert other.difference.value == pytest.approx(-2 / 3)
    assert other.difference.high < 0
    assert learner.read == [None, "tuned"]
    assert not any("forg" in caveat for caveat in decision.recommendation.caveats)


def test_figures_of_the_run_are_those_of_a_run_without_it(numbers, learner, trains, tmp_path):
    compare(numbers, learner, [trains()], out=tmp_path, forgetting=True)
    path = record_path(next(tmp_path.glob("*/answers.jsonl")).parent, "trains", 0)
    kinds = [line["type"] for line in lines(path)]
    assert kinds[-2:] == ["finished", "forgetting"]
    (run,) = read_comparison(tmp_path).runs
    assert set(run.others) <= {"fit", "predict", "latency"}


def test_a_finished_run_is_completed_later_and_nothing_is_fitted_or_measured_twice(
    numbers, learner, trains, colours, tmp_path
):
    plain = compare(numbers, learner, [trains()], out=tmp_path)
    assert plain.forgetting is None
    assert plain.runs[0].forgetting == {}
    compare(numbers, learner, [trains()], out=tmp_path, forgetting=True)
    asked = len(learner.scored)
    assert learner.read == [None, "tuned"]
    found = compare(numbers, learner, [trains()], out=tmp_path, forgetting=[colours])
    assert learner.read == [None, "tuned"]
    assert len(learner.scored) > asked
    assert set(found.runs[0].forgetting) == {text_key(), other_tasks([colours])[0].fingerprint}
    asked = len(learner.scored)
    again = compare(numbers, learner, [trains()], out=tmp_path, forgetting=[colours])
    assert len(learner.scored) == asked
    assert trains.fitted == [0]
    assert again.runs == found.runs
    last = compare(numbers, learner, [trains()], out=tmp_path)
    assert last.runs[0].status == "ok"
    assert last.runs[0].predictions == plain.runs[0].predictions


def test_after_a_kill_the_answers_that_are_there_are_not_asked_for_again(numbers, learner, trains, colours, tmp_path):
    compare(numbers, learner, [trains()], out=tmp_path, forgetting=[colours])
    place = next(tmp_path.glob("*/answers.jsonl")).parent
    for path in (place / "base.jsonl", record_path(place, "trains", 0)):
        rows = path.read_text().splitlines(keepends=True)
        first = next(at for at, row in enumerate(rows) if '"forgetting"' in row and '"answers"' in row)
        path.write_text("".join(rows[: first + 1]))
    learner.scored.clear()
    found = compare(numbers, learner, [trains()], out=tmp_path, forgetting=[colours])
    assert sum(count for key, count in learner.scored if key == "tuned") == 60 - 16
    (other,) = decide(found).rows[0].forgotten.others
    assert (other.n, other.after) == (60, pytest.approx(1 / 3))


def test_what_was_fitted_and_is_gone_is_said_with_the_way_to_have_it(numbers, learner, trains, tmp_path):
    compare(numbers, learner, [trains()], out=tmp_path)
    shutil.rmtree(next(path for path in tmp_path.glob("*/trains.seed0")))
    decision = decide(compare(numbers, learner, [trains()], out=tmp_path, forgetting=True))
    assert decision.rows[0].forgotten is None
    (said,) = [one for one in decision.recommendation.caveats if "general text" in one]
    assert said.startswith("What trains knows of the general text was not measured: what was fitted is gone")
    assert "--fresh" in said


def test_what_goes_wrong_leaves_the_run_as_it_is_and_is_tried_again(numbers, learner, trains, colours, tmp_path):
    learner.trouble.append(ValueError("no luck"))
    found = compare(numbers, learner, [trains()], out=tmp_path, forgetting=[replace(colours, test=colours.test[:20])])
    decision = decide(found)
    assert found.runs[0].status == "ok"
    assert decision.rows[0].forgotten.ratio.value > 1
    assert decision.rows[0].forgotten.others == ()
    assert any("trains knows of colours was not measured" in one for one in decision.recommendation.caveats)
    learner.trouble.clear()
    found = compare(numbers, learner, [trains()], out=tmp_path, forgetting=[replace(colours, test=colours.test[:20])])
    assert decide(found).rows[0].forgotten.others[0].n == 20


def test_a_model_that_is_gone_in_the_middle_is_gone_on_with(numbers, learner, trains, colours, tmp_path):
    learner.trouble.append(Interrupted("the server is gone"))
    few = [replace(colours, test=colours.test[:20])]
    found = compare(numbers, learner, [trains()], out=tmp_path, forgetting=few)
    assert found.runs[0].status == "ok"
    asked = sum(count for key, count in learner.scored if key)
    learner.trouble.clear()
    learner.scored.clear()
    found = compare(numbers, learner, [trains()], out=tmp_path, forgetting=few)
    assert decide(found).rows[0].forgotten.others[0].n == 20
    assert asked + sum(count for key, count in learner.scored if key) < 2 * 20


def test_an_approach_that_does_not_say_its_weights_is_named(numbers, learner, trains, tmp_path):
    decision = decide(compare(numbers, learner, [trains(says=False)], out=tmp_path, forgetting=True))
    assert decision.rows[0].forgotten is None
    assert any("does not say with what weights it answers" in one for one in decision.recommendation.caveats)


def test_each_model_of_several_has_a_measurement_of_its_own(numbers, learner, scripted, trains, tmp_path):
    served = scripted.ScriptedModel(name="maker/served")
    learner.alias, served.alias = "mine", "served"
    found = compare(numbers, [learner, served], ["zero-shot", trains()], out=tmp_path, forgetting=True)
    rows = {row.spec: row.forgotten for row in decide(found).rows}
    assert rows["trains@mine"].ratio.value > 1
    assert rows["trains@served"] is None
    assert not any("knows of" in one for one in decide(found).recommendation.caveats)


def test_nothing_to_forget_is_told_before_anything_runs(numbers, model, tmp_path):
    with pytest.raises(UserError, match="trains the language model's weights"):
        compare(numbers, model, ["zero-shot"], out=tmp_path, forgetting=True)
    assert not list(tmp_path.iterdir())


def test_other_tasks_are_sampled_each_once_and_without_documents(numbers, colours):
    many = replace(colours, test=tuple(replace(e, id=f"{n}{e.id}") for n in range(4) for e in colours.test))
    first, second = other_tasks([many, numbers, many])
    assert len(first.test) == EXAMPLES
    assert {e.target for e in first.test} == {"red", "green", "blue"}
    assert second.documents == ()
    assert other_tasks(True) == ()
    assert other_tasks(False) is None
    with pytest.raises(UserError, match="no test examples"):
        other_tasks([replace(numbers, test=())])


def test_the_general_text_is_many_short_passages_of_plain_english():
    texts = passages()
    assert 40 <= len(texts) <= 60
    assert len(set(texts)) == len(texts)
    assert all(60 <= len(text.split()) <= 120 and text.isascii() for text in texts)
