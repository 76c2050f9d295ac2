"""A LangChain vector store: exact search by FAISS, kept on disk without pickles."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from rag.documents import DOCUMENTS_FILE, damaged, read_documents, write_documents
from rag.flat import INDEX_FILE, FlatVectors, Numbers, Vectors

Scored = tuple[Document, float]


class FaissStore(VectorStore):
    """Documents with their unit vectors; search is exact and scores are cosine similarities, best first.

    Search by an exhaustive scan is what LangChain's own FAISS store does by default; that one keeps its
    documents in a pickle, which runs whatever code was put into it when it is read.
    """

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self._index: FlatVectors | None = None  # made with the first vectors, whose size it takes
        self._documents: dict[int, Document] = {}
        self._numbers: dict[str, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._documents)

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    @property
    def dimension(self) -> int:
        """Size of the vectors; 0 while there have been none."""
        return self._index.dimension if self._index is not None else 0

    @property
    def documents(self) -> list[Document]:
        """All that is in the store, in the order of adding."""
        return list(self._documents.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of the vectors and the texts, as UTF-8."""
        texts = sum(len(document.page_content.encode()) for document in self._documents.values())
        return texts + (self._index.size_bytes if self._index is not None else 0)

    # adding and removing

    def add_documents(
        self, documents: list[Document], ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Embed and add; a document with a known id takes the old one's place.

        Args:
            ids: one per document, before those that documents carry themselves; made up where both lack.

        Raises:
            ValueError: there are not as many ids as documents.
        """
        vectors = self._embedding.embed_documents([document.page_content for document in documents])
        return self.add_embedded(documents, np.asarray(vectors, dtype=np.float32), ids)

    def add_embedded(
        self, documents: Sequence[Document], vectors: Vectors, ids: Sequence[str | None] | None = None
    ) -> list[str]:
        """Add documents whose vectors are known, shape (len(documents), dimension)."""
        given = [document.id for document in documents] if ids is None else list(ids)
        if not len(given) == len(documents) == len(vectors):
            raise ValueError(f"{len(documents)} documents, {len(given)} ids and {len(vectors)} vectors")
        if not documents:
            return []
        named = [key or str(uuid.uuid4()) for key in given]
        last = {key: row for row, key in enumerate(named)}  # of equal ids in one call the last one counts
        self.delete(list(last))
        numbers = np.arange(self._next, self._next + len(last), dtype=np.int64)
        if self._index is None:
            self._index = FlatVectors(vectors.shape[1])
        self._index.add(numbers, vectors[list(last.values())])
        self._next += len(last)
        for number, (key, row) in zip(numbers.tolist(), last.items(), strict=True):
            self._numbers[key] = number
            self._documents[number] = _copy(documents[row], key)
        return named

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Remove the documents with these ids, or all where `ids` is None; unknown ids are passed over."""
        wanted = list(self._numbers) if ids is None else list(dict.fromkeys(ids))
        gone = [self._numbers.pop(key) for key in wanted if key in self._numbers]
        for number in gone:
            del self._documents[number]
        if gone and self._index is not None:
            self._index.remove(np.array(gone, dtype=np.int64))
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids, in the order asked for; unknown ids are passed over."""
        return [_copy(self._documents[self._numbers[key]], key) for key in ids if key in self._numbers]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store of these texts."""
        store = cls(embedding)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # searching

    def nearest(
        self, vectors: Vectors, k: int, among: Collection[str] | None = None, without: Collection[str] = ()
    ) -> list[list[Scored]]:
        """Find for each vector the `k` most similar documents with their cosine similarities, best first.

        Of equally similar ones the one added first comes first.

        Args:
            vectors: shape (queries, dimension).
            among: ids of the only documents to look at; all where None.
            without: ids of documents to leave out.
        """
        if self._index is None:
            return [[] for _ in vectors]
        only = None if among is None else self._numbered(among)
        found = self._index.nearest(vectors, k, only, self._numbered(without))
        return [[(self._documents[number], score) for number, score in row] for row in found]

    def similarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: Callable[[Document], bool] | None = None
    ) -> list[Scored]:
        """The `k` most similar documents that pass `filter`, with their cosine similarities, best first."""
        documents = self._documents.values()
        among = None if filter is None else [d.id or "" for d in documents if filter(d)]
        found = self.nearest(np.asarray([embedding], dtype=np.float32), k, among)[0]
        return [(_copy(document, document.id), score) for document, score in found]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[Scored]:
        """Documents with their cosine similarity to `query`, best first; takes `filter`."""
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, **kwargs)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Documents most similar to a vector, best first; takes `filter`."""
        found = self.similarity_search_with_score_by_vector(embedding, k, **kwargs)
        return [document for document, _ in found]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Documents most similar to `query`, best first; takes `filter`."""
        return self.similarity_search_by_vector(self._embedding.embed_query(query), k, **kwargs)

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Choose among the `fetch_k` most similar documents `k` that differ from each other.

        Args:
            lambda_mult: 1 looks at similarity alone, 0 at difference alone (Carbonell, Goldstein 1998).
        """
        vector = self._embedding.embed_query(query)
        found = self.similarity_search_by_vector(vector, fetch_k, **kwargs)
        vectors = self.vectors([document.id or "" for document in found]).tolist()
        order = maximal_marginal_relevance(np.asarray(vector), vectors, lambda_mult=lambda_mult, k=k)
        return [found[place] for place in order]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: min(1.0, max(0.0, cosine))

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """The unit vectors of documents, shape (len(ids), dimension).

        Raises:
            KeyError: an id is unknown.
        """
        if self._index is None:
            return np.zeros((0, 0), dtype=np.float32)
        return self._index.vectors([self._numbers[key] for key in ids])

    def _numbered(self, keys: Iterable[str]) -> Numbers:
        return np.array([self._numbers[key] for key in keys if key in self._numbers], dtype=np.int64)

    # keeping

    def save_local(self, folder: Path) -> None:
        """Write `index.faiss` and `documents.jsonl` into an existing folder.

        Raises:
            UserError: a document's metadata cannot be written as JSON.
        """
        sha256 = (self._index or FlatVectors(1)).write(folder / INDEX_FILE)
        write_documents(folder, self._documents.items(), len(self), sha256=sha256)

    @classmethod
    def load_local(cls, folder: Path, embedding: Embeddings) -> Self:
        """Read what `save_local` wrote; nothing is embedded again and no code from the files is run.

        Raises:
            UserError: a file is missing, cut short, changed or does not go with the other.
        """
        documents, index = read_store(folder)
        store = cls(embedding)
        if documents:
            store._index = index
            store._documents = dict(documents)
            store._numbers = {document.id or "": number for number, document in documents}
            store._next = int(index.numbers.max()) + 1
        return store


def read_store(folder: Path) -> tuple[list[tuple[int, Document]], FlatVectors]:
    """The documents with their numbers, and the vectors under these.

    Raises:
        UserError: a file is missing, cut short, changed or does not go with the other.
    """
    path = folder / DOCUMENTS_FILE
    head, rows = read_documents(folder)
    documents = list(rows)
    index = FlatVectors.read(folder / INDEX_FILE, str(head.get("sha256")))
    kept = set(index.numbers.tolist())
    if not len(documents) == len(kept) == head.get("documents"):
        raise damaged(path, f"it lists {len(documents)} documents where the index has {len(kept)} vectors")
    if kept != {number for number, _ in documents}:
        raise damaged(path, "its numbers do not match those of the index")
    return documents, index


def _copy(document: Document, key: str | None) -> Document:
    return Document(document.page_content, id=key, metadata=dict(document.metadata))
