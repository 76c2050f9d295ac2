"""What every approach may ask of a sentence embedder, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from advisor.errors import NotApplicable
from advisor.models.clock import clock

Vectors = NDArray[np.float32]
BYTES_SAFE = 0.5  # of an embedder's window: a text of fewer bytes is read whole, with what the model puts around it


class Embedder(Protocol):
    """Turns texts into vectors whose inner product is their cosine similarity."""

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension)."""
        ...


@runtime_checkable
class TellsQueriesApart(Protocol):
    """An embedder that may want queries embedded otherwise than what they are to find, by an instruction before them;
    `embed` is then for passages."""

    @property
    def has_own_queries(self) -> bool:
        """Whether it does."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension)."""
        ...


@runtime_checkable
class ReadsInPart(Protocol):
    """An embedder that says how much of a text it reads; one behind an API does not."""

    @property
    def window(self) -> int | None:
        """Tokens of a text that it reads, special tokens included; None where all of it is read, or it is not known."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, whether they are read or not."""
        ...


@runtime_checkable
class CutsUnasked(Protocol):
    """An embedder that learns how much it can read when it is refused more, as one behind an API does."""

    def was_cut(self, texts: Sequence[str]) -> list[bool]:
        """Tells for each text whether it was embedded by its beginning alone; False of what was not embedded yet."""
        ...


@runtime_checkable
class KeepsVectors(Protocol):
    """An embedder whose vectors are paid or slow, so that they are kept until a run is finished."""

    def keeping_vectors(self, path: Path) -> AbstractContextManager[None]:
        """While the block runs, vectors are kept in `path` as they come, and what is there is not asked again."""
        ...


@runtime_checkable
class TellsTokens(Protocol):
    """An embedder that shows the vectors of single tokens, too, from which it makes that of a text."""

    def embed_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        """Unit vectors of each text's own tokens, in its last layer, float32, shape (tokens, width)."""
        ...


def tokens_by(embedder: Embedder, texts: Sequence[str]) -> list[Vectors]:
    """As in `TellsTokens.embed_tokens`.

    Raises:
        NotApplicable: the embedder shows no vectors of tokens.
    """
    while isinstance(embedder, EmbedderBehind):
        embedder = embedder.embedder
    if not isinstance(embedder, TellsTokens):
        raise NotApplicable(f"the embedder {embedder.name} shows no vectors of single tokens")
    return embedder.embed_tokens(texts)


def window_of(embedder: Embedder) -> int | None:
    """How many tokens of a text an embedder reads; None where it does not say."""
    return embedder.window if isinstance(embedder, ReadsInPart) else None


class EmbedderBehind:
    """Says of itself what the embedder behind it says; how it embeds is for others to add."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def revision(self) -> str:
        return self.embedder.revision

    @property
    def dimension(self) -> int:
        return self.embedder.dimension

    @property
    def window(self) -> int | None:
        """Tokens of a text that the embedder reads; None where all of it is read, or it does not say."""
        return window_of(self.embedder)

    @property
    def has_own_queries(self) -> bool:
        """Whether the embedder wants queries embedded otherwise than passages."""
        return isinstance(self.embedder, TellsQueriesApart) and self.embedder.has_own_queries

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the embedder counts them; 0 where it does not say."""
        return self.embedder.count_tokens(texts) if isinstance(self.embedder, ReadsInPart) else [0] * len(texts)


def embedded_queries(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Queries embedded as the embedder wants them, shape (len(texts), dimension); most want them like all else."""
    if isinstance(embedder, TellsQueriesApart) and embedder.has_own_queries:
        return embedder.embed_queries(texts)
    return embedder.embed(texts)


def shares_of(embedder: Embedder, texts: Sequence[str]) -> list[float]:
    """How much of what an embedder reads each text takes: above 1 the rest is not read; 0 where it does not say.

    Only texts that may be too long are counted: no token is shorter than a byte, so that of the others the bytes tell
    enough. The clock stands still, since whoever answers queries has no need to know.
    """
    with clock.stopped():
        window = window_of(embedder)
        if not isinstance(embedder, ReadsInPart) or not window:
            return [0.0] * len(texts)
        bytes_each = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
        long = [at for at, size in enumerate(bytes_each) if size > BYTES_SAFE * window]
        shares = [size / window for size in bytes_each]
        for at, tokens in zip(long, embedder.count_tokens([texts[at] for at in long]), strict=True):
            shares[at] = tokens / window
    return shares


def cut_by(embedder: Embedder, texts: Sequence[str]) -> list[bool]:
    """Tells for each text whether an embedder reads only its beginning; False where it does not say. One behind an API
    says it of what it has embedded."""
    if isinstance(embedder, CutsUnasked):
        return embedder.was_cut(texts)
    return [share > 1 for share in shares_of(embedder, texts)]


def note_of_cut(embedder: Embedder, texts: Sequence[str], what: str) -> tuple[str, ...]:
    """A sentence on how many texts an embedder does not read to their end; nothing where it reads all.

    Args:
        what: the texts are, such as `training inputs`.
    """
    count = sum(cut_by(embedder, texts))
    if not count:
        return ()
    window = window_of(embedder)
    read = f"the first {window:,} tokens" if window else "the beginning"
    return (f"The embedder read only {read} of {count:,} of {len(texts):,} {what}.",)
