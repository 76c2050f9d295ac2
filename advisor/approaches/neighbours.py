"""The training examples most similar to a text, by exact search over their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from advisor.models import Embedder, Vectors, note_of_cut
from advisor.tasks import Example


class Neighbours:
    """Training examples and the unit vectors of their inputs, shape (examples, dimension).

    Attributes:
        notes: of inputs that the embedder did not read to their end; told once, when they are embedded.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, examples: Sequence[Example], vectors: Vectors, embedder: Embedder) -> None:
        self.examples = tuple(examples)
        self.vectors = vectors
        self.embedder = embedder

    @classmethod
    def of(cls, examples: Sequence[Example], embedder: Embedder) -> Neighbours:
        """Embed the examples' inputs."""
        inputs = [example.input for example in examples]
        found = cls(examples, embedder.embed(inputs), embedder)
        found.notes = note_of_cut(embedder, inputs, "training inputs")
        return found

    @classmethod
    def load(cls, path: Path, examples: Sequence[Example], embedder: Embedder) -> Neighbours:
        """Read back what `save` wrote for the same examples."""
        with np.load(path, allow_pickle=False) as saved:
            return cls(examples, saved["vectors"], embedder)

    def save(self, path: Path) -> None:
        """Write the vectors."""
        np.savez(path, vectors=self.vectors)

    @property
    def bytes(self) -> int:
        """Size of the vectors."""
        return int(self.vectors.nbytes)

    def search(self, texts: Sequence[str], k: int, *, apart_from_itself: bool = False) -> list[list[Example]]:
        """The `k` most similar examples of each text, best first; equal ones in the order of train.

        Args:
            apart_from_itself: leave out examples with the very same input, so that no training example is
                shown its own answer.
        """
        similarity = self.embedder.embed(texts) @ self.vectors.T
        found = []
        for text, row in zip(texts, similarity, strict=True):
            best: list[Example] = []
            for number in np.argsort(-row, kind="stable"):
                example = self.examples[int(number)]
                if not (apart_from_itself and example.input == text):
                    best.append(example)
                if len(best) == k:
                    break
            found.append(best)
        return found
