"""Training on which of two answers is better: the losses, what they do to a model, and that a kill changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingPreference, TrainingSet, Tuned, parse
from advisor.approaches.trained import REUSED as DONE_BEFORE
from advisor.errors import NotApplicable, UserError
from advisor.measuring.comparing import compare
from advisor.models import Adaptation
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from advisor.tasks import Example, Preference, Task
from advisor.tasks.preferences import with_preferences
from advisor.verdict import decide
from finetune import Dpo, Lora
from finetune.preference_losses import Ratios, of_each_pair
from finetune.preference_settings import PreferenceLoss
from finetune.preferring import in_tokens
from finetune.resuming import REUSED
from finetune.session import SplitRows, beginning
from finetune.stages import Stages
from finetune.tuning import resolved

DPO = Dpo(rank=4, alpha=8, lr=1e-2, epochs=4, batch=3, dropout=0.2)
LOSSES = ("sigmoid", "ipo", "apo_zero", "kto")


@pytest.fixture(scope="module")
def pairs(lessons: Sequence[TrainingExample]) -> TrainingSet:
    """The right colour against a wrong one, twice for each thing."""
    wrong = {"red": ("green", "dark blue"), "green": ("red", "dark blue"), "dark blue": ("red", "green")}
    found = [TrainingPreference(one.prompt, one.answer, bad) for one in lessons for bad in wrong[one.answer]]
    return TrainingSet(tuple(lessons), preferences=tuple(found))


def ahead(model: LocalModel, training: TrainingSet, tuned: Tuned | None) -> float:
    """By how much the chosen answers are likelier, in nats a pair."""
    adaptation = tuned.adaptation if tuned else None
    found = [model.score([p.prompt], (p.chosen, p.rejected), adaptation)[0].totals for p in training.preferences]
    return sum(chosen - rejected for chosen, rejected in found) / len(found)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_better_answer_gains_and_the_model_is_what_it_was(
    loss: str,
    llama: LocalModel,
    pairs: TrainingSet,
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    llama.activate(None)
    before = bits_of(llama)
    tuned = replace(DPO, loss=loss, dropout=0.0).tune(pairs, llama, seed=0)  # type: ignore[arg-type]
    assert_untouched(llama, before)
    assert ahead(llama, pairs, tuned) > ahead(llama, pairs, None) + 1
    assert "Trained 24 steps on 16 pairs (4 epochs at most)" in "".join(tuned.facts.notes)


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_training_begins_where_nothing_has_moved(
    name: str, pairs: TrainingSet, request: pytest.FixtureRequest, losses_of: Callable[[Dpo, LocalModel], list[float]]
) -> None:
    """Packed and padded: the first loss is that of no difference at all."""
    seen = losses_of(replace(DPO, epochs=1, dropout=0.0), request.getfixturevalue(name))
    assert seen[0] == pytest.approx(math.log(2), abs=1e-4)
    assert seen[1] != seen[0]


@pytest.fixture
def losses_of(pairs: TrainingSet) -> Callable[[Dpo, LocalModel], list[float]]:
    """The losses of the steps of a training on the pairs."""

    def losses(recipe: Dpo, model: LocalModel) -> list[float]:
        rows, _ = in_tokens(pairs.preferences, model, 0)
        with beginning(resolved(recipe, rows), SplitRows(rows, ()), model, 0) as trainer:
            trainer.go_to_the_end()
            return trainer.history.losses

    return losses


def test_a_minibatch_in_parts_is_the_same_minibatch(llama: LocalModel, pairs: TrainingSet) -> None:
    """KTO's divergence is of the whole minibatch, however many passes it takes."""
    rows, _ = in_tokens(pairs.preferences, llama, 0)
    recipe = resolved(replace(DPO, loss="kto", batch=8, epochs=1, dropout=0.0), rows)
    found = []
    for at_once in (4096, 64):
        with beginning(recipe, SplitRows(rows, ()), llama, 0) as trainer:
            trainer.at_once = at_once
            trainer.go_to_the_end()
            found.append(trainer.history.losses)
    assert found[1] == pytest.approx(found[0], abs=1e-4)


def test_losses_are_those_of_trl() -> None:
    """As the lines of TRL 1.16 compute them for these log-ratios and lengths (beta 0.3, smoothing 0.1)."""
    lengths = torch.tensor([3, 5]), torch.tensor([4, 2])
    ratios = Ratios(torch.tensor([1.5, -0.5]), torch.tensor([0.2, 0.7]), *lengths, divergence=0.4)
    smoothed = {"robust": 0.1, "exo_pair": 0.1}
    found = {loss: of_each_pair(loss, ratios, 0.3, smoothed.get(loss, 0.0)).tolist() for loss in TRL}
    assert found == {loss: pytest.approx(values, abs=1e-5) for loss, values in TRL.items()}
    assert set(TRL) == set(get_args(PreferenceLoss))


TRL = {
    "sigmoid": [0.51704, 0.88926],
    "sigmoid_norm": [0.627924, 0.762924],
    "hinge": [0.61, 1.36],
    "ipo": [1.480278, 4.480278],
    "nca_pair": [1.326672, 1.48326],
    "sppo_hard": [3.512222, 10.295554],
    "apo_zero": [0.904356, 1.089738],
    "apo_down": [1.014357, 1.051611],
    "robust": [0.46829, 0.93426],
    "exo_pair": [0.317928, 0.722409],
    "kto": [0.451623, 0.544789],
}


def test_some_pairs_are_held_out_where_there_are_many(llama: LocalModel, pairs: TrainingSet) -> None:
    """Whole inputs, by which the best step is chosen."""
    many = replace(pairs, preferences=pairs.preferences * 3)
    tuned = replace(DPO, epochs=2).tune(many, llama, seed=0)
    notes = "".join(tuned.facts.notes)
    assert "on 42 pairs" in notes
    assert "on 6 held-out pairs" in notes
    assert "On 6 held-out pairs the chosen answer gained more than the rejected one in" in notes


class Judging:
    """Says of every other example that the model answered "red", wrongly."""

    def __call__(self, adaptation: Adaptation, examples: Sequence[TrainingExample]) -> float:
        raise AssertionError

    def judged(self, adaptation: Adaptation | None, examples: Sequence[TrainingExample]) -> list[tuple[str, float]]:
        assert adaptation is None
        return [("red", float(one.answer == "red")) for one in examples]


def test_pairs_are_made_of_wrong_answers(llama: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    own = replace(DPO, pairs="own")
    twice = TrainingSet(tuple(lessons) * 2, judge=Judging())
    tuned = own.tune(twice, llama, seed=0)
    assert tuned.facts.notes[0] == ("Of its own answers to 16 training examples 10 were wrong: these are its pairs.")
    with pytest.raises(NotApplicable, match="5 pairs are too few"):
        own.tune(replace(twice, examples=tuple(lessons)), llama, seed=0)
    with pytest.raises(NotApplicable, match="nothing to tell"):
        own.tune(replace(twice, judge=None), llama, seed=0)


@pytest.mark.parametrize("loss", ["sigmoid", "kto"])
def test_a_killed_training_ends_as_if_it_had_not_been(
    loss: str,
    llama: LocalModel,
    pairs: TrainingSet,
    tmp_path: Path,
    breaking_off: Callable[[], AbstractContextManager[None]],
) -> None:
    dpo = replace(DPO, loss=loss)  # type: ignore[arg-type]
    whole = dpo.tune(pairs, llama, seed=1)
    with breaking_off(), lending(Scratch(tmp_path, 0.0)):
        dpo.tune(pairs, llama, seed=1)
    clock.drain()
    with lending(Scratch(tmp_path, 0.0)):
        resumed = dpo.tune(pairs, llama, seed=1)
    assert clock.drain().reused[REUSED] > 0
    assert resumed.adaptation.key == whole.adaptation.key
    assert resumed.facts == whole.facts


def test_behind_another_tuner_it_is_held_to_what_that_made(
    llama: LocalModel,
    pairs: TrainingSet,
    tmp_path: Path,
    breaking_off: Callable[[], AbstractContextManager[None]],
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    """And a kill in its stage changes nothing."""
    before, dpo = bits_of(llama), replace(DPO, loss="ipo", dropout=0.0)
    taught = Lora(rank=4, alpha=8, lr=1e-2, epochs=1, batch=8)
    stages = taught.followed_by(dpo)
    assert isinstance(stages, Stages)
    assert stages.learns_preferences
    assert stages.reads_preferences(8, 40, 20) == dpo.reads_preferences(8, 40, 20)
    whole = stages.tune(pairs, llama, seed=0)
    assert ahead(llama, pairs, whole) > ahead(llama, pairs, taught.tune(pairs, llama, seed=0)) + 1
    started = stages.first.tune(pairs, llama, seed=0)
    with llama.standing_on(started.adaptation):
        alone = dpo.tune(pairs, llama, seed=0)
    assert whole.then.adaptation.key == alone.adaptation.key  # type: ignore[attr-defined]
    with lending(Scratch(tmp_path, 0.0)):
        kept = taught.tune(pairs, llama, seed=0)
        assert kept.adaptation.key == started.adaptation.key
    with breaking_off(), lending(Scratch(tmp_path, 0.0)), llama.standing_on(started.adaptation):
        dpo.tune(pairs, llama, seed=0)
    with lending(Scratch(tmp_path, 0.0)), llama.standing_on(started.adaptation):
        assert dpo.tune(pairs, llama, seed=0).adaptation.key == alone.adaptation.key
    assert_untouched(llama, before)


def test_where_it_does_not_apply() -> None:
    task = Task("t", "qa", "Answer.", "token_f1")
    assert "no preferences" in parse("dpo").unsuited(replace(task, train=(Example("1", "a", "b"),)))
    some = replace(task, train=(Example("1", "a", "b"),), preferences=(Preference("a", "b", "c"),))
    assert not parse("rag+dpo").tuner.unsuited(some)  # type: ignore[attr-defined]
    assert not parse("dpo:pairs=own").unsuited(replace(some, preferences=()))
    for spec in ("dpo:beta=0", "dpo:loss=robust", "dpo:loss=ipo,smoothing=0.1", "dpo:smoothing=0.5", "prompt+dpo"):
        with pytest.raises(UserError):
            parse(spec)


def test_what_it_reads_is_foreseen() -> None:
    """Both answers of each pair, in each pass and once before."""
    dpo = Dpo(epochs=3, batch=4)
    assert dpo.reads(100, 40, 20) == 0
    assert dpo.reads_preferences(0, 40, 20) == 0
    steps = 3 * 2 * (8 * 40 + 2 * 20)
    assert dpo.reads_preferences(8, 40, 20) == pytest.approx(steps + 2 * 8 * 60 / 3)
    assert replace(dpo, pairs="own").reads(8, 40, 20) == pytest.approx(steps + 2 * 8 * 60 / 3)


def test_in_a_comparison(llama: LocalModel, lessons: Sequence[TrainingExample], tmp_path: Path) -> None:
    """Rows with and without dpo are weighed alike, on pairs that none of them has seen."""
    rows = [Example(f"t{n}", one.prompt.input, one.answer) for n, one in enumerate(lessons)]
    test = [Example(f"q{n}", f"another {e.input}", e.target) for n, e in enumerate(rows[:4])]
    long = "red green dark blue red green"
    pairs = [Preference(f"{which} {e.input}", "red", long) for which in ("one", "two", "three") for e in rows]
    task = with_preferences(Task("things", "qa", "Say which.", "token_f1", train=tuple(rows), test=tuple(test)), pairs)
    teach = "lora:rank=4,lr=0.01,epochs=1,batch=8"
    specs = ["zero-shot", teach, f"{teach}+dpo:rank=4,lr=0.01,epochs=2,batch=4"]
    comparison = compare(task, llama, specs, out=tmp_path)
    decision = decide(comparison)
    assert [DONE_BEFORE in run.reused for run in comparison.runs] == ["dpo" in run.spec for run in comparison.runs]
    found = {row.spec: row for row in decision.rows}
    assert all(row.status == "ok" for row in decision.rows)
    before, after = sorted((row for row in decision.rows if row.tuned), key=lambda row: len(row.spec))
    assert found["zero-shot"].preferring.n == len(task.preferences_held_out) == 8  # type: ignore[union-attr]
    assert after.preferring.versus == before.spec  # type: ignore[union-attr]
    assert after.preferring.accuracy.value >= before.preferring.accuracy.value  # type: ignore[union-attr]
    assert any("dpo: Trained 8 steps on 16 pairs" in note for note in after.notes)
