"""Documents cut into chunks that a sentence embedder takes in whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from langchain_text_splitters import RecursiveCharacterTextSplitter

from advisor.models import Passage
from advisor.tasks import Document, Example
from advisor.tasks.words import count_words

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
    """

    id: str
    source: str
    title: str
    text: str
    embedded: str

    @property
    def passage(self) -> Passage:
        """The chunk as the language model is shown it."""
        return Passage(self.source, self.title, self.text)


Shares = Callable[[Sequence[Chunk]], Sequence[float]]
"""How much of the room for one each chunk takes; what takes more than 1 is cut."""


def document_chunks(
    documents: Iterable[Document], size: int, overlap: int, shares: Shares | None = None
) -> Iterator[Chunk]:
    """Cut documents between paragraphs, else lines, else sentences, clauses and words, in any script.

    A document of at most `size` words that fits stays whole, to the letter. The title is embedded and shown with every
    chunk, since it tells what a chunk from the middle of a page is about; one that leaves the text no room is not.

    Args:
        size: most words in a chunk, as `advisor.tasks.words` counts them.
        overlap: most words that a chunk repeats from the end of the one before it; fewer than `size`. Only
            whole paragraphs, lines, sentences or clauses are repeated, so that it is often none.
        shares: what else limits a chunk. One that takes too much is cut into as few parts as fit, of about one length;
            a document of which most chunks do is cut anew by what fits.
    """
    kept = list(documents)
    splitter = _splitter(size, overlap, count_words)
    texts = [[d.text] if count_words(d.text) <= size else splitter.split_text(d.text) for d in kept]
    cut = [_Cut(document, bool(document.title), 0.0) for document in kept]
    if shares is not None:
        cut = _with_room_for_text(kept, shares)
        taken = iter(shares([one.chunk(text) for one, found in zip(cut, texts, strict=True) for text in found]))
        beyond = [sum(next(taken) > 1 for _ in found) / len(found) for found in texts]
        texts = [[d.text] if far > MOST else found for d, found, far in zip(kept, texts, beyond, strict=True)]
        pieces = [(one, text) for one, found in zip(cut, texts, strict=True) for text in found]
        fitting = iter(_fitting(pieces, overlap / size, shares))
        texts = [[part for _ in found for part in next(fitting)] for found in texts]
    for one, found in zip(cut, texts, strict=True):
        for place, text in enumerate(found):
            yield one.chunk(text, place)


def example_chunks(examples: Iterable[Example]) -> Iterator[Chunk]:
    """Each example whole, with its answer; found by its input alone, as a new query has no answer yet."""
    for example in examples:
        text = f"{example.input}\n{example.target}"
        yield Chunk(f"{example.id}#0", example.id, "", text, example.input)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A document that may have to be cut further.

    Attributes:
        document: without its title where that would leave no room.
        titled: whether the title is embedded.
        title: what the title alone takes of the room, at most `LONGEST_TITLE`.
    """

    document: Document
    titled: bool
    title: float

    def chunk(self, text: str, place: int = 0) -> Chunk:
        """A stretch of it."""
        title = self.document.title
        embedded = f"{title}\n{text}" if self.titled else text
        return Chunk(f"{self.document.id}#{place}", self.document.id, title, text, embedded)

    def own(self, share: float) -> float:
        """What a text takes of the room that its title leaves."""
        return (share - self.title) / (1 - self.title)


def _with_room_for_text(documents: Sequence[Document], shares: Shares) -> list[_Cut]:
    """Each document with its title embedded and shown, else only shown, else without it: as the room allows."""
    ways = [[_Cut(document, titled, 0.0) for document in documents] for titled in (True, False)]
    taken = [shares([one.chunk("") for one in way]) for way in ways]
    found = []
    for document, *rooms in zip(documents, *taken, strict=True):
        fitting = [(titled, room) for titled, room in zip((True, False), rooms, strict=True) if room <= LONGEST_TITLE]
        if document.title and fitting:
            found.append(_Cut(document, *fitting[0]))
        else:
            found.append(_Cut(replace(document, title=""), False, 0.0))
    return found


def _fitting(pieces: Sequence[tuple[_Cut, str]], overlap: float, shares: Shares) -> list[list[str]]:
    """Each text in parts that fit; `overlap` is the share of a part that is repeated from the one before."""
    taken = shares([cut.chunk(text) for cut, text in pieces])
    found = [
        _parts(text, cut.own(share), overlap) if share > 1 and len(text) > 1 else [text]
        for (cut, text), share in zip(pieces, taken, strict=True)
    ]
    again = [(cut, part) for (cut, _), parts in zip(pieces, found, strict=True) if len(parts) > 1 for part in parts]
    if not again:
        return found
    fitting = iter(_fitting(again, overlap, shares))
    return [[p for _ in parts for p in next(fitting)] if len(parts) > 1 else parts for parts in found]


def _parts(text: str, share: float, overlap: float) -> list[str]:
    """A text that takes `share` of the room in at least two parts, by their characters."""
    count = max(math.ceil((share / FULL - overlap) / (1 - overlap)), 2)
    size = math.ceil(min(SLACK * len(text) / (count - (count - 1) * overlap), len(text) - 1))
    parts = _splitter(size, math.floor(overlap * size), len).split_text(text)
    if max(map(len, parts), default=len(text)) < len(text):
        return parts
    return [text[start : start + size] for start in range(0, len(text), size)]  # signs without a letter among them


def _splitter(size: int, overlap: int, length: Callable[[str], int]) -> RecursiveCharacterTextSplitter:
    return RecursiveCharacterTextSplitter(
        chunk_size=size,
        chunk_overlap=overlap,
        length_function=length,
        separators=list(SEPARATORS),
        is_separator_regex=True,
        keep_separator="end",
    )
