"""What every approach may ask of a language model, wherever it runs, and what a model says that it can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from advisor.errors import NotApplicable
from advisor.models.adaptation import Adaptation, Form
from advisor.models.embedder import Embedder
from advisor.models.prompt import Prompt

FEW_AT_ONCE = 32  # prompts of a batch, where the model does not say: what a kill can cost at most
BYTES_A_TOKEN = 4  # of English, by the usual tokenizers; what texts are measured by where there is none at hand


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do besides answering. Approaches ask for these, never for a class.

    Attributes:
        score: log-likelihoods of given continuations (`LanguageModel.score`).
        text_likelihood: log-likelihood of a text on its own (`LanguageModel.log_likelihoods`).
        train: its weights are in this process, and are a Hugging Face module that gradients reach.
        adapt: the forms of adaptation that it answers with.
        rows_at_once: prompts that it is best asked together.
    """

    score: bool = False
    text_likelihood: bool = False
    train: bool = False
    adapt: frozenset[Form] = frozenset()
    rows_at_once: int = FEW_AT_ONCE


@dataclass(frozen=True, slots=True)
class Decoding:
    """Where an answer ends, the same for every approach to a task.

    Attributes:
        max_tokens: tokens of an answer at most.
        stop: text that ends an answer, besides the model's own end of turn.
    """

    max_tokens: int
    stop: tuple[str, ...] = ()

    def ended(self, text: str) -> str:
        """An answer up to where a stop text begins, stripped; for models that do not stop there by themselves."""
        for stop in self.stop:
            text = text.lstrip().split(stop)[0]
        return text.strip()


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
    dropped: int = 0
    cut: int = 0


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


class LanguageModel(ABC):
    """A causal language model with one prompt renderer and one decoding for all approaches.

    Only `generate` has to be written. What is left as it is here says of a model that it answers and no more.

    Attributes:
        name: resolved id of the weights.
        revision: commit or content hash of the weights; empty where whoever serves them does not say.
        context_window: tokens that prompt and answer may take together.
        embedder: the sentence embedder that goes with it, for everything that retrieves.
        can: what it can do besides answering.
        loaded_from: name and options by which `advisor.load_model` made it; None where it was made otherwise.
    """

    name: str
    revision: str = ""
    context_window: int
    embedder: Embedder
    can: Capabilities = Capabilities()
    loaded_from: Mapping[str, Any] | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        """A model that scores says so, unless it says otherwise."""
        super().__init_subclass__(**more)
        if cls.can is LanguageModel.can and cls.score is not LanguageModel.score:
            cls.can = Capabilities(score=True)

    @abstractmethod
    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily, in the order of `prompts`."""

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone, without special tokens; estimated from its bytes unless a model counts them."""
        return max(1, -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN))

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`.

        Raises:
            NotApplicable: the model gives answers only.
        """
        raise NotApplicable(f"{self.name} gives answers only, no likelihoods of labels")

    def log_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """Natural log of the probability of each text, without prompt or template; each fits the context window.

        Raises:
            NotApplicable: the model does not say how likely a text is.
        """
        raise NotApplicable(f"{self.name} does not say how likely a text is")

    def describe(self) -> dict[str, Any]:
        """What a record says of the model: the fields of `ModelFacts`, as plain JSON values."""
        return {
            "id": self.name,
            "revision": self.revision,
            "quantisation": None,
            "source": type(self).__module__.split(".")[0],
            "dtype": "unknown",
            "device": "elsewhere",
            "device_name": "elsewhere",
            "parameters": None,
            "context_window": self.context_window,
            "embedder": f"{self.embedder.name}@{self.embedder.revision}",
            "caveats": [],
        }

    def forget(self) -> None:  # noqa: B027 - most have nothing to forget
        """Start cold: drop what earlier calls left behind, and begin to watch memory anew."""

    def use_threads(self, number: int) -> None:  # noqa: B027 - most do not compute here
        """Compute on so many threads of the processor from now on, unless the user said how many there are to be."""

    def peak_memory_bytes(self) -> int | None:
        """Highest memory since `forget`: of the device, or of the process on a CPU; None where it cannot be told."""
        return None
