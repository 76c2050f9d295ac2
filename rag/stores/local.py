"""Vectors in this process, and in a file beside the chunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from advisor.models import Vectors
from rag.chunking import Chunk
from rag.documents import DOCUMENTS_FILE, damaged, read_documents
from rag.flat import INDEX_FILE, FlatVectors, Precision
from rag.searcher import chunk_of, save_chunks
from rag.stores.contract import Keeping, Sought, VectorIndex

UNKNOWN = 1  # numbers of a vector where there was never one to count them


class FaissIndex(VectorIndex):
    """Searched exhaustively by FAISS."""

    def __init__(self, flat: FlatVectors) -> None:
        self.flat = flat

    @classmethod
    def of(cls, vectors: Vectors, precision: Precision) -> Self:
        """Vectors of any length, shape (chunks, dimension)."""
        return cls(FlatVectors.of(vectors, precision))

    def add(self, vectors: Vectors) -> None:
        """Those of the chunks that come next, of any length."""
        begin = len(self.flat)
        self.flat.add(np.arange(begin, begin + len(vectors), dtype=np.int64), vectors)

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return self.flat.dimension

    @property
    def keeping(self) -> Keeping:
        """Here; of an index that was empty from the first, whose vectors would have had a number, all of it."""
        return Keeping(precision=self.flat.precision, dimensions=self.dimension if self.dimension > UNKNOWN else 0)

    @property
    def size_bytes(self) -> int:
        """Bytes of the vectors as they are kept."""
        return self.flat.size_bytes

    def nearest(
        self, vectors: Vectors, k: int, within: Sought | None, without: Sought | None
    ) -> list[list[tuple[int, float]]]:
        """Exactly, of what is kept."""
        return self.flat.nearest(vectors, k, *(part and np.array(part.places, np.int64) for part in (within, without)))

    def similarities(self, vectors: Vectors) -> Vectors:
        """Of each vector to every chunk."""
        return self.flat.similarities(vectors)

    def vectors(self, places: Sequence[int]) -> Vectors:
        """As far as they are kept."""
        return self.flat.vectors(places)

    def updated(self, chunks: Sequence[Chunk], kept: Sequence[int], fresh: Vectors) -> FaissIndex:
        """Kept vectors are copied."""
        return FaissIndex(self.flat.updated(np.array(kept, dtype=np.int64), fresh))

    def save(self, folder: Path, chunks: Sequence[Chunk]) -> None:
        """The chunks in `documents.jsonl`, the vectors in `index.faiss`, as `FaissStore` has them."""
        save_chunks(folder, chunks, sha256=self.flat.write(folder / INDEX_FILE))

    @classmethod
    def restore(cls, folder: Path) -> tuple[list[Chunk], FaissIndex]:
        """The chunks, and their vectors.

        Raises:
            UserError: a file is missing, cut short, changed or does not go with the other.
        """
        path = folder / DOCUMENTS_FILE
        head, rows = read_documents(folder)
        found = [(number, chunk_of(document)) for number, document in rows]
        flat = FlatVectors.read(folder / INDEX_FILE, str(head.get("sha256")))
        if not len(found) == len(flat) == head.get("documents"):
            raise damaged(path, f"it lists {len(found)} documents where the index has {len(flat)} vectors")
        if [number for number, _ in found] != list(range(len(found))) or not _counted(flat):
            raise damaged(path, "its numbers do not match those of the index")
        return [chunk for _, chunk in found], FaissIndex(flat)


def _counted(flat: FlatVectors) -> bool:
    return np.array_equal(flat.numbers, np.arange(len(flat)))
