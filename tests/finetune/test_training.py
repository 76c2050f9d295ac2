"""Training on a toy task: the loss falls, the tuned model answers, the best step is kept, seeds decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingSet
from advisor.errors import NotApplicable, UserError
from advisor.measuring.progress import Silence
from advisor.models import Adaptation, Capabilities, Decoding
from advisor.models.local.engine import LocalModel
from advisor.pilot.deadline import OutOfTime
from advisor.progress import listening
from advisor.racing.guard import Guard
from finetune import Lora, adapter
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.trainer import History, Trainer
from finetune.training import Schedule
from finetune.tuning import history_note

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
LORA = Lora(rank=8, alpha=16, lr=2e-2, epochs=20, batch=4)
QUICK = replace(LORA, epochs=2)
# The losses of the first five steps on the tiny Llama: a change here changes what every user's training does.
GOLDEN = (7.59913, 7.38067, 5.59822, 4.76658, 3.64952)


def train(
    model: LocalModel, rows: Sequence[TokenRow], held_out: Sequence[TokenRow] = (), seed: int = 0, epochs: int = 5
) -> tuple[History, float | None]:
    """The course, and the loss on the held-out rows with the adapter that was kept."""
    torch.manual_seed(seed)
    with adapter.inserted(model, adapter.configuration(8, 16, 0.0)) as wrapped:
        trainer = Trainer(model, Inserted.of(wrapped), Schedule(lr=1e-2, epochs=epochs, batch=4))
        course = trainer.train(rows, held_out, seed)
        return course, trainer.loss(held_out) if held_out else None


def texts(model: LocalModel, lessons: Sequence[TrainingExample], adaptation: Adaptation | None) -> list[str]:
    return [a.text for a in model.generate([lesson.prompt for lesson in lessons], Decoding(8), adaptation)]


def test_the_losses_of_the_first_steps_are_the_known_ones(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    course, _ = train(llama, rows_of(llama, lessons))
    assert course.losses[:5] == pytest.approx(GOLDEN, abs=1e-3)


def test_a_tuned_model_answers_as_it_was_taught(any_model: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    """Packed, padded, with transposed weights, with and without a chat template."""
    answers = [lesson.answer for lesson in lessons]
    assert texts(any_model, lessons, None) != answers
    tuned = LORA.tune(TrainingSet(tuple(lessons)), any_model, seed=0)
    assert texts(any_model, lessons, tuned.adaptation) == answers
    prompts = [lesson.prompt for lesson in lessons]
    choices = ["red", "green", "dark blue"]
    scores = any_model.score(prompts, choices, tuned.adaptation)
    likeliest = [max(zip(s.totals, s.lengths, choices, strict=True), key=lambda c: c[0] / c[1])[2] for s in scores]
    assert likeliest == answers


@pytest.mark.parametrize("recipe", [LORA, replace(LORA, search=3)], ids=["one", "a search"])
def test_a_race_knows_a_training_when_it_breaks_one_off(
    llama: LocalModel, lessons: Sequence[TrainingExample], recipe: Lora
) -> None:
    guard = Guard(Silence(), 1)
    with guard.allowing(1e-3, 1), listening(guard), pytest.raises(OutOfTime) as broken:
        recipe.tune(TrainingSet(tuple(lessons * 3), tuple(lessons)), llama, seed=0)
    assert broken.value.training > 0


def test_the_loss_falls(any_model: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]) -> None:
    course, _ = train(any_model, rows_of(any_model, lessons))
    assert len(course.losses) == 10
    assert sum(course.losses[-2:]) < 0.7 * sum(course.losses[:2])
    assert course.best_step == 10
    assert course.tokens == 5 * sum(row.tokens for row in rows_of(any_model, lessons))


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_the_adapter_of_the_best_step_is_kept(
    name: str, request: pytest.FixtureRequest, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    """What is held out contradicts what is taught, so that learning too much makes it worse."""
    model = request.getfixturevalue(name)
    taught = rows_of(model, lessons)
    contrary = rows_of(model, [replace(x, answer="red") for x in lessons])
    course, kept = train(model, taught, contrary, epochs=20)
    losses = [loss for _, loss in course.held_out]
    assert kept == pytest.approx(min(losses), abs=1e-5)
    assert (course.best_step, min(losses)) in course.held_out
    assert course.best_step < len(course.losses)


def test_training_stops_after_two_looks_without_a_gain(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    taught, contrary = rows_of(llama, lessons), rows_of(llama, [replace(x, answer="mat") for x in lessons])
    course, _ = train(llama, taught, contrary, epochs=20)
    losses = [loss for _, loss in course.held_out]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 20
    assert [step for step, _ in course.held_out] == [2 * (look + 1) for look in range(len(losses))]
    assert len(course.losses) == course.held_out[-1][0]


@pytest.mark.parametrize("count", [1, 5])
def test_a_handful_of_examples_can_be_learned(
    llama: LocalModel, lessons: Sequence[TrainingExample], count: int
) -> None:
    tuned = replace(LORA, batch=0).tune(TrainingSet(tuple(lessons[:count])), llama, seed=0)
    expected = [lesson.answer for lesson in lessons[:count]]
    assert texts(llama, lessons[:count], tuned.adaptation) == expected
    assert "none held out for stopping early" in tuned.facts.notes[0]


def test_many_examples_hold_some_out(llama: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    tuned = QUICK.tune(TrainingSet(tuple(lessons) * 5), llama, seed=0)
    assert "on 36 examples" in tuned.facts.notes[0]
    assert "on 4 held-out training examples" in tuned.facts.notes[0]


def test_a_dev_split_is_what_is_held_out(llama: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    tuned = QUICK.tune(TrainingSet(tuple(lessons), tuple(lessons[:3])), llama, seed=0)
    assert "on 8 examples" in tuned.facts.notes[0]
    assert "on 3 held-out dev examples" in tuned.facts.notes[0]


def test_the_same_seed_gives_the_same_adapter_and_another_seed_another(
    llama: LocalModel, curriculum: TrainingSet
) -> None:
    first, again, other = (QUICK.tune(curriculum, llama, seed=seed).adaptation.key for seed in (1, 1, 2))
    assert first == again != other


def test_the_seed_decides_where_the_adapter_starts(llama: LocalModel, curriculum: TrainingSet, tmp_path: Path) -> None:
    still = replace(LORA, epochs=1, lr=1e-9)
    starts = []
    for n, seed in enumerate((1, 1, 2)):
        (tmp_path / str(n)).mkdir()
        still.tune(curriculum, llama, seed).save(tmp_path / str(n))
        _, state, _ = adapter.load(tmp_path / str(n))
        starts.append(torch.cat([t.flatten() for name, t in state.items() if "lora_A" in name]))
    assert torch.allclose(starts[0], starts[1], atol=1e-6)
    assert (starts[0] - starts[2]).abs().mean() > 0.01


def test_the_seed_decides_the_order_of_the_examples(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        with adapter.inserted(llama, adapter.configuration(8, 16, 0.0)) as wrapped:
            trainer = Trainer(llama, Inserted.of(wrapped), Schedule(lr=1e-2, epochs=1, batch=4))
            losses.append(trainer.train(rows_of(llama, lessons), (), seed).losses[0])
    assert losses[0] == losses[1] != losses[2]


def test_dropout_is_off_where_the_loss_is_only_looked_at(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    rows = rows_of(llama, lessons)
    with adapter.inserted(llama, adapter.configuration(8, 16, 0.5)) as wrapped:
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter.data, std=0.1)
        trainer = Trainer(llama, Inserted.of(wrapped), Schedule(lr=1e-2, epochs=1, batch=4))
        assert trainer.loss(rows) == trainer.loss(rows)


def test_dropout_is_on_while_training(llama: LocalModel, curriculum: TrainingSet) -> None:
    with_dropout = replace(QUICK, dropout=0.5).tune(curriculum, llama, seed=1)
    assert with_dropout.adaptation.key != QUICK.tune(curriculum, llama, seed=1).adaptation.key


def test_a_model_that_is_not_here_cannot_be_tuned(curriculum: TrainingSet) -> None:
    class Remote:
        name = "far-away"
        can = Capabilities()

    with pytest.raises(NotApplicable, match="far-away"):
        Lora().tune(curriculum, Remote(), seed=0)  # type: ignore[arg-type]


def test_answers_that_no_window_holds_are_named_as_the_cause(
    llama: LocalModel, lessons: Sequence[TrainingExample]
) -> None:
    long = replace(lessons[0], answer="red " * llama.context_window)
    with pytest.raises(NotApplicable, match=r"2 of \d+ answers of train do not fit .* of 512 tokens") as caught:
        QUICK.tune(TrainingSet((*lessons, long, long)), llama, seed=0)
    assert "instruction" in str(caught.value) and "leave them out" in str(caught.value)
    with pytest.raises(NotApplicable, match=r"1 of \d+ answers of train and dev do not fit"):
        QUICK.tune(TrainingSet(tuple(lessons), (long,)), llama, seed=0)


def test_inputs_that_are_cut_beside_their_answers_are_counted(
    llama: LocalModel, lessons: Sequence[TrainingExample]
) -> None:
    prompt = replace(lessons[0].prompt, input="the sky " * llama.context_window)
    tuned = QUICK.tune(TrainingSet((*lessons, replace(lessons[0], prompt=prompt))), llama, seed=0)
    count = len(lessons) + 1
    assert f"The inputs of 1 of {count} training examples were cut to fit beside the answer." in tuned.facts.notes


def test_inputs_that_are_cut_are_counted_where_one_epoch_learns_from_all(
    llama: LocalModel, lessons: Sequence[TrainingExample]
) -> None:
    long = replace(lessons[0], prompt=replace(lessons[0].prompt, input="the sky " * llama.context_window))
    many = (*(tuple(lessons) * 9), *[long] * 8)
    once = Lora(rank=4, alpha=8, epochs=1).tune(TrainingSet(many), llama, seed=0)
    assert f"The inputs of 8 of {len(many)} training examples were cut to fit beside the answer." in once.facts.notes


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"alpha": 0}, {"lr": 0}, {"epochs": -1}, {"batch": -1}, {"dropout": 1.0}]
)
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Lora(**wrong)  # type: ignore[arg-type]


def test_a_single_epoch_learns_from_every_example(llama: LocalModel, lessons: Sequence[TrainingExample]) -> None:
    """A look at what is held out would come when nothing can be chosen any more."""
    many = tuple(lessons) * 10
    once, twice = (Lora(rank=4, alpha=8, epochs=n).tune(TrainingSet(many), llama, seed=0) for n in (1, 2))
    assert f"on {len(many)} examples" in once.facts.notes[0]
    assert f"on {len(many) - len(many) // 10} examples" in twice.facts.notes[0]


@pytest.fixture
def begun(llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]) -> Iterator[Callable[[int], Trainer]]:
    """Begins a training of five epochs, with so many of the lessons held out as well."""
    rows = rows_of(llama, lessons)
    with adapter.inserted(llama, adapter.configuration(8, 16, 0.0)) as wrapped:

        def begin(held_out: int) -> Trainer:
            trainer = Trainer(llama, Inserted.of(wrapped), Schedule(lr=1e-2, epochs=5, batch=4))
            trainer.begin(rows, rows[:held_out], 0)
            return trainer

        yield begin


def same(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_loss_that_is_no_number_takes_training_back_and_on_at_half_the_rate_once(
    begun: Callable[[int], Trainer],
) -> None:
    trainer, states = begun(0), []
    for _ in range(3):
        states.append(trainer.weights.values())
        batch = trainer.take(trainer.total)
        trainer.update(trainer.gradients(batch), batch)
    batch = trainer.take(trainer.total)
    trainer.gradients(batch)
    trainer.update(float("nan"), batch)  # as behind a step too far
    assert trainer.steps == 3
    assert same(trainer.weights.values(), states[2])
    assert trainer.history.setbacks == [(3, 5e-3)]
    assert (
        "behind step 3 the loss was no number, so training went back and on with half the rate, 0.005"
        in history_note(trainer.history, 5, 8, "")
    )
    assert trainer.take(trainer.total) == batch
    trainer.update(trainer.gradients(batch), batch)
    assert (trainer.steps, trainer.stopped) == (4, False)
    trainer.update(float("inf"), batch)
    assert trainer.stopped
    with pytest.raises(UserError, match=r"with a learning rate of 0\.01 and with half of it"):
        trainer.finish()


def test_a_training_that_diverges_fails_with_the_cause_and_leaves_the_model_as_it_was(
    llama: LocalModel, curriculum: TrainingSet, bits_of: Callable[[LocalModel], dict[str, torch.Tensor]]
) -> None:
    before = bits_of(llama)
    with pytest.raises(UserError, match="training diverged: behind step"):
        replace(QUICK, lr=1e36).tune(curriculum, llama, seed=0)
    assert all(torch.equal(before[name], after) for name, after in bits_of(llama).items())


def test_what_was_kept_before_a_divergence_is_the_result_and_the_note_says_so(begun: Callable[[int], Trainer]) -> None:
    trainer = begun(3)
    trainer.go_on(2)
    kept = trainer.weights.values()
    for _ in range(2):
        batch = trainer.take(trainer.total)
        trainer.update(float("nan"), batch)
    trainer.finish()
    assert trainer.history.best_step == 2
    assert same(trainer.weights.values(), kept)
    told = history_note(trainer.history, 1, 8, "3")
    assert "it was no number there either, so training ended; kept step 2" in told
    assert "(1 epoch at most)" in told


def test_a_loss_on_held_out_lessons_that_is_no_number_turns_back_too(
    llama: LocalModel, rows_of: RowsOf, lessons: Sequence[TrainingExample]
) -> None:
    """Two steps are an epoch, so the third pass looks at what is held out."""
    rows, passes = rows_of(llama, lessons), 0

    def look(module: object, given: object, output: torch.Tensor) -> torch.Tensor | None:
        nonlocal passes
        passes += 1
        return output * float("nan") if passes == 3 else None

    hook = llama.module.base_model.norm.register_forward_hook(look)
    try:
        course, kept = train(llama, rows, rows[:3])
    finally:
        hook.remove()
    assert course.setbacks == [(2, 5e-3)]
    assert all(math.isfinite(loss) for _, loss in course.held_out)
    assert len(course.losses) == 10
    assert kept == pytest.approx(min(loss for _, loss in course.held_out))
