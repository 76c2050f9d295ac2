"""Vectors by numbers, searched exhaustively: as they are, or quantised. The one home of faiss."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.documents import damaged

Precision = Literal["float", "int8", "binary"]
"""How vectors are kept: 32 bits a number; 8 bits (a scalar quantiser, ranges per dimension); about 1 bit (RaBitQ, Gao
and Long 2024), whose similarities are estimates. Queries are not quantised."""
SPARE = 8  # fetched beyond k, so that vectors with equal scores at the border come in a settled order
DIGITS = 6  # of a score: later ones change with the number of queries that are searched for together
INDEX_FILE = "index.faiss"
AT_ONCE = 16_384  # vectors that are made unit vectors together

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]


class FlatVectors:
    """Unit vectors under numbers that grow; scores are cosine similarities.

    Args:
        dimension: numbers of a vector.
        precision: what is kept of each.
    """

    def __init__(self, dimension: int, precision: Precision = "float") -> None:
        self.precision = precision
        self._index = faiss.IndexIDMap2(_made(dimension, precision))

    @classmethod
    def of(cls, vectors: Vectors, precision: Precision = "float") -> Self:
        """Vectors of any length, shape (vectors, dimension), numbered from 0."""
        found = cls(vectors.shape[1], precision)
        found.add(np.arange(len(vectors), dtype=np.int64), vectors)
        return found

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return int(self._index.d)

    @property
    def size_bytes(self) -> int:
        """Bytes of the vectors as they are kept."""
        return len(self) * int(self._base.code_size)

    @property
    def numbers(self) -> Numbers:
        """Of all vectors, in the order of adding."""
        return np.asarray(faiss.vector_to_array(self._index.id_map), dtype=np.int64)

    @property
    def _base(self) -> Any:
        return faiss.downcast_index(self._index.index)

    def add(self, numbers: Numbers, vectors: Vectors) -> None:
        """Add vectors of any length, shape (len(numbers), dimension), under numbers beyond those there are.

        The first ones that are added teach a quantiser the range of values.
        """
        if not len(vectors):
            return
        if not self._base.is_trained:
            self._base.train(unit(vectors))
        for start in range(0, len(vectors), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            self._index.add_with_ids(unit(vectors[part]), numbers[part])

    def remove(self, numbers: Numbers) -> None:
        """Remove vectors; unknown numbers are passed over."""
        self._index.remove_ids(faiss.IDSelectorBatch(numbers))

    def updated(self, kept: Numbers, fresh: Vectors) -> FlatVectors:
        """Other vectors, numbered from 0, those of known texts bit for bit as they are here.

        Args:
            kept: for each place the number here, or -1 where the next of `fresh` goes.
            fresh: vectors of any length, in the order of their places.
        """
        codes = faiss.vector_to_array(self._base.codes).reshape(len(self), -1)
        rows = np.searchsorted(self.numbers, kept)
        found = np.zeros((len(kept), codes.shape[1]), dtype=np.uint8)
        found[kept >= 0] = codes[rows[kept >= 0]]
        if len(fresh):
            found[kept < 0] = self._base.sa_encode(unit(fresh))
        other = type(self)(self.dimension, self.precision)
        if self.precision != "float":  # with the range of values that was learned
            base = faiss.clone_index(self._base)
            base.reset()
            other._index = faiss.IndexIDMap2(base)
        if len(kept):
            other._index.add_sa_codes(found, np.arange(len(kept), dtype=np.int64))
        return other

    def nearest(
        self, vectors: Vectors, k: int, among: Numbers | None = None, without: Numbers | None = None
    ) -> list[list[tuple[int, float]]]:
        """For each vector the numbers of the `k` most similar ones with their similarities, best first.

        Of equally similar ones the one added first comes first.

        Args:
            vectors: of any length, shape (queries, dimension).
            among: numbers of the only ones to look at; all where None.
            without: numbers to leave out.
        """
        if not len(self) or k < 1 or not len(vectors):
            return [[] for _ in vectors]
        scores, numbers = self._index.search(unit(vectors), min(k + SPARE, len(self)), params=_only(among, without))
        return [_ordered(*row, k) for row in zip(scores.tolist(), numbers.tolist(), strict=True)]

    def similarities(self, vectors: Vectors) -> Vectors:
        """The similarity of each vector to all that are here, shape (queries, len(self)), in the order of adding."""
        found = np.zeros((len(vectors), len(self)), dtype=np.float32)
        if not found.size:
            return found
        if self.precision == "float":  # a product: a search for all of them would sort them too
            kept = faiss.rev_swig_ptr(self._base.get_xb(), len(self) * self.dimension).reshape(len(self), -1)
            np.matmul(unit(vectors), kept.T, out=found)
            return np.round(found, DIGITS, out=found)
        scores, numbers = self._index.search(unit(vectors), len(self))
        np.put_along_axis(found, np.searchsorted(self.numbers, numbers), scores.round(DIGITS), axis=1)
        return found

    def vectors(self, numbers: Sequence[int]) -> Vectors:
        """The vectors under these numbers as far as they are known here, shape (len(numbers), dimension)."""
        found = np.zeros((len(numbers), self.dimension), dtype=np.float32)
        for row, number in enumerate(numbers):
            found[row] = self._index.reconstruct(int(number))
        return found

    def write(self, path: Path) -> str:
        """Write all to a file; its SHA-256."""
        faiss.write_index(self._index, str(path))
        return _sha256(path)

    @classmethod
    def read(cls, path: Path, sha256: str) -> Self:
        """Read what `write` wrote. The checksum comes first: what FAISS does with damaged bytes is not defined.

        Raises:
            UserError: the file is missing, changed or no such file.
        """
        try:
            found = _sha256(path)
        except OSError as error:
            raise damaged(path, f"it cannot be read ({error})") from error
        if found != sha256:
            raise damaged(path, "it is not the file that was written (its checksum differs)")
        index = faiss.read_index(str(path))
        base = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap2) else index
        for precision in get_args(Precision):
            if isinstance(index, faiss.IndexIDMap2) and type(base) is type(_made(8, precision)):
                kept = cls(index.d, precision)
                kept._index = index
                return kept
        raise damaged(path, f"it holds a {type(base).__name__}, not the index of a store")


def agreement(vectors: Vectors, kept: FlatVectors, full: Vectors, cut: Vectors, k: int) -> float:
    """The mean share of the `k` nearest that stay among the `k` nearest when vectors are cut or quantised.

    Args:
        vectors: all there are, in full, under the numbers from 0 that they have in `kept`.
        full, cut: the same queries, in full and as `kept` takes them.
    """
    rows = zip(FlatVectors.of(vectors).nearest(full, k), kept.nearest(cut, k), strict=True)
    shares = [len({at for at, _ in right} & {at for at, _ in found}) / max(len(right), 1) for right, found in rows]
    return float(np.mean(shares)) if shares else 1.0


def unit(vectors: Vectors) -> Vectors:
    """C-contiguous rows of length 1, float32; a row of zeros stays one."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(norms > 0, norms, 1), dtype=np.float32)


def cut(vectors: Vectors, dimension: int) -> Vectors:
    """The first numbers of vectors (Matryoshka, Kusupati et al. 2022), of length 1 again; shorter ones as they are."""
    return unit(vectors[:, :dimension]) if 0 < dimension < vectors.shape[1] else vectors


def _made(dimension: int, precision: Precision) -> Any:
    if precision == "int8":
        return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    if precision == "binary":
        return faiss.IndexRaBitQ(dimension, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexFlatIP(dimension)


def _only(among: Numbers | None, without: Numbers | None) -> faiss.SearchParameters | None:
    if among is not None:
        hidden = among if without is None else np.setdiff1d(among, without)
        selector: faiss.IDSelector = faiss.IDSelectorBatch(np.ascontiguousarray(hidden, dtype=np.int64))
    elif without is not None and len(without):
        selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(without))
    else:
        return None
    return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # its stub lacks fields


def _ordered(scores: Sequence[float], numbers: Sequence[int], k: int) -> list[tuple[int, float]]:
    hits = [(-round(s, DIGITS), n) for n, s in zip(numbers, scores, strict=True) if n >= 0]  # -1: no more
    return [(number, -score) for score, number in sorted(hits)[:k]]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
