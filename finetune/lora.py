"""The `lora` tuner."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

from peft import LoraConfig

from advisor.approaches import Curriculum, Facts, Lesson, Tuned, Tuner
from advisor.errors import NotApplicable
from advisor.models import LanguageModel, Weights
from advisor.models.engine import LocalModel
from finetune import adapter
from finetune.candidate import Recipe, entered
from finetune.packing import Row
from finetune.search import halved, sampled
from finetune.search import notes as search_notes
from finetune.trainer import Course

SMALLEST_SLICE = 40  # lessons from which on a slice is held out where there is no dev split
HELD_OUT = 64
MOST_EPOCHS = 10
EXAMPLES_SEEN = 800
TOKENS_SEEN = 70_000
LARGEST_BATCH = 8
FEWEST_STEPS = 48


@dataclass(frozen=True)
class Lora(Tuner):
    """LoRA on all linear layers, loss on the answers alone (Hu et al. 2021).

    The defaults rest on SmolLM2-135M-Instruct: at two epochs, rate 1e-3 reached a held-out loss of 0.27 on trec6
    (300 examples; 5e-4: 0.43) and of 0.15 on restaurants8k (200 examples; 5e-4: 0.20); steps of 4 instead of 8
    examples gave 0.26 and 0.14 for a third more time. Long rows (retrieved passages) get fewer epochs and smaller
    steps; the adapter with the lowest held-out loss is kept.

    Attributes:
        rank: of the update to each weight matrix.
        alpha: scale of the update, relative to `rank`.
        lr: peak learning rate.
        epochs: passes over the training examples at most; 0 chooses by their number and length.
        batch: examples a step; 0 chooses by the number of examples.
        dropout: on the adapter's input.
        search: configurations to search among, at least 2; 0 takes this one. The others vary `lr`, `rank` (and
            `alpha` with it), `batch` and `dropout`; what differs from its default here is kept in all of them.
            What wins has the lowest loss on held-out lessons after ever longer training (`finetune.search`).
    """

    rank: int = 16
    alpha: int = 32
    lr: float = 1e-3
    epochs: int = 0
    batch: int = 0
    dropout: float = 0.0
    search: int = 0

    name: ClassVar[str] = "lora"

    def __post_init__(self) -> None:
        if min(self.rank, self.alpha) < 1 or self.lr <= 0 or min(self.epochs, self.batch) < 0:
            raise ValueError("rank, alpha and lr must be positive, epochs and batch not negative")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must lie between 0 and 1")
        if self.search < 0 or self.search == 1:
            raise ValueError("search must be at least 2 configurations, or 0 for none")

    def passes(self, examples: int, own: float, shared: int) -> int:
        """Epochs; what held-out examples cost besides is left aside."""
        return self.epochs or _epochs(examples, own * examples, shared)

    def tune(self, curriculum: Curriculum, model: LanguageModel, seed: int) -> Tuned:
        """Train, keep the adapter with the lowest loss on held-out lessons, and merge it."""
        local = _local(model)
        lessons, held_out = _split(curriculum, seed)
        rows = [_row(lesson, local) for lesson in lessons]
        dev = [_row(lesson, local) for lesson in held_out]
        if not (self.search or curriculum.dev) and (self.epochs or default_epochs(rows)) == 1:
            # One epoch is looked at when it is over: what is held out of train would choose nothing.
            rows, dev = [*rows, *dev], []
        if self.search and not dev:
            raise NotApplicable(
                f"{len(rows)} examples are too few to hold some out, and there is no dev split to judge "
                f"configurations on; lora without search needs neither"
            )
        recipes = self._recipes(rows, seed)
        notes: tuple[str, ...] = ()
        with entered(local, recipes, seed) as candidates:
            winner = candidates[0]
            if self.search:
                winner, rungs = halved(candidates, rows, dev, seed)
                notes = search_notes(rungs, winner.recipe, _where(curriculum, dev))
            else:
                with winner.active():
                    winner.trainer.train(rows, dev, seed)
            state = winner.state()
        recipe = winner.recipe
        tuned = Adapter(local, recipe.config, state)
        note = _course_note(winner.trainer.course, recipe.epochs, len(rows), _where(curriculum, dev))
        chosen = asdict(recipe) if self.search else {"epochs": recipe.epochs, "batch": recipe.batch}
        tuned.facts = replace(tuned.facts, notes=(*notes, note), resolved={self.name: chosen})
        return tuned

    def _recipes(self, rows: Sequence[Row], seed: int) -> list[Recipe]:
        """The configuration as given, what it leaves open chosen, and what is searched beside it."""
        epochs = self.epochs or default_epochs(rows)
        batch = self.batch or default_batch(len(rows) * epochs)
        given = Recipe(self.rank, self.alpha, self.lr, epochs, batch, self.dropout)
        if not self.search:
            return [given]
        fixed = [f.name for f in fields(Recipe) if getattr(self, f.name) != getattr(Lora, f.name)]
        return sampled(given, fixed, self.search, seed)

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
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


def default_epochs(rows: Sequence[Row]) -> int:
    """Passes over the training examples where the user names none: as many as their number needs, fewer where
    they are so long that more would cost more time than they bring."""
    return _epochs(len(rows), sum(row.tokens - row.stem for row in rows), rows[0].stem)


def _epochs(examples: int, own: float, shared: int) -> int:
    """The same for so many examples, all tokens that are their own, and those that they share."""
    needed = min(MOST_EPOCHS, max(2, round(EXAMPLES_SEEN / examples)))
    read = own + shared * math.ceil(examples / LARGEST_BATCH)  # what rows share is read once a step
    return max(1, min(needed, int(TOKENS_SEEN // read)))


def default_batch(seen: int) -> int:
    """Examples a step where the user names none: 8, fewer where that would leave too few steps to learn in."""
    return max(2, min(LARGEST_BATCH, seen // FEWEST_STEPS))


def _local(model: LanguageModel) -> LocalModel:
    if not isinstance(model, LocalModel):
        raise NotApplicable(f"the weights of {model.name} are not here to be trained")
    return model


def _row(lesson: Lesson, model: LocalModel) -> Row:
    answer = [*model.renderer.encode_answer(lesson.answer), model.renderer.end_id]
    return Row.of(model.renderer.encode(lesson.prompt, len(answer)), answer)


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


def _course_note(course: Course, epochs: int, lessons: int, where: str) -> str:
    steps = len(course.losses)
    note = f"Trained {steps} steps on {lessons} examples ({epochs} epochs at most)"
    if not course.held_out:
        return note + "; none held out for stopping early."
    loss = min(loss for _, loss in course.held_out)
    return note + f"; kept step {course.best_step}, loss {loss:.3f} on {where}."
