"""Qdrant, by LangChain's package for it. The one home of qdrant_client and langchain_qdrant.

Without an address it lives in this process and is gone with it. Its mode with a folder keeps points as pickles, and is
not offered.
"""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from functools import cache
from typing import Any

from langchain_core.documents import Document

from advisor.extras import needed
from advisor.models import Vectors
from rag.stores.addresses import StorePlace
from rag.stores.collection import AT_ONCE, KEY, SOURCE, Collection, Given

EXTRA = "qdrant"
PAGE = 10_000  # ids of one request


class QdrantCollection(Collection):
    """Inner products, found without its approximate index; points have the keys for ids."""

    def __init__(self, place: StorePlace, name: str, dimension: int) -> None:
        self.name, self.dimension = name, dimension
        with needed(f"store={place.store}", EXTRA):
            from langchain_qdrant import QdrantVectorStore
            from qdrant_client import models
        self._models: Any = models
        self._client = _client(place.url, place.secret)
        self._remote = bool(place.url)
        self._given = Given()
        self._kind = QdrantVectorStore
        self._made = self._client.collection_exists(name)

    def keys(self) -> set[str]:
        """Page by page."""
        found: set[str] = set()
        after: Any = None
        while self._made:
            points, after = self._client.scroll(self.name, limit=PAGE, offset=after, with_payload=False)
            found.update(str(point.id) for point in points)
            if after is None:
                break
        return found

    def add(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """By LangChain's class, which asks for the vectors."""
        if not self._made:
            size = self._models.VectorParams(size=self.dimension, distance=self._models.Distance.DOT)
            self._client.create_collection(self.name, vectors_config=size)
            self._made = True
        self._given.give(vectors)
        self._store().add_documents(list(documents), ids=[str(one.id) for one in documents], batch_size=AT_ONCE)

    def drop(self) -> None:
        """Remove it."""
        self._client.delete_collection(self.name)
        self._made = False

    def nearest(
        self, vector: Sequence[float], k: int, within: Some[str] | None, without: Some[str]
    ) -> list[tuple[str, float]]:
        """Exactly."""
        must = [] if within is None else [self._of(within)]
        only = self._models.Filter(must=must, must_not=[self._of(without)] if without else [])
        exactly = self._models.SearchParams(exact=True) if self._remote else None  # in this process it always is
        found = self._store().similarity_search_with_score_by_vector(
            list(vector), k, filter=only, search_params=exactly
        )
        return [(str(document.metadata[KEY]), float(score)) for document, score in found]

    def vectors(self, keys: Sequence[str]) -> dict[str, Sequence[float]]:
        """As they were added."""
        points = self._client.retrieve(self.name, ids=list(keys), with_payload=False, with_vectors=True)
        return {str(point.id): point.vector for point in points}

    def _of(self, sources: Some[str]) -> Any:
        return self._models.FieldCondition(key=f"metadata.{SOURCE}", match=self._models.MatchAny(any=list(sources)))

    def _store(self) -> Any:
        return self._kind(
            self._client,
            self.name,
            self._given,
            distance=self._models.Distance.DOT,
            validate_embeddings=False,
            validate_collection_config=False,
        )


@cache
def _client(url: str, key: str) -> Any:
    """One for each address; that in this process is shared too, so that an index finds what another one has put in."""
    from qdrant_client import QdrantClient

    return QdrantClient(url, api_key=key or None) if url else QdrantClient(":memory:")
