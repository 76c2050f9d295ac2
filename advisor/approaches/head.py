"""A linear head on frozen embeddings: the cheap rival that any fine-tune of a classifier must beat."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from advisor.approaches.contract import Approach, Facts, Prediction, Predictor, Usage
from advisor.approaches.workload import Lengths, Load
from advisor.errors import NotApplicable
from advisor.models import Embedder, LanguageModel, cut_by, note_of_cut
from advisor.models.clock import clock
from advisor.tasks import Example, Outline, Query, Task, TaskBrief, TaskShape


@dataclass(frozen=True)
class Head(Approach):
    """Logistic regression on the embedder's vectors (scikit-learn, L2).

    Attributes:
        c: inverse of the strength of regularisation.
    """

    c: float = 10.0

    name: ClassVar[str] = "head"
    uses_model: ClassVar[bool] = False
    only_seen_labels: ClassVar[bool] = True
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "head"

    def __post_init__(self) -> None:
        if not self.c > 0:
            raise ValueError(f"c is {self.c:g}, and has to be above 0")

    def unsuited(self, task: TaskShape) -> str:
        """It answers with labels only, and needs at least two to tell apart."""
        if task.kind != "classification":
            return "it answers with labels, and the task has none"
        return "" if task.distinct_answers > 1 else "train has fewer than two labels"

    def load(self, task: Outline, lengths: Lengths) -> Load:
        """Train and queries are embedded; the classifier itself is nothing beside that."""
        return Load(embedded=task.train.mean(), embedded_to_fit=task.train.total, trains=True)

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Embed train and fit."""
        head = fitted(task.train, model.embedder, self.c)
        notes = note_of_cut(model.embedder, [example.input for example in task.train], "training inputs")
        head.facts = replace(head.facts, notes=notes)
        return head

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Read the weights."""
        return Linear.read(folder, model.embedder)


class Linear(Predictor):
    """Softmax over a linear map of the embedding.

    Args:
        weights: shape (labels, dimension); biases: shape (labels,).
    """

    def __init__(
        self, labels: Sequence[str], weights: NDArray[np.float32], biases: NDArray[np.float32], embedder: Embedder
    ) -> None:
        if weights.shape != (len(labels), embedder.dimension):
            raise NotApplicable(f"the saved head has shape {weights.shape}, the embedder gives {embedder.dimension}")
        self.labels = list(labels)
        self.weights = weights
        self.biases = biases
        self.embedder = embedder
        size = weights.size + biases.size
        self.facts = Facts(artifact_bytes=4 * size, trainable_parameters=size)

    @staticmethod
    def read(folder: Path, embedder: Embedder) -> Linear:
        """Bring back what `save` wrote."""
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        with np.load(folder / "head.npz", allow_pickle=False) as saved:
            return Linear(labels, saved["weights"], saved["biases"], embedder)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The most probable label of each query, with its probability."""
        started = clock.now()
        inputs = [query.input for query in queries]
        values = self.embedder.embed(inputs) @ self.weights.T + self.biases
        shares = np.exp(values - values.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        seconds = clock.now() - started
        return [
            Prediction(
                query.id, self.labels[int(row.argmax())], (), float(row.max()), Usage(ttft_seconds=seconds, unread=cut)
            )
            for query, row, cut in zip(queries, shares, cut_by(self.embedder, inputs), strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write labels, weights and biases."""
        (folder / "labels.json").write_text(json.dumps(self.labels), encoding="utf-8")
        np.savez(folder / "head.npz", weights=self.weights, biases=self.biases)


def fitted(train: Sequence[Example], embedder: Embedder, c: float) -> Linear:
    """Logistic regression on the embedder's vectors of examples.

    Args:
        c: as in `Head`.
    """
    from sklearn.linear_model import LogisticRegression  # on first use: to name an approach shall cost nothing

    vectors = embedder.embed([example.input for example in train])
    labels = sorted({example.target for example in train})
    number = {label: i for i, label in enumerate(labels)}
    learner = LogisticRegression(C=c, max_iter=2000)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")  # few examples of many labels
        learner.fit(vectors, [number[example.target] for example in train])
    weights, biases = learner.coef_, learner.intercept_
    if len(labels) == 2:  # scikit-learn keeps one row for two classes
        weights, biases = np.vstack([-weights / 2, weights / 2]), np.concatenate([-biases / 2, biases / 2])
    return Linear(labels, weights.astype(np.float32), biases.astype(np.float32), embedder)
