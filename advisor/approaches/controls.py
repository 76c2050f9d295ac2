"""Answers that need no learning: the most frequent one, and that of the most similar training example."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from advisor.approaches.contract import Approach, Facts, Prediction, Predictor, Usage
from advisor.approaches.neighbours import Neighbours
from advisor.approaches.workload import Lengths, Load
from advisor.models import LanguageModel, cut_by
from advisor.models.clock import clock
from advisor.tasks import Outline, Query, Task, TaskBrief, TaskShape
from advisor.tasks.forms import answer_form


@dataclass(frozen=True)
class Majority(Approach):
    """Always the most frequent training answer; what must be beaten to have learned anything."""

    name: ClassVar[str] = "majority"
    control: ClassVar[bool] = True
    uses_model: ClassVar[bool] = False
    unasked: ClassVar[bool] = True

    def unsuited(self, task: TaskShape) -> str:
        """It needs training examples."""
        return "" if task.train else "there are no training examples"

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Count, as answers are compared; the first spelling in train stands for all, as for a tie."""
        forms = [answer_form(task.kind, example.target) for example in task.train]
        usual = Counter(forms).most_common(1)[0][0]
        return Constant(task.train[forms.index(usual)].target)

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Read the answer."""
        return Constant(json.loads((folder / "answer.json").read_text(encoding="utf-8")))


class Constant(Predictor):
    """Always the same answer."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.facts = Facts(artifact_bytes=len(answer.encode()))

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The answer, whatever is asked."""
        started = clock.now()
        return [Prediction(q.id, self.answer, usage=Usage(ttft_seconds=clock.now() - started)) for q in queries]

    def save(self, folder: Path) -> None:
        """Write the answer."""
        (folder / "answer.json").write_text(json.dumps(self.answer), encoding="utf-8")


@dataclass(frozen=True)
class Nearest(Approach):
    """The answer of the most similar training example, by embedding."""

    name: ClassVar[str] = "nearest"
    uses_model: ClassVar[bool] = False
    only_seen_labels: ClassVar[bool] = True
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "nearest"

    def unsuited(self, task: TaskShape) -> str:
        """It needs training examples."""
        return "" if task.train else "there are no training examples"

    def load(self, task: Outline, lengths: Lengths) -> Load:
        """Train and queries are embedded."""
        return Load(embedded=task.train.mean(), embedded_to_fit=task.train.total)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Embed train."""
        return Copy(Neighbours.of(task.train, model.embedder))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Read train and its vectors."""
        return Copy(Neighbours.load(folder, model.embedder))


class Copy(Predictor):
    """Copies the answer of the most similar example."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.neighbours = neighbours
        self.facts = Facts(artifact_bytes=neighbours.bytes, notes=neighbours.notes)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """Look each query up."""
        started = clock.now()
        inputs = [query.input for query in queries]
        found = self.neighbours.search(inputs, 1)
        seconds = clock.now() - started
        cut = cut_by(self.neighbours.embedder, inputs)
        return [
            Prediction(query.id, row[0].target, usage=Usage(ttft_seconds=seconds, unread=unread))
            for query, row, unread in zip(queries, found, cut, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write train and its vectors."""
        self.neighbours.save(folder)
