"""From documents to chunks, as the parameters of the retrieving builders say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from advisor.approaches import ContextLoad
from advisor.errors import UserError
from advisor.tasks import Document
from advisor.tasks.outline import Texts
from rag import checks, summaries
from rag.chunking import Chunk, Pieces, Section, Shares, numbered, section_chunks
from rag.headings import BETWEEN, headings
from rag.passage_budget import Room
from rag.semantic import semantic_sections

Split = Literal["words", "sentences", "headings", "semantic"]
Header = Literal["title", "none", "summary"]


@dataclass(frozen=True, slots=True)
class Cut:
    """What documents were cut into, and what a reader of the report should know about it."""

    chunks: tuple[Chunk, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents are cut: the parameters `chunk`, `overlap`, `split`, `parent` and `context` of `Rag`."""

    chunk: int
    overlap: int
    split: Split
    parent: int
    context: Header

    def check(self, name: str) -> None:
        """Whether they are known and go together.

        Raises:
            UserError: they do not.
        """
        checks.one_of(name, "split", self.split, Split)
        checks.one_of(name, "context", self.context, Header)
        if self.parent and self.parent <= self.chunk:
            raise UserError(
                f"{name}: parent={self.parent} words around a passage of chunk={self.chunk} words show no more of it",
                f"choose a parent above chunk, e.g. {name}:chunk=40,overlap=0,parent=160, or 0 for none",
            )

    @property
    def shown(self) -> int:
        """Most words of a passage that is shown."""
        return self.parent or self.chunk

    def load(self, documents: Texts, plain: ContextLoad) -> ContextLoad:
        """What is foreseen, with what cutting itself takes: sentences that are embedded to see where they differ, and a
        prompt for each passage that the model writes a sentence on. Headings and sentences take next to nothing."""
        extra = documents.total if self.split == "semantic" else 0.0
        found = replace(plain, indexed=plain.indexed + extra)
        if self.context != "summary":
            return found
        long = [words for words in documents.words if words > self.shown]
        each = sum(-(-words // self.shown) for words in long) / max(len(documents.words), 1)
        told = round(found.words + min(each, 1) * found.words / self.shown * summaries.WORDS)
        written = len(documents) * each
        return replace(
            found,
            words=told,
            tried=found.tried + written,
            tried_written=found.tried_written + written * summaries.TOKENS,
        )

    def of(self, documents: Sequence[Document], room: Room, before: Sequence[Chunk] = ()) -> Cut:
        """The chunks of documents, each of which fits what reads it.

        Args:
            before: those of an index that this takes the place of; what a model wrote on them is kept where it can be.
        """
        sections, pieces = self._sections(documents, room), self._pieces(self.shown)
        shares = replace(room, embeds=False).shares if self.parent else room.shares
        titled = self.context != "none"
        shown = section_chunks(sections, pieces, self._with_room(shares), titled)
        notes: tuple[str, ...] = ()
        sentences = [""] * sum(map(len, shown))
        if self.context == "summary":
            by_id = {document.id: document for document in documents}
            flat = list(chain.from_iterable(shown))
            sentences, notes = summaries.summarised(flat, by_id, room.model, shares, before)
        if self.parent:
            found = self._children(list(chain.from_iterable(shown)), sentences, documents, room)
        else:
            left = iter(sentences)
            found = [[summaries.with_sentence(chunk, next(left)) for chunk in part] for part in shown]
        return Cut(tuple(numbered(found)), notes)

    def _children(
        self, parents: Sequence[Chunk], sentences: Sequence[str], documents: Sequence[Document], room: Room
    ) -> list[list[Chunk]]:
        """What is searched of each passage that is shown: its parts, with its title and its sentence before them."""
        by_id = {document.id: document for document in documents}
        headers = ["\n".join(filter(None, pair)) for pair in zip((p.title for p in parents), sentences, strict=True)]
        sections = [Section(by_id[p.source], h, p.text) for p, h in zip(parents, headers, strict=True)]
        shares = room.read if room.embeds else None
        parts = section_chunks(sections, self._pieces(self.chunk), shares, self.context != "none")
        shown = [summaries.with_sentence(*pair) for pair in zip(parents, sentences, strict=True)]
        return [
            [replace(parent, embedded=part.embedded) for part in found]
            for parent, found in zip(shown, parts, strict=True)
        ]

    def _with_room(self, shares: Shares) -> Shares:
        return summaries.with_room(shares) if self.context == "summary" else shares

    def _pieces(self, size: int) -> Pieces:
        return Pieces(size, self.overlap, self.split in ("sentences", "semantic"))

    def _sections(self, documents: Sequence[Document], room: Room) -> list[Section]:
        if self.split == "semantic":
            return semantic_sections(documents, self.shown, room.reader)
        if self.split == "headings":
            return [section for document in documents for section in self._under_headings(document)]
        return [Section.whole(document) for document in documents]

    def _under_headings(self, document: Document) -> list[Section]:
        """What stands under each heading, with the path to it as title; a heading with nothing below it goes with the
        next one."""
        found, text = headings(document.text), document.text
        first = [0] if not found or text[: found[0].start].strip() else []
        starts, titles = list(first), [document.title for _ in first]
        for at, heading in enumerate(found):
            if at and not text[found[at - 1].end : heading.start].strip():
                titles[-1] = self._title(document, heading.path)
                continue
            starts.append(heading.start)
            titles.append(self._title(document, heading.path))
        if not first:
            starts[0] = 0
        ends = [*starts[1:], len(text)]
        return [
            Section(document, title, text[start:end].rstrip() if len(starts) > 1 else text, start)
            for title, start, end in zip(titles, starts, ends, strict=True)
        ]

    def _title(self, document: Document, path: Sequence[str]) -> str:
        if self.context == "none":
            return document.title
        return BETWEEN.join(dict.fromkeys(filter(None, (document.title, *path))))
