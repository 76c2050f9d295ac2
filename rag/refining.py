"""What is done to texts before they are searched for, and to what is found: searchers around a searcher."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np

from advisor.errors import UserError
from advisor.models import Passage, Vectors
from rag.bm25 import terms_of
from rag.chunking import Chunk
from rag.flat import unit
from rag.searcher import Floats, Searcher, Sources

FETCHED = 4
"""Chunks that are asked for at first for each passage where several chunks may show the same."""


class Refinement(Searcher):
    """A searcher that asks another one, which holds the chunks and is what is kept.

    What a refinement learned or was told is the builder's to keep: it is put around the searcher again by `restore`.

    Attributes:
        inner: the searcher that it asks.
    """

    def __init__(self, inner: Searcher) -> None:  # the chunks are those of the inner one
        self.inner = inner
        self.chunks = inner.chunks
        self.embedder = inner.embedder

    def places_of(self, sources: Sources) -> list[int]:
        """As the inner searcher has it."""
        return self.inner.places_of(sources)

    def vectors_of(self, places: Sequence[int]) -> Vectors | None:
        """As the inner searcher has them."""
        return self.inner.vectors_of(places)

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What a reader of the report should know of it, in full sentences; what is inside comes first."""
        return self.inner.notes if isinstance(self.inner, Refinement) else ()

    @property
    def size_bytes(self) -> int:
        """Bytes of the inner searcher; a refinement keeps nothing."""
        return self.inner.size_bytes

    def save(self, folder: Path) -> None:
        """Keep the inner searcher."""
        self.inner.save(folder)

    def updated(self, chunks: Sequence[Chunk]) -> Searcher:
        """The same around the inner searcher over other chunks; for refinements that know nothing of the chunks."""
        other = copy(self)
        other.inner = self.inner.updated(chunks)
        other.chunks = other.inner.chunks
        return other


class Distinct(Refinement):
    """Finds each passage once, where several chunks show the same one; it ranks as its best chunk does."""

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """The first `k` different passages; texts for which there were too few are searched for again, further down."""
        found: list[list[Passage]] = [[] for _ in texts]
        lacking, fetched = list(range(len(texts))), FETCHED * k
        while lacking and k > 0:
            asked = [[given[at] for at in lacking] if given else None for given in (within, without)]
            returned = self.inner.search([texts[at] for at in lacking], fetched, *asked)
            for at, passages in zip(lacking, returned, strict=True):
                found[at] = list(dict.fromkeys(passages))[:k]
            more = [len(passages) >= fetched for passages in returned]
            lacking = [at for at, deeper in zip(lacking, more, strict=True) if deeper and len(found[at]) < k]
            fetched *= FETCHED
        return found


class Diverse(Refinement):
    """Chooses passages that differ from each other: maximal marginal relevance (Carbonell and Goldstein 1998).

    In turn the passage is taken of which (1 - `diversity`) times its relevance less `diversity` times its likeness to
    the most alike of those taken is highest; so the first one stays the first. Relevance is the score, scaled to 0 to 1
    over the candidates, or the rank where there are no scores. Likeness is the cosine of the vectors where the searcher
    has some, of a passage with several chunks that of their mean; else the cosine of the sets of words.

    Args:
        diversity: from 0, which changes nothing, to below 1.
        fetch: candidates of each text, at least `k`.
    """

    def __init__(self, inner: Searcher, diversity: float, fetch: int) -> None:
        super().__init__(inner)
        self.diversity = diversity
        self.fetch = fetch
        self._shown: dict[tuple[str, str, str], list[int]] = {}
        for place, chunk in enumerate(self.chunks):
            self._shown.setdefault((chunk.source, chunk.title, chunk.text), []).append(place)

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """`k` of the candidates; within given sources simply the best."""
        if within is not None:
            return self.inner.search(texts, k, within, without)
        found = self.inner.search(texts, max(k, self.fetch), None, without)
        return [[row[at] for at in self._chosen(row, k)] for row in found]

    def updated(self, chunks: Sequence[Chunk]) -> Searcher:
        """Around the inner searcher over other chunks, of which it knows which are shown."""
        return type(self)(self.inner.updated(chunks), self.diversity, self.fetch)

    def _chosen(self, passages: Sequence[Passage], k: int) -> list[int]:
        left, chosen = list(range(len(passages))), list[int]()
        if not left:
            return chosen
        relevance, alike = _relevance(passages), self._alike(passages)
        while left and len(chosen) < k:
            likeness = alike[left][:, chosen].max(axis=1) if chosen else np.zeros(len(left), dtype=np.float32)
            best = (1 - self.diversity) * relevance[left] - self.diversity * likeness
            chosen.append(left.pop(int(np.argmax(best))))
        return chosen

    def _alike(self, passages: Sequence[Passage]) -> Floats:
        places = [self._shown.get((p.source, p.title, p.text), ()) for p in passages]
        vectors = self.vectors_of([at for found in places for at in found]) if all(places) else None
        if vectors is None or not len(vectors):
            return _sharing([set(terms_of(passage.text)) for passage in passages])
        ends = np.cumsum([len(found) for found in places])
        means = unit(np.array([part.mean(axis=0) for part in np.split(vectors, ends[:-1])]))
        alike: Floats = means @ means.T
        return alike


class AtLeast(Refinement):
    """Leaves out what scores less than `least`, so that nothing may be left.

    What a score means is the searcher's; what is compared is `Passage.absolute`. Passages of given sources stay.
    """

    def __init__(self, inner: Searcher, least: float) -> None:
        super().__init__(inner)
        self.least = least

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """What the inner searcher finds and scores enough.

        Raises:
            UserError: it gives no scores.
        """
        found = self.inner.search(texts, k, within, without)
        if within is not None:
            return found
        return [[passage for passage in row if _score(passage) >= self.least] for row in found]


def _score(passage: Passage) -> float:
    if passage.absolute is None:
        raise UserError(
            "least: the retriever gives no scores to compare with", "leave out least, or name dense or bm25"
        )
    return passage.absolute


def _relevance(passages: Sequence[Passage]) -> Floats:
    scores = [passage.score for passage in passages]
    values = np.asarray([score for score in scores if score is not None], dtype=np.float32)
    if len(values) < len(scores) or values.max() == values.min():
        return np.linspace(1, 0, len(scores), dtype=np.float32)
    scaled: Floats = (values - values.min()) / (values.max() - values.min())
    return scaled


def _sharing(sets: Sequence[set[str]]) -> Floats:
    """How many words every two have in common, as the cosine of their sets."""
    sizes = np.sqrt([max(len(words), 1) for words in sets])
    shared = np.array([[len(one & other) for other in sets] for one in sets], dtype=np.float32)
    return np.asarray(shared / np.outer(sizes, sizes), dtype=np.float32)
