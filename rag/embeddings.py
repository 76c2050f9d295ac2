"""Advisor's sentence embedder, as LangChain knows one."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from advisor.models import Embedder, embedded_queries


class EmbedderEmbeddings(Embeddings):
    """LangChain's `Embeddings` over an `advisor.models.Embedder`."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One unit vector per text; an empty list for no texts."""
        return [[float(x) for x in row] for row in self.embedder.embed(texts)] if texts else []

    def embed_query(self, text: str) -> list[float]:
        """A unit vector."""
        return [float(x) for x in embedded_queries(self.embedder, [text])[0]]
