"""What every tuner by gradient does: hold some examples out, train, search among configurations, keep what was best."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from advisor.approaches import TrainingExample, TrainingSet, Tuned, Tuner
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Context, LanguageModel
from advisor.models.local.engine import LocalModel
from finetune.fused.packing import TokenRow
from finetune.holding_out import HELD_OUT, SMALLEST_SLICE, TENTH
from finetune.methods.contract import Method
from finetune.overfitting import warnings
from finetune.search import SearchResult, searched, varied
from finetune.search import notes as search_notes
from finetune.session import SplitRows, beginning, keep_on, local_of
from finetune.trainer import History
from finetune.training import TrainingSettings, default_batch, default_epochs, epochs_within


@dataclass(frozen=True)
class Lesson:
    """What a tuner trains on and is judged by, as it is told of.

    Attributes:
        where: on what it is judged.
        called: what a row is.
        notes: what has to be said of the rows.
    """

    rows: SplitRows
    where: str = ""
    called: str = "example"
    notes: tuple[str, ...] = ()


def tune(tuner: TrainingSettings, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Train, and keep what did best on held-out examples."""
    local, name = local_of(model), "+".join(part.name for part in cast("Tuner", tuner).parts)
    examples, held_out = _split(training, seed)
    check_lengths([*examples, *held_out], local, tuner.virtual_tokens, ("train", "dev") if training.dev else ("train",))
    (rows, cut), (dev, cut_in_dev) = (_rows(some, local, tuner.virtual_tokens) for some in (examples, held_out))
    if not (tuner.search or training.dev) and (_epochs(tuner, rows)) == 1:
        # One epoch is evaluated when it is over: what is held out of train would choose nothing.
        rows, dev, cut = [*rows, *dev], [], cut + cut_in_dev
    if tuner.search and not dev:
        raise NotApplicable(
            f"{len(rows)} examples are too few to hold some out, and there is no dev split to judge "
            f"configurations on; {name} without search needs neither"
        )
    split = SplitRows(rows, dev, examination(tuner, training, held_out) if dev else None, training.documents)
    notes: tuple[str, ...] = ()
    if cut:
        notes = (f"The inputs of {cut} of {len(rows)} training examples were cut to fit beside the answer.",)
    return fit(tuner, resolved(tuner, rows), Lesson(split, _where(training, dev), notes=notes), local, seed)


def fit(tuner: TrainingSettings, given: TrainingSettings, lesson: Lesson, model: LocalModel, seed: int) -> Tuned:
    """Train, or search and train, and say what came of it.

    Args:
        tuner: as the user wrote it.
        given: with what it leaves open chosen.
    """
    rows, notes = lesson.rows, tuple[str, ...]()
    ranges = varied(given, tuner) if tuner.search else {}
    if tuner.search:
        found = searched(given, ranges, rows, model, seed)
        notes = search_notes(found, lesson.where)
    else:
        found = _trained(given, rows, model, seed)
    method: Method = found.recipe.method_for(rows)
    tuned = method.tuned(model, found.learned)
    notes = (*notes, *lesson.notes, *method.notes(model), *tuned.facts.notes)
    notes = (*notes, history_note(found.history, found.recipe.epochs, len(rows.train), lesson.where, lesson.called))
    notes = (*notes, *found.history.remarks, *warnings(found.history.losses, found.history.held_out))
    name = cast("Tuner", tuner).parts[-1].name
    tuned.facts = replace(
        tuned.facts,
        notes=notes,
        resolved={name: _chosen(found.recipe, given, ranges)},
        tokens_seen=found.history.tokens,
        served=tuned.adaptation.form,
    )
    return tuned


def restore(tuner: TrainingSettings, folder: Path, model: LanguageModel) -> Tuned:
    """Read what was saved."""
    method: Method = tuner.method()
    local = local_of(model)
    local.activate(None)  # beside an attached adapter its parts go by other names
    return method.restore(folder, local)


def _trained(recipe: TrainingSettings, rows: SplitRows, model: LocalModel, seed: int) -> SearchResult:
    """One configuration, trained to its end."""
    with beginning(recipe, rows, model, seed) as trainer:
        keep_on(trainer, recipe, rows, seed)
        trainer.go_to_the_end()
        return SearchResult(recipe, trainer.learned(), trainer.history, ())


def examination(
    tuner: TrainingSettings, training: TrainingSet, held_out: Sequence[TrainingExample]
) -> Callable[[Adaptation], float] | None:
    """What answers to the held-out examples are worth, where training is judged by that."""
    if tuner.stop != "metric":
        return None
    if training.judge is None:
        raise NotApplicable("there is nothing to tell what answers are worth; stop=loss needs nothing")
    return partial(training.judge, examples=held_out)


def _chosen(recipe: TrainingSettings, given: TrainingSettings, varied: Collection[str]) -> dict[str, Any]:
    """What was left open, or searched, and what it came to."""
    names = [field.name for field in fields(recipe)]
    changed = {name for name in names if getattr(recipe, name) != getattr(given, name)}
    return {name: getattr(recipe, name) for name in names if name in {"epochs", "batch", *varied, *changed}}


def resolved(tuner: TrainingSettings, rows: Sequence[TokenRow]) -> TrainingSettings:
    """The configuration with what it leaves open chosen."""
    epochs, a_pass = _epochs(tuner, rows), sum(row.tokens for row in rows)
    passes = min(epochs, tuner.budget / a_pass) if tuner.budget else epochs
    return replace(tuner, epochs=epochs, batch=tuner.batch or default_batch(len(rows) * passes))


def _epochs(tuner: TrainingSettings, rows: Sequence[TokenRow]) -> int:
    """Passes over these rows, the last of which a budget of tokens may break off."""
    if tuner.budget and not tuner.epochs:
        return epochs_within(tuner.budget, sum(row.tokens for row in rows))
    return tuner.epochs or default_epochs(len(rows), sum(row.tokens - row.stem for row in rows), rows[0].stem)


def check_lengths(examples: Sequence[TrainingExample], model: LocalModel, virtual: int, splits: Sequence[str]) -> None:
    """See that every answer of these splits fits into the context window with the instruction before it, and so many
    tokens before that.

    Raises:
        NotApplicable: some do not; a model cannot learn to give what it never sees whole.
        UserError: what stands before all leaves room for nothing.
    """
    renderer = model.renderer
    if virtual >= renderer.window:
        what = f"{virtual:,} learnt tokens fill the context window of {model.name}, of {renderer.window:,} tokens"
        raise UserError(what, "learn fewer, as in tokens=16")
    alone = replace(examples[0].prompt, input="", context=Context())
    instruction = virtual + len(renderer.encode(alone, virtual).ids)
    lengths = [len(renderer.encode_answer(example.answer)) + 1 for example in examples]
    beyond = [length for length in lengths if instruction + length > renderer.window]
    if beyond:
        raise NotApplicable(
            f"{len(beyond)} of {len(examples)} answers of {' and '.join(splits)} do not fit into the model's context "
            f"window of {renderer.window:,} tokens behind the instruction's {instruction}: the longest has "
            f"{max(beyond):,}; leave them out, or take a model with a larger window"
        )


def _rows(examples: Sequence[TrainingExample], model: LocalModel, virtual: int) -> tuple[list[TokenRow], int]:
    """The examples in tokens, which leave room for so many before them, and of how many the input was cut."""
    rows, cut = [], 0
    for example in examples:
        answer = [*model.renderer.encode_answer(example.answer), model.renderer.end_id]
        encoded = model.renderer.encode(example.prompt, virtual + len(answer))
        rows.append(TokenRow.of(encoded, answer))
        cut += encoded.cut > 0
    return rows, cut


def _split(training: TrainingSet, seed: int) -> tuple[Sequence[TrainingExample], Sequence[TrainingExample]]:
    """Examples to train on and those held out: of dev, else a tenth of train where train is large enough."""
    rng = random.Random(seed)
    if training.dev:
        dev = list(training.dev)
        rng.shuffle(dev)
        return training.examples, dev[:HELD_OUT]
    examples = list(training.examples)
    if len(examples) < SMALLEST_SLICE:
        return examples, ()
    rng.shuffle(examples)
    size = min(HELD_OUT, len(examples) // TENTH)
    return examples[size:], examples[:size]


def _where(training: TrainingSet, held_out: Sequence[TokenRow]) -> str:
    return f"{len(held_out)} held-out {'dev' if training.dev else 'training'} examples"


def history_note(history: History, epochs: int, rows: int, where: str, called: str = "example") -> str:
    """What a training came to, for the report."""
    steps = len(history.losses)
    note = f"Trained {steps} steps on {rows} {called}s ({epochs} {'epoch' if epochs == 1 else 'epochs'} at most)"
    for step, rate in history.setbacks:
        note += (
            f"; behind step {step} the loss was no number, so training went back and on with half the rate, {rate:g}"
        )
    if history.checkpointing:
        note += "; layers were computed again on the way back (gradient checkpointing)"
    if history.diverged:
        note += "; it was no number there either, so training ended"
    if not history.held_out:
        return note + "; none held out for stopping early."
    loss = dict(history.held_out)[history.best_step]
    if history.answered:
        worth = dict(history.answered)[history.best_step]
        note += f"; kept step {history.best_step}, whose answers to {where} were worth {worth:.3f} of 1"
        return note + f" (loss {loss:.3f})."
    return note + f"; kept step {history.best_step}, loss {loss:.3f} on {where}."
