"""Vectors in a store that others run; the chunks stay with the index."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from langchain_core.documents import Document

from advisor.models import Embedder, Vectors
from rag.chunking import Chunk
from rag.documents import damaged
from rag.flat import DIGITS, SPARE, FlatVectors, cut, unit
from rag.searcher import save_chunks, saved_chunks
from rag.stores.addresses import StorePlace, place_of, telling
from rag.stores.collection import AT_ONCE, KEY, SOURCE, Collection
from rag.stores.contract import Keeping, Sought, VectorIndex
from rag.stores.kinds import opened

STORE_FILE = "store.json"
SCHEMA = 1
PREFIX = "advisor_"
COPIED = (
    "A copy of the vectors is in this process: hybrid compares each query with every passage. So the store is asked "
    "when the index is brought back, and for no query."
)
_SPACE = uuid.UUID("5f0c36a4-3f7e-5b0a-9d0e-2b1c7a1f4a10")  # of the keys of passages


class StoredIndex(VectorIndex):
    """A passage is kept under a key made of its source and what is embedded of it: what several chunks share lies there
    once, and a chunk that only moved within its document is the same.

    The collection is named after all its keys and the embedder. So runs over the same documents share one, others never
    do, and it is known whether a collection is the one that was filled.

    Args:
        embedder: by what it is known, as `who` tells it.
        copied: whether its vectors are held here too, as soon as they are known.
    """

    def __init__(self, chunks: Sequence[Chunk], place: StorePlace, embedder: str, dimension: int, copied: bool) -> None:
        self.place, self._embedder, self._dimension, self._copied = place, embedder, dimension, copied
        self._keys = [key_of(chunk) for chunk in chunks]
        self.name = named(self._keys, embedder, dimension)
        self._places: dict[str, list[int]] = {}
        for at, key in enumerate(self._keys):
            self._places.setdefault(key, []).append(at)

    @classmethod
    def of(cls, chunks: Sequence[Chunk], embedder: Embedder, vectors: Vectors, keeping: Keeping) -> Self:
        """Put chunks with these vectors into a store, as far as they are not there."""
        store = keeping.store
        found = cls(chunks, place_of(store), who(embedder), vectors.shape[1], keeping.copied)
        held = found._held()
        added = found._add(chunks, vectors, held)
        had = f", where {len(held):,} of them were already" if held else ""
        found._kept_as(
            f"{added + len(held):,} vectors are in the collection {found.name} of store {store}{had}.", vectors
        )
        return found

    @cached_property
    def collection(self) -> Collection:
        """Opened when it is first asked."""
        with telling(self.place, "opening it"):
            return opened(self.place, self.name, self._dimension)

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return self._dimension

    @property
    def keeping(self) -> Keeping:
        """In the store."""
        return Keeping(self.place.store, dimensions=self._dimension, copied=self._copied)

    @property
    def size_bytes(self) -> int:
        """Bytes of the vectors, which the store keeps."""
        return 4 * self._dimension * len(self._places)

    def nearest(
        self, vectors: Vectors, k: int, within: Sought | None, without: Sought | None
    ) -> list[list[tuple[int, float]]]:
        """One request for each vector."""
        if k < 1 or not self._keys:
            return [[] for _ in vectors]
        never = set(without.places) if without else set()
        only = None if within is None else set(within.places) - never
        if only is not None and not only:
            return [[] for _ in vectors]
        most = min(k + SPARE, len(self._places))
        sources = None if within is None else within.sources
        hidden = without.sources if without else ()
        found = []
        with telling(self.place, "searching"):
            for vector in unit(vectors).tolist():
                hits = self.collection.nearest(vector, most, sources, hidden)
                ranked = [(-round(score, DIGITS), at) for key, score in hits for at in self._places.get(key, ())]
                allowed = [(s, at) for s, at in ranked if at not in never and (only is None or at in only)]
                found.append([(at, -score) for score, at in sorted(allowed)[:k]])
        return found

    def similarities(self, vectors: Vectors) -> Vectors:
        """By the copy of the vectors: a store would have to send all passages for each query."""
        return self._copy.similarities(vectors)

    @cached_property
    def _copy(self) -> FlatVectors:
        """The vectors of all chunks in this process; the store is asked for them once, where they are not known."""
        return FlatVectors.of(self.vectors(range(len(self._keys))))

    def vectors(self, places: Sequence[int]) -> Vectors:
        """As the store gives them back."""
        keys = [self._keys[at] for at in places]
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Sequence[float]] = {}
        with telling(self.place, "reading vectors"):
            for start in range(0, len(wanted), AT_ONCE):
                found |= self.collection.vectors(wanted[start : start + AT_ONCE])
            rows = [found[key] for key in keys]
        return unit(np.asarray(rows, dtype=np.float32).reshape(len(keys), self._dimension))

    def updated(self, chunks: Sequence[Chunk], kept: Sequence[int], fresh: Vectors) -> StoredIndex:
        """A collection of its own, since this one is still that of an index that was saved; known vectors are copied
        there."""
        vectors = np.zeros((len(chunks), self._dimension), dtype=np.float32)
        known = np.array(kept, dtype=np.int64) >= 0
        vectors[known] = self.vectors([at for at in kept if at >= 0])
        vectors[~known] = fresh
        other = StoredIndex(chunks, self.place, self._embedder, self._dimension, self._copied)
        other._add(chunks, vectors, other._held())
        other._kept_as(f"The vectors are in the collection {other.name} of store {self.place.store}.", vectors)
        return other

    def save(self, folder: Path, chunks: Sequence[Chunk]) -> None:
        """The chunks, and which collection of which store has their vectors; not where it is."""
        save_chunks(folder, chunks)
        kept = {
            "schema": SCHEMA,
            "store": self.place.store,
            "collection": self.name,
            "dimension": self._dimension,
            "copied": self._copied,
        }
        (folder / STORE_FILE).write_text(json.dumps(kept) + "\n", encoding="utf-8")

    @classmethod
    def restore(cls, folder: Path, embedder: Embedder) -> tuple[list[Chunk], StoredIndex]:
        """The chunks and their collection; what the store has lost is embedded again.

        Raises:
            UserError: a file is missing or damaged, or the store cannot be reached.
        """
        path = folder / STORE_FILE
        chunks = saved_chunks(folder)
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            store, name, dimension = str(kept["store"]), str(kept["collection"]), int(kept["dimension"])
            copied = bool(kept.get("copied"))  # an older version wrote none; then it is copied when it is needed
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(path, f"it cannot be read ({type(error).__name__})") from error
        if kept.get("schema") != SCHEMA or name != named(map(key_of, chunks), who(embedder), dimension):
            raise damaged(path, "it does not go with the documents or the embedder")
        found = cls(chunks, place_of(store), who(embedder), dimension, copied)
        held = found._held()
        lost = [chunk for chunk, key in zip(chunks, found._keys, strict=True) if key not in held]
        if lost:
            found._add(lost, cut(embedder.embed([chunk.embedded for chunk in lost]), dimension), held)
        if copied:
            _ = found._copy  # before the first query, which would wait for it
        return chunks, found

    def _kept_as(self, note: str, vectors: Vectors) -> None:
        """What is to be said of where they are, and the copy, where there is to be one."""
        self.notes = (note,)
        if self._copied:
            self._copy = FlatVectors.of(vectors)
            self.notes += (COPIED,)

    def _held(self) -> set[str]:
        """The keys that are in the collection; what holds others too is not what its name says, and is removed."""
        with telling(self.place, "reading what is there"):
            held = self.collection.keys()
            if held <= self._places.keys():
                return held
            self.collection.drop()
            return set()

    def _add(self, chunks: Sequence[Chunk], vectors: Vectors, held: set[str]) -> int:
        """Those that are not there; how many they were."""
        rows = {key_of(chunk): row for row, chunk in enumerate(chunks)}
        new = [(key, row) for key, row in rows.items() if key not in held]
        with telling(self.place, "adding passages"):
            for start in range(0, len(new), AT_ONCE):
                part = new[start : start + AT_ONCE]
                documents = [_document(key, chunks[row]) for key, row in part]
                self.collection.add(documents, unit(vectors[[row for _, row in part]]))
        return len(new)


def key_of(chunk: Chunk) -> str:
    """Under what a passage is kept: a UUID, which every store takes for an id."""
    return str(uuid.uuid5(_SPACE, f"{chunk.source}\0{chunk.embedded}"))


def named(keys: Iterable[str], embedder: str, dimension: int) -> str:
    """The name of the collection that holds just these passages, embedded by this embedder."""
    digest = hashlib.sha256(json.dumps([embedder, dimension, sorted(set(keys))]).encode())
    return PREFIX + digest.hexdigest()[:32]


def who(embedder: Embedder) -> str:
    """By what an embedder is known: its contents, which may lie elsewhere now, else its name."""
    return embedder.revision or embedder.name


def _document(key: str, chunk: Chunk) -> Document:
    text = chunk.text.replace("\0", " ")  # PostgreSQL takes none
    return Document(text, id=key, metadata={KEY: key, SOURCE: chunk.source, "chunk": chunk.id, "title": chunk.title})
