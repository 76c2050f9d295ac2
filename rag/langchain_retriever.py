"""Passages from a retriever that the user gives from Python: a database, a service, a chain of LangChain's."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import ClassVar, NoReturn

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from advisor.approaches import ContextBuilder, ContextSource, Facts, Shows
from advisor.errors import NotApplicable, UserError
from advisor.models import Embedder, LanguageModel, Passage
from advisor.tasks import Document as TaskDocument
from advisor.tasks import Task, TaskBrief, TaskShape
from rag.abstaining import Abstain
from rag.answer_rules import AnswerRules, unsuited
from rag.chunking import Chunk, document_chunks
from rag.dense import Dense
from rag.index import PassageIndex
from rag.passage_budget import Room
from rag.searcher import Searcher, Sources, limits_of
from rag.sources import DocumentSource

DOCUMENTS = "documents.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class RetrieverRag(ContextBuilder):
    """`rag` with any LangChain retriever in the place of this package's index; made by `Rag.with_retriever`.

    The retriever is no parameter: runs are recorded by its name and class, and it is for the user to give
    another name to a retriever that finds other passages.

    Attributes:
        held: the retriever; not recorded.
        retriever: what the user calls it.
        kind: its class.
        k: most passages shown, of those that it returns.
        miss: share of training contexts without the right passage, as in `Rag`.
        chunk: words of the right passage where training puts one in that was not retrieved.
        abstain, cite: as in `Rag`.
    """

    name: ClassVar[str] = "rag"
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False

    held: InitVar[BaseRetriever]
    retriever: str
    kind: str
    k: int = 3
    miss: float = 0.2
    chunk: int = 160
    abstain: Abstain = "none"
    cite: bool = False

    @property
    def taught(self) -> str:  # type: ignore[override]
        """The parameter that means nothing without a tuner."""
        return "abstain=trained" if self.abstain == "trained" else ""

    def unsuited(self, task: TaskShape) -> str:
        """Why answers cannot be given by the rules that are asked for; empty where they can."""
        return unsuited(task, self.abstain, self.cite)

    def __post_init__(self, held: BaseRetriever) -> None:
        if not isinstance(held, BaseRetriever):
            raise UserError(
                f"with_retriever: a {type(held).__name__} is not a LangChain retriever",
                "pass an instance of a langchain_core.retrievers.BaseRetriever, e.g. store.as_retriever()",
            )
        if not NAME.fullmatch(self.retriever):
            raise UserError(
                f'with_retriever: the name "{self.retriever}" cannot stand in a record',
                "use letters, digits, '.', '_' and '-', e.g. name=\"my-bm25\"",
            )
        vars(self)["_held"] = held  # past the dataclass on purpose: fields are what is recorded

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Nothing is indexed: the retriever comes ready."""
        documents = {document.id: document for document in task.documents}
        return self._source(task.brief, model, documents, self._rules(task.instruction))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """This object still holds the retriever; which documents there are was kept."""
        known: list[str] = json.loads((folder / DOCUMENTS).read_text(encoding="utf-8"))
        return self._source(task, model, dict.fromkeys(known), self._rules(task.instruction).restored(folder))

    def _rules(self, instruction: str) -> AnswerRules:
        return AnswerRules(instruction, self.k, self.abstain, self.cite)

    def _source(
        self, task: TaskBrief, model: LanguageModel, documents: Mapping[str, TaskDocument | None], rules: AnswerRules
    ) -> ContextSource:
        whose = f"{self.retriever} ({self.kind})"
        note = f"Passages come from {whose}, given from Python; what its index takes is not counted."
        room = Room(model, self.k, task.instruction)
        own = Own(documents, model.embedder, room, self.chunk)
        held = Held(vars(self)["_held"], own)
        index = PassageIndex(self.retriever, held, None, frozenset(documents), Facts(notes=(note,)))
        return DocumentSource(index, rules, self.miss, renew=_not_here)


@dataclass(frozen=True)
class Own:
    """The task's own documents, of which passages are searched where a retriever cannot be asked for some sources.

    Attributes:
        documents: by id; without their texts where they were restored, since only training needs those.
        chunk: words of a passage at most.
    """

    documents: Mapping[str, TaskDocument | None]
    embedder: Embedder
    room: Room
    chunk: int

    def passages(self, sources: Iterable[str]) -> Dense:
        """The passages of these sources, searched by their vectors."""
        documents = [document for source in sources if (document := self.documents.get(source)) is not None]
        return Dense(list(document_chunks(documents, self.chunk, 0, self.room.shares)), self.embedder)


class Held(Searcher):
    """A LangChain retriever as a searcher.

    The document of a passage is the first of its metadata's `source`, its metadata's `id` and its own id that
    names one of the task's documents; where none does, the first that there is.
    """

    def __init__(self, retriever: BaseRetriever, own: Own) -> None:
        super().__init__((), own.embedder)
        self._retriever = retriever
        self._own = own

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """The first `k` passages that the retriever returns and may be shown.

        It cannot be asked for those of some sources alone: `within` finds the task's own passages, by their vectors.
        """
        if within is not None:
            wanted = dict.fromkeys(source for sources in within for source in sources)
            return self._own.passages(wanted).search(texts, k, within, without)
        limits = limits_of(texts, within, without)
        return [
            [p for p in self._returned(text) if p.source not in others][:k]
            for text, (_, others) in zip(texts, limits, strict=True)
        ]

    def updated(self, chunks: Sequence[Chunk]) -> Held:
        """The same: what the retriever finds is its owner's to change."""
        return self

    def save(self, folder: Path) -> None:
        """The documents' ids; the retriever cannot be kept, and the builder still holds it."""
        (folder / DOCUMENTS).write_text(json.dumps(list(self._own.documents)), encoding="utf-8")

    def _returned(self, text: str) -> list[Passage]:
        return [_passage(document, self._own.documents.keys()) for document in self._retriever.invoke(text)]


def _not_here(documents: Sequence[TaskDocument], model: LanguageModel) -> NoReturn:
    raise NotApplicable("its passages are its owner's: it cannot be indexed anew here")


def _passage(document: Document, known: Collection[str]) -> Passage:
    metadata = document.metadata
    names = [str(n) for n in (metadata.get("source"), metadata.get("id"), document.id) if n is not None]
    source = next((name for name in names if name in known), names[0] if names else "")
    return Passage(source, str(metadata.get("title") or ""), document.page_content)
