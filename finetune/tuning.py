"""What the `lora` tuner does: hold some lessons out, train, search among configurations, keep what was best."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from peft import LoraConfig

from advisor.approaches import Curriculum, Facts, Lesson, Tuned
from advisor.errors import NotApplicable
from advisor.models import Context, LanguageModel, Weights
from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.candidate import Recipe, entered
from finetune.fused.packing import Row
from finetune.lora import Lora, default_batch, default_epochs
from finetune.search import halved, sampled
from finetune.search import notes as search_notes
from finetune.trainer import Course

SMALLEST_SLICE = 40  # lessons from which on a slice is held out where there is no dev split
HELD_OUT = 64


def tune(lora: Lora, curriculum: Curriculum, model: LanguageModel, seed: int) -> Tuned:
    """Train, keep the adapter with the lowest loss on held-out lessons, and merge it."""
    local = _local(model)
    lessons, held_out = _split(curriculum, seed)
    _check_lengths([*lessons, *held_out], local, ("train", "dev") if curriculum.dev else ("train",))
    (rows, cut), (dev, cut_in_dev) = _rows(lessons, local), _rows(held_out, local)
    if not (lora.search or curriculum.dev) and (_epochs(lora, rows)) == 1:
        # One epoch is looked at when it is over: what is held out of train would choose nothing.
        rows, dev, cut = [*rows, *dev], [], cut + cut_in_dev
    if lora.search and not dev:
        raise NotApplicable(
            f"{len(rows)} examples are too few to hold some out, and there is no dev split to judge "
            f"configurations on; lora without search needs neither"
        )
    recipes = _recipes(lora, rows, seed)
    notes: tuple[str, ...] = ()
    with entered(local, recipes, seed) as candidates:
        winner = candidates[0]
        if lora.search:
            winner, rungs = halved(candidates, rows, dev, seed)
            notes = search_notes(rungs, winner.recipe, _where(curriculum, dev))
        else:
            with winner.active():
                winner.trainer.train(rows, dev, seed)
        state = winner.state()
    recipe = winner.recipe
    tuned = Adapter(local, recipe.config, state)
    if cut:
        notes = (*notes, f"The inputs of {cut} of {len(rows)} training examples were cut to fit beside the answer.")
    note = course_note(winner.trainer.course, recipe.epochs, len(rows), _where(curriculum, dev))
    chosen = asdict(recipe) if lora.search else {"epochs": recipe.epochs, "batch": recipe.batch}
    tuned.facts = replace(tuned.facts, notes=(*notes, note), resolved={lora.name: chosen})
    return tuned


def restore(folder: Path, model: LanguageModel) -> Tuned:
    """Read a saved adapter and merge it."""
    config, state = adapter.load(folder)
    return Adapter(_local(model), config, state)


class Adapter(Tuned):
    """A trained adapter, merged into the model's weights where it is used."""

    def __init__(self, model: LocalModel, config: LoraConfig, state: adapter.State) -> None:
        self.config = config
        self.state = state
        self._weights = adapter.merged(model, config, state)
        size = sum(t.numel() for t in state.values())
        self.facts = Facts(artifact_bytes=4 * size, trainable_parameters=size)

    @property
    def weights(self) -> Weights:
        """The model's weights with the adapter added."""
        return self._weights

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format."""
        adapter.save(folder, self.config, self.state)


def _recipes(lora: Lora, rows: Sequence[Row], seed: int) -> list[Recipe]:
    """The configuration as given, what it leaves open chosen, and what is searched beside it."""
    epochs = _epochs(lora, rows)
    batch = lora.batch or default_batch(len(rows) * epochs)
    given = Recipe(lora.rank, lora.alpha, lora.lr, epochs, batch, lora.dropout)
    if not lora.search:
        return [given]
    fixed = [f.name for f in fields(Recipe) if getattr(lora, f.name) != getattr(Lora, f.name)]
    return sampled(given, fixed, lora.search, seed)


def _epochs(lora: Lora, rows: Sequence[Row]) -> int:
    """Passes over these rows."""
    return lora.epochs or default_epochs(len(rows), sum(row.tokens - row.stem for row in rows), rows[0].stem)


def _local(model: LanguageModel) -> LocalModel:
    if not isinstance(model, LocalModel):
        raise NotApplicable(f"the weights of {model.name} are not here to be trained")
    return model


def _check_lengths(lessons: Sequence[Lesson], model: LocalModel, splits: Sequence[str]) -> None:
    """See that every answer of these splits fits into the context window with the instruction before it.

    Raises:
        NotApplicable: some do not; a model cannot learn to give what it never sees whole.
    """
    renderer = model.renderer
    alone = replace(lessons[0].prompt, input="", context=Context())
    instruction = len(renderer.encode(alone, 0).ids)
    lengths = [len(renderer.encode_answer(lesson.answer)) + 1 for lesson in lessons]
    beyond = [length for length in lengths if instruction + length > renderer.window]
    if beyond:
        raise NotApplicable(
            f"{len(beyond)} of {len(lessons)} answers of {' and '.join(splits)} do not fit into the model's context "
            f"window of {renderer.window:,} tokens behind the instruction's {instruction}: the longest has "
            f"{max(beyond):,}; leave them out, or take a model with a larger window"
        )


def _rows(lessons: Sequence[Lesson], model: LocalModel) -> tuple[list[Row], int]:
    """The lessons in tokens, and of how many the input was cut."""
    rows, cut = [], 0
    for lesson in lessons:
        answer = [*model.renderer.encode_answer(lesson.answer), model.renderer.end_id]
        encoded = model.renderer.encode(lesson.prompt, len(answer))
        rows.append(Row.of(encoded, answer))
        cut += encoded.cut > 0
    return rows, cut


def _split(curriculum: Curriculum, seed: int) -> tuple[Sequence[Lesson], Sequence[Lesson]]:
    """Lessons and those held out: of dev, else a tenth of train where train is large enough."""
    rng = random.Random(seed)
    if curriculum.dev:
        dev = list(curriculum.dev)
        rng.shuffle(dev)
        return curriculum.lessons, dev[:HELD_OUT]
    lessons = list(curriculum.lessons)
    if len(lessons) < SMALLEST_SLICE:
        return lessons, ()
    rng.shuffle(lessons)
    size = min(HELD_OUT, len(lessons) // 10)
    return lessons[size:], lessons[:size]


def _where(curriculum: Curriculum, held_out: Sequence[Row]) -> str:
    return f"{len(held_out)} held-out {'dev' if curriculum.dev else 'training'} examples"


def course_note(course: Course, epochs: int, lessons: int, where: str) -> str:
    """What a training came to, for the report."""
    steps = len(course.losses)
    note = f"Trained {steps} steps on {lessons} examples ({epochs} epochs at most)"
    for step, rate in course.setbacks:
        note += (
            f"; behind step {step} the loss was no number, so training went back and on with half the rate, {rate:g}"
        )
    if course.diverged:
        note += "; it was no number there either, so training ended"
    if not course.held_out:
        return note + "; none held out for stopping early."
    loss = min(loss for _, loss in course.held_out)
    return note + f"; kept step {course.best_step}, loss {loss:.3f} on {where}."
