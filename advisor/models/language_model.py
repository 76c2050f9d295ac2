"""What every approach may ask of a language model, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from advisor.models.clock import clock
from advisor.models.prompt import Prompt

Vectors = NDArray[np.float32]
BYTES_SAFE = 0.5  # of an embedder's window: a text of fewer bytes is read whole, with what the model puts around it
FEW_AT_ONCE = 32  # prompts of a batch, where the model does not say: what a kill can cost at most


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
class ReadsInPart(Protocol):
    """An embedder that says how much of a text it reads; one behind an API does not."""

    @property
    def window(self) -> int | None:
        """Tokens of a text that it reads, special tokens included; None where all of it is read, or it is not known."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, whether they are read or not."""
        ...


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

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the embedder counts them; 0 where it does not say."""
        return self.embedder.count_tokens(texts) if isinstance(self.embedder, ReadsInPart) else [0] * len(texts)


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
    """Of which texts an embedder reads only the beginning; none where it does not say."""
    return [share > 1 for share in shares_of(embedder, texts)]


def note_of_cut(embedder: Embedder, texts: Sequence[str], what: str) -> tuple[str, ...]:
    """A sentence on how many texts an embedder does not read to their end; nothing where it reads all.

    Args:
        what: the texts are, such as `training inputs`.
    """
    count = sum(cut_by(embedder, texts))
    if not count:
        return ()
    return (f"The embedder read only the first {window_of(embedder):,} tokens of {count:,} of {len(texts):,} {what}.",)


@dataclass(frozen=True, slots=True)
class Weights:
    """Tuned weights, as a model takes them in place of its own.

    Attributes:
        key: identifies them; two objects with the same key are the same weights.
        merged: full replacement by parameter name, a tensor of the parameter's own shape, dtype and device.
    """

    key: str
    merged: dict[str, object]


@dataclass(frozen=True, slots=True)
class Decoding:
    """Where an answer ends, the same for every approach to a task.

    Attributes:
        max_tokens: tokens of an answer at most.
        stop: text that ends an answer, besides the model's own end of turn.
    """

    max_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """One greedy answer.

    Attributes:
        text: without the stop text and special tokens, stripped.
        ttft_seconds, seconds: since the call began, until this answer's first and last token.
        dropped: pieces of context left out so that the prompt fits the context window.
        cut: tokens cut from the input because it did not fit even without context.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    ttft_seconds: float
    seconds: float
    dropped: int
    cut: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Log-likelihoods of the choices as continuations of one prompt.

    Attributes:
        totals: natural log of the probability of each choice's tokens, float32 arithmetic.
        lengths: tokens of each choice.
        seconds: since the call began.
    """

    totals: tuple[float, ...]
    lengths: tuple[int, ...]
    prompt_tokens: int
    seconds: float
    dropped: int
    cut: int


@runtime_checkable
class LanguageModel(Protocol):
    """A causal language model with one prompt renderer and one decoding for all approaches.

    Attributes:
        name: resolved id of the weights.
        revision: commit or content hash of the weights.
        context_window: tokens that prompt and answer may take together.
        embedder: the sentence embedder that goes with it, for everything that retrieves.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def context_window(self) -> int: ...
    @property
    def embedder(self) -> Embedder: ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone, without special tokens."""
        ...

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, weights: Weights | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily, in the order of `prompts`."""
        ...

    def score(self, prompts: Sequence[Prompt], choices: Sequence[str], weights: Weights | None = None) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a record says of the model: the fields of `ModelFacts`, as plain JSON values."""
        ...

    def forget(self) -> None:
        """Start cold: drop what earlier calls left behind, and begin to watch memory anew."""
        ...

    def peak_memory_bytes(self) -> int | None:
        """Highest memory since `forget`: of the device, or of the process on a CPU; None where it cannot be told."""
        ...


@runtime_checkable
class ReadsText(Protocol):
    """A model that also says how likely a text is on its own; one behind a chat API does not."""

    def log_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """Natural log of the probability of each text, without prompt or template; each fits the context window."""
        ...


@runtime_checkable
class AnswersMany(Protocol):
    """A model that says how many prompts it is best asked at once; another one is asked few."""

    @property
    def rows_at_once(self) -> int: ...


@runtime_checkable
class SetsThreads(Protocol):
    """A model that runs in this process, and on as many threads as it is told."""

    def use_threads(self, number: int) -> None:
        """Compute on so many threads of the processor from now on, unless the user said how many there are to be."""
        ...


def asked_at_once(model: LanguageModel) -> int:
    """How many prompts a model is best asked at once."""
    return model.rows_at_once if isinstance(model, AnswersMany) else FEW_AT_ONCE
