"""A sentence by the language model on each passage, that says where it stands in its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from advisor.models import Decoding, LanguageModel, Prompt
from advisor.tasks import Document
from advisor.tasks.words import first_words
from rag.chunking import Chunk, Shares

WRITER = "You write one short sentence about a passage of a document."
WISH = "Write one short sentence that says what the passage is about and to which part of the document it belongs."
BEGINNING = 200  # words of a document that are shown to the model
WORDS = 30  # of a sentence at most
TOKENS = 64  # that may be written for it
_STAND_IN = " ".join(["something"] * WORDS)


def with_room(shares: Shares) -> Shares:
    """As `shares`, of chunks that will have a sentence more."""
    return lambda chunks: shares([_with(chunk, _STAND_IN) for chunk in chunks])


def summarised(
    chunks: Sequence[Chunk], documents: Mapping[str, Document], model: LanguageModel
) -> tuple[list[str], tuple[str, ...]]:
    """The sentence of each chunk, empty for a document that is whole, and a note on what writing them took.

    Contextual retrieval (Anthropic 2024, "Introducing Contextual Retrieval"), with the beginning of the document in
    place of all of it, since most context windows have no room for that.
    """
    parts = [at for at, chunk in enumerate(chunks) if chunk.text.strip() != documents[chunk.source].text.strip()]
    prompts = [_prompt(chunks[at], documents[chunks[at].source]) for at in parts]
    answers = model.generate(prompts, Decoding(TOKENS, stop=("\n\n",))) if prompts else []
    found = [""] * len(chunks)
    for at, answer in zip(parts, answers, strict=True):
        found[at] = first_words(" ".join(answer.text.split()), WORDS)
    read, written = (sum(getattr(answer, f"{what}_tokens") for answer in answers) for what in ("prompt", "completion"))
    note = (
        f"The model wrote a sentence on {sum(map(bool, found)):,} of {len(parts):,} passages before the first query: "
        f"{read:,} tokens read and {written:,} written."
    )
    return found, (note,) if parts else ()


def with_sentence(chunk: Chunk, sentence: str) -> Chunk:
    """A chunk that begins with its sentence, shown and embedded."""
    return _with(chunk, sentence) if sentence else chunk


def _with(chunk: Chunk, sentence: str) -> Chunk:
    own = chunk.embedded.removesuffix(chunk.text)
    return replace(chunk, text=f"{sentence}\n{chunk.text}", embedded=f"{own}{sentence}\n{chunk.text}")


def _prompt(chunk: Chunk, document: Document) -> Prompt:
    beginning = first_words(document.text, BEGINNING)
    told = f"{document.title}\n{beginning}" if document.title else beginning
    where = f" ({chunk.where})" if chunk.where else ""
    return Prompt(WRITER, f"Document:\n{told}\n\nPassage{where}:\n{chunk.text}\n\n{WISH}")
