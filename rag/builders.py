"""What builders that retrieve have in common, and `rag`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

from langchain_core.retrievers import BaseRetriever

from advisor.approaches import ContextBuilder, ContextLoad, ContextSource, Shows
from advisor.errors import UserError
from advisor.models import Embedder, LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Document, Outline, Task, TaskBrief, TaskShape
from rag import checks
from rag.abstaining import THRESHOLDS, Abstain, check_abstain, check_examples, tried
from rag.answer_rules import AnswerRules, unsuited
from rag.chunking import example_chunks
from rag.cutting import Cutting, Header, Split
from rag.embedder_choice import check_embedders, chosen_embedder, with_choice
from rag.flat import Precision
from rag.fusing import Fusing, Weight
from rag.hybrid import EVEN, Fuse
from rag.index import PassageIndex
from rag.langchain_retriever import RetrieverRag
from rag.passage_budget import Room
from rag.queries import QueryForm, transformed, with_rewriting
from rag.refining import AtLeast, Distinct, Diverse
from rag.registry import searcher
from rag.reranking import NONE, check_reranking, reranked, with_reranking
from rag.search import searched, with_search
from rag.sources import (
    DocumentSource,
    ExampleSource,
    PassageSource,
    by_input,
    saved_by_input,
    what_was_chosen,
)
from rag.stores.contract import LOCAL
from rag.vectoring import Vectoring

HYBRID = "hybrid"  # what finds most over eight corpora (benchmarks/results/retrieval.md)


@dataclass(frozen=True)
class Retrieving(ContextBuilder):
    """A builder whose passages come from an index of the task's documents."""

    k: int = 3
    chunk: int = 160
    overlap: int = 30
    split: Split = "words"
    parent: int = 0
    context: Header = "title"

    def __post_init__(self) -> None:
        checks.passages(self.name, self.k, self.chunk, self.overlap)
        searcher(self.searched_by)
        self.cutting.check(self.name)

    @property
    @abstractmethod
    def searched_by(self) -> str:
        """The name of its searcher."""

    @property
    def cutting(self) -> Cutting:
        """How documents are cut."""
        return Cutting(self.chunk, self.overlap, self.split, self.parent, self.context)

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
        return replace(index, searcher=Distinct(index.searcher)) if self.parent else index

    def load(self, task: Outline) -> ContextLoad:
        """Passages are as long as documents are, up to what is shown of one; only vectors need all of them embedded."""
        texts = task.documents if task.documents else task.examples
        embeds = searcher(self.searched_by).embeds
        shown = round(min(self.k, len(texts)) * texts.mean(self.cutting.shown))
        return self.cutting.load(task.documents, ContextLoad(words=shown, indexed=texts.total if embeds else 0.0))

    def index_of(self, task: Task, model: LanguageModel) -> PassageIndex:
        """Chunk and index the documents, or the training examples where there are none; the same for every seed."""
        began = clock.now()
        with clock.span("index"):
            embedder = self.vectoring.embedder_of(model, bool(task.limits.local_only))
            cut = self.cutting.of(task.documents, self._room(model, task.instruction, embedder))
            chunks = cut.chunks if task.documents else example_chunks(task.train)
            index = PassageIndex.over(chunks, embedder, began, self.searched_by, self.vectoring.keeping(task))
            notes = (*self.vectoring.notes(embedder), *index.facts.notes, *cut.notes)
            return replace(index, facts=replace(index.facts, notes=notes))

    def index_in(self, folder: Path, model: LanguageModel) -> PassageIndex:
        """The index that was saved, refined; of passages no vector is computed again."""
        return self.refined(PassageIndex.restore(folder, self.vectoring.embedder_of(model)), model)

    def index_after(
        self, index: PassageIndex, documents: Sequence[Document], task: TaskBrief, model: LanguageModel
    ) -> PassageIndex:
        """An index with other documents in place of its own, of which only what is new is embedded."""
        began = clock.now()
        with clock.span("index"):
            room = self._room(model, task.instruction, self.vectoring.embedder_of(model))
            cut = self.cutting.of(documents, room, index.searcher.chunks)
            after = index.updated(cut.chunks, began)
            return replace(after, facts=replace(after.facts, notes=(*after.facts.notes, *cut.notes)))

    def _room(self, model: LanguageModel, instruction: str, embedder: Embedder) -> Room:
        return Room(model, self.k, instruction, searcher(self.searched_by).embeds, embedder)


@dataclass(frozen=True)
class Rag(Retrieving):
    """Shows the passages that fit the query best, of the documents or, on request, of labelled examples.

    The defaults rest on training questions with evidence of eight tasks, embedded by all-MiniLM-L6-v2
    (benchmarks/results/retrieval.md): a right passage that holds the answer is shown for 74 % of them with both
    searches, for 69 % with vectors or words alone. Earlier, by vectors alone on five tasks, three passages of 160 words
    showed the answer to 54 % of the questions (about 300 words of prompt), five of 120 to 52 % (380) and five of 80 to
    43 % (250); without overlap it was 53 %.

    Attributes:
        k: passages shown.
        chunk: most words in a passage; shorter documents stay whole. What the embedder does not read in one, or no
            prompt has room for, is cut further.
        overlap: most words that a passage repeats from the one before it.
        split: where a document may be cut: between paragraphs, lines, sentences and at last `words`; `sentences` cuts
            none that is not longer than a passage; `headings` keeps sections apart; `semantic` cuts where neighbouring
            sentences differ most, by the embedder.
        parent: most words of what is shown around a passage that was found; 0 where the passage itself is. Then `chunk`
            is what is searched.
        context: what is embedded with a passage: the `title`, with split=headings also those of its sections; `none`;
            `summary` also a sentence by the model that says where it stands in its document, which is shown as well.
        miss: share of training contexts from which the right passage is left out (RAFT, Zhang et al. 2024).
        retriever: by what passages are found: `dense` (vectors), `bm25` (words, without an embedder), `hybrid` (both),
            or what another package registers in the entry point group `advisor.searchers`.
        fuse: how `hybrid` adds both, by `scores` or by `ranks` (`rag.hybrid.Fusion`).
        weight: of vectors in it, from 0 to 1; `learned` from training questions with evidence.
        fetch: passages, or `k` where that is more, among which those shown are chosen, where something chooses.
        diversity: how much passages are to differ (`rag.refining.Diverse`); from 0, for the best, to below 1.
        search: settings that are tried, this one among them; which is taken is chosen on dev or training questions
            (`rag.search`). 0 for no search.
        least: score below which a passage is not shown, so that there may be none. It means what the scores mean, of
            `bm25` sums over shared words, of `dense` cosines, and of `hybrid` the cosines of its vectors.
        rerank: what orders candidates anew: the name or folder of a reranker, `llm` for the comparison's own model, or
            `none` (`rag.reranking`).
        query: how the comparison's own model puts queries into other words before they are searched for: `hyde`,
            `rewrite`, `multi`, `decompose`, or not at all, `plain` (`rag.queries`).
        abstain: when the answer is "unanswerable" whatever the model says: where the best passage's score is below a
            threshold (`score`; the model is not asked then), or where its answer is not likelier than that by enough
            (`probability`); both thresholds are chosen on train or dev. `trained`: a tuner teaches it, by that answer
            behind the training contexts without the right passage.
        cite: whether answers name the passages that hold them.
        store: where vectors are kept: `faiss`, in this process and the run's folder; `qdrant`, `chroma`, `pgvector`,
            whose addresses the environment has, or `$NAME`, an address in the environment or in `[stores]`.
        embedder: another one than the model's, by name, folder or scheme.
        embedders: several, with `;` between them, of which one is chosen by what it finds (`rag.embedder_choice`).
        dimensions: how many numbers of a vector are kept (Matryoshka); all where 0.
        vectors: what is kept of a number (`rag.flat.Precision`); below `float` the report says what is lost.
    """

    name: ClassVar[str] = "rag"
    defining: ClassVar[tuple[str, ...]] = ("cot", "abstain", "cite")
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "rag"

    miss: float = 0.2
    retriever: str = HYBRID
    fuse: Fuse = "scores"
    weight: Weight = EVEN
    rerank: str = NONE
    fetch: int = 20
    diversity: float = 0.0
    least: float | None = None
    query: QueryForm = "plain"
    search: int = 0
    abstain: Abstain = "none"
    cite: bool = False
    store: str = LOCAL
    embedder: str = ""
    dimensions: int = 0
    vectors: Precision = "float"
    embedders: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.share(self.name, "miss", self.miss)
        self.fusing.check(self.retriever)
        self.vectoring.check(self.retriever)
        check_embedders(self)
        checks.share(self.name, "diversity", self.diversity, below=True)
        if self.search < 0 or self.search == 1:
            raise UserError(
                f"rag: search={self.search} leaves nothing to choose", "try at least 2 settings, e.g. rag:search=8"
            )
        check_reranking(self.rerank, self.fetch)
        check_abstain(self.abstain, self.cot)

    @property
    def searched_by(self) -> str:
        """The name of its searcher."""
        return self.retriever

    @property
    def seeded(self) -> bool:  # type: ignore[override]
        """What is chosen on examples depends on which are drawn."""
        return bool(self.search or self.embedders) or self.abstain in THRESHOLDS

    @property
    def fusing(self) -> Fusing:
        """How it adds what several searchers find."""
        return Fusing(self.name, self.fuse, self.weight)

    def refined(self, index: PassageIndex, model: LanguageModel) -> PassageIndex:
        """Passages of several chunks once, in a new order, those that differ, those that score enough; all of that for
        each of the queries that one is put into."""
        found = reranked(super().refined(index, model).searcher, self.rerank, self.fetch, model)
        if self.diversity:
            found = Diverse(found, self.diversity, self.fetch)
        if self.least is not None:
            found = AtLeast(found, self.least)
        return replace(index, searcher=transformed(found, self.query, model))

    def found_in(self, index: PassageIndex, task: Task, model: LanguageModel) -> PassageIndex:
        """The index as it is searched: with what is learned of it, and refined."""
        return self.refined(self.fusing.of(index, task.train), model)

    def load(self, task: Outline) -> ContextLoad:
        """The passages, what the model is asked to find them, and answers to find out when to give none."""
        texts = task.documents if task.documents else task.examples
        fetched = min(max(self.k, self.fetch), max(len(texts), round(texts.total / self.chunk)))
        asked = with_reranking(super().load(task), self.rerank, fetched, texts.mean(self.cutting.shown))
        asked = replace(asked, tried=asked.tried + tried(self.abstain, task))
        return with_choice(with_search(with_rewriting(asked, self.query), self.search, task), self)

    @property
    def vectoring(self) -> Vectoring:
        """By what passages are embedded, and how vectors are kept."""
        return Vectoring(self.name, self.store, self.embedder, self.dimensions, self.vectors)

    def unsuited(self, task: TaskShape) -> str:
        """There has to be something to retrieve."""
        if not task.documents and not task.train:
            return "there are neither documents nor labelled examples"
        if not task.documents and self.search:
            return f"search={self.search} tries settings on documents, and there are none"
        return unsuited(task, self.abstain, self.cite)

    @property
    def taught(self) -> str:  # type: ignore[override]
        """The parameter that means nothing without a tuner."""
        return "abstain=trained" if self.abstain == "trained" else ""

    def suggested(self, task: TaskShape) -> bool:
        """It runs unasked with documents; over labelled examples only when it is asked for."""
        return bool(task.documents)

    def suggested_tuned(self, task: TaskShape) -> bool:
        """Wherever it runs by itself: trained to read passages of which some are wrong."""
        return self.suggested(task)

    def build(self, task: Task, model: LanguageModel, seed: int) -> PassageSource:
        """Chunk and index; the same for every seed, but for what is chosen before."""
        if self.abstain in THRESHOLDS:
            check_examples(task)
        if self.embedders:
            name, said = chosen_embedder(self, task, model, seed)
            return replace(self, embedders="", embedder=name).build(task, model, seed).chosen({"embedder": name}, said)
        if self.search and task.documents:
            settings, index, facts = searched(self, task, model, seed)
            found = replace(self, search=0, **settings)
            source = found._of_documents(index, task.brief, found._rules(task.instruction))
            return source.chosen(settings, facts)
        index = self.found_in(self.index_of(task, model), task, model)
        if task.documents:
            return self._of_documents(index, task.brief, self._rules(task.instruction))
        return self._of_examples(index, by_input(task.train))

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Bring the index back, with what a search chose; of passages no vector is computed again."""
        if (choice := what_was_chosen(folder)) is not None:
            settings, said = choice
            return (
                replace(self, search=0, embedders="", **settings)._restored(folder, task, model).chosen(settings, said)
            )
        return self._restored(folder, task, model)

    def _restored(self, folder: Path, task: TaskBrief, model: LanguageModel) -> PassageSource:
        """Bring the index back with just these parameters."""
        index = self.index_in(folder, model)
        same_input = saved_by_input(folder)
        if same_input is not None:
            return self._of_examples(index, same_input)
        return self._of_documents(index, task, self._rules(task.instruction).restored(folder))

    def with_retriever(self, retriever: BaseRetriever, name: str) -> RetrieverRag:
        """The same with any LangChain retriever in place of this package's index.

        Args:
            retriever: whatever it was built over; the task's documents are not given to it.
            name: what records call it, beside its class.

        Raises:
            UserError: a parameter was set that says how this package's index is searched.
        """
        kept = {"k", "miss", "chunk", "abstain", "cite", "cot", "retriever"}
        lost = [f.name for f in fields(self) if f.name not in kept and getattr(self, f.name) != f.default]
        if lost:
            raise UserError(
                f"with_retriever: {', '.join(lost)} would say nothing, since passages come from {name}",
                "leave it out, and set up the retriever itself so",
            )
        kind = type(retriever).__name__
        return RetrieverRag(
            retriever,
            retriever=name,
            kind=kind,
            k=self.k,
            miss=self.miss,
            chunk=self.chunk,
            abstain=self.abstain,
            cite=self.cite,
            cot=self.cot,
        )

    def _rules(self, instruction: str) -> AnswerRules:
        return AnswerRules(instruction, self.k, self.abstain, self.cite)

    def _of_documents(self, index: PassageIndex, task: TaskBrief, rules: AnswerRules) -> PassageSource:
        def renew(documents: Sequence[Document], model: LanguageModel) -> ContextSource:
            return self._of_documents(self.index_after(index, documents, task, model), task, rules)

        return DocumentSource(index, rules, self.miss, size_of(index), renew)

    def _of_examples(self, index: PassageIndex, same_input: Mapping[str, list[str]]) -> PassageSource:
        count = len(index.searcher.chunks)
        note = f"There are no documents: {count:,} labelled examples are retrieved in their place."
        return ExampleSource(index, self.k, same_input, note)


def size_of(index: PassageIndex) -> str:
    """How much is searched, for the report."""
    return f"{len(index.sources):,} documents in {len(index.searcher.chunks):,} chunks."
