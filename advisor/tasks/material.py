"""Examples and documents in the normalised forms in which the checks compare them, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from advisor.tasks.forms import answer_form, normalised
from advisor.tasks.language import Guess, guess, main_language
from advisor.tasks.minhash import squeezed
from advisor.tasks.task import Document, Example, Kind, Place, Task
from advisor.tasks.words import count_words

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
LONG_ANSWER = 8
"""Words from which two equal answers are no coincidence."""
_SAME_TEXT = 0.8  # share of their words that two long answers have in common


@dataclass(frozen=True, slots=True)
class Entry:
    """One example with its normalised forms.

    Attributes:
        key: the input in one Unicode form, without regard to case and spacing.
        words: the input's words alone, without case and punctuation.
        target: the target in the form of `words`, or whole where it has no word; what is looked for in texts.
        answers: all acceptable answers likewise.
        form: the target as answers are compared (`advisor.tasks.forms.answer_form`); the label of a classification.
        forms: all acceptable answers likewise.
    """

    split: Split
    example: Example
    place: Place
    key: str
    words: str
    target: str
    answers: frozenset[str]
    form: str
    forms: frozenset[str]

    def agrees_with(self, other: Entry) -> bool:
        """Whether the two share an acceptable answer; long targets may differ in a few words."""
        return not self.forms.isdisjoint(other.forms) or _same_text(self.target, other.target)


@dataclass(frozen=True, slots=True)
class Page:
    """One document with its words normalised: without case and punctuation."""

    document: Document
    place: Place
    words: str


class Material:
    """The input of all checks; each normalised form is computed on first use."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @cached_property
    def entries(self) -> list[Entry]:
        """All examples: train, then dev, then test."""
        return [
            _entry(self.task.kind, split, example, number)
            for split in SPLITS
            for number, example in enumerate(getattr(self.task, split), 1)
        ]

    @cached_property
    def pages(self) -> list[Page]:
        """All documents."""
        return [
            Page(document, document.place or Place("documents", number), squeezed(document.text))
            for number, document in enumerate(self.task.documents, 1)
        ]

    def of(self, split: Split) -> list[Entry]:
        """The entries of one split."""
        return [entry for entry in self.entries if entry.split == split]

    @cached_property
    def input_languages(self) -> list[Guess]:
        """The language of each entry's input."""
        return guess([entry.example.input for entry in self.entries])

    @cached_property
    def page_languages(self) -> list[Guess]:
        """The language of each document."""
        return guess([page.document.text for page in self.pages])

    @cached_property
    def language(self) -> str:
        """The main language of the inputs."""
        return main_language(self.input_languages)[0]


def _entry(kind: Kind, split: Split, example: Example, number: int) -> Entry:
    given = (example.target, *example.answers)
    words = {answer: squeezed(answer) or answer for answer in given}
    forms = {answer: answer_form(kind, answer) for answer in given}
    return Entry(
        split=split,
        example=example,
        place=example.place or Place(split, number),
        key=normalised(example.input),
        words=squeezed(example.input),
        target=words[example.target],
        answers=frozenset(words[answer] for answer in example.answers),
        form=forms[example.target],
        forms=frozenset(forms[answer] for answer in example.answers),
    )


def _same_text(first: str, second: str) -> bool:
    left, right = set(first.split()), set(second.split())
    if min(count_words(first), count_words(second)) < LONG_ANSWER:
        return False
    return len(left & right) >= _SAME_TEXT * len(left | right)
