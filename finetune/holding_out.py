"""Which examples training is judged and stopped by: those of dev, else a slice of train."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from advisor.tasks import Example, Task

SMALLEST_SLICE = 40  # examples from which on a slice is held out where there is no dev split
HELD_OUT = 64  # at most
TENTH = 10
LEFT = 2  # examples of a label that are never held out


def held_out_of(task: Task, seed: int, share: int = TENTH) -> tuple[Sequence[Example], Sequence[Example]]:
    """Labelled examples to train on, and those held out: of dev, else of train where it is large enough; then of each
    label at least two stay.

    Args:
        share: of train one in so many is held out.
    """
    rng = random.Random(seed)
    if task.dev:
        return task.train, rng.sample(task.dev, min(HELD_OUT, len(task.dev)))
    if len(task.train) < SMALLEST_SLICE:
        return task.train, ()
    there = Counter(example.target for example in task.train)
    held_out: list[Example] = []
    for example in rng.sample(task.train, len(task.train)):
        if len(held_out) < min(HELD_OUT, len(task.train) // share) and there[example.target] > LEFT:
            there[example.target] -= 1
            held_out.append(example)
    left_out = {example.id for example in held_out}
    return [example for example in task.train if example.id not in left_out], held_out
