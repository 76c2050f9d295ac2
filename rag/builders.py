"""The context builders that retrieve: `rag`, and `oracle`, which is told where the answer is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from langchain_core.retrievers import BaseRetriever

from advisor.approaches import ContextBuilder, ContextLoad, ContextSource, Shows
from advisor.errors import UserError
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Outline, Task, TaskBrief, TaskShape
from rag.chunking import document_chunks, example_chunks
from rag.flat import Precision
from rag.index import DENSE, PassageIndex
from rag.langchain_retriever import RetrieverRag
from rag.passage_budget import Room
from rag.registry import searcher
from rag.sources import DocumentSource, ExampleSource, OracleSource, by_input, saved_by_input
from rag.stores.contract import LOCAL
from rag.vectoring import Vectoring


@dataclass(frozen=True)
class Retrieving(ContextBuilder):
    """A builder whose passages come from an index of the task's documents."""

    k: int = 3
    chunk: int = 160
    overlap: int = 30

    @property
    @abstractmethod
    def searched_by(self) -> str:
        """The name of its searcher."""

    @property
    def vectoring(self) -> Vectoring:
        """By what passages are embedded, and how vectors are kept."""
        return Vectoring(self.name, LOCAL, "", 0, "float")

    def relies_on(self) -> tuple[type, ...]:
        """The searcher."""
        return (searcher(self.searched_by),)

    def refined(self, index: PassageIndex, model: LanguageModel) -> PassageIndex:
        """The index with what is done before and after its searcher, as the parameters ask; from the inside outwards:
        what finds, what scores anew, what leaves out."""
        return index

    def load(self, task: Outline) -> ContextLoad:
        """Passages are as long as documents are, up to `chunk` words; only vectors need all of them embedded."""
        texts = task.documents if task.documents else task.examples
        indexed = texts.total if searcher(self.searched_by).embeds else 0.0
        return ContextLoad(words=round(min(self.k, len(texts)) * texts.mean(self.chunk)), indexed=indexed)

    def index_of(self, task: Task, model: LanguageModel) -> PassageIndex:
        """Chunk and index the documents, or the training examples where there are none; the same for every seed."""
        began = clock.now()
        with clock.span("index"):
            embedder = self.vectoring.embedder_of(model, bool(task.limits.local_only))
            room = Room(model, self.k, task.instruction, searcher(self.searched_by).embeds, embedder)
            documents = document_chunks(task.documents, self.chunk, self.overlap, room.shares)
            chunks = documents if task.documents else example_chunks(task.train)
            keeping = self.vectoring.keeping(task)
            index = PassageIndex.over(chunks, embedder, began, self.searched_by, keeping)
            notes = (*self.vectoring.notes(embedder), *index.facts.notes)
            return replace(index, facts=replace(index.facts, notes=notes))

    def index_in(self, folder: Path, model: LanguageModel) -> PassageIndex:
        """The index that was saved; of passages no vector is computed again."""
        return PassageIndex.restore(folder, self.vectoring.embedder_of(model))


@dataclass(frozen=True)
class Rag(Retrieving):
    """Shows the passages that fit the query best, of the documents or, on request, of labelled examples.

    The defaults rest on the first 150 test questions with evidence of covid_faq, squad2_dev, tatqa,
    doc2dial and medquad (there among 299 documents), embedded by all-MiniLM-L6-v2; means over the five. A
    shown passage of the right document holds an acceptable answer word for word for 54 % of the questions
    with three passages of 160 words (about 300 words of prompt), for 52 % with five of 120 (380) and for
    43 % with five of 80 (250). The right document itself is among three passages for 73 %, 75 % and 76 %
    with passages of 160, 120 and 80 words, and for 72 % with whole documents, of which the embedder reads
    only the beginning. Without overlap the answer is shown for 53 %. Embedding the title too made no
    difference to count on (61 % against 60 % over the four that have titles).

    Attributes:
        k: passages shown.
        chunk: most words in a passage; shorter documents stay whole. What the embedder does not read in one, or no
            prompt has room for, is cut further.
        overlap: most words that a passage repeats from the one before it.
        miss: share of training contexts from which the right passage is left out (RAFT, Zhang et al. 2024).
        retriever: by what passages are found: `dense` (vectors), `bm25` (words, without an embedder), `hybrid` (both),
            or what another package registers in the entry point group `advisor.searchers`.
        store: where vectors are kept: `faiss`, in this process and the run's folder; `qdrant`, `chroma`, `pgvector`,
            whose addresses the environment has, or `$NAME`, a variable with an address.
        embedder: another one than the model's, by name, folder or scheme.
        dimensions: how many numbers of a vector are kept (Matryoshka); all where 0.
        vectors: what is kept of a number (`rag.flat.Precision`); below `float` the report says what is lost.
    """

    name: ClassVar[str] = "rag"
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "rag"

    miss: float = 0.2
    retriever: str = DENSE
    store: str = LOCAL
    embedder: str = ""
    dimensions: int = 0
    vectors: Precision = "float"

    def __post_init__(self) -> None:
        _check(self.name, self.k, self.chunk, self.overlap)
        self.vectoring.check(self.retriever)
        if not 0 <= self.miss <= 1:
            raise UserError(f"rag: miss={self.miss} is no share", "choose miss from 0 to 1, e.g. rag:miss=0.2")

    @property
    def searched_by(self) -> str:
        """The name of its searcher."""
        return self.retriever

    @property
    def vectoring(self) -> Vectoring:
        """By what passages are embedded, and how vectors are kept."""
        return Vectoring(self.name, self.store, self.embedder, self.dimensions, self.vectors)

    def unsuited(self, task: TaskShape) -> str:
        """There has to be something to retrieve."""
        return "" if task.documents or task.train else "there are neither documents nor labelled examples"

    def suggested(self, task: TaskShape) -> bool:
        """It runs unasked with documents; over labelled examples only when it is asked for."""
        return bool(task.documents)

    def suggested_tuned(self, task: TaskShape) -> bool:
        """Wherever it runs by itself: trained to read passages of which some are wrong."""
        return self.suggested(task)

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Chunk and index; the same for every seed."""
        index = self.refined(self.index_of(task, model), model)
        if task.documents:
            return self._of_documents(index)
        return self._of_examples(index, by_input(task.train))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Bring the index back; of passages no vector is computed again."""
        index = self.refined(self.index_in(folder, model), model)
        same_input = saved_by_input(folder)
        return self._of_documents(index) if same_input is None else self._of_examples(index, same_input)

    def with_retriever(self, retriever: BaseRetriever, name: str) -> RetrieverRag:
        """The same with any LangChain retriever in place of this package's index.

        Args:
            retriever: whatever it was built over; the task's documents are not given to it.
            name: what records call it, beside its class.
        """
        kind = type(retriever).__name__
        return RetrieverRag(
            retriever, retriever=name, kind=kind, k=self.k, miss=self.miss, chunk=self.chunk, cot=self.cot
        )

    def _of_documents(self, index: PassageIndex) -> ContextSource:
        return DocumentSource(index, self.k, self.miss, _size(index))

    def _of_examples(self, index: PassageIndex, same_input: Mapping[str, list[str]]) -> ContextSource:
        count = len(index.searcher.chunks)
        note = f"There are no documents: {count:,} labelled examples are retrieved in their place."
        return ExampleSource(index, self.k, same_input, note)


@dataclass(frozen=True)
class Oracle(Retrieving):
    """A control: shows what a perfect retriever would, the passages of the documents that hold the answer.

    Of a document longer than `chunk` words it shows the passages that fit the query best, since all of it
    may fit no prompt; so for long documents it is a little less than perfect. A query without evidence (an
    unanswerable one) gets what `rag` would show: a perfect retriever cannot know that nothing holds the
    answer, and an empty context would give it away.

    Attributes:
        k: most passages shown; the best of each document that holds the answer come first.
        chunk, overlap, retriever: as in `Rag`.
    """

    name: ClassVar[str] = "oracle"
    control: ClassVar[bool] = True
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "oracle"

    retriever: str = DENSE

    def __post_init__(self) -> None:
        _check(self.name, self.k, self.chunk, self.overlap)
        searcher(self.retriever)

    @property
    def searched_by(self) -> str:
        """The name of its searcher."""
        return self.retriever

    def unsuited(self, task: TaskShape) -> str:
        """There have to be documents, and it has to be known which of them hold the answers."""
        if not task.documents:
            return "there are no documents"
        return "" if task.has_evidence else 'no example says which documents hold its answer ("evidence")'

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Chunk and index all documents; the same for every seed."""
        index = self.index_of(task, model)
        return OracleSource(index, self.k, _size(index))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Bring the index back; of passages no vector is computed again."""
        index = self.index_in(folder, model)
        return OracleSource(index, self.k, _size(index))


def _size(index: PassageIndex) -> str:
    return f"{len(index.sources):,} documents in {len(index.searcher.chunks):,} chunks."


def _check(name: str, k: int, chunk: int, overlap: int) -> None:
    if k < 1:
        raise UserError(f"{name}: k={k} shows no passage", f"choose k of at least 1, e.g. {name}:k=3")
    if chunk < 1 or not 0 <= overlap < chunk:
        raise UserError(
            f"{name}: passages of chunk={chunk} words cannot overlap by overlap={overlap}",
            f"choose an overlap from 0 to below chunk, e.g. {name}:chunk=160,overlap=30",
        )
