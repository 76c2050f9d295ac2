"""Documents cut into chunks that a sentence embedder takes in whole."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from langchain_text_splitters import RecursiveCharacterTextSplitter

from advisor.models import Passage
from advisor.tasks import Document, Example
from advisor.tasks.words import count_words
from rag.headings import Places
from rag.sentences import pack, sentences

# Paragraphs, lines, sentences, clauses, words; at last letters, each with the marks behind it.
SEPARATORS = (
    *("\n\n", "\n"),
    r"[。．！？｡।॥؟۔։።፧။។៕།]+[”’»」』）)\"']*\s*",
    *(r"\. ", r"\? ", "! ", "; "),
    r"[；，、：،؛፣]\s*",
    *(" ", r"(?=\w)"),
)
FULL, SLACK = 0.9, 1.1
"""Of the room: how much of it a part is meant to take, and how much longer it may be so that a sentence ends in it."""
LONGEST_TITLE = 0.5  # of the room; a longer title is not embedded, and not shown either where no prompt has the room
MOST = 0.5  # of a document's chunks: where more do not fit, words say little of it, and it is cut by the room alone


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one document, or one labelled example.

    Attributes:
        id: unique in an index: the source's id and the place in it, `handbook#0`.
        source: id of the document or example.
        text: what the language model is shown.
        embedded: what is searched in its place, by the embedder or by words.
        where: in which part of its source it stands, for people.
    """

    id: str
    source: str
    title: str
    text: str
    embedded: str
    where: str = ""

    @property
    def passage(self) -> Passage:
        """The chunk as the language model is shown it."""
        return Passage(self.source, self.title, self.text, self.where)


Shares = Callable[[Sequence[Chunk]], Sequence[float]]
"""How much of the room for one each chunk takes; what takes more than 1 is cut."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document that is cut by itself: all of it, or what stands under a heading.

    Attributes:
        title: shown and embedded with all that is cut from it; may be empty.
        start: where in the document's text it begins, in characters.
    """

    document: Document
    title: str
    text: str
    start: int = 0

    @classmethod
    def whole(cls, document: Document) -> Section:
        """All of a document."""
        return cls(document, document.title, document.text)


@dataclass(frozen=True, slots=True)
class Pieces:
    """How long what is cut from a section is, and where it may end.

    Attributes:
        size: most words in a piece, as `advisor.tasks.words` counts them.
        overlap: most words that a piece repeats from the end of the one before it; fewer than `size`. Only whole
            paragraphs, lines, sentences or clauses are repeated, so that it is often none.
        sentences: whether only sentences are cut that are longer than a piece; else a piece ends between paragraphs,
            else lines, else sentences, clauses and words, in any script.
    """

    size: int
    overlap: int
    sentences: bool = False

    def of(self, text: str) -> list[str]:
        """A text in pieces; one of at most `size` words stays whole, to the letter."""
        return [text] if count_words(text) <= self.size else self._cut(text, self.size, self.overlap, count_words)

    def parts(self, text: str, share: float) -> list[str]:
        """A text that takes `share` of the room in at least two parts, by their characters."""
        overlap = self.overlap / self.size
        count = max(math.ceil((share / FULL - overlap) / (1 - overlap)), 2)
        size = math.ceil(min(SLACK * len(text) / (count - (count - 1) * overlap), len(text) - 1))
        parts = self._cut(text, size, math.floor(overlap * size), len)
        if max(map(len, parts), default=len(text)) < len(text):
            return parts
        return [text[start : start + size] for start in range(0, len(text), size)]  # signs without a letter among them

    def _cut(self, text: str, size: int, overlap: int, length: Callable[[str], int]) -> list[str]:
        splitter = _splitter(size, overlap, length)
        if not self.sentences:
            return splitter.split_text(text)
        found = []
        for packed in pack(sentences(text), size, overlap, length):
            found += [packed] if length(packed) <= size else splitter.split_text(packed)
        return found


def document_chunks(
    documents: Iterable[Document], size: int, overlap: int, shares: Shares | None = None
) -> Iterator[Chunk]:
    """Cut documents as `Pieces` has it, with their titles embedded and shown.

    The title tells what a chunk from the middle of a page is about; one that leaves the text no room is not embedded.

    Args:
        shares: what else limits a chunk. One that takes too much is cut into as few parts as fit, of about one length;
            a document of which most chunks do is cut anew by what fits.
    """
    yield from numbered(section_chunks([Section.whole(d) for d in documents], Pieces(size, overlap), shares))


def section_chunks(
    sections: Sequence[Section], pieces: Pieces, shares: Shares | None = None, titled: bool = True
) -> list[list[Chunk]]:
    """The chunks of each section, as `document_chunks` has them of documents; their ids are those of the documents.

    Args:
        titled: whether titles are embedded.
    """
    texts = [pieces.of(section.text) for section in sections]
    cut = [_Cut(section, titled and bool(section.title), 0.0) for section in sections]
    if shares is not None:
        cut = _with_room_for_text(sections, shares, titled)
        taken = iter(shares([one.chunk(text) for one, found in zip(cut, texts, strict=True) for text in found]))
        beyond = [sum(next(taken) > 1 for _ in found) / max(len(found), 1) for found in texts]
        texts = [[s.text] if far > MOST else found for s, found, far in zip(sections, texts, beyond, strict=True)]
        fitting = iter(_fitting([(o, t) for o, found in zip(cut, texts, strict=True) for t in found], pieces, shares))
        texts = [[part for _ in found for part in next(fitting)] for found in texts]
    places = {id(section.document): Places(section.document) for section in sections}
    return [
        list(one.chunks(found, places[id(section.document)]))
        for one, found, section in zip(cut, texts, sections, strict=True)
    ]


def numbered(sections: Iterable[Sequence[Chunk]]) -> Iterator[Chunk]:
    """The chunks of all sections, each with the number that it has within its document in its id."""
    counts: Counter[str] = Counter()
    for chunk in chain.from_iterable(sections):
        yield replace(chunk, id=f"{chunk.source}#{counts[chunk.source]}")
        counts[chunk.source] += 1


def example_chunks(examples: Iterable[Example]) -> Iterator[Chunk]:
    """Each example whole, with its answer; found by its input alone, as a new query has no answer yet."""
    for example in examples:
        text = f"{example.input}\n{example.target}"
        yield Chunk(f"{example.id}#0", example.id, "", text, example.input)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A section that may have to be cut further.

    Attributes:
        section: without its title where that would leave no room.
        titled: whether the title is embedded.
        title: what the title alone takes of the room, at most `LONGEST_TITLE`.
    """

    section: Section
    titled: bool
    title: float

    def chunk(self, text: str, where: str = "") -> Chunk:
        """A stretch of it."""
        source, title = self.section.document.id, self.section.title
        return Chunk(source, source, title, text, f"{title}\n{text}" if self.titled else text, where)

    def chunks(self, texts: Iterable[str], places: Places) -> Iterator[Chunk]:
        """Stretches of it in their order, which say where they stand."""
        start = -1
        for text in texts:
            start = max(self.section.text.find(text, start + 1), 0)
            begins = self.section.start + start
            yield self.chunk(text, places.of(begins, begins + len(text)))

    def own(self, share: float) -> float:
        """What a text takes of the room that its title leaves."""
        return (share - self.title) / (1 - self.title)


def _with_room_for_text(sections: Sequence[Section], shares: Shares, titled: bool) -> list[_Cut]:
    """Each section with its title embedded and shown, else only shown, else without it: as the room allows."""
    chosen = (True, False) if titled else (False,)
    ways = [[_Cut(section, embedded, 0.0) for section in sections] for embedded in chosen]
    taken = [shares([one.chunk("") for one in way]) for way in ways]
    found = []
    for section, *rooms in zip(sections, *taken, strict=True):
        fitting = [(embedded, room) for embedded, room in zip(chosen, rooms, strict=True) if room <= LONGEST_TITLE]
        if section.title and fitting:
            found.append(_Cut(section, *fitting[0]))
        else:
            found.append(_Cut(replace(section, title=""), False, 0.0))
    return found


def _fitting(texts: Sequence[tuple[_Cut, str]], pieces: Pieces, shares: Shares) -> list[list[str]]:
    """Each text in parts that fit."""
    taken = shares([cut.chunk(text) for cut, text in texts])
    found = [
        pieces.parts(text, cut.own(share)) if share > 1 and len(text) > 1 else [text]
        for (cut, text), share in zip(texts, taken, strict=True)
    ]
    again = [(cut, part) for (cut, _), parts in zip(texts, found, strict=True) if len(parts) > 1 for part in parts]
    if not again:
        return found
    fitting = iter(_fitting(again, pieces, shares))
    return [[p for _ in parts for p in next(fitting)] if len(parts) > 1 else parts for parts in found]


def _splitter(size: int, overlap: int, length: Callable[[str], int]) -> RecursiveCharacterTextSplitter:
    return RecursiveCharacterTextSplitter(
        chunk_size=size,
        chunk_overlap=overlap,
        length_function=length,
        separators=list(SEPARATORS),
        is_separator_regex=True,
        keep_separator="end",
    )
