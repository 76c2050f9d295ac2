"""Documents cut into chunks that a sentence embedder takes in whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from langchain_text_splitters import RecursiveCharacterTextSplitter

from advisor.tasks import Document, Example

SEPARATORS = ["\n\n", "\n", ". ", "? ", "! ", "; ", " "]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one document, or one labelled example.

    Attributes:
        id: unique in an index: the source's id and the place in it, `handbook#0`.
        source: id of the document or example.
        text: what the language model is shown.
        embedded: what the embedder is given in its place.
    """

    id: str
    source: str
    title: str
    text: str
    embedded: str


def count_words(text: str) -> int:
    """Stretches between white space."""
    return len(text.split())


def document_chunks(documents: Iterable[Document], size: int, overlap: int) -> Iterator[Chunk]:
    """Cut documents between paragraphs, else lines, else sentences, else words.

    A document of at most `size` words stays whole, to the letter. The title is embedded with every chunk,
    since it tells what a chunk from the middle of a page is about.

    Args:
        size: most words in a chunk.
        overlap: most words that a chunk repeats from the end of the one before it; fewer than `size`. Only
            whole paragraphs, lines or sentences are repeated, so that it is often none.
    """
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=size,
        chunk_overlap=overlap,
        length_function=count_words,
        separators=SEPARATORS,
        keep_separator="end",
    )
    for document in documents:
        whole = count_words(document.text) <= size
        texts = [document.text] if whole else splitter.split_text(document.text)
        for place, text in enumerate(texts):
            embedded = f"{document.title}\n{text}" if document.title else text
            yield Chunk(f"{document.id}#{place}", document.id, document.title, text, embedded)


def example_chunks(examples: Iterable[Example]) -> Iterator[Chunk]:
    """Each example whole, with its answer; found by its input alone, as a new query has no answer yet."""
    for example in examples:
        text = f"{example.input}\n{example.target}"
        yield Chunk(f"{example.id}#0", example.id, "", text, example.input)
