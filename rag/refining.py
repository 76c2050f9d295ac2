"""What is done to texts before they are searched for, and to what is found: searchers around a searcher."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path

from rag.chunking import Chunk
from rag.searcher import Searcher, Sources


class Refinement(Searcher):
    """A searcher that asks another one, which holds the chunks and is what is kept.

    What a refinement learned or was told is the builder's to keep: it is put around the searcher again by `restore`.

    Attributes:
        inner: the searcher that it asks.
    """

    def __init__(self, inner: Searcher) -> None:  # the chunks are those of the inner one
        self.inner = inner
        self.chunks = inner.chunks
        self.notes = inner.notes

    def places_of(self, sources: Sources) -> list[int]:
        """As the inner searcher has it."""
        return self.inner.places_of(sources)

    @property
    def size_bytes(self) -> int:
        """Bytes of the inner searcher; a refinement keeps nothing."""
        return self.inner.size_bytes

    def save(self, folder: Path) -> None:
        """Keep the inner searcher."""
        self.inner.save(folder)

    def updated(self, chunks: Sequence[Chunk]) -> Searcher:
        """The same around the inner searcher over other chunks; for refinements that know nothing of the chunks."""
        other = copy(self)
        other.inner = self.inner.updated(chunks)
        other.chunks, other.notes = other.inner.chunks, other.inner.notes
        return other
