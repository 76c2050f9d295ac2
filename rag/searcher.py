"""What every way of finding passages offers, whether it compares vectors or words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from advisor.models import Embedder, Passage, Vectors
from rag.chunking import Chunk
from rag.documents import read_documents, write_documents
from rag.stores.contract import Keeping

Floats = NDArray[np.float32]
Sources = Collection[str]
"""Ids of documents, or of labelled examples where these are searched."""


class Searcher(ABC):
    """Finds passages for texts; built over chunks, in the order of the documents.

    Class attributes:
        embeds: whether chunks and texts are embedded. Then no chunk is longer than what the embedder reads, and texts
            that it reads only in part are counted.

    Attributes:
        notes: what a reader of a report must know of how it was built, in full sentences.
    """

    embeds: ClassVar[bool] = False
    notes: tuple[str, ...] = ()

    def __init__(self, chunks: Sequence[Chunk], embedder: Embedder) -> None:
        self.chunks = chunks
        self.embedder = embedder
        self._places: dict[str, list[int]] = {}
        for place, chunk in enumerate(chunks):
            self._places.setdefault(chunk.source, []).append(place)

    @classmethod
    def kept(cls, chunks: Sequence[Chunk], embedder: Embedder, keeping: Keeping) -> Self:
        """Built over chunks, their vectors kept as the user says; a searcher that has none need not listen."""
        return cls(chunks, embedder)

    def places_of(self, sources: Sources) -> list[int]:
        """Where in `chunks` those of these sources are; unknown sources are passed over."""
        return [place for source in sources for place in self._places.get(source, ())]

    @abstractmethod
    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """Find at most `k` passages for each text, best first; of equally good ones the first chunk comes first.

        Each has its score, where the searcher has some.

        Args:
            within: for each text, the only sources to look at; their passages are found however little they fit.
            without: for each text, the sources to leave out.
        """

    def vectors_of(self, places: Sequence[int]) -> Vectors | None:
        """The vectors of the chunks at these places, shape (places, dimension); None for searchers without vectors."""
        return None

    @property
    def size_bytes(self) -> int:
        """Bytes of what has to be kept to search; the texts alone, as UTF-8, unless a searcher says otherwise."""
        return sum(len(chunk.text.encode()) for chunk in self.chunks)

    def save(self, folder: Path) -> None:
        """Write what `restore` needs into an existing folder, without pickles; the chunks alone by default."""
        save_chunks(folder, self.chunks)

    @classmethod
    def restore(cls, folder: Path, embedder: Embedder) -> Self:
        """Bring back what `save` wrote; built anew from the chunks by default.

        Raises:
            UserError: a file is missing or damaged.
        """
        return cls(saved_chunks(folder), embedder)

    def updated(self, chunks: Sequence[Chunk]) -> Searcher:
        """The same over other chunks, this one staying as it is; built anew unless a searcher can spare something."""
        return type(self)(chunks, self.embedder)


class Scorer(Searcher):
    """A searcher that gives every chunk a score.

    Class attributes:
        nothing: scores up to this one say that a chunk has nothing to do with the text. Such chunks are not found,
            except within sources that are asked for.
    """

    nothing: ClassVar[float] = -np.inf

    @abstractmethod
    def scores(self, texts: Sequence[str]) -> Iterable[Floats]:
        """One array for each text, of shape (chunks,); higher is better."""

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """The chunks with the highest scores."""
        limits = limits_of(texts, within, without)
        found = []
        for scores, one in zip(self.scores(texts), limits, strict=True):
            best = self._best(scores, k, *one)
            found.append([replace(self.chunks[at].passage, score=float(scores[at])) for at in best])
        return found

    def _best(self, scores: Floats, k: int, within: Sources | None, without: Sources) -> NDArray[np.intp]:
        """Where the best chunks are, best first."""
        if within is None:
            found = scores > self.nothing
        else:
            found = np.zeros(len(scores), dtype=bool)
            found[self.places_of(within)] = True
        found[self.places_of(without)] = False
        return _first(scores, found, k)


def _first(scores: Floats, found: NDArray[np.bool_], k: int) -> NDArray[np.intp]:
    """Where the `k` highest scores of those found are, of equal ones the first; no more is sorted than has to be."""
    places = np.flatnonzero(found)
    if 0 < k < len(places):
        least = np.partition(scores[places], len(places) - k)[len(places) - k]
        places = places[scores[places] >= least]
    order = np.argsort(-scores[places], kind="stable")[: max(k, 0)]
    chosen: NDArray[np.intp] = places[order]
    return chosen


def limits_of(
    texts: Sequence[str], within: Sequence[Sources] | None, without: Sequence[Sources] | None
) -> list[tuple[Sources | None, Sources]]:
    """For each text the only sources to look at, None for all, and those to leave out."""
    only: Sequence[Sources | None] = within or [None] * len(texts)
    return list(zip(only, without or [()] * len(texts), strict=True))


def save_chunks(folder: Path, chunks: Sequence[Chunk], **facts: Any) -> None:
    """Write chunks, numbered from 0, into an existing folder; `facts` as in `write_documents`."""
    write_documents(folder, enumerate(map(document_of, chunks)), len(chunks), **facts)


def saved_chunks(folder: Path) -> list[Chunk]:
    """The chunks that `save_chunks` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    return [chunk_of(document) for _, document in read_documents(folder)[1]]


def document_of(chunk: Chunk) -> Document:
    """A chunk as LangChain and files keep it."""
    metadata = {"source": chunk.source, "title": chunk.title}
    if chunk.where:
        metadata["where"] = chunk.where
    if chunk.embedded != _usual(chunk.title, chunk.text):
        metadata["embedded"] = chunk.embedded
    return Document(chunk.text, id=chunk.id, metadata=metadata)


def chunk_of(document: Document) -> Chunk:
    """The chunk that `document_of` was given."""
    kept, text = document.metadata, document.page_content
    embedded = kept.get("embedded", _usual(kept["title"], text))
    return Chunk(document.id or "", kept["source"], kept["title"], text, embedded, kept.get("where", ""))


def _usual(title: str, text: str) -> str:
    return f"{title}\n{text}" if title else text
