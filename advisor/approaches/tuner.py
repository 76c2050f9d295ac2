"""The contract of tuners: what they learn from, what they learned, and how several of them join."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, Protocol, Self

from advisor.approaches.contract import Facts, Part
from advisor.approaches.curation import Curation, curation_of
from advisor.models import Adaptation, LanguageModel, Prompt
from advisor.tasks import Document, TaskShape


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One training example as the model will see it: the prompt and the answer to give.

    Attributes:
        accepted: other answers that are as right.
        again: further prompts for the same answer: the input in other words, or once more. They are trained on where
            this example is, and never held out.
    """

    prompt: Prompt
    answer: str
    accepted: tuple[str, ...] = ()
    again: tuple[Prompt, ...] = ()

    @property
    def taught(self) -> tuple[TrainingExample, ...]:
        """What is trained on: itself, and each further prompt."""
        return tuple(replace(self, prompt=prompt, again=()) for prompt in (self.prompt, *self.again))


@dataclass(frozen=True, slots=True)
class TrainingPreference:
    """A better and a worse answer to one prompt, as the model will see it."""

    prompt: Prompt
    chosen: str
    rejected: str


class AnswerJudge(Protocol):
    """Tells what answers are worth, for a tuner that chooses by more than the loss."""

    def __call__(self, adaptation: Adaptation, examples: Sequence[TrainingExample]) -> float:
        """Ask the model with an adaptation as queries of the task are asked later; the mean worth of its answers to
        these examples, from 0 to 1."""

    def judged(self, adaptation: Adaptation | None, examples: Sequence[TrainingExample]) -> list[tuple[str, float]]:
        """The same answers one by one, each with its worth; of the model as it is where there is no adaptation."""


@dataclass(frozen=True)
class Made:
    """Which training made something.

    Attributes:
        digest: of all that decides what it makes.
        seconds: what it took.
    """

    digest: str
    seconds: float


class Tuned(ABC):
    """What a tuner learned.

    Attributes:
        made: by which training, where other rows may share it.
    """

    facts: Facts = Facts()
    made: Made | None = None

    @property
    @abstractmethod
    def adaptation(self) -> Adaptation:
        """What the model takes in place of its own weights, or beside them."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `Tuner.restore` needs into `folder`. No pickles."""


@dataclass(frozen=True)
class OtherTraining:
    """The training examples of another task, rendered as that task has them, without context.

    Attributes:
        named: its folder, as the tuner names it.
        name: of the task.
        left_out: how many are missing since this task's test set has them.
    """

    named: str
    name: str
    examples: tuple[TrainingExample, ...]
    left_out: int = 0


@dataclass(frozen=True)
class TrainingSet:
    """What a tuner learns from.

    Attributes:
        dev: held out, for stopping early; empty where the task has none.
        judge: tells what answers to those held out are worth; None where nothing can.
        documents: the task's.
        others: those of other tasks that the tuner asked for (`Tuner.others`).
        preferences: which answers are better, where the tuner learns from that (`Tuner.learns_preferences`) and
            somebody said; those that rows are measured by are not among them.
    """

    examples: tuple[TrainingExample, ...]
    dev: tuple[TrainingExample, ...] = field(default=())
    judge: AnswerJudge | None = field(default=None, compare=False, repr=False)
    documents: tuple[Document, ...] = field(default=())
    others: tuple[OtherTraining, ...] = field(default=())
    preferences: tuple[TrainingPreference, ...] = field(default=())


@dataclass(frozen=True)
class Tuner(Part):
    """Decides the weights, or what stands before every prompt.

    Class attributes, besides those of `Part`:
        stage: where it stands among tuners that are trained one behind the other, each upon what the one before made:
            first, before any other; last, behind any other; nowhere of its own, where this is empty.
        learns_preferences: whether it learns from the task's preferences, so that these are rendered for it.
    """

    stage: ClassVar[Literal["first", "last", ""]] = ""
    learns_preferences: ClassVar[bool] = False

    @property
    def parts(self) -> tuple[Tuner, ...]:
        """The tuners that it is put together from, in the order in which they are written."""
        return (self,)

    @property
    def curation(self) -> Curation:
        """What is done to the training examples before anything is built of them or learns from them."""
        return curation_of(self.parts)

    @property
    def others(self) -> tuple[str, ...]:
        """Folders of tasks, as seen from the task's own, whose training examples it learns from too."""
        return ()

    def alone(self) -> Self:
        """The same without other tasks."""
        return self

    def unsuited(self, task: TaskShape) -> str:
        """Why it cannot be used on a task that has training examples; empty where it can. As in `Approach`."""
        return ""

    def followed_by(self, other: Tuner) -> Tuner | None:
        """What learns as both do, where they are named one behind the other (`prompt+lora`); None where they do not
        combine.

        Raises:
            ValueError: these two would, but not with these parameters.
        """
        return None

    def rests_on(self, training: TrainingSet) -> TrainingSet:
        """What of a training set decides what it makes; rows that agree in it share the training."""
        return training if self.learns_preferences else replace(training, preferences=())

    def reads_documents(self, tokens: float) -> float:
        """Tokens that it will read of documents that have so many, beside the examples."""
        return 0.0

    def reads_preferences(self, pairs: int, own: float, shared: int) -> float:
        """Tokens that it will read while it trains on so many preferences, beside the examples; as in `reads`, of one
        answer of a pair."""
        return 0.0

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
