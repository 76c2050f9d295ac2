"""What a task is made of, without what its texts say: enough to tell what suits it and what that will take."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass, replace
from typing import Protocol

from advisor.tasks.task import Kind, Task
from advisor.tasks.words import count_words


class TaskShape(Protocol):
    """What can be said of a task before its texts are read: a `Task` says it, and so does an `Outline`.

    Splits and documents have a length; an approach that looks into them can be asked of a `Task` only.
    """

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def kind(self) -> Kind:
        """What answers are: labels, short texts, long ones, records."""

    @property
    def labels(self) -> Sized:
        """Of a classification; empty for other kinds."""

    @property
    def train(self) -> Sized:
        """Training examples."""

    @property
    def dev(self) -> Sized:
        """Examples that are held out of training."""

    @property
    def test(self) -> Sized:
        """Test examples; none where an approach is fitted."""

    @property
    def documents(self) -> Sized:
        """Documents."""

    @property
    def has_evidence(self) -> bool:
        """Whether the documents that hold the answer are known for some test or training example."""

    @property
    def distinct_answers(self) -> int:
        """Different targets among the training examples."""


@dataclass(frozen=True, slots=True)
class Texts:
    """So many texts, known by their lengths alone.

    Attributes:
        number: how many.
        words: lengths of all of them, or of usual ones; empty where nothing is known.
    """

    number: int = 0
    words: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.number

    def mean(self, most: float = float("inf")) -> float:
        """Words of a usual one, of which each counts up to `most`; 0 where nothing is known."""
        return sum(min(size, most) for size in self.words) / max(len(self.words), 1)

    @property
    def total(self) -> float:
        """Words of all of them."""
        return self.number * self.mean()


@dataclass(frozen=True)
class Outline:
    """A task by its numbers alone; a `TaskShape`.

    Attributes:
        train: the inputs of the training examples; `answers` are their targets, in the same order. Where there are no
            training examples, their words are those of the test examples.
    """

    name: str
    kind: Kind
    labels: Sized = ()
    train: Texts = Texts()
    answers: Texts = Texts()
    dev: Texts = Texts()
    test: Texts = Texts()
    documents: Texts = Texts()
    has_evidence: bool = False
    distinct_answers: int = 0

    @classmethod
    def of(cls, task: Task) -> Outline:
        """Of a task, its words counted."""
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
            has_evidence=task.has_evidence,
            distinct_answers=task.distinct_answers,
        )

    def with_labelled(self, number: int) -> Outline:
        """As if there were so many training examples like those that there are."""
        train, answers = (replace(texts, number=number) for texts in (self.train, self.answers))
        distinct = self.distinct_answers or min(number, len(self.labels) or number)
        return replace(self, train=train, answers=answers, distinct_answers=distinct)

    @property
    def examples(self) -> Texts:
        """The training examples, input and target together."""
        return Texts(self.train.number, tuple(map(sum, zip(self.train.words, self.answers.words, strict=True))))


def _words(texts: Iterable[str]) -> tuple[int, ...]:
    return tuple(map(count_words, texts))
