"""As many labelled examples as the prompt has room for (Agarwal et al. 2024, "Many-Shot In-Context Learning")."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from advisor.approaches.contract import ContextBuilder, ContextSource, Facts
from advisor.approaches.shots import FixedShots, in_turn, shot_of
from advisor.approaches.workload import OF_WINDOW, TOKENS_A_WORD, TRAINED_TOKENS, TURN, ContextLoad, room_beside
from advisor.errors import NotApplicable
from advisor.models import Context, LanguageModel, Shot
from advisor.tasks import Example, Outline, Task, TaskBrief, TaskShape

PASSED_OVER = 8  # examples in a row that do not fit what is left, after which no further one is tried


@dataclass(frozen=True)
class ManyShot(ContextBuilder):
    """Worked examples from train in the prompt, as many as fit, the same for every query.

    They are taken one label after the other in an order by seed, so that the labels are as balanced as train allows,
    and shown in mixed order. What all prompts have in common is read once, so that a query costs little more than with
    few examples where the model runs here; a hosted model may be paid for all of it each time.

    Attributes:
        budget: tokens that they may take together; 0 for three quarters of the context window beside the instruction.
    """

    budget: int = 0

    name: ClassVar[str] = "many-shot"
    seeded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.budget < 0:
            raise ValueError(f"budget is {self.budget}, and examples take at least a token; 0 takes what there is")

    def unsuited(self, task: TaskShape) -> str:
        """It needs training examples."""
        return "" if task.train else "there are no training examples"

    def load(self, task: Outline) -> ContextLoad:
        """All examples, up to what the window or the budget holds."""
        each = task.examples.mean() + TURN / TOKENS_A_WORD
        number = len(task.train)
        if self.budget:
            number = min(number, max(1, int(self.budget / TOKENS_A_WORD / max(each, 1.0))))
        return ContextLoad(examples=number, most=OF_WINDOW, trained=TRAINED_TOKENS / TOKENS_A_WORD)

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Take examples in turn while they fit; one that is longer than what is left is passed over."""
        room = int(room_beside(task.instruction, model))
        most = min(self.budget or room, room)
        rng = random.Random(seed)
        shown, tokens = fitting(map(shot_of, in_turn(task, rng)), most, model)
        if not shown:
            raise NotApplicable(f"none of the first training examples fits {max(most, 0):,} tokens")
        rng.shuffle(shown)
        note = f"{len(shown):,} of {len(task.train):,} training examples stood in the prompt, in {tokens:,} tokens."
        if tokens > TRAINED_TOKENS:
            note += f" While training and while choosing how labels are read, it was up to {TRAINED_TOKENS:,} of these."
        facts = Facts(notes=(note,), resolved={self.name: {"examples": len(shown)}})
        return ManyShots(Context(tuple(shown)), model, facts)

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Read which examples were taken."""
        return ManyShots(FixedShots.restored(folder).context, model)


class ManyShots(FixedShots):
    """The same worked examples for every query, and the first of them in training, where a step reads every token."""

    def __init__(self, context: Context, model: LanguageModel, facts: Facts | None = None) -> None:
        super().__init__(context, facts)
        self.model = model

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The first of the shots, without the example itself."""
        shots, _ = fitting(self.context.shots, TRAINED_TOKENS, self.model)
        first = FixedShots(replace(self.context, shots=tuple(shots)))
        return first.training_contexts(examples, seed)


def fitting(shots: Iterable[Shot], most: int, model: LanguageModel) -> tuple[list[Shot], int]:
    """The shots that fit so many tokens, taken in their order, and the tokens that they take."""
    taken: list[Shot] = []
    tokens = passed = 0
    for shot in shots:
        size = model.count_tokens(shot.input) + model.count_tokens(shot.answer) + TURN
        if tokens + size <= most:
            taken.append(shot)
            tokens, passed = tokens + size, 0
            continue
        passed += 1
        if passed > PASSED_OVER:
            break
    return taken, tokens
