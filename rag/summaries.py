"""A sentence by the language model on each passage, that says where it stands in its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from advisor.models import Decoding, LanguageModel, Prompt
from advisor.tasks import Document
from advisor.tasks.words import first_words
from rag.chunking import LONGEST_TITLE, Chunk, Shares

WRITER = "You write one short sentence about a passage of a document."
WISH = "Write one short sentence that says what the passage is about and to which part of the document it belongs."
BEGINNING = 200  # words of a document that are shown to the model
WORDS = 30  # of a sentence at most
TOKENS = 64  # that may be written for it
_WHOLE = "Each passage is a whole document, so that the model wrote no sentence on any (context=summary)."
_STAND_IN = " ".join(["something"] * WORDS)


def with_room(shares: Shares) -> Shares:
    """As `shares`, of chunks that will have a sentence more where there is room for one."""
    return lambda chunks: shares(
        [
            _with(chunk, _STAND_IN) if fits else chunk
            for chunk, fits in zip(chunks, _fitting(chunks, shares), strict=True)
        ]
    )


def summarised(
    chunks: Sequence[Chunk],
    documents: Mapping[str, Document],
    model: LanguageModel,
    shares: Shares,
    before: Sequence[Chunk] = (),
) -> tuple[list[str], tuple[str, ...]]:
    """The sentence of each chunk, empty for a document that is whole and where there is no room for one, and a note on
    what writing them took, or that none was needed.

    Contextual retrieval (Anthropic 2024, "Introducing Contextual Retrieval"), with the beginning of the document in
    place of all of it, since most context windows have no room for that.

    Args:
        shares: what each chunk takes of its room, without a sentence.
        before: chunks with their sentences, which are kept for documents that are as they were.
    """
    parts = [at for at, chunk in enumerate(chunks) if chunk.text.strip() != documents[chunk.source].text.strip()]
    if not parts:
        return [""] * len(chunks), (_WHOLE,)
    fits = _fitting([chunks[at] for at in parts], shares)
    fitting = [at for at, has in zip(parts, fits, strict=True) if has]
    known = _known(chunks, before)
    asked = [at for at in fitting if at not in known]
    prompts = [_prompt(chunks[at], documents[chunks[at].source]) for at in asked]
    answers = model.generate(prompts, Decoding(TOKENS, stop=("\n\n",))) if prompts else []
    written = [first_words(" ".join(answer.text.split()), WORDS) for answer in answers]
    said = {at: known[at] for at in fitting if at in known} | dict(zip(asked, written, strict=True))
    read, wrote = (sum(getattr(answer, f"{what}_tokens") for answer in answers) for what in ("prompt", "completion"))
    note = (
        f"The model wrote a sentence on {sum(map(bool, written)):,} of {len(parts):,} passages before the first query: "
        f"{read:,} tokens read and {wrote:,} written."
    )
    if len(fitting) > len(asked):
        note += f" {len(fitting) - len(asked):,} are of documents that are as they were, and kept theirs."
    if len(parts) > len(fitting):
        note += f" For {len(parts) - len(fitting):,} there is no room beside their text, and they have none."
    return [said.get(at, "") for at in range(len(chunks))], (note,)


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


def _fitting(chunks: Sequence[Chunk], shares: Shares) -> list[bool]:
    """Whether a sentence, with the title, leaves a chunk room for its text."""
    bare = [replace(one, id="", where="", text="", embedded=one.embedded.removesuffix(one.text)) for one in chunks]
    heads = [_with(one, _STAND_IN) for one in bare]
    distinct = list(dict.fromkeys(heads))
    taken = dict(zip(distinct, shares(distinct), strict=True))
    return [taken[head] <= LONGEST_TITLE for head in heads]


def _known(chunks: Sequence[Chunk], before: Sequence[Chunk]) -> dict[int, str]:
    """The sentences of chunks whose document is as it was, by their places: it is cut into the same passages."""
    old, new = dict[str, list[Chunk]](), dict[str, list[int]]()
    for chunk in before:
        old.setdefault(chunk.source, []).append(chunk)
    for at, chunk in enumerate(chunks):
        new.setdefault(chunk.source, []).append(at)
    found: dict[int, str] = {}
    for source, places in new.items():
        runs = [list(run) for _, run in groupby(places, lambda at: chunks[at].text)]
        shown = [next(run) for _, run in groupby(old.get(source, ()), lambda one: one.text)]  # of one there are several
        if len(runs) != len(shown):
            continue
        sentences = [_sentence(one, chunks[run[0]]) for one, run in zip(shown, runs, strict=True)]
        if None not in sentences:
            found |= {at: sentence or "" for run, sentence in zip(runs, sentences, strict=True) for at in run}
    return found


def _sentence(before: Chunk, chunk: Chunk) -> str | None:
    """The one with which a chunk was kept, empty where it was kept without; None where it was another chunk."""
    if (before.title, before.where) != (chunk.title, chunk.where) or not before.text.endswith(chunk.text):
        return None
    head = before.text.removesuffix(chunk.text)
    sentence = head.removesuffix("\n")
    return sentence if "\n" not in sentence and (not head or head != sentence) else None
