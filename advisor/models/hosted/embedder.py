"""An embedder behind an OpenAI-compatible server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from advisor.models.embedder import Vectors
from advisor.models.hosted.calls import Calls, Round
from advisor.models.hosted.client import ServerClient
from advisor.models.hosted.reply import Call, Reply, estimated_tokens
from advisor.models.hosted.trouble import Trouble

TEXTS_AT_ONCE = 64  # texts of one request
KEPT = 0.7  # share of a text that is kept where it is too long for the embedder


class EmbeddingWire:
    """Requests for embeddings."""

    def __init__(self, client: ServerClient) -> None:
        self._client = client

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def answer(self, call: Call, streamed: bool) -> Reply:
        """The vectors of a call's texts, one behind the other."""
        began = time.perf_counter()
        texts = [text or " " for text in call.texts]  # some refuse an empty text
        body = {"model": self._client.address.model, "input": texts, "encoding_format": "float"}
        data = self._client.post("/embeddings", body)
        values = _vectors(data, len(texts))
        usage = data.get("usage")
        read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        seconds = time.perf_counter() - began
        known = isinstance(read, int)
        prompt = read if isinstance(read, int) else sum(map(estimated_tokens, texts))
        version = str(data.get("model") or "")
        return Reply("", prompt, 0, estimated=not known, seconds=seconds, values=values, version=version)


class ServedEmbedder:
    """Texts to vectors, by a server. It does not say which weights it has, so that its vectors are not kept for later.

    Args:
        calls: by which it is asked.
    """

    revision = ""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.name = calls.peer.name

    @cached_property
    def dimension(self) -> int:
        """Numbers of a vector; asked."""
        return int(self.embed(["dimension"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension).

        Raises:
            UserError: the server does not take the request.
            Interrupted: it is gone, or what may be spent is spent.
        """
        parts = [tuple(texts[at : at + TEXTS_AT_ONCE]) for at in range(0, len(texts), TEXTS_AT_ONCE)]
        if not parts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        rows = self.calls.each(parts, _embedded, heard=False)
        vectors: Vectors = np.concatenate(rows)
        return vectors


def _embedded(texts: tuple[str, ...], now: Round) -> Vectors:
    """Unit vectors of some texts; of one that is too long, of as much of its beginning as the server takes."""
    longest = max(map(len, texts))
    while True:
        try:
            reply = now.send(Call(most=0, texts=tuple(text[:longest] for text in texts)))
        except Trouble as trouble:
            longest = int(KEPT * longest)
            if trouble.kind != "long" or not longest:
                raise
            continue
        vectors = np.array(reply.values, dtype=np.float32).reshape(len(texts), -1)
        sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = np.divide(vectors, sizes, out=np.zeros_like(vectors), where=sizes > 0)
        return unit


def _vectors(data: Any, count: int) -> tuple[float, ...]:
    """The numbers of so many vectors of one length.

    Raises:
        Trouble: the answer has another shape.
    """
    rows = data.get("data") if isinstance(data, dict) else None
    try:
        ordered = sorted(rows or (), key=lambda row: int(row["index"]))
        vectors = np.array([row["embedding"] for row in ordered], dtype=np.float64)
    except (TypeError, KeyError, ValueError):
        vectors = np.zeros((0, 0))
    if vectors.ndim != 2 or vectors.shape[0] != count or not vectors.size or not np.isfinite(vectors).all():
        raise Trouble("broken", f"an answer that is not {count} vectors", paid=True)
    return tuple(vectors.ravel().tolist())
