"""A collection of vectors in a store that others run: what each kind of store has to be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection as Some
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from advisor.models import Vectors

AT_ONCE = 500  # passages of one request
KEY = "key"
SOURCE = "source"


class Collection(ABC):
    """Passages under keys, each with its source in the metadata, and their unit vectors."""

    @abstractmethod
    def keys(self) -> set[str]:
        """Of all that is there; none where there is no such collection."""

    @abstractmethod
    def add(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """Add passages, whose ids are their keys; the collection is made where there is none."""

    @abstractmethod
    def drop(self) -> None:
        """Remove the collection with all that is in it."""

    @abstractmethod
    def nearest(
        self, vector: Sequence[float], k: int, within: Some[str] | None, without: Some[str]
    ) -> list[tuple[str, float]]:
        """The keys of the `k` most similar passages, with their inner products.

        Args:
            within: the only sources to look at; all where None.
            without: sources to leave out.
        """

    @abstractmethod
    def vectors(self, keys: Sequence[str]) -> dict[str, Sequence[float]]:
        """The vectors under these keys."""


def conditions(within: Some[str] | None, without: Some[str]) -> list[dict[str, Any]]:
    """The sources to look at and those to leave out, as far as there are any, as LangChain's filters have them."""
    found: list[dict[str, Any]] = [] if within is None else [{SOURCE: {"$in": list(within)}}]
    return [*found, {SOURCE: {"$nin": list(without)}}] if without else found


class Given(Embeddings):
    """Vectors that are known already, for stores that ask for them text by text, in the order of the texts."""

    def __init__(self) -> None:
        self.coming: Iterator[list[float]] = iter(())

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The next vectors."""
        return [next(self.coming) for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        """No store is searched by text."""
        raise NotImplementedError

    def give(self, vectors: Vectors) -> None:
        """What comes next."""
        self.coming = iter(np.asarray(vectors, dtype=np.float32).tolist())
