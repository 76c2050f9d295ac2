"""The size and form of a task without its texts: enough to tell which approaches apply and what they will cost."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass, replace
from typing import Protocol

from advisor.tasks.task import Kind, Task
from advisor.tasks.words import count_words


class TaskShape(Protocol):
    """The size and form of a task, before its texts are read; a `Task` and an `Outline` both provide it.

    Splits and documents have a length; an approach that looks into them can be asked of a `Task` only.
    """

    @property
    def name(self) -> str:
        """The task's name."""

    @property
    def kind(self) -> Kind:
        """The kind of answer: label, short text, long text or record."""

    @property
    def labels(self) -> Sized:
        """The labels of a classification; empty for other kinds."""

    @property
    def train(self) -> Sized:
        """Training examples."""

    @property
    def dev(self) -> Sized:
        """Development examples, held out of training."""

    @property
    def test(self) -> Sized:
        """Test examples; none where an approach is fitted."""

    @property
    def documents(self) -> Sized:
        """Documents."""

    @property
    def preferences(self) -> Sized:
        """Pairs of a better and a worse answer to learn from."""

    @property
    def has_evidence(self) -> bool:
        """Whether some test or training example names the documents that hold its answer."""

    @property
    def distinct_answers(self) -> int:
        """The number of distinct targets among the training examples."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A number of texts, known by their lengths alone.

    Attributes:
        number: the number of texts.
        words: lengths of all of them, or of usual ones; empty where nothing is known.
    """

    number: int = 0
    words: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.number

    def mean(self, most: float = float("inf")) -> float:
        """The mean number of words, each text counting up to `most`; 0 where nothing is known."""
        return sum(min(size, most) for size in self.words) / max(len(self.words), 1)

    @property
    def total(self) -> float:
        """The total number of words."""
        return self.number * self.mean()


@dataclass(frozen=True)
class Outline:
    """The size and form of a task in numbers alone; a `TaskShape`.

    Attributes:
        train: the inputs of the training examples; `answers` are their targets, in the same order. Where there are no
            training examples, their words are those of the test examples.
        preferences: both answers of each pair, without the input.
    """

    name: str
    kind: Kind
    labels: Sized = ()
    train: Texts = Texts()
    answers: Texts = Texts()
    dev: Texts = Texts()
    test: Texts = Texts()
    documents: Texts = Texts()
    preferences: Texts = Texts()
    has_evidence: bool = False
    distinct_answers: int = 0

    @classmethod
    def of(cls, task: Task) -> Outline:
        """Measure a task by counting its words."""
        usual = task.train or task.test
        return cls(
            name=task.name,
            kind=task.kind,
            labels=task.labels,
            train=Texts(len(task.train), _words(example.input for example in usual)),
            answers=Texts(len(task.train), _words(example.target for example in usual)),
            dev=Texts(len(task.dev)),
            test=Texts(len(task.test)),
            documents=Texts(len(task.documents), _words(document.text for document in task.documents)),
            preferences=Texts(len(task.preferences), _words(f"{p.chosen} {p.rejected}" for p in task.preferences)),
            has_evidence=task.has_evidence,
            distinct_answers=task.distinct_answers,
        )

    def with_labelled(self, number: int) -> Outline:
        """The outline as if there were `number` training examples like the present ones."""
        train, answers = (replace(texts, number=number) for texts in (self.train, self.answers))
        distinct = self.distinct_answers or min(number, len(self.labels) or number)
        return replace(self, train=train, answers=answers, distinct_answers=distinct)

    @property
    def examples(self) -> Texts:
        """The training examples, input and target together."""
        return Texts(self.train.number, tuple(map(sum, zip(self.train.words, self.answers.words, strict=True))))


def _words(texts: Iterable[str]) -> tuple[int, ...]:
    return tuple(map(count_words, texts))
