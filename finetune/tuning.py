"""What the `lora` tuner does: hold some examples out, train, search among configurations, keep what was best."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import cast

from peft import LoraConfig

from advisor.approaches import Facts, TrainingExample, TrainingSet, Tuned
from advisor.errors import NotApplicable
from advisor.models import Adaptation, Context, LanguageModel
from advisor.models.local.device import devices_of
from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.candidate import Recipe, entered
from finetune.fused.packing import TokenRow
from finetune.overfitting import warnings
from finetune.search import halved, sampled
from finetune.search import notes as search_notes
from finetune.serving import served
from finetune.settings import Serve, Settings, default_batch, default_epochs
from finetune.targets import left_out
from finetune.trainer import History

NAME = "lora"
SMALLEST_SLICE = 40  # examples from which on a slice is held out where there is no dev split
HELD_OUT = 64


def tune(settings: Settings, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
    """Train, and keep the adapter with the lowest loss on held-out examples."""
    local = _local(model)
    examples, held_out = _split(training, seed)
    _check_lengths([*examples, *held_out], local, ("train", "dev") if training.dev else ("train",))
    (rows, cut), (dev, cut_in_dev) = _rows(examples, local), _rows(held_out, local)
    if not (settings.search or training.dev) and (_epochs(settings, rows)) == 1:
        # One epoch is evaluated when it is over: what is held out of train would choose nothing.
        rows, dev, cut = [*rows, *dev], [], cut + cut_in_dev
    if settings.search and not dev:
        raise NotApplicable(
            f"{len(rows)} examples are too few to hold some out, and there is no dev split to judge "
            f"configurations on; lora without search needs neither"
        )
    recipes = _recipes(settings, rows, seed)
    notes: tuple[str, ...] = ()
    with entered(local, recipes, seed) as candidates:
        winner = candidates[0]
        if settings.search:
            winner, rungs = halved(candidates, rows, dev, seed)
            notes = search_notes(rungs, winner.recipe, _where(training, dev))
        else:
            with winner.active():
                winner.trainer.train(rows, dev, seed)
        config, state = winner.config, winner.state()
    recipe = winner.recipe
    tuned = Adapter(settings.serve, local, config, state)
    if cut:
        notes = (*notes, f"The inputs of {cut} of {len(rows)} training examples were cut to fit beside the answer.")
    if left := str(left_out(local.module)):
        notes = (*notes, f"No adapter lies on {left}.")
    notes = (*notes, *tuned.facts.notes)
    note = history_note(winner.trainer.history, recipe.epochs, len(rows), _where(training, dev))
    warned = warnings(winner.trainer.history.losses, winner.trainer.history.held_out)
    chosen = asdict(recipe) if settings.search else {"epochs": recipe.epochs, "batch": recipe.batch}
    tuned.facts = replace(tuned.facts, notes=(*notes, note, *warned), resolved={NAME: chosen})
    return tuned


def restore(settings: Settings, folder: Path, model: LanguageModel) -> Tuned:
    """Read a saved adapter."""
    config, state = adapter.load(folder)
    return Adapter(settings.serve, _local(model), config, state)


class Adapter(Tuned):
    """A trained adapter, merged into the model's weights or attached to them where it is used."""

    def __init__(self, serve: Serve, model: LocalModel, config: LoraConfig, state: adapter.State) -> None:
        self.config = config
        self.state = state
        self._adaptation, note = served(serve, model, config, state)
        size = sum(t.numel() for t in state.values())
        self.facts = Facts(artifact_bytes=4 * size, trainable_parameters=size, notes=(note,) if note else ())

    @property
    def adaptation(self) -> Adaptation:
        """The adapter in the form in which it is served."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format."""
        adapter.save(folder, self.config, self.state)


def _recipes(settings: Settings, rows: Sequence[TokenRow], seed: int) -> list[Recipe]:
    """The configuration as given, what it leaves open chosen, and what is searched beside it."""
    epochs = _epochs(settings, rows)
    batch = settings.batch or default_batch(len(rows) * epochs)
    given = Recipe(settings.rank, settings.alpha, settings.lr, epochs, batch, settings.dropout, settings.dora)
    if not settings.search:
        return [given]
    fixed = [f.name for f in fields(Recipe) if getattr(settings, f.name) != getattr(Settings, f.name)]
    return sampled(given, fixed, settings.search, seed)


def _epochs(settings: Settings, rows: Sequence[TokenRow]) -> int:
    """Passes over these rows."""
    return settings.epochs or default_epochs(len(rows), sum(row.tokens - row.stem for row in rows), rows[0].stem)


def _local(model: LanguageModel) -> LocalModel:
    if not model.can.train:
        if isinstance(model, LocalModel):
            lying = ", ".join(devices_of(model.module))
            raise NotApplicable(f"the weights of {model.name} are spread over {lying}, and are trained on one device")
        raise NotApplicable(f"the weights of {model.name} are not here to be trained")
    return cast("LocalModel", model)  # what can be trained is a module of this engine


def _check_lengths(examples: Sequence[TrainingExample], model: LocalModel, splits: Sequence[str]) -> None:
    """See that every answer of these splits fits into the context window with the instruction before it.

    Raises:
        NotApplicable: some do not; a model cannot learn to give what it never sees whole.
    """
    renderer = model.renderer
    alone = replace(examples[0].prompt, input="", context=Context())
    instruction = len(renderer.encode(alone, 0).ids)
    lengths = [len(renderer.encode_answer(example.answer)) + 1 for example in examples]
    beyond = [length for length in lengths if instruction + length > renderer.window]
    if beyond:
        raise NotApplicable(
            f"{len(beyond)} of {len(examples)} answers of {' and '.join(splits)} do not fit into the model's context "
            f"window of {renderer.window:,} tokens behind the instruction's {instruction}: the longest has "
            f"{max(beyond):,}; leave them out, or take a model with a larger window"
        )


def _rows(examples: Sequence[TrainingExample], model: LocalModel) -> tuple[list[TokenRow], int]:
    """The examples in tokens, and of how many the input was cut."""
    rows, cut = [], 0
    for example in examples:
        answer = [*model.renderer.encode_answer(example.answer), model.renderer.end_id]
        encoded = model.renderer.encode(example.prompt, len(answer))
        rows.append(TokenRow.of(encoded, answer))
        cut += encoded.cut > 0
    return rows, cut


def _split(training: TrainingSet, seed: int) -> tuple[Sequence[TrainingExample], Sequence[TrainingExample]]:
    """Training examples and those held out: of dev, else a tenth of train where train is large enough."""
    rng = random.Random(seed)
    if training.dev:
        dev = list(training.dev)
        rng.shuffle(dev)
        return training.examples, dev[:HELD_OUT]
    examples = list(training.examples)
    if len(examples) < SMALLEST_SLICE:
        return examples, ()
    rng.shuffle(examples)
    size = min(HELD_OUT, len(examples) // 10)
    return examples[size:], examples[:size]


def _where(training: TrainingSet, held_out: Sequence[TokenRow]) -> str:
    return f"{len(held_out)} held-out {'dev' if training.dev else 'training'} examples"


def history_note(history: History, epochs: int, examples: int, where: str) -> str:
    """What a training came to, for the report."""
    steps = len(history.losses)
    note = f"Trained {steps} steps on {examples} examples ({epochs} epochs at most)"
    for step, rate in history.setbacks:
        note += (
            f"; behind step {step} the loss was no number, so training went back and on with half the rate, {rate:g}"
        )
    if history.checkpointing:
        note += "; layers were computed again on the way back, since memory is short (gradient checkpointing)"
    if history.diverged:
        note += "; it was no number there either, so training ended"
    if not history.held_out:
        return note + "; none held out for stopping early."
    loss = min(loss for _, loss in history.held_out)
    return note + f"; kept step {history.best_step}, loss {loss:.3f} on {where}."
