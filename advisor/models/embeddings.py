"""An embedder that computes no list of texts twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import BinaryIO

import numpy as np

from advisor.models.clock import clock
from advisor.models.embedder import Embedder, EmbedderBehind, Vectors, embedded_queries
from advisor.models.store import current, digest

QUERIES = "queries"


class CachedEmbedder(EmbedderBehind):
    """Looks a list of texts up before it has it embedded, and counts the seconds that computing it took.

    What comes back is bit for bit what the embedder gave for the same texts in the same order. A text alone is always
    computed: that is how latency is measured.

    Args:
        embedder: the one that computes.
        recipe: whatever else than its name and revision decides its bits and its speed, asked at each call.
    """

    def __init__(self, embedder: Embedder, recipe: Callable[[], Mapping[str, str]] = dict) -> None:
        super().__init__(embedder)
        self.recipe = recipe

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension)."""
        return self._found(texts, self.embedder.embed)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """The same of queries, where they are embedded otherwise than passages."""
        return self._found(texts, partial(embedded_queries, self.embedder), QUERIES)

    def _found(self, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors], *how: str) -> Vectors:
        store = current()
        if len(texts) < 2 or store is None:
            return embed(texts)
        with clock.stopped():
            name = self._entry(texts, *how)
            found = store.read(name, partial(_read, count=len(texts)))
        if found is not None:
            vectors, seconds = found
            clock.credit("embeddings", seconds)
            return vectors
        began = clock.now()
        vectors = embed(texts)
        seconds = clock.now() - began
        with clock.stopped():
            store.write(name, partial(_write, vectors=vectors, seconds=seconds))
        return vectors

    def _entry(self, texts: Sequence[str], *how: str) -> str:
        kind = type(self.embedder)
        contents = hashlib.sha256()
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            contents.update(len(data).to_bytes(8, "big"))
            contents.update(data)
        who = (self.name, self.revision, kind.__module__, kind.__qualname__, *how)
        return f"embeddings/{digest(*who, dict(self.recipe()), contents.hexdigest())}.npz"


def _write(file: BinaryIO, vectors: Vectors, seconds: float) -> None:
    np.savez(file, vectors=vectors, seconds=np.float64(seconds))


def _read(file: BinaryIO, count: int) -> tuple[Vectors, float]:
    """The archive's own checksums find what was damaged."""
    with np.load(file, allow_pickle=False) as saved:
        vectors: Vectors = saved["vectors"]
        if vectors.ndim != 2 or len(vectors) != count:
            raise ValueError(f"{len(vectors)} vectors for {count} texts")
        return vectors, float(saved["seconds"])
