"""A linear classifier of vectors, whatever made these: logistic regression by scikit-learn."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from advisor.approaches.temperature import Row, chosen_temperature
from advisor.models import Vectors
from advisor.tasks import TaskShape

WEIGHTS, LABELS = "head.npz", "labels.json"
FOLDS = 5
Pool = Literal["last", "mean"]
"""The state of a prompt's last token, or the mean over the query's own tokens."""
PROBABILITIES = "the classifier's probabilities"


def unclassifiable(task: TaskShape) -> str:
    """Why no classifier can be fitted to a task: it answers with labels only, and needs at least two to tell apart;
    empty where one can."""
    if task.kind != "classification":
        return "it answers with labels, and the task has none"
    return "" if task.distinct_answers > 1 else "train has fewer than two labels"


def uncalibrated(calibrate: bool, task: TaskShape) -> str:
    """Why the confidences of what learns its vectors too cannot be calibrated; empty where they can, or are not to be:
    vectors of what was learned by heart say nothing."""
    return "calibrate needs dev examples: the weights learn from those of train" if calibrate and not task.dev else ""


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """Softmax over a linear map of a vector.

    Attributes:
        weights: shape (labels, dimension).
        biases: shape (labels,).
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]

    @classmethod
    def fitted(cls, vectors: NDArray[np.floating], targets: Sequence[str], c: float) -> Self:
        """Logistic regression, L2.

        Args:
            vectors: shape (examples, dimension).
            targets: the label of each, of at least two.
            c: inverse of the strength of regularisation.
        """
        from sklearn.linear_model import LogisticRegression  # on first use: to name an approach shall cost nothing

        labels = sorted(set(targets))
        number = {label: i for i, label in enumerate(labels)}
        learner = LogisticRegression(C=c, max_iter=2000)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The number of unique classes")  # few examples of many labels
            learner.fit(vectors, [number[target] for target in targets])
        weights, biases = learner.coef_, learner.intercept_
        if len(labels) == 2:  # scikit-learn keeps one row for two classes
            weights, biases = np.vstack([-weights / 2, weights / 2]), np.concatenate([-biases / 2, biases / 2])
        return cls(tuple(labels), weights.astype(np.float32), biases.astype(np.float32))

    def calibrated(self, vectors: NDArray[np.floating], targets: Sequence[str]) -> tuple[Self, str]:
        """The same with a temperature in weights and biases that makes held-out examples of dev likelier, and a note.

        Args:
            vectors, targets: as in `fitted`, of examples that it was not fitted to.
        """
        return self._at(*chosen_temperature(self._rows(vectors, targets, self.labels), PROBABILITIES, dev=True))

    def cross_calibrated(self, vectors: NDArray[np.floating], targets: Sequence[str], c: float) -> tuple[Self, str]:
        """The same by the examples that it was fitted to, each classified by what was fitted to the other folds."""
        rows: list[Row] = []
        fold = (np.random.default_rng(0).permutation(len(targets)) % FOLDS).tolist()
        for number in range(FOLDS):
            held = [place for place, one in enumerate(fold) if one == number]
            kept = [place for place, one in enumerate(fold) if one != number]
            told = [targets[i] for i in kept]
            if len(set(told)) > 1:
                part = LinearClassifier.fitted(vectors[kept], told, c)
                rows += part._rows(vectors[held], [targets[i] for i in held], self.labels)
        temperature, note = chosen_temperature(rows, PROBABILITIES, dev=False)
        return self._at(temperature, f"{note} These were classified by what was fitted to others of them.")

    def _rows(self, vectors: NDArray[np.floating], targets: Sequence[str], labels: Sequence[str]) -> list[Row]:
        """Log probabilities among `labels`, of which those that were not learned have none, and the right one."""
        number = {label: labels.index(label) for label in self.labels}
        values = np.full((len(targets), len(labels)), -np.inf)
        values[:, list(number.values())] = vectors @ self.weights.T + self.biases
        return [(row.tolist(), number.get(target, -1)) for row, target in zip(values, targets, strict=True)]

    def _at(self, temperature: float, note: str) -> tuple[Self, str]:
        scale = np.float32(1 / temperature)
        return replace(self, weights=self.weights * scale, biases=self.biases * scale), note

    @property
    def size(self) -> int:
        """Numbers that were learned."""
        return self.weights.size + self.biases.size

    def shares(self, vectors: Vectors) -> Vectors:
        """Probability of each label for each vector, shape (vectors, labels)."""
        values = vectors @ self.weights.T + self.biases
        shares = np.exp(values - values.max(axis=1, keepdims=True))
        found: Vectors = shares / shares.sum(axis=1, keepdims=True)
        return found

    def save(self, folder: Path) -> None:
        """Write labels, weights and biases."""
        (folder / LABELS).write_text(json.dumps(self.labels), encoding="utf-8")
        np.savez(folder / WEIGHTS, weights=self.weights, biases=self.biases)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))
        with np.load(folder / WEIGHTS, allow_pickle=False) as saved:
            return cls(tuple(labels), saved["weights"], saved["biases"])


@runtime_checkable
class ReadsLayer(Protocol):
    """A predictor that classifies what a layer of the language model makes of a query."""

    @property
    def reads(self) -> LayerRead:
        """What is read, and what answers by it."""
        ...


@dataclass(frozen=True, eq=False)
class LayerRead:
    """A linear classifier of a layer's states.

    Attributes:
        layer: counted from 1.
        classifier: of the states as they are.
    """

    layer: int
    pool: Pool
    classifier: LinearClassifier
