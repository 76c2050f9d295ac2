"""What every tuner by gradient has beside its own parameters: schedules, decay, clipping, smoothing, budgets, and what
training is stopped by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingSet
from advisor.approaches.adapted import Adapted
from advisor.approaches.registry import parse, spec_of
from advisor.approaches.shots import ZeroShot
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation
from advisor.models.local.engine import LocalModel
from advisor.tasks import Example, Task
from finetune import Lora
from finetune.fused.packing import TokenRow
from finetune.methods.lora import LoraMethod
from finetune.trainer import Trainer, stands
from finetune.training import Schedule, epochs_within

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
LORA = Lora(rank=4, alpha=8, lr=1e-2, epochs=4, batch=4)


def rates(schedule: Schedule, total: int = 20) -> list[float]:
    return [schedule.ramp(step, total) for step in range(1, total + 1)]


@pytest.mark.parametrize("shape", ["linear", "cosine", "constant"])
def test_rates_rise_to_their_peak_and_go_on_as_asked(shape: str) -> None:
    found = rates(Schedule(schedule=shape, warmup=0.2))  # type: ignore[arg-type]
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    rest = found[4:]
    if shape == "constant":
        assert rest == [1.0] * 16
        return
    assert all(later < earlier for earlier, later in pairwise(found[3:]))
    expected = {"linear": lambda x: x, "cosine": lambda x: (1 + math.cos(math.pi * (1 - x))) / 2}[shape]
    assert rest == pytest.approx([expected(left / 17) for left in range(16, 0, -1)])


@pytest.mark.parametrize("shape", ["linear", "cosine", "constant"])
def test_a_single_step_is_taken_at_the_peak(shape: str) -> None:
    assert rates(Schedule(schedule=shape), total=1) == [1.0]  # type: ignore[arg-type]


def masters(trainer: Trainer) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in trainer.weights.values()])


def one_step(model: LocalModel, rows: list[TokenRow], schedule: Schedule) -> tuple[torch.Tensor, torch.Tensor]:
    """What is trained before and after the first step."""
    torch.manual_seed(0)
    with LoraMethod(4, 8).inserted(model) as inserted:
        trainer = Trainer(model, inserted, schedule)
        trainer.begin(rows, (), seed=0)
        before = masters(trainer)
        trainer.go_on(1)
        return before, masters(trainer)


def test_weight_decay_is_decoupled_from_the_gradient(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    """AdamW's: lr x decay x weight is taken off beside what the gradient does."""
    plain = Schedule(lr=1e-2, epochs=1, batch=8)
    rows = rows_of(llama, lessons)
    before, without = one_step(llama, rows, plain)
    _, decayed = one_step(llama, rows, replace(plain, decay=0.5))
    torch.testing.assert_close(without - decayed, 1e-2 * 0.5 * before, atol=1e-6, rtol=1e-3)


def test_a_large_gradient_is_scaled_down_to_the_norm_asked_for(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    rows = rows_of(llama, lessons)
    norms = []
    for clip in (1e9, 1e-3):
        torch.manual_seed(0)
        with LoraMethod(4, 8).inserted(llama) as inserted:
            trainer = Trainer(llama, inserted, Schedule(epochs=1, batch=8, clip=clip))
            trainer.begin(rows, (), seed=0)
            trainer.go_on(1)
            norms.append(torch.cat([g.flatten() for g in trainer.weights.gradients]).norm().item())
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)


def test_smoothing_is_torchs_and_losses_that_are_judged_by_are_without(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    row = rows_of(llama, lessons)[0]
    ids = torch.tensor([[*row.prompt, *row.answer[:-1]]])
    logits = llama.module(ids).logits[0, len(row.prompt) - 1 :]
    targets = torch.tensor(row.answer)
    with LoraMethod(4, 8).inserted(llama) as inserted:
        trainer = Trainer(llama, inserted, Schedule(epochs=1, batch=1, smoothing=0.2))
        trainer.begin([row], [row], seed=0)
        smoothed, plain = trainer.gradients([row]), trainer.loss([row])
    smooth = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.2)
    assert smoothed == pytest.approx(smooth.item(), abs=1e-4)
    assert plain == pytest.approx(torch.nn.functional.cross_entropy(logits, targets).item(), abs=1e-4)
    assert abs(smoothed - plain) > 1e-2


def test_a_budget_of_tokens_ends_training_at_the_step_that_reaches_it(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    a_pass = sum(row.tokens for row in rows_of(llama, lessons))
    for budget, steps in ((a_pass // 2, 1), (a_pass, 2), (round(2.4 * a_pass), 5), (10, 1)):
        tuned = replace(LORA, epochs=0, budget=budget).tune(TrainingSet(tuple(lessons)), llama, seed=0)
        seen = tuned.facts.tokens_seen
        assert f"Trained {steps} steps" in tuned.facts.notes[-1]
        assert budget * 0.8 <= seen or steps == 1
        assert tuned.facts.resolved["lora"]["epochs"] == math.ceil(budget / a_pass)
    both = replace(LORA, epochs=1, budget=9 * a_pass).tune(TrainingSet(tuple(lessons)), llama, seed=0)
    assert both.facts.tokens_seen == a_pass


def test_every_tuner_sees_the_same_tokens_where_nothing_is_said(llama: LocalModel, curriculum: TrainingSet) -> None:
    found = {
        Lora(rank=rank, lr=lr, batch=batch).tune(curriculum, llama, seed=0).facts.tokens_seen
        for rank, lr, batch in ((2, 1e-3, 0), (4, 1e-4, 4))
    }
    assert len(found) == 1


def test_a_budget_is_foreseen() -> None:
    lora = Lora(budget=10_000, batch=8)
    assert lora.reads(100, own=40, shared=60) == pytest.approx(100 * 40 + 13 * 60)
    assert replace(lora, budget=20_000).reads(100, 40, 60) == pytest.approx(2 * lora.reads(100, 40, 60))
    assert replace(lora, epochs=1).reads(100, 40, 60) == lora.reads(100, 40, 60)
    assert [epochs_within(n, 100.0) for n in (1, 100, 101)] == [1, 1, 2]


@pytest.mark.parametrize(("way", "done"), [("always", True), ("never", False), ("auto", False)])
def test_layers_are_computed_again_where_the_user_says_so(
    llama: LocalModel, curriculum: TrainingSet, way: str, done: bool
) -> None:
    tuned = replace(LORA, checkpointing=way).tune(curriculum, llama, seed=0)  # type: ignore[arg-type]
    assert ("gradient checkpointing" in tuned.facts.notes[-1]) == done
    plain = LORA.tune(curriculum, llama, seed=0)
    assert tuned.adaptation.key == plain.adaptation.key


class Judging:
    """What it thinks of answers is settled before; it says what it was asked with."""

    def __init__(self, *worths: float) -> None:
        self.worths = list(worths)
        self.asked: list[tuple[Adaptation, int]] = []

    def __call__(self, adaptation: Adaptation, examples: Sequence[TrainingExample]) -> float:
        self.asked.append((adaptation, len(examples)))
        return self.worths[len(self.asked) - 1]


def test_the_step_with_the_best_answers_is_kept_whatever_the_loss_says(
    any_model: LocalModel, lessons: Sequence[TrainingExample]
) -> None:
    judge = Judging(0.5, 0.75, 0.6, 0.7)
    training = TrainingSet(tuple(lessons), tuple(lessons[:3]), judge)
    tuned = replace(LORA, epochs=5, stop="metric").tune(training, any_model, seed=0)
    assert [examples for _, examples in judge.asked] == [3] * 4  # two without a gain end it
    assert judge.asked[1][0].key == tuned.adaptation.key  # they were asked for as it is served
    note = tuned.facts.notes[-1]
    assert "kept step 4, whose answers to 3 held-out dev examples were worth 0.750 of 1 (loss " in note
    assert "worth" not in replace(LORA, epochs=5).tune(training, any_model, seed=0).facts.notes[-1]


def test_of_answers_that_are_alike_the_lower_loss_decides() -> None:
    assert stands(0.3, 0.75) < stands(0.4, 0.75) < stands(0.1, 0.5)
    assert stands(0.3, None) < stands(0.4, None)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_asking_for_answers_changes_nothing_of_the_training(
    llama: LocalModel, lessons: Sequence[TrainingExample], dropout: float
) -> None:
    """The model is taken apart and put together again for it, and goes on drawing what it would have drawn."""
    lora = replace(LORA, dropout=dropout, patience=9)
    training = TrainingSet(tuple(lessons), tuple(lessons[:3]), Judging(0.1, 0.2, 0.3, 0.4))
    by_metric = replace(lora, stop="metric").tune(training, llama, seed=3)
    assert by_metric.adaptation.key == lora.tune(TrainingSet(tuple(lessons)), llama, seed=3).adaptation.key


def test_a_search_is_judged_by_answers_too(llama: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    judge = Judging(*(n / 100 for n in range(100)))
    training = TrainingSet(tuple(lessons), tuple(lessons[:3]), judge)
    tuned = replace(LORA, epochs=1, search=3, stop="metric").tune(training, llama, seed=0)
    assert "judged by how far answers fell short of being right on 3 held-out dev examples" in tuned.facts.notes[0]
    assert "a shortfall of 0." in tuned.facts.notes[1]


def test_where_nothing_tells_what_answers_are_worth_it_is_said(
    llama: LocalModel, lessons: Sequence[TrainingExample]
) -> None:
    with pytest.raises(NotApplicable, match="stop=loss"):
        replace(LORA, stop="metric").tune(TrainingSet(tuple(lessons), tuple(lessons[:3])), llama, seed=0)
    held_out_none = replace(LORA, stop="metric").tune(TrainingSet(tuple(lessons)), llama, seed=0)
    assert "none held out for stopping early" in held_out_none.facts.notes[-1]


@pytest.mark.parametrize("kind", ["classification", "extraction"])
def test_a_task_judges_its_own_answers(llama: LocalModel, lessons: Sequence[TrainingExample], kind: str) -> None:
    """By labels, and by the words of what is written, in the form in which it is served."""
    examples = tuple(Example(str(n), one.prompt.input, one.answer) for n, one in enumerate(lessons))
    labels = ("red", "green", "dark blue") if kind == "classification" else ()
    metric = "accuracy" if labels else "token_f1"
    task = Task("things", kind, lessons[0].prompt.instruction, metric, labels, examples, examples[:4])  # type: ignore[arg-type]
    lora = replace(LORA, rank=8, alpha=16, lr=2e-2, epochs=12, stop="metric", patience=12)
    predictor = Adapted(ZeroShot(), lora).fit(task, llama, seed=0)
    note = next(note for note in predictor.facts.notes if "were worth" in note)
    assert "were worth 1.000 of 1" in note
    assert [p.text for p in predictor.predict([e.query for e in examples])] == [e.target for e in examples]
    assert (predictor.facts.served, predictor.facts.tokens_seen > 0) == ("merged", True)


@pytest.mark.parametrize("serve", ["merged", "attached"])
def test_a_query_alone_is_answered_in_the_form_that_is_named(llama: LocalModel, light_task: Task, serve: str) -> None:
    """As its latency is measured."""
    predictor = Adapted(ZeroShot(), replace(LORA, epochs=1, serve=serve)).fit(light_task, llama, seed=0)  # type: ignore[arg-type]
    llama.activate(None)
    predictor.predict([light_task.test[0].query])
    assert predictor.facts.served == predictor.tuned.adaptation.form == serve  # type: ignore[attr-defined]
    assert llama.reader.key == predictor.tuned.adaptation.key  # type: ignore[attr-defined]
    llama.activate(None)


def test_they_are_asked_for_like_any_parameter() -> None:
    spec = "lora:schedule=cosine,decay=0.1,stop=metric,budget=2000,checkpointing=always"
    assert parse(spec) == parse(spec_of(parse(spec)))
    for wrong in ("lora:budget=-1", "lora:stop=often", "lora:schedule=square", "lora:patience=0", "lora:warmup=1"):
        with pytest.raises(UserError):
            parse(wrong)
