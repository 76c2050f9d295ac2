"""`long-context`: the documents themselves in the prompt, all of them or as many as fit, and nothing is looked up."""

from __future__ import annotations

import json
import random
import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

from advisor.approaches import ContextBuilder, ContextLoad, ContextSource, Shows
from advisor.approaches.workload import OF_WINDOW, TOKENS_A_WORD, TRAINED_TOKENS, room_beside
from advisor.errors import NotApplicable, UserError
from advisor.models import Context, LanguageModel, Passage
from advisor.models.clock import clock
from advisor.tasks import Document, Example, Outline, Query, Task, TaskBrief, TaskShape
from rag.chunking import Chunk, document_chunks
from rag.index import PassageIndex
from rag.registry import searcher
from rag.sources import Renew

ROOM = "room.json"
WHOLE = sys.maxsize  # words of a document that is not cut for its length in words
APART = 2  # tokens between two documents
LEAST = 64  # tokens that are no room for a document
SAMPLE = 50  # training inputs by which it is told how many documents usually fit
BM25 = "bm25"


@dataclass(frozen=True)
class LongContext(ContextBuilder):
    """Shows the documents, all of them where they fit, else as many as fit, those first that fit the query best.

    Where all fit, they are the same for every query and are read once; else each query has its own, and reads all of
    them. A document that alone takes more than the room is cut into parts, which are chosen like documents. What does
    not share a word with the query comes last, in the order of the documents.

    Attributes:
        retriever: by which documents are put in order where not all fit, as in `rag`.
        budget: tokens that they may take together; 0 for three quarters of the context window beside the instruction.
    """

    retriever: str = BM25
    budget: int = 0

    name: ClassVar[str] = "long-context"
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        searcher(self.retriever)
        if self.budget and self.budget < LEAST:
            hint = f"{self.name}:budget=4096, or no budget for what the context window holds"
            raise UserError(f"{self.name}: budget={self.budget} tokens hold no document", hint)

    def relies_on(self) -> tuple[type, ...]:
        """The searcher."""
        return (searcher(self.retriever),)

    def unsuited(self, task: TaskShape) -> str:
        """There have to be documents."""
        return "" if task.documents else "there are no documents"

    def load(self, task: Outline) -> ContextLoad:
        """All documents, up to what the window or the budget holds."""
        total, most = task.documents.total, self.budget / TOKENS_A_WORD if self.budget else float("inf")
        return ContextLoad(
            words=round(min(total, most)),
            indexed=total if searcher(self.retriever).embeds else 0.0,
            most=OF_WINDOW,
            alike=total <= most,
            trained=TRAINED_TOKENS / TOKENS_A_WORD,
        )

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Count the documents' tokens, and index them where not all fit; the same for every seed."""
        return self._over(task.documents, task.brief, model, [example.input for example in task.train[:SAMPLE]])

    def _over(
        self, documents: Sequence[Document], task: TaskBrief, model: LanguageModel, asked: Sequence[str] = ()
    ) -> LongSource:
        began = clock.now()
        room = int(room_beside(task.instruction, model))
        most = min(self.budget or room, room)
        if most < LEAST:
            raise NotApplicable(f"{model.name} has no room for a document beside the instruction")
        with clock.span("index"):
            sizes = TokenSizes(model)
            chunks = list(document_chunks(documents, WHOLE, 0, lambda some: [sizes.of(c) / most for c in some]))
            tokens = sum(map(sizes.of, chunks))
            ordered = PassageIndex.over(chunks, model.embedder, began, self.retriever if tokens > most else BM25)
        note = LongSource(ordered, most, sizes).note(asked)
        facts = replace(ordered.facts, notes=(note, *ordered.facts.notes))
        return LongSource(replace(ordered, facts=facts), most, sizes, self._renewing(task))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Bring documents and index back."""
        most = json.loads((folder / ROOM).read_text(encoding="utf-8"))["tokens"]
        index = PassageIndex.restore(folder, model.embedder)
        return LongSource(index, most, TokenSizes(model), self._renewing(task))

    def _renewing(self, task: TaskBrief) -> Renew:
        return lambda documents, model: self._over(documents, task, model)


class TokenSizes:
    """What passages take of a prompt, by the model's own count; each is counted once."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._known: dict[Passage, int] = {}

    def of(self, chunk: Chunk) -> int:
        """Tokens of a chunk as it is shown."""
        return self.of_passage(chunk.passage)

    def of_passage(self, passage: Passage) -> int:
        """The same of a passage."""
        if passage not in self._known:
            self._known[passage] = self._model.count_tokens(passage.shown) + APART
        return self._known[passage]


class LongSource(ContextSource):
    """As many documents as fit.

    Args:
        most: tokens that they may take.
        renew: how it is made over other documents.
    """

    def __init__(self, index: PassageIndex, most: int, sizes: TokenSizes, renew: Renew | None = None) -> None:
        self.index = index
        self.pieces = len(index.searcher.chunks)
        self.renew = renew
        self.most = most
        self.embedder = index.embedder
        self.facts = index.facts
        self._sizes = sizes
        self._all = [chunk.passage for chunk in index.searcher.chunks]
        self._taken = list(accumulate(sorted(map(sizes.of_passage, self._all))))  # by as many of the shortest
        self._tokens, self._shortest = (self._taken[-1], self._taken[0]) if self._taken else (0, 0)

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """All documents, the same for each query; else those that fit, best first."""
        if self._tokens <= self.most:
            return [Context(passages=tuple(self._all))] * len(queries)
        rows = self._found([query.input for query in queries], self.most)
        return [_context(self._filled(row, self.most)) for row in rows]

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The same within what a training row has of it (`TRAINED_TOKENS`), the right documents among them where they
        are known, at any place."""
        most = min(self.most, TRAINED_TOKENS)
        if self._tokens <= most:
            return self.contexts([example.query for example in examples])
        rows = self._found([example.input for example in examples], most)
        known = [at for at, example in enumerate(examples) if self.index.knows(example.evidence)]
        right = self.index.search(
            [examples[at].input for at in known], 1, within=[examples[at].evidence for at in known]
        )
        best = {at: found[0] for at, found in zip(known, right, strict=True) if found}
        return [
            _context(self._with_right(row, best.get(at), random.Random(f"{seed}:{examples[at].id}")))
            for at, row in enumerate(rows)
        ]

    def reindexed(self, documents: Sequence[Document], model: LanguageModel) -> ContextSource:
        """The same over other documents."""
        return self.renew(documents, model) if self.renew else self

    def save(self, folder: Path) -> None:
        """The index, and how much room there is."""
        self.index.save(folder)
        (folder / ROOM).write_text(json.dumps({"tokens": self.most}), encoding="utf-8")

    def note(self, texts: Sequence[str]) -> str:
        """How many documents fit, for the report.

        Args:
            texts: such as will be asked.
        """
        number, whole = len(self.index.sources), f"{self._tokens:,} tokens"
        less = f" While training it was up to {TRAINED_TOKENS:,} tokens of them."
        limited = less if min(self._tokens, self.most) > TRAINED_TOKENS else ""
        if self._tokens <= self.most:
            return f"All {number:,} documents stood in every prompt, in {whole}.{limited}"
        if not texts:
            return f"Of {number:,} documents ({whole}) those that fit {self.most:,} tokens were shown.{limited}"
        shown = [len({p.source for p in self._filled(row, self.most)}) for row in self._found(texts, self.most)]
        return (
            f"On average {sum(shown) / len(shown):,.1f} of {number:,} documents ({whole}) fit the {self.most:,} tokens "
            f"that they could take of a prompt.{limited}"
        )

    def _found(self, texts: Sequence[str], most: int) -> list[list[Passage]]:
        """The best for each text, as many as could fit if they were the shortest."""
        return self.index.search(texts, max(1, bisect_right(self._taken, most)))

    def _filled(self, found: Sequence[Passage], most: int) -> list[Passage]:
        """Those that fit, the best first, and behind them others in the order of the documents."""
        taken: dict[Passage, None] = {}
        left = most
        for passage in (*found, *self._all):
            size = self._sizes.of_passage(passage)
            if size <= left and passage not in taken:
                taken[passage] = None
                left -= size
            if left < self._shortest:
                break
        return list(taken)

    def _with_right(self, found: Sequence[Passage], right: Passage | None, chance: random.Random) -> list[Passage]:
        """What fits a training row, with the right passage in it wherever it fits."""
        most = min(self.most, TRAINED_TOKENS)
        shown = self._filled(found, most)
        if right is None or any(passage.source == right.source for passage in shown):
            return shown
        first, *others = self._filled([right, *found], most) or [right]
        place = chance.randint(0, len(others))
        return [*others[:place], first, *others[place:]]


def _context(passages: Sequence[Passage]) -> Context:
    return Context(passages=tuple(passages), fixed=False)
