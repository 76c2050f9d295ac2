"""Context builders that need no documents: nothing, and labelled examples."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

from advisor.approaches.contract import ContextBuilder, ContextSource, Facts, Shows
from advisor.approaches.neighbours import Neighbour, Neighbours
from advisor.approaches.selection import PromptCandidate, held_out, select, tried
from advisor.approaches.workload import ContextLoad
from advisor.models import Context, LanguageModel, Shot
from advisor.tasks import Example, Outline, Query, Task, TaskBrief, TaskShape

SHOTS, INSTRUCTION = "shots.json", "instruction.json"


@dataclass(frozen=True)
class ZeroShot(ContextBuilder):
    """The instruction and the query, nothing else."""

    name: ClassVar[str] = "zero-shot"
    shows: ClassVar[Shows] = "nothing"
    learns: ClassVar[bool] = False
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "zero-shot"

    def suggested_tuned(self, task: TaskShape) -> bool:
        """Training alone, without anything beside the query."""
        return True

    def load(self, task: Outline) -> ContextLoad:
        """Nothing stands beside a query."""
        return ContextLoad()

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Nothing to prepare."""
        return FixedShots(Context())

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Nothing was saved."""
        return FixedShots(Context())


@dataclass(frozen=True)
class FewShot(ContextBuilder):
    """Worked examples from train in the prompt.

    Attributes:
        k: how many.
        select: `fixed`, the same for every query, drawn by seed and balanced over labels; or `nearest`, those
            most similar to the query by embedding, the most similar last.
        search: sets of examples that are tried, that of no search first: others, half as many others, and the first in
            other orders; which of them stands in the prompt is chosen on other training examples. 0 for no search.
    """

    k: int = 8
    select: Literal["fixed", "nearest"] = "fixed"
    search: int = 0

    name: ClassVar[str] = "few-shot"
    seeded: ClassVar[bool] = True
    unasked: ClassVar[bool] = True
    variants: ClassVar[tuple[str, ...]] = ("few-shot:select=nearest",)
    defining: ClassVar[tuple[str, ...]] = ("select", "cot")
    probed_as: ClassVar[str] = "few-shot:k=4"

    @property
    def follows_query(self) -> bool:  # type: ignore[override]
        return self.select == "nearest"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}, and few-shot shows at least 1 example")
        if self.search < 0 or self.search == 1:
            raise ValueError(f"search is {self.search}, and to choose there have to be at least 2 sets of examples")
        if self.search and self.select == "nearest":
            raise ValueError("search chooses examples that are the same for every query, and select=nearest does not")

    def unsuited(self, task: TaskShape) -> str:
        """It needs training examples."""
        return "" if task.train else "there are no training examples"

    def suggested_tuned(self, task: TaskShape) -> bool:
        """Only with the same examples throughout and without documents, which are worth the training instead."""
        return not (self.follows_query or task.documents)

    def load(self, task: Outline) -> ContextLoad:
        """The examples; those chosen for each query have train embedded first."""
        embedded = task.train.total if self.follows_query else 0.0
        answers = tried(task, self.search) if self.search else 0.0
        return ContextLoad(examples=min(self.k, len(task.train)), embedded=embedded, tried=answers)

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Draw the examples, or embed train so that they can be looked up."""
        if self.select == "nearest":
            return NearestShots(Neighbours.of(task.train, model.embedder), self.k)
        first = draw(task, self.k, seed)
        return self._searched(task, model, seed, first) if self.search else FixedShots(_context(first))

    def _searched(self, task: Task, model: LanguageModel, seed: int, first: Sequence[Example]) -> ContextSource:
        """Choose among sets of examples, on examples that stand in none of them."""
        judged = held_out(task, seed, [example.input for example in first])
        inputs = {example.input for example in judged}
        rest = replace(task, train=tuple(example for example in task.train if example.input not in inputs))
        sets = [(first, "the examples as few-shot draws them")]
        sets += [_other(rest, first, number, seed) for number in range(1, self.search)]
        candidates = [PromptCandidate(_context(examples), called) for examples, called in sets]
        chosen, notes = select(candidates, task, model, judged, self.cot)
        resolved = {self.name: {"k": len(chosen.context.shots)}}
        return FixedShots(chosen.context, Facts(notes=notes, resolved=resolved))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Read which examples were drawn, or all of train with its vectors."""
        if self.select == "nearest":
            return NearestShots(Neighbours.load(folder, model.embedder), self.k)
        return FixedShots.restored(folder)


def _other(task: Task, first: Sequence[Example], number: int, seed: int) -> tuple[Sequence[Example], str]:
    """PromptCandidate `number` of a search, and what it is called."""
    own = seed + 1_000 * number
    if number % 3 == 0:
        return random.Random(own).sample(first, len(first)), f"set {number} (the same in another order)"
    if number % 3 == 1 or len(first) < 2:
        return draw(task, len(first), own), f"set {number} (others)"
    return draw(task, len(first) // 2, own), f"set {number} (others, half as many)"


def draw(task: Task, k: int, seed: int) -> tuple[Example, ...]:
    """`k` training examples by seed; for classification as many of each label as possible, in mixed order."""
    rng = random.Random(seed)
    drawn = list(islice(in_turn(task, rng), k))
    if task.kind == "classification":
        rng.shuffle(drawn)
    return tuple(drawn)


def in_turn(task: Task, rng: random.Random) -> Iterator[Example]:
    """All training examples in an order by chance; for classification one of each label in turn, as long as there are
    any, so that any number of the first is as balanced as may be."""
    pool = list(task.train)
    rng.shuffle(pool)
    if task.kind != "classification":
        yield from pool
        return
    by_label: dict[str, list[Example]] = defaultdict(list)
    for example in pool:
        by_label[example.target].append(example)
    queues = list(by_label.values())
    rng.shuffle(queues)
    while queues:
        for queue in queues:
            yield queue.pop()
        queues = [queue for queue in queues if queue]


class FixedShots(ContextSource):
    """The same worked examples for every query, and the same instruction."""

    def __init__(self, context: Context, facts: Facts | None = None) -> None:
        self.context = context
        self.facts = facts or Facts()

    @classmethod
    def restored(cls, folder: Path) -> FixedShots:
        """What `save` wrote."""
        shots = json.loads((folder / SHOTS).read_text(encoding="utf-8"))
        written = folder / INSTRUCTION
        instruction = json.loads(written.read_text(encoding="utf-8")) if written.exists() else ""
        return cls(Context(tuple(Shot(**shot) for shot in shots), instruction=instruction))

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """The same context for each."""
        return [self.context] * len(queries)

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The same context without the example itself, which is replaced by nothing."""
        found = []
        for example in examples:
            others = tuple(s for s in self.context.shots if s.input != example.input)
            whole = len(others) == len(self.context.shots)
            found.append(self.context if whole else replace(self.context, shots=others))
        return found

    def save(self, folder: Path) -> None:
        """Write the examples, and the instruction where it is not the task's."""
        if self.context.instruction:
            (folder / INSTRUCTION).write_text(json.dumps(self.context.instruction), encoding="utf-8")
        shots = [asdict(shot) for shot in self.context.shots]
        (folder / SHOTS).write_text(json.dumps(shots), encoding="utf-8")


class NearestShots(ContextSource):
    """The most similar training examples of each query."""

    def __init__(self, neighbours: Neighbours, k: int) -> None:
        self.neighbours = neighbours
        self.k = k
        self.embedder = neighbours.embedder
        self.facts = Facts(artifact_bytes=neighbours.bytes, notes=neighbours.notes)

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """The `k` most similar examples, best first."""
        found = self.neighbours.search([q.input for q in queries], self.k)
        return [Context(tuple(shot_of(e) for e in row), fixed=False) for row in found]

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The `k` most similar examples that have another input."""
        found = self.neighbours.search([e.input for e in examples], self.k, apart_from_itself=True)
        return [Context(tuple(shot_of(e) for e in row), fixed=False) for row in found]

    def save(self, folder: Path) -> None:
        """Write train and its vectors."""
        self.neighbours.save(folder)


def _context(examples: Sequence[Example]) -> Context:
    return Context(tuple(map(shot_of, examples)))


def shot_of(example: Example | Neighbour) -> Shot:
    """A labelled example as it is shown."""
    return Shot(example.input, example.target)
