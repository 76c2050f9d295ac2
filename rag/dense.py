"""Search by the similarity of vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from advisor.models import Embedder, Passage, Vectors, embedded_queries
from rag.chunking import Chunk
from rag.flat import cut
from rag.searcher import Floats, Scorer, Sources, limits_of
from rag.stores.contract import PLAIN, Keeping, Sought, VectorIndex
from rag.stores.filling import filled, restored

CELLS = 2**24  # similarities that are in memory together


class Dense(Scorer):
    """Compares sentence embeddings by their cosine similarity, exactly.

    Args:
        index: of these very chunks, where they were embedded before.
        keeping: how vectors are kept, also those that come after all have gone.
    """

    embeds: ClassVar[bool] = True

    def __init__(
        self, chunks: Sequence[Chunk], embedder: Embedder, index: VectorIndex | None = None, keeping: Keeping = PLAIN
    ) -> None:
        super().__init__(chunks, embedder)
        self.index = filled(chunks, embedder, keeping) if index is None else index
        self.keeping = keeping
        self.notes = self.index.notes

    @classmethod
    def kept(cls, chunks: Sequence[Chunk], embedder: Embedder, keeping: Keeping) -> Self:
        """Vectors are kept where and as the user says."""
        return cls(chunks, embedder, None, keeping)

    def scores(self, texts: Sequence[str]) -> Iterator[Floats]:
        """Cosine similarities; all texts are embedded in one call."""
        vectors = self._asked(texts)
        step = max(1, CELLS // max(1, len(self.chunks)))
        for start in range(0, len(texts), step):
            yield from self.index.similarities(vectors[start : start + step])

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """The most similar passages, scored by their cosine similarity; all texts are embedded in one call."""
        vectors = self._asked(texts)
        if within is None and not any(without or ()):
            return self._nearest(vectors, k)
        limits = limits_of(texts, within, without)
        return [self._nearest(vectors[at : at + 1], k, *one)[0] for at, one in enumerate(limits)]

    def vectors_of(self, places: Sequence[int]) -> Vectors:
        """The vectors of the chunks at these places, of length 1."""
        return self.index.vectors(places)

    def updated(self, chunks: Sequence[Chunk]) -> Dense:
        """Only texts that were not embedded before are embedded."""
        if not self.chunks:
            return type(self)(chunks, self.embedder, None, self.keeping)
        rows = {chunk.embedded: place for place, chunk in enumerate(self.chunks)}
        kept = [rows.get(chunk.embedded, -1) for chunk in chunks]
        fresh = [chunk.embedded for chunk, row in zip(chunks, kept, strict=True) if row < 0]
        distinct = {text: at for at, text in enumerate(dict.fromkeys(fresh))}
        vectors = np.zeros((0, self.index.dimension), dtype=np.float32)
        if distinct:
            vectors = cut(self.embedder.embed(list(distinct)), self.index.dimension)[[distinct[text] for text in fresh]]
        return type(self)(chunks, self.embedder, self.index.updated(chunks, kept, vectors), self.keeping)

    @property
    def size_bytes(self) -> int:
        """Bytes of the vectors and the texts."""
        return super().size_bytes + self.index.size_bytes

    def save(self, folder: Path) -> None:
        """The chunks, and their vectors or where these are."""
        self.index.save(folder, self.chunks)

    @classmethod
    def restore(cls, folder: Path, embedder: Embedder) -> Self:
        """No chunk is embedded again, unless a vector store has lost it."""
        chunks, index = restored(folder, embedder)
        return cls(chunks, embedder, index, index.keeping)

    def _asked(self, texts: Sequence[str]) -> Vectors:
        return cut(embedded_queries(self.embedder, texts), self.index.dimension)

    def _nearest(
        self, vectors: Vectors, k: int, within: Sources | None = None, without: Sources = ()
    ) -> list[list[Passage]]:
        only = None if within is None else Sought(within, self.places_of(within))
        never = Sought(without, self.places_of(without)) if without else None
        found = self.index.nearest(vectors, k, only, never)
        return [[replace(self.chunks[at].passage, score=score) for at, score in row] for row in found]
