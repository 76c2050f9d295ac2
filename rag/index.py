"""Chunks with their vectors: what the builders of this package search, save and bring back."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.documents import Document

from advisor.approaches import Facts
from advisor.errors import UserError
from advisor.models import Embedder, Passage, Vectors, note_of_cut
from advisor.models.clock import clock
from rag.chunking import Chunk
from rag.embeddings import EmbedderEmbeddings
from rag.store import FaissStore

FACTS_FILE = "index.json"
SCHEMA = 1


@dataclass(frozen=True)
class PassageIndex:
    """A searchable set of passages.

    Attributes:
        chunks_of: ids of the chunks of each source, in the order of the text.
        facts: what building it took; kept with it, so that an index brought back tells the same.
    """

    store: FaissStore
    embedder: Embedder
    chunks_of: dict[str, list[str]]
    facts: Facts

    @classmethod
    def over(cls, chunks: Iterable[Chunk], embedder: Embedder, began: float | None = None) -> PassageIndex:
        """Embed and index chunks.

        Args:
            began: `clock.now()` when the work on them began; now where None.
        """
        began = clock.now() if began is None else began
        kept = list(chunks)
        texts = [chunk.embedded for chunk in kept]
        store = FaissStore(EmbedderEmbeddings(embedder))
        if kept:
            store.add_embedded([_document(chunk) for chunk in kept], embedder.embed(texts))
        seconds = clock.now() - began
        facts = Facts(seconds, store.size_bytes, notes=note_of_cut(embedder, texts, "passages"))
        return cls(store, embedder, _by_source(store), facts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries, in one call of the embedder; what it cannot take in whole it cuts itself."""
        return self.embedder.embed(texts)

    def nearest(self, vectors: Vectors, k: int) -> list[list[Passage]]:
        """The `k` most similar passages to each vector, best first."""
        return [_passages(found) for found in self.store.nearest(vectors, k)]

    def nearest_of(self, vector: Vectors, k: int, sources: Collection[str]) -> list[Passage]:
        """The `k` most similar passages of these sources alone; `vector` has shape (dimension,)."""
        return _passages(self.store.nearest(vector[None], k, among=self._chunk_ids(sources))[0])

    def nearest_without(self, vector: Vectors, k: int, sources: Collection[str]) -> list[Passage]:
        """The `k` most similar passages of all other sources; `vector` has shape (dimension,)."""
        return _passages(self.store.nearest(vector[None], k, without=self._chunk_ids(sources))[0])

    def knows(self, sources: Iterable[str]) -> bool:
        """Whether a passage of one of these sources is in it."""
        return any(source in self.chunks_of for source in sources)

    def save(self, folder: Path) -> None:
        """Write vectors, texts and facts into an existing folder."""
        self.store.save_local(folder)
        kept = {
            "schema": SCHEMA,
            "embedder": self.embedder.name,
            "revision": self.embedder.revision,
            "index_seconds": self.facts.index_seconds,
            "notes": self.facts.notes,
        }
        (folder / FACTS_FILE).write_text(json.dumps(kept) + "\n", encoding="utf-8")

    @classmethod
    def restore(cls, folder: Path, embedder: Embedder) -> PassageIndex:
        """Bring back what `save` wrote; no passage is embedded again.

        Raises:
            UserError: a file is missing, damaged or of another schema, or the vectors are another embedder's.
        """
        path = folder / FACTS_FILE
        again = f"delete {folder} and run again; the index will be built anew"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            schema, made = kept["schema"], (kept["embedder"], kept["revision"])
            seconds = None if kept["index_seconds"] is None else float(kept["index_seconds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: it cannot be read ({type(error).__name__}: {error})", again) from error
        if schema != SCHEMA:
            raise UserError(f"{path}: it has schema {schema}, this version reads {SCHEMA}", again)
        if made != (embedder.name, embedder.revision):
            seen = f"its vectors are from {made[0]} ({made[1]})"
            raise UserError(f"{path}: {seen}, the embedder is {embedder.name} ({embedder.revision})", again)
        store = FaissStore.load_local(folder, EmbedderEmbeddings(embedder))
        facts = Facts(seconds, store.size_bytes, notes=tuple(kept.get("notes", ())))
        return cls(store, embedder, _by_source(store), facts)

    def _chunk_ids(self, sources: Iterable[str]) -> list[str]:
        return [chunk for source in sources for chunk in self.chunks_of.get(source, ())]


def _document(chunk: Chunk) -> Document:
    return Document(chunk.text, id=chunk.id, metadata={"source": chunk.source, "title": chunk.title})


def _passages(found: Iterable[tuple[Document, float]]) -> list[Passage]:
    return [Passage(d.metadata["source"], d.metadata["title"], d.page_content) for d, _ in found]


def _by_source(store: FaissStore) -> dict[str, list[str]]:
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for document in store.documents:
        grouped[document.metadata["source"]].append(document.id or "")
    return dict(grouped)
