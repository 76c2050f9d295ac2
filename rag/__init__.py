"""Retrieval: chunks, an exact index that is a LangChain vector store, the `rag` and `oracle` builders."""

from rag.builders import Oracle, Rag
from rag.chunking import Chunk, document_chunks, example_chunks
from rag.embeddings import EmbedderEmbeddings
from rag.index import PassageIndex
from rag.retriever import RetrieverRag
from rag.store import FaissStore

__all__ = [
    "Chunk",
    "EmbedderEmbeddings",
    "FaissStore",
    "Oracle",
    "PassageIndex",
    "Rag",
    "RetrieverRag",
    "document_chunks",
    "example_chunks",
]
