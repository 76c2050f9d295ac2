"""What every approach may ask of a language model, wherever it runs, and what a model says that it can do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from advisor.errors import NotApplicable
from advisor.models.adaptation import Adaptation, Form
from advisor.models.embedder import Embedder, KeepsVectors, Vectors
from advisor.models.prompt import Prompt, Spent
from advisor.models.reranker import Reranker

FEW_AT_ONCE = 32  # prompts of a batch, where the model does not say: what a kill can cost at most
LabelsBy = Literal["likelihood", "constraint", "text"]
"""How the label that a model means is told, the best way first: by the likelihood of each, by an answer that can be
nothing but a label, or by the text that it writes."""
Conversation = tuple[tuple[str, str], ...]
"""Turns, each its role (`system`, `user`, `assistant`) and what is said."""
THOUGHT_TOKENS = 4_096
"""Tokens of a thought at most, where a model thinks before it answers; see `thought_room`."""
CUT_OFF = "cut off while it reasoned"  # the failure of an answer whose thought did not come to its end
BYTES_A_TOKEN = 4  # of English, by the usual tokenizers; what texts are measured by where there is none at hand
_WORD = re.compile(r"\b[A-ZÀ-Þ]?[a-zß-ɏ]+\b")  # such as tokenizers have in few pieces
_BLANK = re.compile(r" (?=\S)")  # part of the token that follows


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do besides answering. Approaches ask for these, never for a class.

    Attributes:
        score: log-likelihoods of given continuations (`LanguageModel.score`).
        choose: answers that are one of given choices (`LanguageModel.choose`).
        decide: a probability for every option of a typed question (`LanguageModel.decide`).
        text_likelihood: log-likelihood of a text on its own (`LanguageModel.log_likelihoods`).
        layers: how many it has whose hidden states it gives (`LanguageModel.hidden_states`); 0 where it gives none.
        train: its weights are in this process, and are a Hugging Face module that gradients reach.
        adapt: the forms of adaptation that it answers with.
        rows_at_once: prompts that it is best asked together.
        remote: it is asked over a connection, where every call may be paid: nothing is asked twice for its time alone.
    """

    score: bool = False
    choose: bool = False
    decide: bool = False
    text_likelihood: bool = False
    layers: int = 0
    train: bool = False
    adapt: frozenset[Form] = frozenset()
    rows_at_once: int = FEW_AT_ONCE
    remote: bool = False


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
        cached_tokens: of the prompt's, those that a server had read before and charges less for.
        reasoning_tokens: written before the answer, in thought; they are not among `completion_tokens`.
        estimated: whether the tokens were counted here, since the server did not say.
        failure: why there is no answer, in a few words (`CUT_OFF`); empty where there is one.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    ttft_seconds: float
    seconds: float
    dropped: int = 0
    cut: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    failure: str = ""

    @property
    def spent(self) -> Spent:
        """What it takes of a query whose context it finds."""
        read, written = self.prompt_tokens, self.completion_tokens
        return Spent(1, read, written, self.cached_tokens, self.reasoning_tokens, self.estimated)


@dataclass(frozen=True, slots=True)
class Scores:
    """Log-likelihoods of the choices as continuations of one prompt.

    Attributes:
        totals: natural log of the probability of each choice's tokens, float32 arithmetic.
        lengths: tokens of each choice.
        prompt_tokens: read to compare them, by all calls that this took.
        seconds: since the call began.
        completion_tokens: written to compare them; 0 where they are only read.
        cached_tokens, estimated: as in `Generation`.
    """

    totals: tuple[float, ...]
    lengths: tuple[int, ...]
    prompt_tokens: int
    seconds: float
    dropped: int
    cut: int
    completion_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def spent(self) -> Spent:
        """As that of a `Generation`."""
        return Spent(1, self.prompt_tokens, self.completion_tokens, self.cached_tokens, 0, self.estimated)


@dataclass(frozen=True, slots=True)
class Decided:
    """What an endpoint for decisions said to one prompt.

    Attributes:
        probabilities: of each choice, in the order of the choices, as the endpoint gave them; empty where it gave none.
        seconds: since the call began.
        dropped, cut, cached_tokens, reasoning_tokens, estimated, failure: as in `Generation`; a refusal is a failure.
    """

    probabilities: tuple[float, ...]
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    dropped: int = 0
    cut: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class HiddenStates:
    """What some layers made of one prompt.

    Attributes:
        last: their states of its last token, behind which the answer would begin; shape (layers, size).
        mean: their mean over the tokens that are the query's own; likewise.
        seconds: since the call began.
        dropped, cut: as in `Generation`.
    """

    last: Vectors
    mean: Vectors
    prompt_tokens: int
    seconds: float
    dropped: int = 0
    cut: int = 0


class LanguageModel(ABC):
    """A causal language model with one prompt renderer and one decoding for all approaches.

    Only `generate` has to be written. What is left as it is here says of a model that it answers and no more.

    Attributes:
        name: resolved id of the weights.
        revision: commit or content hash of the weights; empty where whoever serves them does not say.
        context_window: tokens that prompt and answer may take together.
        embedder: the sentence embedder that goes with it, for everything that retrieves.
        beside: other embedders by name, that approaches asked for (`advisor.models.load.embedder_beside`).
        rerankers: by name, that approaches asked for (`advisor.models.load.reranker_beside`).
        can: what it can do besides answering.
        loaded_from: name and options by which `advisor.load_model` made it; None where it was made otherwise.
        typed: whether the user named it, as in `advisor.models.load.Loading`.
        alias: what it is called beside other models of a comparison; its name's last part where it is empty.
        labels_by: how labels are told, where the user has said so.
        answered_by: versions that answered so far, where whoever serves the model says which; they may change.
        notes: what a reader of the report must know, in full sentences; more may be found as it answers.
    """

    name: str
    revision: str = ""
    context_window: int
    embedder: Embedder
    beside: Mapping[str, Embedder] = MappingProxyType({})
    rerankers: Mapping[str, Reranker] = MappingProxyType({})
    can: Capabilities = Capabilities()
    loaded_from: Mapping[str, Any] | None = None
    typed: bool = True
    alias: str = ""
    labels_by: LabelsBy | None = None
    answered_by: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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

    def converse(
        self, conversations: Sequence[Conversation], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Go on with each conversation greedily as it is, with no instruction and no cue, in the order of
        `conversations`.

        Raises:
            NotApplicable: the model takes prompts of a task only.
            UserError: a conversation does not fit the context window, or the chat template refuses it.
        """
        raise NotApplicable(f"{self.name} takes no conversations as they are")

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone, without special tokens; estimated from its bytes unless a model counts them."""
        return max(1, -(-_bytes_of(text) // BYTES_A_TOKEN))

    def most_tokens(self, text: str) -> int:
        """Tokens that `text` alone takes at most, by which answers are capped: as many as `count_tokens` tells where
        the tokenizer is at hand, else a generous estimate. A model that counts tokens itself need not write it."""
        estimates = type(self).count_tokens is LanguageModel.count_tokens
        return at_most_tokens(text) if estimates else self.count_tokens(text)

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`.

        Raises:
            NotApplicable: the model gives answers only.
        """
        raise NotApplicable(f"{self.name} gives answers only, no likelihoods of labels")

    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Answer each prompt with one of the choices, and with nothing else, in the order of `prompts`.

        Raises:
            NotApplicable: the model's answers cannot be constrained.
        """
        raise NotApplicable(f"{self.name} cannot be held to a choice of answers")

    def decide(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> list[Decided]:
        """A probability for every choice behind every prompt, in one pass each, in the order of `prompts`.

        `Prompt.task` is what is asked, its shots and `Prompt.asked` are what it is asked of.

        Raises:
            NotApplicable: the model answers no typed questions.
        """
        raise NotApplicable(f"{self.name} answers no typed questions with probabilities")

    def decides(self, choices: Sequence[str]) -> bool:
        """Whether typed questions with these choices are answered (`decide`).

        A model that is served is tried the first time.
        """
        return self.can.decide

    def tells_labels_by(self, labels: Sequence[str]) -> LabelsBy:
        """How labels are told: as the user said, else the best way that is open and was seen to work.

        A model that is served is tried the first time, since some servers accept what they then leave out.

        Raises:
            NotApplicable: the way that the user named is not open.
        """
        ways: tuple[LabelsBy, ...] = (self.labels_by,) if self.labels_by else get_args(LabelsBy)
        for way in ways:
            if self._opens(way, tuple(labels)):
                return way
        raise NotApplicable(f"{self.name} cannot tell labels by {self.labels_by}, as --labels-by asks")

    def _opens(self, way: LabelsBy, labels: tuple[str, ...]) -> bool:
        """Whether these labels are told in this way."""
        return {"likelihood": self.can.score, "constraint": self.can.choose, "text": True}[way]

    def keeping_answers(self, path: Path) -> AbstractContextManager[None]:
        """While the block runs, answers that are paid or slow are kept in `path` as they come, and what is there is
        not asked again; so are vectors, in a file beside. What is computed in this process is not kept."""
        embedder = self.embedder
        return embedder.keeping_vectors(vectors_beside(path)) if isinstance(embedder, KeepsVectors) else nullcontext()

    def log_likelihoods(self, texts: Sequence[str], adaptation: Adaptation | None = None) -> list[float]:
        """Natural log of the probability of each text, without prompt or template; each fits the context window.

        Raises:
            NotApplicable: the model does not say how likely a text is.
        """
        raise NotApplicable(f"{self.name} does not say how likely a text is")

    def hidden_states(
        self, prompts: Sequence[Prompt], layers: Sequence[int], adaptation: Adaptation | None = None
    ) -> list[HiddenStates]:
        """What these layers, counted from 1, make of each prompt, in the order of `prompts`.

        Raises:
            NotApplicable: the model does not give its hidden states.
        """
        raise NotApplicable(f"{self.name} gives answers only, not the hidden states of its layers")

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
            "caveats": list(self.notes),
            "labels_by": self.labels_by,
        }

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back what it holds; it is not asked again."""

    def assume_window(self, tokens: int) -> None:  # noqa: B027 - most know it
        """Take the context window to be this where a server would have to be asked for it, so that nothing is sent."""

    def forget(self) -> None:  # noqa: B027 - most have nothing to forget
        """Start cold: drop what earlier calls left behind, and begin to watch memory anew."""

    def use_threads(self, number: int) -> None:  # noqa: B027 - most do not compute here
        """Compute on so many threads of the processor from now on, unless the user said how many there are to be."""

    def peak_memory_bytes(self) -> int | None:
        """Highest memory since `forget`: of the device, or of the process on a CPU; None where it cannot be told."""
        return None


def thought_room(window: int) -> int:
    """Tokens that a model may think for before it answers: no more than half of what its context window holds."""
    return min(THOUGHT_TOKENS, window // 2)


def vectors_beside(path: Path) -> Path:
    """Where vectors are kept beside answers (`LanguageModel.keeping_answers`)."""
    return path.with_suffix(f".vectors{path.suffix}")


def at_most_tokens(text: str) -> int:
    """Tokens of a text at most, whatever the usual tokenizers make of it.

    A Latin word takes a token for two of its bytes at most. All else may take one for each byte, which none is shorter
    than: digits, marks, capitals, codes such as UUIDs, and scripts that a tokenizer may not have learned.
    """
    words = _WORD.findall(text)
    rest = _bytes_of(_BLANK.sub("", text)) - sum(map(_bytes_of, words))
    return max(1, rest + sum(-(-_bytes_of(word) // 2) for word in words))


def _bytes_of(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
