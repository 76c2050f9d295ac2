"""PostgreSQL with pgvector, by LangChain's package for it. The one home of langchain_postgres.

Its own id column is of UUIDs and refuses other ids; here it is of text. There is no index on the vectors, so that
search is exact.
"""

from __future__ import annotations

import json
from collections.abc import Collection as Some
from collections.abc import Sequence
from functools import cache
from typing import Any

from langchain_core.documents import Document

from advisor.extras import needed
from advisor.models import Vectors
from rag.stores.addresses import StorePlace
from rag.stores.collection import SOURCE, Collection, Given, conditions

EXTRA = "pgvector"
DRIVER = "postgresql+psycopg"
ID = "langchain_id"


class PgvectorCollection(Collection):
    """A table; inner products."""

    def __init__(self, place: StorePlace, name: str, dimension: int) -> None:
        self.name, self.dimension = name, dimension
        with needed(f"store={place.store}", EXTRA):
            import langchain_postgres
            from langchain_postgres.v2.indexes import DistanceStrategy
        self._library = langchain_postgres
        self._distance = DistanceStrategy.INNER_PRODUCT
        self._engine = _engine(place.url)
        self._opened: Any = None

    def keys(self) -> set[str]:
        """All at once."""
        table = self._table()
        return set() if table is None else set(table.get(include=[])["ids"])

    def add(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """Row by row, as LangChain's class does it; a row that is there takes the new values."""
        if self._table() is None:
            columns = self._library.Column(ID, "VARCHAR"), [self._library.Column(SOURCE, "TEXT")]
            self._engine.init_vectorstore_table(
                self.name, self.dimension, id_column=columns[0], metadata_columns=columns[1]
            )
        texts = [one.page_content for one in documents]
        metadatas, ids = [dict(one.metadata) for one in documents], [str(one.id) for one in documents]
        self._table().add_embeddings(texts, vectors.tolist(), metadatas, ids)

    def drop(self) -> None:
        """Remove it."""
        self._engine.drop_table(self.name)
        self._opened = None

    def nearest(
        self, vector: Sequence[float], k: int, within: Some[str] | None, without: Some[str]
    ) -> list[tuple[str, float]]:
        """Exactly."""
        parts = conditions(within, without)
        only = {"$and": parts} if parts else None
        found = self._table().similarity_search_with_score_by_vector(list(vector), k, filter=only)
        return [(str(document.id), float(score)) for document, score in found]

    def vectors(self, keys: Sequence[str]) -> dict[str, Sequence[float]]:
        """As they were added."""
        found = self._table().get(ids=list(keys), include=["embeddings"])
        return dict(zip(found["ids"], map(_numbers, found["embeddings"]), strict=True))

    def _table(self) -> Any:
        """None where there is no such table."""
        if self._opened is None:
            try:
                self._opened = self._library.PGVectorStore.create_sync(
                    self._engine, Given(), self.name, metadata_columns=[SOURCE], distance_strategy=self._distance
                )
            except ValueError:  # how it says that the table has no column for ids
                return None
        return self._opened


@cache
def _engine(url: str) -> Any:
    """One for each address."""
    from langchain_postgres import PGEngine

    return PGEngine.from_connection_string(f"{DRIVER}:{url.partition(':')[2]}")


def _numbers(value: Any) -> Sequence[float]:
    found: Sequence[float] = json.loads(value) if isinstance(value, str) else value
    return found
