"""What an approach will take of the machine, in quantities, as far as that can be told before anything is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from advisor.models import LanguageModel
from advisor.tasks import Task
from advisor.tasks.words import count_words

TOKENS_A_WORD = 1.35  # of English text, where no model counts them
STEM, TAIL, TURN = 8, 9, 12
"""Tokens of a chat template before the query, behind it, and around a worked example."""
RAMBLING = 1.5  # how much longer than a usual answer one of weights that were never trained on the task is
TRIED_AGAIN = 1.5
"""Times that prompts whose context follows the query are read, since each context is tried with an input that says
nothing as well: a CPU reads the context once for both, a GPU twice."""
STEP, MOST_AT_ONCE = 8, 4_096  # rows and tokens of a training step at most
OF_WINDOW = 0.75
"""Of the context window beside the instruction: what all that is shown may take together; the rest is the input's and
the answer's."""
TRAINED_TOKENS = 2_048
"""Of what is shown where as much is shown as fits: what a training row has of it, since each step reads all of it."""
_SAMPLE = 200  # texts whose tokens are counted


@dataclass(frozen=True)
class Lengths:
    """How long the parts of a task's prompts are, in tokens.

    Attributes:
        stem: what stands before the query: the instruction, with the labels where there are some.
        inputs, answers: one entry for each of up to 200 examples.
        labels: tokens that are read beside a prompt to compare all labels; 0 where answers are generated.
        a_word: tokens of a word.
        counted: whether a model counted them; else they were told from words.
    """

    stem: int
    inputs: tuple[int, ...]
    answers: tuple[int, ...]
    labels: int
    a_word: float
    counted: bool

    @classmethod
    def of(cls, task: Task, count: Callable[[str], int] | None) -> Lengths:
        """Lengths of a task's texts, counted by a model, or told from words."""
        tell = count or (lambda text: _told(count_words(text)))
        examples = (task.train or task.test)[:_SAMPLE]
        inputs = tuple(tell(example.input) for example in examples)
        words = sum(count_words(example.input) for example in examples)
        labels = [tell(label) for label in task.labels] if task.kind == "classification" else []
        stem, beside = _fixed(tell(task.instruction), labels)
        return cls(
            stem=stem,
            labels=beside,
            inputs=inputs,
            answers=tuple(tell(example.target) for example in examples),
            a_word=sum(inputs) / words if words and sum(inputs) else TOKENS_A_WORD,
            counted=count is not None,
        )

    @classmethod
    def of_words(cls, instruction: int, inputs: int, answers: int, labels: int = 0) -> Lengths:
        """Lengths of texts with so many words each, and so many labels of one word."""
        stem, beside = _fixed(_told(instruction), [_told(1)] * labels)
        return cls(stem, (_told(inputs),), (_told(answers),), beside, _told(inputs) / inputs, counted=False)

    @property
    def input(self) -> float:
        """Tokens of a usual input."""
        return _mean(self.inputs)

    @property
    def answer(self) -> float:
        """Tokens of a usual answer."""
        return _mean(self.answers)


@dataclass(frozen=True, slots=True)
class ContextLoad:
    """How much a context builder puts beside a query.

    Attributes:
        examples: labelled examples shown.
        words: of passages shown.
        embedded: words that are embedded once for each training set.
        indexed: words that are embedded before the first query, and again when the documents change.
        tried: queries that are answered to choose it.
        tried_written: tokens that are generated to choose it, besides those answers.
        asked: calls of the language model by which it is found for a query, each of which reads the query.
        asked_read, asked_written: words that these calls read beside the query, and words that they write.
        most: share of the context window that prompts take at most, since what is shown is cut to that.
        alike: whether it is the same for all queries as long as it is not cut, though a builder's may follow the query.
        trained: words of passages and examples that are shown in training at most; None where there is no limit.
    """

    examples: int = 0
    words: int = 0
    embedded: float = 0.0
    indexed: float = 0.0
    tried: float = 0.0
    tried_written: float = 0.0
    asked: int = 0
    asked_read: float = 0.0
    asked_written: float = 0.0
    most: float = 1.0
    alike: bool = False
    trained: float | None = None

    def asking(self, calls: int, read: float, written: float) -> ContextLoad:
        """The same with further calls of the model.

        Args:
            read, written: words, in all of them together; the query itself is not counted.
        """
        return replace(
            self,
            asked=self.asked + calls,
            asked_read=self.asked_read + read,
            asked_written=self.asked_written + written,
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What an approach takes; costs are foreseen by it. All 0 for what answers in no time and keeps nothing.

    Attributes:
        prompt: tokens of a query's prompts; 0 where the language model does not run.
        shared: of these, tokens that all queries have in common, which are read once.
        scored: tokens that are read beside a prompt to compare labels.
        written: tokens that are generated for a query, reasoning included.
        embedded: words that are embedded for a query.
        tried: queries that are answered while it is fitted.
        tried_written: tokens that are generated while it is fitted, besides those answers.
        embedded_to_fit: words that are embedded while it is fitted, once for each training set.
        indexed: words that are embedded before the first query, and again when the documents change.
        trained_on: tokens that the model is trained on, repetitions counted.
        step: tokens of a training step.
        trains: whether parameters are trained, so that it is fitted anew when the documents change.
        calls: of the language model for a query, where it runs; however many it takes to compare labels, that is one.
        asked: of these, the calls by which it is found what stands beside the query.
        asked_prompt, asked_written: of `prompt` and `written`, what these take.
        most, alike: as in `ContextLoad`.
        stem: of `shared`, what does not stand in the context.
    """

    prompt: float = 0.0
    shared: float = 0.0
    scored: float = 0.0
    written: float = 0.0
    embedded: float = 0.0
    tried: float = 0.0
    tried_written: float = 0.0
    embedded_to_fit: float = 0.0
    indexed: float = 0.0
    trained_on: float = 0.0
    step: float = 0.0
    trains: bool = False
    calls: int = 1
    asked: int = 0
    asked_prompt: float = 0.0
    asked_written: float = 0.0
    most: float = 1.0
    alike: bool = False
    stem: float = 0.0

    @property
    def read(self) -> float:
        """Tokens that are read for a query alone."""
        return self.prompt - self.shared + self.scored

    def within(self, window: int) -> Load:
        """The same with a model of this context window, to which prompts are cut.

        Args:
            window: in tokens; 0 where it is not known.
        """
        answering = self.calls - self.asked
        most = answering * self.most * window
        over = self.prompt - self.asked_prompt - most
        if not window or over <= 0:
            return self
        shared = self.stem if self.alike else max(self.stem, self.shared - over)
        return replace(self, prompt=self.prompt - over, shared=min(shared, self.prompt - over))


def room_beside(instruction: str, model: LanguageModel) -> float:
    """Tokens that all that is shown beside an instruction may take together; less than none where it is too long."""
    return OF_WINDOW * (model.context_window - model.count_tokens(instruction))


def _fixed(instruction: int, labels: Sequence[int]) -> tuple[int, int]:
    """Tokens before a query, and those that are read to compare labels: the last of each is only predicted."""
    return instruction + sum(labels) + len(labels) + STEM, sum(length - 1 for length in labels)


def _told(words: int) -> int:
    return math.ceil(TOKENS_A_WORD * words)


def _mean(some: Sequence[int]) -> float:
    return sum(some) / len(some) if some else 0.0
