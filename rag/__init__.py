"""Retrieval: chunks, the searchers that find them by vectors or words, and the `rag` and `oracle` builders."""

from rag.bm25 import Bm25
from rag.builders import Rag
from rag.chunking import Chunk, document_chunks, example_chunks
from rag.dense import Dense
from rag.embeddings import EmbedderEmbeddings
from rag.hybrid import Hybrid
from rag.index import PassageIndex
from rag.langchain_retriever import RetrieverRag
from rag.long_context import LongContext
from rag.oracle import Oracle
from rag.searcher import Scorer, Searcher, Sources
from rag.store import FaissStore

__all__ = [
    "Bm25",
    "Chunk",
    "Dense",
    "EmbedderEmbeddings",
    "FaissStore",
    "Hybrid",
    "LongContext",
    "Oracle",
    "PassageIndex",
    "Rag",
    "RetrieverRag",
    "Scorer",
    "Searcher",
    "Sources",
    "document_chunks",
    "example_chunks",
]
