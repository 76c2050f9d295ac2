"""The training examples most similar to a text, by exact search over their embeddings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.models import Embedder, Vectors, note_of_cut
from advisor.tasks import Example

VECTORS, EXAMPLES = "neighbours.npz", "neighbours.json"
_FLOATS_AT_ONCE = 16_000_000  # of similarities that are held together: 64 MB


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training example as it is copied or shown."""

    input: str
    target: str


class Neighbours:
    """Training examples and the unit vectors of their inputs, shape (examples, dimension).

    Attributes:
        notes: of inputs that the embedder did not read to their end; told once, when they are embedded.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, examples: Sequence[Neighbour], vectors: Vectors, embedder: Embedder) -> None:
        self.examples = tuple(examples)
        self.vectors = vectors
        self.embedder = embedder

    @classmethod
    def of(cls, examples: Sequence[Example], embedder: Embedder) -> Neighbours:
        """Embed the examples' inputs."""
        inputs = [example.input for example in examples]
        kept = [Neighbour(example.input, example.target) for example in examples]
        found = cls(kept, embedder.embed(inputs), embedder)
        found.notes = note_of_cut(embedder, inputs, "training inputs")
        return found

    @classmethod
    def load(cls, folder: Path, embedder: Embedder) -> Neighbours:
        """Read back what `save` wrote."""
        examples = [Neighbour(**one) for one in json.loads((folder / EXAMPLES).read_text(encoding="utf-8"))]
        with np.load(folder / VECTORS, allow_pickle=False) as saved:
            return cls(examples, saved["vectors"], embedder)

    def save(self, folder: Path) -> None:
        """Write the examples and their vectors."""
        examples = [asdict(example) for example in self.examples]
        (folder / EXAMPLES).write_text(json.dumps(examples), encoding="utf-8")
        np.savez(folder / VECTORS, vectors=self.vectors)

    @property
    def bytes(self) -> int:
        """Size of the vectors."""
        return int(self.vectors.nbytes)

    def search(self, texts: Sequence[str], k: int, *, apart_from_itself: bool = False) -> list[list[Neighbour]]:
        """The `k` most similar examples of each text, best first; equal ones in the order of train.

        Args:
            apart_from_itself: leave out examples with the very same input, so that no training example is
                shown its own answer.
        """
        vectors = self.embedder.embed(texts)
        found: list[list[Neighbour]] = []
        step = max(1, _FLOATS_AT_ONCE // max(1, len(self.examples)))
        for start in range(0, len(texts), step):
            similarity = vectors[start : start + step] @ self.vectors.T
            for text, row in zip(texts[start : start + step], similarity, strict=True):
                itself = self._places.get(text, ()) if apart_from_itself else ()
                best = [self.examples[i] for i in _best(row, k + len(itself)) if i not in itself]
                found.append(best[:k])
        return found

    @cached_property
    def _places(self) -> dict[str, set[int]]:
        """Where the examples with an input stand."""
        places: dict[str, set[int]] = {}
        for place, example in enumerate(self.examples):
            places.setdefault(example.input, set()).add(place)
        return places


def _best(values: NDArray[np.float32], k: int) -> list[int]:
    """The places of the `k` largest values, the largest first, equal ones in their order; without sorting the rest."""
    if k < len(values):
        least = np.partition(values, len(values) - k)[len(values) - k]
        places = np.flatnonzero(values >= least)
    else:
        places = np.arange(len(values))
    order = np.argsort(-values[places], kind="stable")[:k]
    return [int(place) for place in places[order]]
