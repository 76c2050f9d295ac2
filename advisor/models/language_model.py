"""What every approach may ask of a language model, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from advisor.models.prompt import Prompt

Vectors = NDArray[np.float32]
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


def asked_at_once(model: LanguageModel) -> int:
    """How many prompts a model is best asked at once."""
    return model.rows_at_once if isinstance(model, AnswersMany) else FEW_AT_ONCE
