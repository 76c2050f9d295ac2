"""What `Dense` asks of whatever holds the vectors of its passages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from advisor.models import Vectors
from rag.chunking import Chunk
from rag.flat import Precision

LOCAL = "faiss"


class Keeping(NamedTuple):
    """How the vectors of passages are kept; parameters of `rag`.

    Attributes:
        store: by the name that the user gave it.
        precision: what is kept of each.
        dimensions: how many numbers are kept of each; all where 0.
        questions: such as will be asked, by which it is told what is lost by keeping less; nothing is told without.
        copied: whether vectors in a store are in this process too, for a searcher that compares every query with all.
    """

    store: str = LOCAL
    precision: Precision = "float"
    dimensions: int = 0
    questions: tuple[str, ...] = ()
    copied: bool = False


PLAIN = Keeping()


class Sought(NamedTuple):
    """Some of an index's passages.

    Attributes:
        sources: of which they are.
        places: all of theirs among the chunks.
    """

    sources: Collection[str]
    places: Sequence[int]


class VectorIndex(ABC):
    """The vectors of chunks, which are known by their places; unit vectors, cosine similarities.

    Attributes:
        notes: what a reader of a report must know of it, in full sentences.
    """

    notes: tuple[str, ...] = ()

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Numbers of a vector; 0 where there has been none."""

    @property
    @abstractmethod
    def keeping(self) -> Keeping:
        """How they are kept, as far as it can be seen of them."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes of the vectors."""

    @abstractmethod
    def nearest(
        self, vectors: Vectors, k: int, within: Sought | None, without: Sought | None
    ) -> list[list[tuple[int, float]]]:
        """For each vector the places of the `k` most similar chunks with the similarities, best first; of equally
        similar ones the first chunk comes first.

        Args:
            within: the only chunks to look at; all where None.
            without: chunks to leave out; none where None.
        """

    @abstractmethod
    def similarities(self, vectors: Vectors) -> Vectors:
        """The similarity of each vector to every chunk, shape (queries, chunks)."""

    @abstractmethod
    def vectors(self, places: Sequence[int]) -> Vectors:
        """The vectors of chunks, shape (places, dimension)."""

    @abstractmethod
    def updated(self, chunks: Sequence[Chunk], kept: Sequence[int], fresh: Vectors) -> VectorIndex:
        """Of other chunks; this one stays as it is.

        Args:
            kept: for each of them the place here of one with the same text, or -1 where the next of `fresh` is its
                vector.
        """

    @abstractmethod
    def save(self, folder: Path, chunks: Sequence[Chunk]) -> None:
        """Write the chunks, and what is needed to find their vectors again, into an existing folder."""
