"""An embedder behind an OpenAI-compatible server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from advisor.models.clock import clock
from advisor.models.embedder import Vectors
from advisor.models.hosted.calls import Calls, Round
from advisor.models.hosted.client import ServerClient
from advisor.models.hosted.reply import Call, Reply, estimated_tokens
from advisor.models.hosted.trouble import Trouble

TEXTS_AT_ONCE = 64  # texts of one request, where the server takes so many
KNOWN_BYTES = 2**28  # of vectors that are kept
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


@dataclass(frozen=True, slots=True)
class _Known:
    """A text's unit vector, and its share of the tokens and seconds that it took to come by."""

    vector: Vectors
    tokens: float
    seconds: float


class ServedEmbedder:
    """Texts to vectors, by a server. It does not say which weights it has, so that its vectors are kept for as long as
    the process lives and no longer; what is found there counts as if it were asked. A text alone is always asked: that
    is how latency is measured.

    Args:
        calls: by which it is asked.
    """

    revision = ""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.name = calls.peer.name
        self._at_once = TEXTS_AT_ONCE  # that the server takes, as far as is known
        self._dimension = 0
        self._known: dict[str, _Known] = {}
        self._cut = set[str]()

    @property
    def dimension(self) -> int:
        """Numbers of a vector; asked, where nothing was embedded yet."""
        return self._dimension or int(self.embed(["dimension"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension).

        Raises:
            UserError: the server does not take the request.
            Interrupted: it is gone, or what may be spent is spent.
        """
        if not len(texts):
            return np.zeros((0, self.dimension), dtype=np.float32)
        distinct = list(dict.fromkeys(texts))
        found = {text: self._known[text] for text in distinct if len(texts) > 1 and text in self._known}
        if found:
            clock.credit("embeddings", sum(one.seconds for one in found.values()))
            clock.called(embedded=round(sum(one.tokens for one in found.values())))
        found |= self._asked([text for text in distinct if text not in found])
        return np.stack([found[text].vector for text in texts])

    def was_cut(self, texts: Sequence[str]) -> list[bool]:
        """Tells for each text whether it was embedded by its beginning, since it is too long for the server."""
        return [text in self._cut for text in texts]

    def keeping_vectors(self, path: Path) -> AbstractContextManager[None]:
        """While the block runs, vectors are kept in `path`, and what is there is not asked again."""
        return self.calls.kept(path)

    def _asked(self, texts: Sequence[str]) -> dict[str, _Known]:
        """What the server makes of texts, each of them once."""
        parts = [tuple(texts[at : at + TEXTS_AT_ONCE]) for at in range(0, len(texts), TEXTS_AT_ONCE)]
        if not parts:
            return {}
        began = clock.now()
        rows = [row for part in self.calls.each(parts, self._part) for row in part]
        each = (clock.now() - began) / len(texts)
        found = {text: _Known(row[0], row[1], each) for text, row in zip(texts, rows, strict=True)}
        self._dimension = len(rows[0][0])
        self._known |= found
        for oldest in list(self._known)[: max(0, len(self._known) - KNOWN_BYTES // (4 * self._dimension))]:
            del self._known[oldest]
        return found

    def _part(self, texts: tuple[str, ...], now: Round) -> list[tuple[Vectors, float]]:
        """The vector of each text and its tokens; texts that the server does not take together are asked in halves."""
        if len(texts) > self._at_once:
            return self._halves(texts, now)
        try:
            return _read(now.send(Call(most=0, texts=texts)), len(texts))
        except Trouble as trouble:
            if len(texts) == 1:
                return [self._beginning(texts[0], trouble, now)]
            if trouble.kind not in ("long", "wrong"):
                raise
            found = self._halves(texts, now)
            if not _too_long(trouble):
                self._at_once = min(self._at_once, len(texts) - len(texts) // 2)
            return found

    def _halves(self, texts: tuple[str, ...], now: Round) -> list[tuple[Vectors, float]]:
        middle = len(texts) - len(texts) // 2
        return self._part(texts[:middle], now) + self._part(texts[middle:], now)

    def _beginning(self, text: str, trouble: Trouble, now: Round) -> tuple[Vectors, float]:
        """The vector of as much of a text's beginning as the server takes."""
        begun = text
        while _too_long(trouble) and len(begun) > 1:
            begun = begun[: int(KEPT * len(begun))]
            try:
                (found,) = _read(now.send(Call(most=0, texts=(begun,))), 1)
            except Trouble as again:
                trouble = again
            else:
                self._cut.add(text)
                return found
        raise trouble


def _too_long(trouble: Trouble) -> bool:
    """Whether a server refuses what it reads for its tokens, rather than the number of texts; they say so in many
    ways."""
    return trouble.kind == "long" or (trouble.kind == "wrong" and "token" in trouble.text.lower())


def _read(reply: Reply, count: int) -> list[tuple[Vectors, float]]:
    """Unit vectors, and each one's share of the tokens."""
    vectors = np.array(reply.values, dtype=np.float32).reshape(count, -1)
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, sizes, out=np.zeros_like(vectors), where=sizes > 0)
    return [(row, reply.prompt / count) for row in unit]


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
