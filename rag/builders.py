"""The context builders that retrieve: `rag`, and `oracle`, which is told where the answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from langchain_core.retrievers import BaseRetriever

from advisor.approaches import ContextBuilder, ContextLoad, ContextSource, Shows
from advisor.errors import UserError
from advisor.models import Context, LanguageModel, Passage, Vectors
from advisor.models.clock import clock
from advisor.tasks import Example, GroundedQuery, Outline, Query, Task, TaskShape
from advisor.tasks.minhash import normalised
from rag.chunking import document_chunks, example_chunks
from rag.index import PassageIndex
from rag.raft import chance_of, training_passages
from rag.retriever import RetrieverRag
from rag.room import Room


@dataclass(frozen=True)
class Rag(ContextBuilder):
    """Shows the passages most similar to the query, of the documents or, on request, of labelled examples.

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
    """

    name: ClassVar[str] = "rag"
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "rag"

    k: int = 3
    chunk: int = 160
    overlap: int = 30
    miss: float = 0.2

    def __post_init__(self) -> None:
        _check(self.name, self.k, self.chunk, self.overlap)
        if not 0 <= self.miss <= 1:
            raise UserError(f"rag: miss={self.miss} is no share", "choose miss from 0 to 1, e.g. rag:miss=0.2")

    def unsuited(self, task: TaskShape) -> str:
        """There has to be something to retrieve."""
        return "" if task.documents or task.train else "there are neither documents nor labelled examples"

    def suggested(self, task: TaskShape) -> bool:
        """With documents; over labelled examples it runs only when it is asked for."""
        return bool(task.documents)

    def suggested_tuned(self, task: TaskShape) -> bool:
        """Wherever it runs by itself: trained to read passages of which some are wrong."""
        return self.suggested(task)

    def load(self, task: Outline) -> ContextLoad:
        """Passages are as long as documents are, up to `chunk` words."""
        return _load(task, self.k, self.chunk)

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Chunk, embed and index; the same for every seed."""
        began = clock.now()
        with clock.span("index"):
            room = Room(model, self.k, task.instruction)
            documents = document_chunks(task.documents, self.chunk, self.overlap, room.shares)
            chunks = documents if task.documents else example_chunks(task.train)
            return self._source(PassageIndex.over(chunks, model.embedder, began), task)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> ContextSource:
        """Read the index back; only queries are embedded from then on."""
        return self._source(PassageIndex.restore(folder, model.embedder), task)

    def with_retriever(self, retriever: BaseRetriever, name: str) -> RetrieverRag:
        """The same with any LangChain retriever in place of this package's index.

        Args:
            retriever: whatever it was built over; the task's documents are not given to it.
            name: what records call it, beside its class.
        """
        kind = type(retriever).__name__
        return RetrieverRag(retriever, retriever=name, kind=kind, k=self.k, miss=self.miss, chunk=self.chunk)

    def _source(self, index: PassageIndex, task: Task) -> ContextSource:
        if task.documents:
            return DocumentSource(index, self.k, self.miss)
        return ExampleSource(index, self.k, task.train)


@dataclass(frozen=True)
class Oracle(ContextBuilder):
    """A control: shows what a perfect retriever would, the passages of the documents that hold the answer.

    Of a document longer than `chunk` words it shows the passages most similar to the query, since all of it
    may fit no prompt; so for long documents it is a little less than perfect. A query without evidence (an
    unanswerable one) gets what `rag` would show: a perfect retriever cannot know that nothing holds the
    answer, and an empty context would give it away.

    Attributes:
        k: most passages shown; the best of each document that holds the answer come first.
        chunk, overlap: as in `Rag`.
    """

    name: ClassVar[str] = "oracle"
    control: ClassVar[bool] = True
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "oracle"

    k: int = 3
    chunk: int = 160
    overlap: int = 30

    def __post_init__(self) -> None:
        _check(self.name, self.k, self.chunk, self.overlap)

    def unsuited(self, task: TaskShape) -> str:
        """There have to be documents, and it has to be known which of them hold the answers."""
        if not task.documents:
            return "there are no documents"
        return "" if task.has_evidence else 'no example says which documents hold its answer ("evidence")'

    def load(self, task: Outline) -> ContextLoad:
        """As `Rag`; fewer passages where fewer documents hold an answer."""
        return _load(task, self.k, self.chunk)

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Chunk, embed and index all documents; the same for every seed."""
        began = clock.now()
        with clock.span("index"):
            room = Room(model, self.k, task.instruction)
            chunks = document_chunks(task.documents, self.chunk, self.overlap, room.shares)
            return OracleSource(PassageIndex.over(chunks, model.embedder, began), self.k)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> ContextSource:
        """Read the index back; only queries are embedded from then on."""
        return OracleSource(PassageIndex.restore(folder, model.embedder), self.k)


class DocumentSource(ContextSource):
    """Passages of documents."""

    def __init__(self, index: PassageIndex, k: int, miss: float) -> None:
        self.index = index
        self.k = k
        self.miss = miss
        documents, chunks = len(index.chunks_of), len(index.store)
        self.embedder = index.embedder
        self.facts = replace(index.facts, notes=(f"{documents:,} documents in {chunks:,} chunks.", *index.facts.notes))

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """The `k` passages most similar to each query's input, best first."""
        return [_context(found) for found in self._nearest([query.input for query in queries])[1]]

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """What inference would bring, with the right passage in 1 - `miss` of those whose evidence is known.

        Examples without evidence, unanswerable ones among them, get what inference would bring.
        """
        vectors, nearest = self._nearest([example.input for example in examples])
        return [
            self._training_context(example, vector, retrieved, seed)
            for example, vector, retrieved in zip(examples, vectors, nearest, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """The index; nothing else was learned."""
        self.index.save(folder)

    def _training_context(self, example: Example, vector: Vectors, retrieved: list[Passage], seed: int) -> Context:
        if not self.index.knows(example.evidence):
            return _context(retrieved)
        shown = training_passages(
            retrieved,
            example.evidence,
            lambda: self.index.nearest_of(vector, 1, example.evidence),
            lambda: self.index.nearest_without(vector, self.k, example.evidence),
            self.miss,
            chance_of(example, seed),
        )
        return _context(shown)

    def _nearest(self, inputs: Sequence[str]) -> tuple[Vectors, list[list[Passage]]]:
        vectors = self.index.embed(inputs)
        return vectors, self.index.nearest(vectors, self.k)


class ExampleSource(ContextSource):
    """Labelled examples in place of passages."""

    def __init__(self, index: PassageIndex, k: int, examples: Sequence[Example]) -> None:
        self.index = index
        self.k = k
        self.same_input: dict[str, list[str]] = {}
        for example in examples:
            self.same_input.setdefault(normalised(example.input), []).append(example.id)
        note = f"There are no documents: {len(index.store):,} labelled examples are retrieved in their place."
        self.embedder = index.embedder
        self.facts = replace(index.facts, notes=(note, *index.facts.notes))

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """The `k` examples whose inputs are most similar, best first."""
        vectors = self.index.embed([query.input for query in queries])
        return [_context(found) for found in self.index.nearest(vectors, self.k)]

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The same without the example itself, by id or by input: it would show its own answer."""
        vectors = self.index.embed([example.input for example in examples])
        return [
            _context(self.index.nearest_without(vector, self.k, self._itself(example)))
            for example, vector in zip(examples, vectors, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """The index; the examples' inputs are the task's."""
        self.index.save(folder)

    def _itself(self, example: Example) -> list[str]:
        return [example.id, *self.same_input.get(normalised(example.input), ())]


class OracleSource(ContextSource):
    """Passages of the documents that hold the answer."""

    def __init__(self, index: PassageIndex, k: int) -> None:
        self.index = index
        self.k = k
        documents, chunks = len(index.chunks_of), len(index.store)
        self.embedder = index.embedder
        self.facts = replace(index.facts, notes=(f"{documents:,} documents in {chunks:,} chunks.", *index.facts.notes))

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """By each query's evidence; what `rag` would show where there is none."""
        named = [query.evidence if isinstance(query, GroundedQuery) else () for query in queries]
        return self._contexts([query.input for query in queries], named)

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """As at inference: here the right passage is never missing."""
        evidence = [example.evidence for example in examples]
        return self._contexts([example.input for example in examples], evidence)

    def save(self, folder: Path) -> None:
        """The index; nothing else was learned."""
        self.index.save(folder)

    def _contexts(self, inputs: Sequence[str], evidence: Sequence[tuple[str, ...]]) -> list[Context]:
        vectors = self.index.embed(inputs)
        retrieved = self.index.nearest(vectors, self.k)
        return [
            _context(self._right(vector, named) if self.index.knows(named) else found)
            for vector, named, found in zip(vectors, evidence, retrieved, strict=True)
        ]

    def _right(self, vector: Vectors, evidence: Sequence[str]) -> list[Passage]:
        """The best passage of each document first, then the others, each part best first."""
        found = self.index.nearest_of(vector, len(self.index.store), evidence)
        first = {passage.source: place for place, passage in reversed(list(enumerate(found)))}
        order = sorted(range(len(found)), key=lambda place: first[found[place].source] != place)
        return [found[place] for place in order[: self.k]]


def _context(passages: Sequence[Passage]) -> Context:
    return Context(passages=tuple(passages), fixed=False)


def _load(task: Outline, k: int, chunk: int) -> ContextLoad:
    texts = task.documents if task.documents else task.examples
    return ContextLoad(words=round(min(k, len(texts)) * texts.mean(chunk)), indexed=texts.total)


def _check(name: str, k: int, chunk: int, overlap: int) -> None:
    if k < 1:
        raise UserError(f"{name}: k={k} shows no passage", f"choose k of at least 1, e.g. {name}:k=3")
    if chunk < 1 or not 0 <= overlap < chunk:
        raise UserError(
            f"{name}: passages of chunk={chunk} words cannot overlap by overlap={overlap}",
            f"choose an overlap from 0 to below chunk, e.g. {name}:chunk=160,overlap=30",
        )
