"""Indexing passages and finding them, against bm25s, rank-bm25, LangChain's vector store and its EnsembleRetriever.

Passages and vectors are drawn (`benchmarks.retrieval_scale`), so that no embedder is timed. Peers that index words
are given Advisor's, so that what is compared is the index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bm25s
import numpy as np
from langchain_classic.retrievers import EnsembleRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from rank_bm25 import BM25Okapi, BM25Plus

from benchmarks.retrieval_scale import Drawn, chunks, texts
from benchmarks.speed.gates import every
from benchmarks.speed.harness import Peer, Side, compare
from benchmarks.speed.options import Options
from benchmarks.speed.record import Gate, Record
from rag import PassageIndex
from rag.bm25 import METHOD, terms_of
from rag.hybrid import Fusion, Hybrid

PASSAGES, FEW = 10_000, 200
QUERIES, FEW_QUERIES = 100, 10
K = 10
SAME, ALIKE, RELATED = 1.0, 0.9, 0.3
Found = list[list[str]]


def run(options: Options, record: Record) -> None:
    """Time indexing and a hundred queries together, for words, vectors and both."""
    count, asked = (FEW, FEW_QUERIES) if options.smoke else (PASSAGES, QUERIES)
    kept, queries = chunks(count), list(texts(asked, 1))
    passages = [chunk.text for chunk in kept]
    record.note(passages=count, queries=asked, k=K, words="drawn as Zipf has them", vectors="384 numbers, drawn")

    def ours(retriever: str) -> Side:
        return Side.of("advisor", lambda: _ours(retriever, kept, queries))

    words = [
        Peer(_side("bm25s", _bm25s, passages, queries), 0.8, every(_gate(SAME)), "the library that Advisor uses"),
        Peer(_side("rank-bm25", _rank_bm25, passages, queries), 5.0, every(_gate(ALIKE)), "another formula for rarity"),
    ]
    compare("words: index and queries", ours("bm25"), words, options, record)
    vectors = [Peer(_side("LangChain's InMemoryVectorStore", _in_memory, passages, queries), 2.0, every(_gate(ALIKE)))]
    compare("vectors: index and queries", ours("dense"), vectors, options, record)
    note = "both add ranks; it fuses the first k of each, Advisor all"
    both = [
        Peer(_side("LangChain's EnsembleRetriever", _ensemble, passages, queries), 2.0, every(_gate(RELATED)), note)
    ]
    compare("both: index and queries", ours("hybrid"), both, options, record)


def _side(name: str, job: Callable[[Sequence[str], Sequence[str]], Found], *given: Sequence[str]) -> Side:
    return Side.of(name, lambda: job(*given))


def _ours(retriever: str, kept: Sequence[Any], queries: Sequence[str]) -> Found:
    index = PassageIndex.over(kept, Drawn(), retriever=retriever)
    if isinstance(index.searcher, Hybrid):
        index.searcher.fusion = Fusion("ranks", 0.5)  # as its peer does
    return [[passage.text for passage in row] for row in index.search(queries, K)]


def _bm25s(passages: Sequence[str], queries: Sequence[str]) -> Found:
    index = bm25s.BM25(method=METHOD, backend="numpy")
    index.index([terms_of(text) for text in passages], show_progress=False)
    best = [np.argsort(-index.get_scores(terms_of(query)), kind="stable")[:K] for query in queries]
    return [[passages[at] for at in row] for row in best]


def _rank_bm25(passages: Sequence[str], queries: Sequence[str]) -> Found:
    index = BM25Plus([terms_of(text) for text in passages])  # Okapi's rarity falls below 0 for frequent words
    best = [np.argsort(-index.get_scores(terms_of(query)), kind="stable")[:K] for query in queries]
    return [[passages[at] for at in row] for row in best]


def _in_memory(passages: Sequence[str], queries: Sequence[str]) -> Found:
    store = InMemoryVectorStore.from_texts(list(passages), _Drawn())
    return [[found.page_content for found in store.similarity_search(query, k=K)] for query in queries]


def _ensemble(passages: Sequence[str], queries: Sequence[str]) -> Found:
    store = InMemoryVectorStore.from_texts(list(passages), _Drawn())
    parts = [store.as_retriever(search_kwargs={"k": K}), _Words(passages)]
    fused = EnsembleRetriever(retrievers=parts, weights=[0.5, 0.5])
    return [[found.page_content for found in fused.invoke(query)][:K] for query in queries]


class _Drawn(Embeddings):
    """The vectors that Advisor is given too: queries come behind passages in one series."""

    def __init__(self) -> None:
        self._inner = Drawn()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        found: list[list[float]] = self._inner.embed(texts).tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class _Words(BaseRetriever):
    """What LangChain's BM25Retriever does: rank-bm25 in memory."""

    index: Any = None
    passages: Any = None

    def __init__(self, passages: Sequence[str]) -> None:
        super().__init__()
        self.passages = passages
        self.index = BM25Okapi([terms_of(text) for text in passages])

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(text) for text in self.index.get_top_n(terms_of(query), self.passages, n=K)]


def _gate(least: float) -> Callable[[Found, Found], Gate]:
    """Whether enough of each query's best passages are the same."""

    def gate(mine: Found, found: Found) -> Gate:
        shares = [len(set(a) & set(b)) / max(len(a), 1) for a, b in zip(mine, found, strict=True)]
        mean = float(np.mean(shares))
        what = f"mean overlap of each query's best {K} passages at least {least:.0%}"
        return Gate(what, mean >= least, {"mean": mean, "lowest": min(shares), "queries": len(shares)})

    return gate
