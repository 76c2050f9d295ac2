"""The contract of everything that can be compared.

An approach that adapts the language model is a *context builder* (what stands in the prompt beside the query)
combined with a *tuner* (the weights); any builder goes with any tuner. Whatever fits neither implements
`Approach` and `Predictor` directly. All three are frozen dataclasses whose fields are the hyper-parameters:
what the record stores and what the command line accepts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from advisor.models import Adaptation, Context, Embedder, LanguageModel, Passage, Prompt
from advisor.tasks import Example, Query, Task, TaskOutline


@dataclass(frozen=True, slots=True)
class Usage:
    """What one query took: tokens, and times where it was sent alone. Facts, never money.

    Attributes:
        dropped: pieces of context left out to fit the context window.
        cut: tokens of the input itself that did not fit.
        ttft_seconds: from the start of `predict` to the first token of the answer; the whole time where an
            answer comes in one piece.
        shown: pieces of context (passages and shots) that reached the prompt; None where that is not known.
        unread: whether an embedder had to do with the beginning of the input, since it reads no more.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    dropped: int = 0
    cut: int = 0
    ttft_seconds: float | None = None
    shown: int | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer to one query.

    Attributes:
        evidence: ids of the documents shown to the model, best first.
        passages: the pieces of documents that were retrieved, best first; the last `usage.dropped` did not fit.
        confidence: probability of the answer among the labels; None where there is none.
    """

    id: str
    text: str
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    usage: Usage = Usage()
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What fitting took and left behind.

    Attributes:
        index_seconds: chunking, embedding and indexing documents; None where no documents are used.
        artifact_bytes: size of what has to be kept to answer queries, besides the model.
        trainable_parameters: numbers that were learned by gradient or by optimisation.
        notes: what a reader of the report should know about this fit, in full sentences.
        resolved: hyper-parameters that were left to the program and what it chose, by part:
            `{"lora": {"epochs": 3}}`.
    """

    index_seconds: float | None = None
    artifact_bytes: int = 0
    trainable_parameters: int = 0
    notes: tuple[str, ...] = ()
    resolved: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Predictor(ABC):
    """A fitted approach. It answers queries and never sees their answers."""

    facts: Facts = Facts()

    @abstractmethod
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query, in order. An answer depends on nothing but its batch."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `Approach.restore` needs into the existing, empty `folder`. No pickles."""

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back what it holds."""


@dataclass(frozen=True)
class Approach(ABC):
    """A way of solving the task; its fields are its hyper-parameters.

    Class attributes:
        name: what it is called on the command line.
        control: it serves the diagnosis, is given the evidence with each query, and is never chosen.
        seeded: whether another seed can give other answers.
        uses_model: whether the language model runs.
    """

    name: ClassVar[str]
    control: ClassVar[bool] = False
    seeded: ClassVar[bool] = False
    uses_model: ClassVar[bool] = False

    def unsuited(self, task: Task) -> str:
        """Why it cannot be used on `task` at all; empty where it can."""
        return ""

    def suggested(self, task: Task) -> bool:
        """Whether it runs when the user names no approaches."""
        return not self.unsuited(task)

    @abstractmethod
    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Learn from `task`, which has no test split."""

    @abstractmethod
    def restore(self, folder: Path, task: TaskOutline, model: LanguageModel) -> Predictor:
        """Bring back what `Predictor.save` wrote, without learning anything again.

        What was saved has to be enough, in another process and on another machine: of the task there is only the
        outline.
        """


class ContextSource(ABC):
    """A fitted context builder.

    Attributes:
        embedder: by which it finds what stands beside a query; None where it needs none. Queries that this reads only
            in part are counted.
    """

    facts: Facts = Facts()
    embedder: Embedder | None = None

    @abstractmethod
    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """What stands beside each query."""

    @abstractmethod
    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The same for training examples: never shows an example its own answer, and prepares the tuner for
        what inference will bring (for retrieval: the right passage is sometimes missing)."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `ContextBuilder.restore` needs into `folder`. No pickles."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much a context builder puts beside a query, as far as it can be told before anything is built.

    Attributes:
        examples: labelled examples shown.
        words: of passages shown.
        fixed: whether all queries see the same, which is read once.
        indexed: words that are embedded before the first query; 0 where queries are not embedded either.
    """

    examples: int = 0
    words: int = 0
    fixed: bool = True
    indexed: int = 0


@dataclass(frozen=True)
class ContextBuilder(ABC):
    """Decides what stands in the prompt beside the query. Class attributes as in `Approach`."""

    name: ClassVar[str]
    control: ClassVar[bool] = False
    seeded: ClassVar[bool] = False

    def unsuited(self, task: Task) -> str:
        """Why it cannot be used on `task` at all; empty where it can."""
        return ""

    def suggested(self, task: Task) -> bool:
        """Whether it runs when the user names no approaches."""
        return not self.unsuited(task)

    def load(self, task: Task) -> Load:
        """What it will put beside a query of `task`; what costs are foreseen by."""
        return Load()

    @abstractmethod
    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Prepare for `task`, which has no test split."""

    @abstractmethod
    def restore(self, folder: Path, task: TaskOutline, model: LanguageModel) -> ContextSource:
        """Bring back what `ContextSource.save` wrote."""


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One training example as the model will see it: the prompt and the answer to give."""

    prompt: Prompt
    answer: str


class Tuned(ABC):
    """What a tuner learned."""

    facts: Facts = Facts()

    @property
    @abstractmethod
    def adaptation(self) -> Adaptation:
        """What the model takes in place of its own weights, or beside them."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `Tuner.restore` needs into `folder`. No pickles."""


@dataclass(frozen=True)
class TrainingSet:
    """What a tuner learns from.

    Attributes:
        dev: held out, for stopping early; empty where the task has none.
    """

    examples: tuple[TrainingExample, ...]
    dev: tuple[TrainingExample, ...] = field(default=())


@dataclass(frozen=True)
class Tuner(ABC):
    """Decides the weights. `name` is what it is called on the command line."""

    name: ClassVar[str]

    def reads(self, examples: int, own: float, shared: int) -> float:
        """Tokens that it will read while it trains on so many examples; what costs are foreseen by.

        Args:
            own, shared: tokens of an example that are its own, and that all have in common.
        """
        return examples * (own + shared)

    @abstractmethod
    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Learn; the model is bit for bit the base model again afterwards.

        Raises:
            NotApplicable: the model's weights cannot be trained here (a remote API).
        """

    @abstractmethod
    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        """Bring back what `Tuned.save` wrote."""
