"""The contract of everything that can be compared.

An approach that adapts the language model is a *context builder* (what stands in the prompt beside the query)
combined with a *tuner* (the weights); any builder goes with any tuner. Whatever fits neither implements
`Approach` and `Predictor` directly. All three are frozen dataclasses whose fields are the hyper-parameters:
what the record stores and what the command line accepts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from advisor.approaches.second import SecondPass
from advisor.approaches.workload import ContextLoad, Lengths, Load
from advisor.errors import NotApplicable
from advisor.models import Adaptation, Context, Decoding, Embedder, LabelsBy, LanguageModel, Passage, Prompt, Spent
from advisor.models.adaptation import Form
from advisor.tasks import Document, Example, Outline, Query, Task, TaskBrief, TaskShape

Shows = Literal["nothing", "examples", "documents", "other"]
"""What stands in a prompt beside the query; "other" for what is none of these, or where there is no prompt."""


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
        cached_tokens, reasoning_tokens, estimated: as in `advisor.models.Generation`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    dropped: int = 0
    cut: int = 0
    ttft_seconds: float | None = None
    shown: int | None = None
    unread: bool = False
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def with_spent(self, spent: Spent) -> Usage:
        """The same with what it took to find what stood beside the query."""
        return replace(
            self,
            prompt_tokens=self.prompt_tokens + spent.prompt_tokens,
            completion_tokens=self.completion_tokens + spent.completion_tokens,
            cached_tokens=self.cached_tokens + spent.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + spent.reasoning_tokens,
            estimated=self.estimated or spent.estimated,
        )


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that an answer names as its source.

    Attributes:
        number: of the passage among those that were shown, from 1; it is `passages[number - 1]` of the prediction.
        source: the document's id.
    """

    number: int
    source: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer to one query.

    Attributes:
        evidence: ids of the documents shown to the model, best first.
        passages: the pieces of documents that were retrieved, best first; the last `usage.dropped` did not fit.
        confidence: probability of the answer among the labels; None where there is none.
        failure: why there is no answer, in a few words; empty where there is one.
        citations: the passages that the answer names, which `text` does not show; None where it was not asked to.
        miscited: numbers that it named and no passage had.
    """

    id: str
    text: str
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    usage: Usage = Usage()
    passages: tuple[Passage, ...] = ()
    failure: str = ""
    citations: tuple[Citation, ...] | None = None
    miscited: int = 0


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
        labels_by: how labels are told; None where there are none, or no language model tells them.
        tokens_seen: of training examples that were learned from by gradient, each as often as it was seen.
        served: in which form queries are answered with what was learned; empty where no weights were.
        perplexity: per token, of a sample of the raw text that was learned, before and after; None where none was.
    """

    index_seconds: float | None = None
    artifact_bytes: int = 0
    trainable_parameters: int = 0
    notes: tuple[str, ...] = ()
    resolved: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels_by: LabelsBy | None = None
    tokens_seen: int = 0
    served: Form | Literal[""] = ""
    perplexity: tuple[float, float] | None = None


class Predictor(ABC):
    """A fitted approach. It answers queries and never sees their answers.

    Attributes:
        adaptation: what the language model answers with in place of its own weights; None where these answer.
        as_written: whether an answer is what the language model writes for it, word by word, so that it can be heard
            while it is written; not where labels are chosen, or something is done to it afterwards.
        pieces: that its documents were cut into; 0 where it keeps none.
    """

    facts: Facts = Facts()
    adaptation: Adaptation | None = None
    as_written: bool = False
    pieces: int = 0

    @abstractmethod
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query, in order. An answer depends on nothing but its batch."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `Approach.restore` needs into the existing, empty `folder`. No pickles."""

    def likelihoods(self, query: Query, answers: Sequence[str], bare: bool = False) -> tuple[float, ...]:
        """Natural log of the probability of each answer, as it would be given to the query, from its first token to the
        one that ends it. Only asked where `Approach.tells_likelihoods`.

        Args:
            bare: whether passages are left out that would stand beside the query.

        Raises:
            NotApplicable: it does not say.
        """
        raise NotApplicable("the approach does not say how likely an answer is")

    def after(self, documents: Sequence[Document]) -> Predictor:
        """What answers once the documents are these, without learning anything anew: itself, unless it keeps documents.

        What was saved stays as it is, and so does this one.
        """
        return self

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back what it holds."""


@dataclass(frozen=True)
class Part(ABC):
    """What a spec names: an approach, a context builder or a tuner; its fields are its hyper-parameters.

    Class attributes:
        name: what it is called on the command line.
        unasked: whether it runs, with its default parameters, when the user names no approaches.
        variants: specs with other parameters that may run then too, for example `("few-shot:select=nearest",)`.
        defining: parameters that change what it is; what was learned of it holds for one value of each.
        lacks: hyper-parameters of a class that it is made of which say nothing of it, and which no spec may give.
        positional: a parameter whose value stands first in a spec, without its name, as in `peft:vera`; empty for none.
        probed_as: the spec in which it is tried out before an advice, of a tuner that of one pass over the training
            examples, by which the speed of training is measured; empty where it is not.
    """

    name: ClassVar[str]
    unasked: ClassVar[bool] = False
    variants: ClassVar[tuple[str, ...]] = ()
    defining: ClassVar[tuple[str, ...]] = ()
    lacks: ClassVar[tuple[str, ...]] = ()
    positional: ClassVar[str] = ""
    probed_as: ClassVar[str] = ""

    def relies_on(self) -> tuple[type, ...]:
        """Classes that it finds by name and that decide its answers; where their code changes, it is measured anew."""
        return ()

    def second_passes(self, builder: ContextBuilder | None, seed: int) -> tuple[SecondPass, ...]:
        """What other models of the comparison are asked before it is fitted (`advisor.approaches.second`).

        Args:
            builder: of the approach that it is a part of; None where it is an approach itself.
        """
        return ()


@dataclass(frozen=True)
class Approach(Part):
    """A way of solving the task.

    Class attributes, besides those of `Part`:
        control: it serves the diagnosis, is given the evidence with each query, and is never chosen.
        seeded: whether another seed can give other answers.
        uses_model: whether the language model runs.
        trains_model: whether the weights of the language model are trained.
        shows: what stands in the prompt beside the query; `follows_query` where it is not the same for all queries.
        learns: whether it learns from the training examples, or shows them, so that more of them change its quality.
        only_seen_labels: whether it can answer with no label but those that it has learned.
        tells_likelihoods: whether its predictor says how likely an answer is, where the model does.
    """

    control: ClassVar[bool] = False
    seeded: ClassVar[bool] = False
    uses_model: ClassVar[bool] = True
    trains_model: ClassVar[bool] = False
    shows: ClassVar[Shows] = "other"
    follows_query: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    only_seen_labels: ClassVar[bool] = False
    tells_likelihoods: ClassVar[bool] = False

    @property
    def others(self) -> tuple[str, ...]:
        """Folders of tasks, as seen from the task's own, whose training examples it learns from too; they are in
        `Task.others` of the task that it is fitted on, and their digest in the record."""
        return ()

    def unsuited(self, task: TaskShape) -> str:
        """Why it cannot be used on `task` at all; empty where it can.

        Args:
            task: the task itself, or its outline where advice is given about one that does not exist yet.
        """
        return ""

    def beyond(self, layers: int) -> str:
        """Why it cannot be used on a model that gives the hidden states of so many layers; empty where it can.

        Told before anything is measured, and by a plan.

        Args:
            layers: 0 where the model gives none.
        """
        return ""

    def suggested(self, task: TaskShape) -> bool:
        """Whether it runs when the user names no approaches."""
        return self.unasked and not self.unsuited(task)

    def load(self, task: Outline, lengths: Lengths) -> Load | None:
        """What it will take on `task`; what costs are foreseen by. None where that is unknown."""
        return None if self.uses_model else Load()

    @abstractmethod
    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        """Learn from `task`, which has no test split."""

    @abstractmethod
    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> Predictor:
        """Bring back what `Predictor.save` wrote, without learning anything again.

        What was saved has to be enough, in another process and on another machine: of the task there is only the
        brief.
        """


class Asks(Protocol):
    """Asks the model about the task, with tuned weights where there are some."""

    model: LanguageModel
    adaptation: Adaptation | None

    def prompt(self, text: str, context: Context) -> Prompt:
        """A query of the task, with what stands beside it."""

    def answers(self, prompts: Sequence[Prompt], called: float = 0.0) -> list[Prediction]:
        """One answer a prompt, in order; ids are left out. `called`: seconds that went by before."""


class ContextSource(ABC):
    """A fitted context builder.

    Attributes:
        embedder: by which it finds what stands beside a query; None where it needs none. Queries that this reads only
            in part are counted.
        as_written, pieces: as in `Predictor`, of what stands in the prompt alone.
    """

    facts: Facts = Facts()
    embedder: Embedder | None = None
    as_written: bool = True
    pieces: int = 0

    @abstractmethod
    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """What stands beside each query. Where the language model is asked for it, each context says what that took
        (`Context.spent`), and the query is charged with it."""

    @abstractmethod
    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The same for training examples: never shows an example its own answer, and prepares the tuner for
        what inference will bring (for retrieval: the right passage is sometimes missing)."""

    def reindexed(self, documents: Sequence[Document], model: LanguageModel) -> ContextSource:
        """The same over other documents; itself where it keeps none. This one stays as it is, and so does what it has
        learned."""
        return self

    def to_learn(self, examples: Sequence[Example], contexts: Sequence[Context]) -> list[str]:
        """The answer that is learned behind each training context."""
        return [example.target for example in examples]

    def decoding(self, usual: Decoding, model: LanguageModel) -> Decoding:
        """Where an answer ends, if it holds more than the task's answers do."""
        return usual

    def settle(self, task: Task, asks: Asks, seed: int) -> None:  # noqa: B027 - most have nothing left to choose
        """Choose what only the model's answers can tell, on examples of train or dev; the weights are tuned by now."""

    def answers(
        self, asks: Asks, queries: Sequence[Query], contexts: Sequence[Context], called: float
    ) -> list[Prediction]:
        """The answer to each query with what stands beside it; ids and contexts are left out.

        Args:
            called: seconds that went by before.
        """
        return asks.answers([asks.prompt(q.input, c) for q, c in zip(queries, contexts, strict=True)], called)

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `ContextBuilder.restore` needs into `folder`. No pickles."""


@dataclass(frozen=True)
class ContextBuilder(Part):
    """Decides what stands in the prompt beside the query. Class attributes as in `Approach`.

    Attributes:
        cot: whether the model reasons before it answers (chain of thought, Wei et al. 2022); what it reasons is
            counted, and stands outside the answer's cap. Whatever stands in the prompt, this is done alike.
        calibrate: whether confidences are scaled by one temperature, chosen on examples that neither the prompt shows
            nor the weights learn from (`advisor.approaches.temperature`); the answers stay. Of classifications.
    """

    cot: bool = field(default=False, kw_only=True)
    calibrate: bool = field(default=False, kw_only=True)

    defining: ClassVar[tuple[str, ...]] = ("cot",)
    control: ClassVar[bool] = False
    seeded: ClassVar[bool] = False
    taught: ClassVar[str] = ""  # the parameter that means nothing without a tuner
    shows: ClassVar[Shows] = "examples"
    follows_query: ClassVar[bool] = False
    learns: ClassVar[bool] = True

    def unsuited(self, task: TaskShape) -> str:
        """Why it cannot be used on `task` at all; empty where it can. As in `Approach`."""
        return ""

    def suggested(self, task: TaskShape) -> bool:
        """Whether it runs when the user names no approaches."""
        return self.unasked and not self.unsuited(task)

    def suggested_tuned(self, task: TaskShape) -> bool:
        """Whether it runs then with every tuner that does."""
        return False

    def load(self, task: Outline) -> ContextLoad | None:
        """What it will put beside a query of `task`; what costs are foreseen by. None where that is unknown."""
        return None

    @abstractmethod
    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Prepare for `task`, which has no test split."""

    @abstractmethod
    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Bring back what `ContextSource.save` wrote."""
