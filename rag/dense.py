"""Search by the similarity of vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from advisor.models import Embedder, Passage, Vectors
from rag.chunking import Chunk
from rag.embeddings import EmbedderEmbeddings
from rag.searcher import Floats, Scorer, Sources, chunk_of, document_of, limits_of
from rag.store import FaissStore

AT_ONCE = 64  # texts whose similarities to all chunks are in memory together


class Dense(Scorer):
    """Compares sentence embeddings by their cosine similarity, exactly.

    Args:
        store: of these very chunks, where they were embedded before.
    """

    embeds: ClassVar[bool] = True

    def __init__(self, chunks: Sequence[Chunk], embedder: Embedder, store: FaissStore | None = None) -> None:
        super().__init__(chunks, embedder)
        self.store = FaissStore(EmbedderEmbeddings(embedder)) if store is None else store
        if store is None and chunks:
            vectors = embedder.embed([chunk.embedded for chunk in chunks])
            self.store.add_embedded([document_of(chunk) for chunk in chunks], vectors)

    def scores(self, texts: Sequence[str]) -> Iterator[Floats]:
        """Cosine similarities; all texts are embedded in one call."""
        vectors = self.embedder.embed(texts)
        for start in range(0, len(texts), AT_ONCE):
            yield from self.store.similarities(vectors[start : start + AT_ONCE])

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """The most similar passages; all texts are embedded in one call."""
        vectors = self.embedder.embed(texts)
        if within is None and not any(without or ()):
            return self._nearest(vectors, k)
        limits = limits_of(texts, within, without)
        return [self._nearest(vectors[at : at + 1], k, *one)[0] for at, one in enumerate(limits)]

    @property
    def size_bytes(self) -> int:
        """Bytes of the vectors and the texts."""
        return self.store.size_bytes

    def save(self, folder: Path) -> None:
        """The store: vectors and texts."""
        self.store.save_local(folder)

    @classmethod
    def restore(cls, folder: Path, embedder: Embedder) -> Self:
        """No chunk is embedded again."""
        store = FaissStore.load_local(folder, EmbedderEmbeddings(embedder))
        return cls([chunk_of(document) for document in store.documents], embedder, store)

    def updated(self, chunks: Sequence[Chunk]) -> Dense:
        """Only texts that were not embedded before are embedded."""
        rows = {chunk.embedded: place for place, chunk in enumerate(self.chunks)}
        fresh = list(dict.fromkeys(chunk.embedded for chunk in chunks if chunk.embedded not in rows))
        if not chunks or len(fresh) == len(chunks):
            return type(self)(chunks, self.embedder)
        kept = [chunk for chunk in chunks if chunk.embedded in rows]
        old = self.store.vectors([self.chunks[rows[chunk.embedded]].id for chunk in kept])
        vectors = np.zeros((len(chunks), old.shape[1]), dtype=np.float32)
        is_kept = np.array([chunk.embedded in rows for chunk in chunks])
        vectors[is_kept] = old
        if fresh:
            new = dict(zip(fresh, self.embedder.embed(fresh), strict=True))
            vectors[~is_kept] = [new[chunk.embedded] for chunk in chunks if chunk.embedded not in rows]
        store = FaissStore(self.store.embeddings)
        store.add_embedded([document_of(chunk) for chunk in chunks], vectors)
        return type(self)(chunks, self.embedder, store)

    def _nearest(
        self, vectors: Vectors, k: int, within: Sources | None = None, without: Sources = ()
    ) -> list[list[Passage]]:
        among = None if within is None else self._ids(within)
        found = self.store.nearest(vectors, k, among, self._ids(without))
        return [[chunk_of(document).passage for document, _ in row] for row in found]

    def _ids(self, sources: Sources) -> list[str]:
        return [self.chunks[place].id for place in self.places_of(sources)]
