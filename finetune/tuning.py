"""What every tuner by gradient does: hold some examples out, train, search among configurations, keep what was best."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
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
from finetune.raw_text import perplexity, text_of
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
        texts: raw texts that are learned, whose perplexity is told.
        notes: what has to be said of the rows.
    """

    rows: SplitRows
    where: str = ""
    called: str = "example"
    texts: Sequence[str] = ()
    notes: tuple[str, ...] = ()


def tune(tuner: TrainingSettings, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Train, and keep what did best on held-out examples."""
    local, name = local_of(model), "+".join(part.name for part in cast("Tuner", tuner).parts)
    examples, held_out = _split(training, seed) if tuner.stop != "never" else (training.examples, ())
    check_lengths([*examples, *held_out], local, tuner.virtual_tokens, ("train", "dev") if training.dev else ("train",))
    others = _asked_for(tuner, training)
    (rows, cut), (dev, _) = (rows_of(some, local, tuner.virtual_tokens) for some in (_taught(examples), held_out))
    drawn = len(training.examples) * _epochs(tuner, rows) if tuner.mix == "equal" else None
    beside, cut_beside = _beside([_drawn(one, drawn, seed) for one in others], local, tuner.virtual_tokens)
    if not (tuner.search or training.dev) and _epochs(tuner, [*rows, *beside]) == 1:
        # One epoch is evaluated when it is over: what is held out of train would choose nothing.
        more, cut_there = rows_of(_taught(held_out), local, tuner.virtual_tokens)
        rows, dev, cut = [*rows, *more], [], cut + cut_there
    if tuner.search and not dev:
        raise NotApplicable(
            f"{len(rows)} examples are too few to hold some out, and there is no dev split to judge "
            f"configurations on; {name} without search needs neither"
        )
    train = with_difficulty([*rows, *beside], tuner.curriculum, local)
    split = SplitRows(train, dev, examination(tuner, training, held_out) if dev else None, training.documents)
    texts = [text_of(document) for document in training.documents] if tuner.learns_text else ()
    notes: tuple[str, ...] = ()
    if cut:
        notes = (f"The inputs of {cut} of {len(rows)} training examples were cut to fit beside the answer.",)
    if cut_beside:
        notes = (*notes, f"Those of {cut_beside} of {len(beside)} examples of other tasks were cut likewise.")
    notes = (*notes, *several.notes(tuner, others, train))
    return fit(
        tuner, resolved(tuner, train), Lesson(split, where(training, dev), texts=texts, notes=notes), local, seed
    )


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
    known = _perplexities(lesson.texts, model, tuned.adaptation)
    notes = (*notes, *lesson.notes, *method.notes(model), *tuned.facts.notes)
    notes = (*notes, history_note(found.history, found.recipe.epochs, len(rows.train), lesson.where, lesson.called))
    notes = (*notes, *found.history.remarks, *warnings(found.history.losses, found.history.held_out))
    tuned.facts = replace(
        tuned.facts,
        notes=notes,
        resolved={cast("Tuner", tuner).parts[-1].name: _chosen(found.recipe, tuner, ranges)},
        tokens_seen=found.history.tokens,
        served=tuned.adaptation.form,
        perplexity=known,
    )
    return tuned


def _perplexities(texts: Sequence[str], model: LocalModel, adaptation: Adaptation) -> tuple[float, float] | None:
    """Of texts that were learned, by the model as it was and as it is."""
    before, after = (perplexity(model, texts, one) if texts else None for one in (None, adaptation))
    return None if before is None or after is None else (before, after)


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


def _chosen(recipe: TrainingSettings, asked: TrainingSettings, varied: Collection[str]) -> dict[str, Any]:
    """What was left open, or searched, and what it came to."""
    names = [field.name for field in fields(recipe)]
    changed = {name for name in names if getattr(recipe, name) != getattr(asked, name)}
    return {name: getattr(recipe, name) for name in names if name in {"epochs", "batch", *varied, *changed}}


def resolved(tuner: TrainingSettings, rows: Sequence[TokenRow]) -> TrainingSettings:
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


def _taught(examples: Sequence[TrainingExample]) -> list[TrainingExample]:
    """The examples with what is trained on beside each."""
    return [one for example in examples for one in example.taught]


def rows_of(examples: Sequence[TrainingExample], model: LocalModel, virtual: int) -> tuple[list[TokenRow], int]:
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
        check_lengths(other.examples, model, virtual, (f"train of {other.name}",))
        found, shortened = rows_of(other.examples, model, virtual)
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


def where(training: TrainingSet, held_out: Sequence[TokenRow]) -> str:
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
