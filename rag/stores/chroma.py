"""Chroma, by LangChain's package for it. The one home of chromadb and langchain_chroma.

Without an address it lives in this process and is gone with it.
"""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from langchain_core.documents import Document

from advisor.extras import needed
from advisor.models import Vectors
from rag.stores.addresses import StorePlace
from rag.stores.collection import KEY, Collection, Given, conditions

EXTRA = "chroma"
LEAST_LOOKED_AT = 1000  # candidates of its approximate index, which there is no way around; and for each asked for:
LOOKED_AT = 4
PORTS = {"http": 8000, "https": 443}


class ChromaCollection(Collection):
    """Inner products. Its index is approximate: it looks at a thousand candidates, so that up to about that many
    passages are searched exactly."""

    def __init__(self, place: StorePlace, name: str, dimension: int) -> None:
        self.name = name
        with needed(f"store={place.store}", EXTRA):
            from langchain_chroma import Chroma
        self._kind = Chroma
        self._client = _client(place.url, place.secret)
        self._given = Given()

    def keys(self) -> set[str]:
        """All at once."""
        return set(self._store().get(include=[])["ids"]) if self._exists() else set()

    def add(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """By LangChain's class, which asks for the vectors."""
        self._given.give(vectors)
        self._store().add_documents(list(documents), ids=[str(one.id) for one in documents])

    def drop(self) -> None:
        """Remove it."""
        self._client.delete_collection(self.name)

    def nearest(
        self, vector: Sequence[float], k: int, within: Some[str] | None, without: Some[str]
    ) -> list[tuple[str, float]]:
        """As its index finds them."""
        parts = conditions(within, without)
        where = {"$and": parts} if len(parts) > 1 else parts[0] if parts else None
        found = self._store().similarity_search_by_vector_with_relevance_scores(list(vector), k, filter=where)
        return [(str(document.metadata[KEY]), 1 - float(distance)) for document, distance in found]

    def vectors(self, keys: Sequence[str]) -> dict[str, Sequence[float]]:
        """As they were added."""
        found = self._store().get(ids=list(keys), include=["embeddings"])
        return dict(zip(found["ids"], found["embeddings"], strict=True))

    def _exists(self) -> bool:
        return any(getattr(one, "name", one) == self.name for one in self._client.list_collections())

    def _store(self) -> Any:
        how: Any = {"hnsw": {"space": "ip", "ef_search": LEAST_LOOKED_AT, "ef_construction": LEAST_LOOKED_AT}}
        return self._kind(self.name, self._given, client=self._client, collection_configuration=how)


@cache
def _client(url: str, key: str) -> Any:
    """One for each address; that in this process is shared too."""
    import chromadb
    from chromadb.config import Settings

    quiet = Settings(anonymized_telemetry=False)
    if not url:
        return chromadb.EphemeralClient(quiet)
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {key}"} if key else None
    safe = parts.scheme == "https"
    port = parts.port or PORTS[parts.scheme]
    return chromadb.HttpClient(parts.hostname or "", port, ssl=safe, headers=headers, settings=quiet)
