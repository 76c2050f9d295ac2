"""Passages embedded and put where they are kept; and what is lost where less is kept than the embedder gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from advisor.errors import UserError
from advisor.models import Embedder, Vectors, embedded_queries
from advisor.models.clock import clock
from rag.chunking import Chunk
from rag.flat import agreement, cut
from rag.stores.contract import LOCAL, PLAIN, Keeping, VectorIndex
from rag.stores.local import UNKNOWN, FaissIndex
from rag.stores.remote import STORE_FILE, StoredIndex

AT_ONCE = 2**15  # passages that are embedded together
NEAREST = 10  # of which it is told how many are found when less is kept


def filled(chunks: Sequence[Chunk], embedder: Embedder, keeping: Keeping = PLAIN) -> VectorIndex:
    """The vectors of chunks, kept as is said.

    Raises:
        UserError: the vectors have fewer numbers than are to be kept, or a store cannot be reached.
    """
    if not chunks:
        return FaissIndex.of(np.zeros((0, keeping.dimensions or UNKNOWN), dtype=np.float32), keeping.precision)
    parts = _parts(chunks, embedder, keeping.dimensions)
    if keeping.store != LOCAL:
        vectors = np.concatenate([cut(full, keeping.dimensions) for full in parts])
        return StoredIndex.of(chunks, embedder, vectors, keeping)
    less = bool(keeping.questions) and (keeping.precision != "float" or keeping.dimensions > 0)
    index: FaissIndex | None = None
    for full in parts:
        vectors = cut(full, keeping.dimensions)
        if index is None:
            index = FaissIndex.of(vectors, keeping.precision)
            if less:
                with clock.stopped():  # whoever answers queries has no need to know
                    index.notes = (_loss(index, full, embedder, keeping.questions),)
        else:
            index.add(vectors)
    assert index is not None
    return index


def _parts(chunks: Sequence[Chunk], embedder: Embedder, dimensions: int) -> Iterator[Vectors]:
    """The vectors part by part, so that those of many passages are not in memory twice."""
    for start in range(0, len(chunks), AT_ONCE):
        full = embedder.embed([chunk.embedded for chunk in chunks[start : start + AT_ONCE]])
        if dimensions > full.shape[1]:
            what = f"dimensions={dimensions}: the vectors of {embedder.name} have {full.shape[1]} numbers"
            raise UserError(what, f"choose at most {full.shape[1]}, or leave it out")
        yield full


def restored(folder: Path, embedder: Embedder) -> tuple[list[Chunk], VectorIndex]:
    """The chunks in a folder, and their vectors there or in a store.

    Raises:
        UserError: a file is missing or damaged, or a store cannot be reached.
    """
    return StoredIndex.restore(folder, embedder) if (folder / STORE_FILE).exists() else FaissIndex.restore(folder)


def _loss(index: FaissIndex, full: Vectors, embedder: Embedder, questions: Sequence[str]) -> str:
    asked = embedded_queries(embedder, questions)
    share = agreement(full, index.flat, asked, cut(asked, index.dimension), NEAREST)
    size = index.size_bytes / (full.size * 4)
    return (
        f"Vectors are kept in {100 * size:.0f} % of the bytes: of the {NEAREST} passages nearest to a question by "
        f"whole vectors, {100 * share:.0f} % are found among {NEAREST} by those kept (mean over {len(questions)} "
        f"training questions)."
    )
