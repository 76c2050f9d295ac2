"""What every tuner by gradient does: hold some examples out, train, search among configurations, keep what was best."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from advisor.approaches import OtherTraining, TrainingExample, TrainingSet, Tuned, Tuner
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Context, LanguageModel
from advisor.models.local.engine import LocalModel
from finetune import several
from finetune.difficulty import with_difficulty
from finetune.fused.packing import TokenRow
from finetune.holding_out import HELD_OUT, SMALLEST_SLICE, TENTH
from finetune.methods.contract import Method
from finetune.minibatches import by_task, pass_size
from finetune.overfitting import warnings
from finetune.search import SearchResult, searched, varied
from finetune.search import notes as search_notes
from finetune.session import SplitRows, beginning, keep_on, local_of
from finetune.trainer import History
from finetune.training import TrainingSettings, default_batch, default_epochs, epochs_within


def tune(tuner: TrainingSettings, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Train, and keep what did best on held-out examples."""
    local, parts = local_of(model), cast("Tuner", tuner).parts
    name = "+".join(part.name for part in parts)
    examples, held_out = _split(training, seed)
    others = _asked_for(tuner, training)
    _check_lengths(
        [*examples, *held_out], local, tuner.virtual_tokens, ("train", "dev") if training.dev else ("train",)
    )
    (rows, cut), (dev, cut_in_dev) = (_rows(some, local, tuner.virtual_tokens) for some in (examples, held_out))
    drawn = len(training.examples) * _epochs(tuner, rows) if tuner.mix == "equal" else None
    beside, cut_beside = _beside([_drawn(one, drawn, seed) for one in others], local, tuner.virtual_tokens)
    if not (tuner.search or training.dev) and _epochs(tuner, [*rows, *beside]) == 1:
        # One epoch is evaluated when it is over: what is held out of train would choose nothing.
        rows, dev, cut = [*rows, *dev], [], cut + cut_in_dev
    if tuner.search and not dev:
        raise NotApplicable(
            f"{len(rows)} examples are too few to hold some out, and there is no dev split to judge "
            f"configurations on; {name} without search needs neither"
        )
    examined = _examination(tuner, training, held_out) if dev else None
    train = with_difficulty([*rows, *beside], tuner.curriculum, local)
    split = SplitRows(train, dev, examined, training.documents)
    given, where = _resolved(tuner, train), _where(training, dev)
    notes: tuple[str, ...] = ()
    if tuner.search:
        ranges = varied(given, tuner)
        found = searched(given, ranges, split, local, seed)
        notes = search_notes(found, where)
        chosen = _chosen(found.recipe, given, ranges)
    else:
        found = _trained(given, split, local, seed)
        chosen = _chosen(given, given, ())
    method: Method = found.recipe.method_for(split)
    tuned = method.tuned(local, found.learned)
    if cut:
        notes = (*notes, f"The inputs of {cut} of {len(rows)} training examples were cut to fit beside the answer.")
    if cut_beside:
        notes = (*notes, f"Those of {cut_beside} of {len(beside)} examples of other tasks were cut likewise.")
    notes = (*notes, *several.notes(tuner, others, train), *method.notes(local), *tuned.facts.notes)
    notes = (*notes, history_note(found.history, found.recipe.epochs, len(rows), where))
    notes = (*notes, *warnings(found.history.losses, found.history.held_out))
    seen, form = found.history.tokens, tuned.adaptation.form
    tuned.facts = replace(tuned.facts, notes=notes, resolved={parts[-1].name: chosen}, tokens_seen=seen, served=form)
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


def _examination(
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


def _resolved(tuner: TrainingSettings, rows: Sequence[TokenRow]) -> TrainingSettings:
    """The configuration with what it leaves open chosen."""
    epochs, (own, *_) = _epochs(tuner, rows), by_task(rows)
    passes = min(epochs, tuner.budget / pass_size(rows, tuner.mix)[1]) if tuner.budget else epochs
    return replace(tuner, epochs=epochs, batch=tuner.batch or default_batch(len(own) * passes))


def _epochs(tuner: TrainingSettings, rows: Sequence[TokenRow]) -> int:
    """Passes over these rows, the last of which a budget of tokens may break off: as many as without other tasks, where
    nothing else is said."""
    if tuner.budget and not tuner.epochs:
        return epochs_within(tuner.budget, pass_size(rows, tuner.mix)[1])
    own = by_task(rows)[0]
    return tuner.epochs or default_epochs(len(own), sum(row.tokens - row.stem for row in own), own[0].stem)


def _check_lengths(examples: Sequence[TrainingExample], model: LocalModel, virtual: int, splits: Sequence[str]) -> None:
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


def _asked_for(tuner: TrainingSettings, training: TrainingSet) -> tuple[OtherTraining, ...]:
    """The other tasks that this tuner names, in its order; a stage before or behind it may name others.

    Raises:
        UserError: what was handed over lacks one.
    """
    given = {one.named: one for one in training.others}
    if missing := [name for name in tuner.others if name not in given]:
        raise UserError(
            f"also={missing[0]}: no examples of it were handed over", "fit the approach, not the tuner alone"
        )
    if empty := [name for name in tuner.others if not given[name].examples]:
        raise NotApplicable(f"no training example of {empty[0]} is left that this task's test set does not have")
    return tuple(given[name] for name in tuner.others)


def _drawn(other: OtherTraining, most: int | None, seed: int) -> OtherTraining:
    """Another task with so many of its examples at most, which are all that its passes will take."""
    if most is None or most >= len(other.examples):
        return other
    return replace(other, examples=tuple(random.Random(seed).sample(other.examples, most)))


def _beside(others: Sequence[OtherTraining], model: LocalModel, virtual: int) -> tuple[list[TokenRow], int]:
    """The examples of other tasks in tokens, and of how many the input was cut."""
    rows, cut = [], 0
    for number, other in enumerate(others, start=1):
        _check_lengths(other.examples, model, virtual, (f"train of {other.name}",))
        found, shortened = _rows(other.examples, model, virtual)
        rows += [replace(row, task=number) for row in found]
        cut += shortened
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


def history_note(history: History, epochs: int, examples: int, where: str) -> str:
    """What a training came to, for the report."""
    steps = len(history.losses)
    note = f"Trained {steps} steps on {examples} examples ({epochs} {'epoch' if epochs == 1 else 'epochs'} at most)"
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
