"""Search by words: BM25. The one home of bm25s."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, ClassVar

import numpy as np

from advisor.extras import needed
from advisor.models import Embedder
from advisor.tasks.words import split_words, unspaced
from rag.chunking import Chunk
from rag.searcher import Floats, Scorer

METHOD, K1, B = "lucene", 1.5, 0.75  # of the variants that bm25s has: its defaults


class Bm25(Scorer):
    """Compares words, of which rare ones count most and long chunks get no advantage; nothing is embedded.

    BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond") as Lucene computes it
    (Kamphuis et al. 2020, "Which BM25 Do You Mean?"), with k1 = 1.5 and b = 0.75. Every word counts; there is no list
    of stop words and no stemming, so that it works alike in all languages. A chunk that shares no word with a text is
    not found. The index is not written to disk: it is built from the chunks again in less than a second for thousands.
    """

    nothing: ClassVar[float] = 0.0

    def __init__(self, chunks: Sequence[Chunk], embedder: Embedder) -> None:
        super().__init__(chunks, embedder)
        self._numbers: dict[str, int] = {}
        count = self._numbers.setdefault  # at once, since the words of all chunks would fill the memory
        numbered = [[count(term, len(self._numbers)) for term in terms_of(chunk.embedded)] for chunk in chunks]
        self._index: Any = None  # without a single word there is nothing to index
        if self._numbers:
            self._index = _library().BM25(method=METHOD, k1=K1, b=B, backend="numpy", csc_backend="numpy")
            self._index.index((numbered, self._numbers), create_empty_token=False, show_progress=False)

    def scores(self, texts: Sequence[str]) -> Iterator[Floats]:
        """BM25 scores; 0 where no word is shared."""
        for text in texts:
            known = [self._numbers[term] for term in terms_of(text) if term in self._numbers]
            if known:
                yield self._index.get_scores_from_ids(known)
            else:
                yield np.zeros(len(self.chunks), dtype=np.float32)

    @property
    def size_bytes(self) -> int:
        """Bytes of the index and the texts."""
        words = sum(len(term.encode()) for term in self._numbers)
        return super().size_bytes + words + self.index_bytes

    @property
    def index_bytes(self) -> int:
        """Bytes of the sparse matrix of the scores of words in chunks."""
        if self._index is None:
            return 0
        return sum(self._index.scores[name].nbytes for name in ("data", "indices", "indptr"))


def terms_of(text: str) -> list[str]:
    """What BM25 takes for words: in one Unicode form (NFKC) and without regard to case.

    In scripts without spaces between words, two neighbouring characters are a term, as search engines have it.
    """
    words = split_words(unicodedata.normalize("NFKC", text).casefold())
    if not unspaced(text):
        return words
    found: list[str] = []
    for joined, run in groupby(words, unspaced):
        part = list(run)
        found += map("".join, pairwise(part)) if joined and len(part) > 1 else part
    return found


def _library() -> Any:
    with needed("searching by words"):
        import bm25s
    return bm25s
