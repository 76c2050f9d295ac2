"""A shortlist of documents that a probe can afford to index: those with the answers and the hardest distractors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from advisor.tasks import Document, Example
from advisor.tasks.minhash import squeezed
from advisor.tasks.occurrences import Occurrences
from advisor.tasks.words import count_words

DEPTHS = (8, 4, 2, 1)
"""Documents that each question brings in by the words in common: as many as there is room for with enough questions."""
ENOUGH = 16
_LENGTH = 0.5  # how far a document's length counts against it, as in BM25 at b = 0.5


@dataclass(frozen=True)
class Shortlist:
    """The documents a probe searches.

    Attributes:
        documents: the documents, in the order of the task.
        questions: the number of questions, from the first on, whose evidence and distractors are all in it.
        whole: whether it is all documents.
    """

    documents: tuple[Document, ...]
    questions: int
    whole: bool


class Shortlister:
    """Picks documents for questions by the words that they share.

    A random sample would hold hardly a document that is like a question, and retrieval from it would look easy. Those
    that share most of a question's words, the rare ones first, are what it is mistaken for in the whole corpus too.
    """

    def __init__(self, documents: Sequence[Document], questions: Sequence[Example]) -> None:
        self.documents = tuple(documents)
        self.questions = tuple(questions)
        self._sizes = [count_words(f"{document.title} {document.text}") + 1 for document in documents]
        self._number = {document.id: at for at, document in enumerate(documents)}
        self._ranked: list[list[int]] = []
        self._index = Occurrences([squeezed(f"{document.title} {document.text}") for document in documents])

    @property
    def words(self) -> int:
        """The number of words of all documents."""
        return sum(self._sizes)

    def within(self, words: int) -> Shortlist:
        """The largest shortlist of at most `words` words: all documents, or those of as many questions as possible."""
        if self.words <= words:
            return Shortlist(self.documents, len(self.questions), True)
        found, covered = frozenset[int](), 0
        for depth in DEPTHS:
            found, covered = self._filled(words, depth)
            if covered >= min(ENOUGH, len(self.questions)):
                break
        return Shortlist(tuple(self.documents[at] for at in sorted(found)), covered, False)

    def evidence(self, questions: Sequence[Example]) -> tuple[Document, ...]:
        """The documents with the answers to these questions, where known."""
        wanted = {name for question in questions for name in question.evidence}
        return tuple(document for document in self.documents if document.id in wanted)

    def _filled(self, words: int, depth: int) -> tuple[frozenset[int], int]:
        held: set[int] = set()
        size = 0
        for covered, question in enumerate(self.questions):
            wanted = set(self._wanted(covered, question, depth)) - held
            size += sum(self._sizes[at] for at in wanted)
            if size > words:
                return frozenset(held), covered
            held |= wanted
        return frozenset(held), len(self.questions)

    def _wanted(self, at: int, question: Example, depth: int) -> Iterator[int]:
        yield from (self._number[name] for name in question.evidence if name in self._number)
        while len(self._ranked) <= at:
            self._ranked.append(self._alike(self.questions[len(self._ranked)]))
        yield from self._ranked[at][:depth]

    def _alike(self, question: Example) -> list[int]:
        """Positions of the documents with the most words of the question, penalised by length."""
        held, _ = self._index.shared(squeezed(question.input))
        usual = self.words / len(self.documents)
        value = {at: weight / (1 - _LENGTH + _LENGTH * self._sizes[at] / usual) for at, weight in held.items()}
        return sorted(value, key=lambda at: (-value[at], at))[: DEPTHS[0]]
