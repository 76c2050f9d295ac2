"""Passages from a retriever that the user gives from Python: BM25, a hybrid, a database, a service."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import ClassVar

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from advisor.approaches import ContextBuilder, ContextSource, Facts, Shows
from advisor.errors import UserError
from advisor.models import Context, LanguageModel, Passage
from advisor.tasks import Example, Query, Task
from rag.chunking import document_chunks
from rag.index import PassageIndex
from rag.raft import chance_of, training_passages
from rag.room import Room

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

    def build(self, task: Task, model: LanguageModel, seed: int) -> RetrieverSource:
        """Nothing is indexed: the retriever comes ready."""
        return RetrieverSource(self, self._ask, task, model)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> RetrieverSource:
        """This object still holds the retriever."""
        return self.build(task, model, 0)

    def _ask(self, text: str) -> list[Document]:
        held: BaseRetriever = vars(self)["_held"]
        return held.invoke(text)


class RetrieverSource(ContextSource):
    """Shows what a LangChain retriever returns.

    The document of a passage is the first of its metadata's `source`, its metadata's `id` and its own id that
    names one of the task's documents; where none does, the first that there is.
    """

    def __init__(
        self, builder: RetrieverRag, ask: Callable[[str], list[Document]], task: Task, model: LanguageModel
    ) -> None:
        self.builder = builder
        self._ask = ask
        self._room = Room(model, builder.k, task.instruction)
        self._model = model
        self._documents = {document.id: document for document in task.documents}
        whose = f"{builder.retriever} ({builder.kind})"
        note = f"Passages come from {whose}, given from Python; what its index takes is not counted."
        self.facts = Facts(notes=(note,))

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """The first `k` passages that the retriever returns."""
        shown = [self._returned(query.input)[: self.builder.k] for query in queries]
        return [Context(passages=tuple(passages), fixed=False) for passages in shown]

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """As in `Rag`; those that fill up are what the retriever returns beyond the first `k`."""
        golds = self._golds(examples)
        return [self._training_context(example, golds, seed) for example in examples]

    def save(self, folder: Path) -> None:
        """Nothing to write: the retriever cannot be kept, and the builder still holds it."""

    def _training_context(self, example: Example, golds: PassageIndex, seed: int) -> Context:
        returned = self._returned(example.input)
        shown = tuple(returned[: self.builder.k])
        if golds.knows(example.evidence):
            shown = training_passages(
                shown,
                example.evidence,
                lambda: golds.nearest_of(golds.embed([example.input])[0], 1, example.evidence),
                lambda: [p for p in returned if p.source not in example.evidence][: self.builder.k],
                self.builder.miss,
                chance_of(example, seed),
            )
        return Context(passages=shown, fixed=False)

    def _golds(self, examples: Sequence[Example]) -> PassageIndex:
        wanted = dict.fromkeys(source for example in examples for source in example.evidence)
        documents = [self._documents[source] for source in wanted if source in self._documents]
        chunks = document_chunks(documents, self.builder.chunk, 0, self._room.shares)
        return PassageIndex.over(chunks, self._model.embedder)

    def _returned(self, text: str) -> list[Passage]:
        return [_passage(document, self._documents.keys()) for document in self._ask(text)]


def _passage(document: Document, known: Collection[str]) -> Passage:
    metadata = document.metadata
    names = [str(n) for n in (metadata.get("source"), metadata.get("id"), document.id) if n is not None]
    source = next((name for name in names if name in known), names[0] if names else "")
    return Passage(source, str(metadata.get("title") or ""), document.page_content)
