"""Chunks behind a searcher: what the builders of this package search, save and bring back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.approaches import Facts
from advisor.errors import UserError
from advisor.models import Embedder, Passage, note_of_cut
from advisor.models.clock import clock
from rag.chunking import Chunk
from rag.registry import searcher
from rag.searcher import Searcher, Sources
from rag.stores.contract import PLAIN, Keeping

FACTS_FILE = "index.json"
SCHEMA = 1
DENSE = "dense"


@dataclass(frozen=True)
class PassageIndex:
    """A searchable set of passages.

    Attributes:
        retriever: the name of its searcher.
        embedder: by which it is searched; None where it is searched without one.
        sources: of its passages.
        facts: what building it took; kept with it, so that an index brought back tells the same.
    """

    retriever: str
    searcher: Searcher
    embedder: Embedder | None
    sources: frozenset[str]
    facts: Facts

    @classmethod
    def over(
        cls,
        chunks: Iterable[Chunk],
        embedder: Embedder,
        began: float | None = None,
        retriever: str = DENSE,
        keeping: Keeping = PLAIN,
    ) -> PassageIndex:
        """Index chunks, and embed them where the searcher does.

        Args:
            began: `clock.now()` when the work on them began; now where None.
            retriever: the name of a searcher.
            keeping: of vectors, where it has some.

        Raises:
            UserError: there is no searcher of that name, or a store cannot be reached.
        """
        began = clock.now() if began is None else began
        kept = list(chunks)
        built = searcher(retriever).kept(kept, embedder, keeping)
        seconds = clock.now() - began
        notes = note_of_cut(embedder, [chunk.embedded for chunk in kept], "passages") if built.embeds else ()
        notes = (*built.notes, *notes)
        return cls._of(retriever, built, embedder, Facts(seconds, built.size_bytes, notes=notes))

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """Find passages, as `Searcher.search` does.

        Raises:
            UserError: the searcher gave results for fewer or more texts.
        """
        if not texts:
            return []
        found = self.searcher.search(texts, k, within, without)
        if len(found) != len(texts):
            raise UserError(f"retriever {self.retriever!r} gave {len(found)} results for {len(texts)} texts", "fix it")
        return found

    def updated(self, chunks: Iterable[Chunk], began: float | None = None) -> PassageIndex:
        """The index of changed documents: what their chunks have in common with this one's is not embedded again.

        This index stays as it is, and as it was saved.

        Args:
            chunks: all there are now, changed or not.
            began: as in `over`.
        """
        began = clock.now() if began is None else began
        kept = list(chunks)
        built = self.searcher.updated(kept)
        seconds = clock.now() - began
        before = {chunk.embedded for chunk in self.searcher.chunks}
        now = {chunk.embedded for chunk in kept}
        note = f"Of {len(now):,} different passages {len(now - before):,} were new; {len(before - now):,} were gone."
        unread = note_of_cut(self.embedder, [chunk.embedded for chunk in kept], "passages") if self.embedder else ()
        facts = Facts(seconds, built.size_bytes, notes=(note, *built.notes, *unread))
        sources = frozenset(chunk.source for chunk in kept)
        return replace(self, searcher=built, sources=sources, facts=facts)

    def knows(self, sources: Iterable[str]) -> bool:
        """Whether a passage of one of these sources is in it."""
        return not self.sources.isdisjoint(sources)

    def save(self, folder: Path) -> None:
        """Write what the searcher needs, and the facts, into an existing folder."""
        self.searcher.save(folder)
        kept = {
            "schema": SCHEMA,
            "embedder": self.embedder and self.embedder.name,
            "revision": self.embedder and self.embedder.revision,
            "index_seconds": self.facts.index_seconds,
            "notes": self.facts.notes,
            **({"resolved": self.facts.resolved} if self.facts.resolved else {}),
            **({} if self.retriever == DENSE else {"retriever": self.retriever}),
        }
        (folder / FACTS_FILE).write_text(json.dumps(kept) + "\n", encoding="utf-8")

    @classmethod
    def restore(cls, folder: Path, embedder: Embedder) -> PassageIndex:
        """Bring back what `save` wrote.

        Raises:
            UserError: a file is missing, damaged or of another schema, the vectors are another embedder's, or the
                searcher is not installed any more.
        """
        path = folder / FACTS_FILE
        again = f"delete {folder} and run again; the index will be built anew"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            schema, made = kept["schema"], (kept["embedder"], kept["revision"])
            seconds = None if kept["index_seconds"] is None else float(kept["index_seconds"])
            retriever = str(kept.get("retriever", DENSE))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: it cannot be read ({type(error).__name__}: {error})", again) from error
        if schema != SCHEMA:
            raise UserError(f"{path}: it has schema {schema}, this version reads {SCHEMA}", again)
        kind = searcher(retriever)
        same = made[1] == embedder.revision if embedder.revision else made[0] == embedder.name
        if kind.embeds and not same:  # by contents: a folder of weights may lie elsewhere now
            seen = f"its vectors are from {made[0]} ({made[1]})"
            raise UserError(f"{path}: {seen}, the embedder is {embedder.name} ({embedder.revision})", again)
        built = kind.restore(folder, embedder)
        notes, resolved = tuple(kept.get("notes", ())), kept.get("resolved", {})
        return cls._of(retriever, built, embedder, Facts(seconds, built.size_bytes, notes=notes, resolved=resolved))

    @classmethod
    def _of(cls, retriever: str, built: Searcher, embedder: Embedder, facts: Facts) -> PassageIndex:
        sources = frozenset(chunk.source for chunk in built.chunks)
        return cls(retriever, built, embedder if built.embeds else None, sources, facts)
