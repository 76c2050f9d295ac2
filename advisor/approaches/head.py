"""A linear head on frozen embeddings: the cheap rival that any fine-tune of a classifier must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from advisor.approaches.contract import Approach, Facts, Prediction, Predictor, Usage
from advisor.approaches.curation import Curation
from advisor.approaches.linear import LinearClassifier, unclassifiable
from advisor.approaches.workload import Lengths, Load
from advisor.errors import NotApplicable
from advisor.models import Embedder, LanguageModel, Vectors, cut_by, note_of_cut
from advisor.models.clock import clock
from advisor.tasks import Outline, Query, Task, TaskBrief, TaskShape


@dataclass(frozen=True)
class Head(Curation, Approach):
    """Logistic regression on the embedder's vectors (scikit-learn, L2).

    Attributes:
        c: inverse of the strength of regularisation.
        calibrate: whether confidences are scaled by one temperature (`advisor.approaches.temperature`), chosen on dev,
            else by cross-validation on train; the answers stay the same.
    """

    c: float = 10.0
    calibrate: bool = False

    name: ClassVar[str] = "head"
    uses_model: ClassVar[bool] = False
    only_seen_labels: ClassVar[bool] = True
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "head"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.c > 0:
            raise ValueError(f"c is {self.c:g}, and has to be above 0")

    def unsuited(self, task: TaskShape) -> str:
        """What speaks against any classifier."""
        return unclassifiable(task) or self.improper(task)

    def load(self, task: Outline, lengths: Lengths) -> Load:
        """Train and queries are embedded; the classifier itself is nothing beside that."""
        read = (1 + self.augment) * task.train.total + self.calibrate * task.dev.total
        return self.with_curation(Load(embedded=task.train.mean(), embedded_to_fit=read, trains=True), task, lengths)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Embed train and fit."""
        curated = self.curated(task, model)
        train = curated.taught(curated.task.train)
        inputs, targets = [example.input for example in train], [example.target for example in train]
        vectors = model.embedder.embed(inputs)
        classifier, notes = LinearClassifier.fitted(vectors, targets, self.c), curated.notes
        if self.calibrate:
            given = set(curated.task.train)
            own = [place for place, example in enumerate(train) if example in given]
            classifier, note = self._calibrated(classifier, task, model, (vectors[own], [targets[i] for i in own]))
            notes += (note,)
        head = Linear(classifier, model.embedder)
        head.facts = replace(head.facts, notes=(*notes, *note_of_cut(model.embedder, inputs, "training inputs")))
        return head

    def _calibrated(
        self, classifier: LinearClassifier, task: Task, model: LanguageModel, train: tuple[Vectors, list[str]]
    ) -> tuple[LinearClassifier, str]:
        """By dev, else by train, of which what is only trained on beside its examples is left out."""
        if not task.dev:
            return classifier.cross_calibrated(*train, self.c)
        inputs = [example.input for example in task.dev]
        return classifier.calibrated(model.embedder.embed(inputs), [example.target for example in task.dev])

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Read the weights."""
        return Linear(LinearClassifier.load(folder), model.embedder)


class Linear(Predictor):
    """Classifies the embedding of each query."""

    def __init__(self, classifier: LinearClassifier, embedder: Embedder) -> None:
        if classifier.weights.shape[1] != embedder.dimension:
            shape = classifier.weights.shape
            raise NotApplicable(f"the saved head has shape {shape}, the embedder gives {embedder.dimension}")
        self.classifier = classifier
        self.embedder = embedder
        self.facts = Facts(artifact_bytes=4 * classifier.size, trainable_parameters=classifier.size)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The most probable label of each query, with its probability."""
        started = clock.now()
        inputs = [query.input for query in queries]
        shares, labels = self.classifier.shares(self.embedder.embed(inputs)), self.classifier.labels
        seconds = clock.now() - started
        return [
            Prediction(
                query.id, labels[int(row.argmax())], (), float(row.max()), Usage(ttft_seconds=seconds, unread=cut)
            )
            for query, row, cut in zip(queries, shares, cut_by(self.embedder, inputs), strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write labels, weights and biases."""
        self.classifier.save(folder)
