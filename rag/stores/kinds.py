"""The kinds of stores by name."""

from __future__ import annotations

from collections.abc import Callable

from rag.stores.addresses import StorePlace
from rag.stores.chroma import ChromaCollection
from rag.stores.collection import Collection
from rag.stores.pgvector import PgvectorCollection
from rag.stores.qdrant import QdrantCollection

KINDS: dict[str, Callable[[StorePlace, str, int], Collection]] = {
    "qdrant": QdrantCollection,
    "chroma": ChromaCollection,
    "pgvector": PgvectorCollection,
}


def opened(place: StorePlace, name: str, dimension: int) -> Collection:
    """The collection of this name in a store; made when something is added.

    Raises:
        UserError: the library that asks such stores is not installed.
    """
    return KINDS[place.kind](place, name, dimension)
