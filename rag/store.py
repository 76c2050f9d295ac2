"""A LangChain vector store: exact search by FAISS, kept on disk without pickles. The one home of faiss."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray

from rag.documents import DOCUMENTS_FILE, damaged, read_documents, write_documents

INDEX_FILE = "index.faiss"
SPARE = 8  # fetched beyond k, so that documents with equal scores at the border come in a settled order
DIGITS = 6  # of a score: later ones change with the number of queries that are searched for together

Vectors = NDArray[np.float32]
Scored = tuple[Document, float]


class FaissStore(VectorStore):
    """Documents with their unit vectors; search is exact and scores are cosine similarities, best first.

    Search by an exhaustive scan is what LangChain's own FAISS store does by default; that one keeps its
    documents in a pickle, which runs whatever code was put into it when it is read.
    """

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self._index: faiss.IndexIDMap2 | None = None  # made with the first vectors, whose size it takes
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
        return self._index.d if self._index is not None else 0

    @property
    def documents(self) -> list[Document]:
        """All that is in the store, in the order of adding."""
        return list(self._documents.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of the vectors and the texts, as UTF-8."""
        texts = sum(len(document.page_content.encode()) for document in self._documents.values())
        return len(self) * self.dimension * 4 + texts

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
            self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
        self._index.add_with_ids(_unit(vectors[list(last.values())]), numbers)
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
            self._index.remove_ids(faiss.IDSelectorBatch(np.array(gone, dtype=np.int64)))
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
        if self._index is None or not len(self) or k < 1 or not len(vectors):
            return [[] for _ in vectors]
        params = self._only(among, without)
        scores, numbers = self._index.search(_unit(vectors), min(k + SPARE, len(self)), params=params)
        found: list[list[Scored]] = []
        for row, marks in zip(numbers.tolist(), scores.tolist(), strict=True):
            hits = [(-round(s, DIGITS), n) for n, s in zip(row, marks, strict=True) if n >= 0]  # -1: no more
            found.append([(self._documents[number], -score) for score, number in sorted(hits)[:k]])
        return found

    def similarities(self, vectors: Vectors) -> Vectors:
        """The cosine similarity of every vector to every document in the store.

        Args:
            vectors: shape (queries, dimension).

        Returns:
            Shape (queries, documents), in the order of `documents`.
        """
        found = np.zeros((len(vectors), len(self)), dtype=np.float32)
        if self._index is not None and found.size:
            scores, numbers = self._index.search(_unit(vectors), len(self))
            places = np.searchsorted(np.fromiter(self._documents, dtype=np.int64), numbers)
            np.put_along_axis(found, places, scores.round(DIGITS), axis=1)
        return found

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
        vectors = [self._vector(document.id or "").tolist() for document in found]
        order = maximal_marginal_relevance(np.asarray(vector), vectors, lambda_mult=lambda_mult, k=k)
        return [found[place] for place in order]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: min(1.0, max(0.0, cosine))

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """The unit vectors of documents, shape (len(ids), dimension).

        Raises:
            KeyError: an id is unknown.
        """
        return np.stack([self._vector(key) for key in ids]) if ids else np.zeros((0, self.dimension), np.float32)

    def _vector(self, key: str) -> Vectors:
        assert self._index is not None
        return np.asarray(self._index.reconstruct(self._numbers[key]), dtype=np.float32)

    def _only(self, among: Collection[str] | None, without: Collection[str]) -> faiss.SearchParameters | None:
        if among is not None:
            hidden = set(without)
            selector: faiss.IDSelector = self._selector(key for key in among if key not in hidden)
        elif without:
            selector = faiss.IDSelectorNot(self._selector(without))
        else:
            return None
        return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # its stub lacks fields

    def _selector(self, keys: Iterable[str]) -> faiss.IDSelectorBatch:
        numbers = [self._numbers[key] for key in keys if key in self._numbers]
        return faiss.IDSelectorBatch(np.array(numbers, dtype=np.int64))

    # keeping

    def save_local(self, folder: Path) -> None:
        """Write `index.faiss` and `documents.jsonl` into an existing folder.

        Raises:
            UserError: a document's metadata cannot be written as JSON.
        """
        index_path = folder / INDEX_FILE
        faiss.write_index(self._index or faiss.IndexIDMap2(faiss.IndexFlatIP(1)), str(index_path))
        write_documents(folder, self._documents.items(), sha256=_sha256(index_path))

    @classmethod
    def load_local(cls, folder: Path, embedding: Embeddings) -> Self:
        """Read what `save_local` wrote; nothing is embedded again and no code from the files is run.

        Raises:
            UserError: a file is missing, cut short, changed or does not go with the other.
        """
        path = folder / DOCUMENTS_FILE
        head, documents = read_documents(folder)
        index = _read_index(folder / INDEX_FILE, str(head.get("sha256")))
        kept = set(faiss.vector_to_array(index.id_map).tolist())
        if not len(documents) == len(kept) == head.get("documents"):
            raise damaged(path, f"it lists {len(documents)} documents where the index has {len(kept)} vectors")
        if kept != {number for number, _ in documents}:
            raise damaged(path, "its numbers do not match those of the index")
        store = cls(embedding)
        if not documents:
            return store
        store._index = index
        store._documents = dict(documents)
        store._numbers = {document.id or "": number for number, document in documents}
        store._next = max(kept) + 1
        return store


def _unit(vectors: Vectors) -> Vectors:
    """C-contiguous rows of length 1, float32; a row of zeros stays one."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(norms > 0, norms, 1), dtype=np.float32)


def _copy(document: Document, key: str | None) -> Document:
    return Document(document.page_content, id=key, metadata=dict(document.metadata))


def _read_index(path: Path, sha256: str) -> faiss.IndexIDMap2:
    """The checksum comes first: what FAISS does with damaged bytes is not defined."""
    try:
        found = _sha256(path)
    except OSError as error:
        raise damaged(path, f"it cannot be read ({error})") from error
    if found != sha256:
        raise damaged(path, "it is not the file that was written (its checksum differs)")
    index = faiss.read_index(str(path))
    if not isinstance(index, faiss.IndexIDMap2):
        raise damaged(path, f"it holds a {type(index).__name__}, not the index of a store")
    return index


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
