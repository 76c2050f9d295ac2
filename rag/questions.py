"""Questions by which retrieval is judged without a language model, and what it finds for them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from advisor.models import Passage
from advisor.models.clock import clock
from advisor.tasks import UNANSWERABLE, Document, Example, Task
from advisor.tasks.forms import answer_form
from advisor.tasks.minhash import squeezed
from advisor.tasks.ranking import ndcg, recall, reciprocal_rank
from rag.index import PassageIndex

MOST = 200  # questions that are asked
FEWEST = 12
"""Questions with evidence below which nothing is chosen by them."""
WEAK = 3
"""Documents that hold an answer at most, for it to tell where the answer stands; more of them are chance."""
_SHORTEST = 3  # characters of an answer that is looked for in documents
_SAYS_NOTHING = frozenset(("yes", "no", "true", "false", "none", "maybe", UNANSWERABLE))


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question whose documents are known.

    Attributes:
        evidence: ids of the documents that hold its answer.
        answers: acceptable answers that stand in them word for word, as `_words` writes them; none where they do not.
    """

    text: str
    evidence: tuple[str, ...]
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Questions:
    """Questions of dev, else of train.

    Attributes:
        weak: whether their evidence was guessed from answers that occur in documents.
        split: where they are from.
    """

    all: tuple[KnownQuestion, ...]
    weak: bool
    split: str

    @property
    def enough(self) -> bool:
        """Whether something may be chosen by them."""
        return len(self.all) >= FEWEST

    @property
    def described(self) -> str:
        """For notes: how many there are, and what their evidence is worth."""
        told = f"{len(self.all)} {self.split} questions with evidence"
        if self.weak:
            told += " that is weak: no example names its documents, so those count that hold an answer word for word"
        return told


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval finds: one figure for each question.

    Attributes:
        recall, reciprocal_rank, ndcg: of the documents of the first k passages.
        answered: whether a passage of a right document that is shown holds an acceptable answer word for word; where no
            answer stands in them so, whether a right document is among those shown.
        seconds: for all questions together.
    """

    recall: tuple[float, ...]
    reciprocal_rank: tuple[float, ...]
    ndcg: tuple[float, ...]
    answered: tuple[float, ...]
    seconds: float

    @property
    def figures(self) -> dict[str, float]:
        """Means by name."""
        names = ("recall", "reciprocal_rank", "ndcg", "answered")
        return {name: fmean(getattr(self, name)) for name in names}

    @property
    def worth(self) -> tuple[float, float]:
        """Better is larger: the share of questions whose answer is shown, then nDCG."""
        return fmean(self.answered), fmean(self.ndcg)

    @property
    def told(self) -> str:
        """The means, for notes."""
        means = self.figures
        return (
            f"answers shown {means['answered']:.2f}, recall {means['recall']:.2f}, "
            f"MRR {means['reciprocal_rank']:.2f}, nDCG {means['ndcg']:.2f}"
        )


def questions_of(task: Task, seed: int = 0, most: int = MOST) -> Questions:
    """Questions of dev, else of train, with the documents that hold their answers.

    Where no example names its evidence, documents that hold an acceptable answer word for word stand in for it, unless
    more than `WEAK` do.
    """
    split = "dev" if task.dev else "training"
    examples = [e for e in task.dev or task.train if e.target != UNANSWERABLE]
    named = [example for example in examples if example.evidence]
    if len(named) < FEWEST and task.dev:
        more = [e for e in task.train if e.target != UNANSWERABLE]
        named_more = [e for e in more if e.evidence]
        if len(named_more) >= FEWEST:
            split, examples, named = "training", more, named_more
    weak = not named
    pool = examples if weak else named
    chosen = random.Random(seed).sample(pool, min(len(pool), 2 * most if weak else most))
    if weak:
        texts = _texts(task.documents)
        return Questions(tuple([q for e in chosen if (q := _guessed(e, texts))][:most]), weak, split)
    return Questions(tuple(questions_in(chosen, task.documents)), weak, split)


def questions_in(examples: Sequence[Example], documents: Sequence[Document]) -> list[KnownQuestion]:
    """Examples that name their evidence, as questions."""
    texts = _texts(documents)
    return [KnownQuestion(e.input, e.evidence, _standing(e, [texts.get(d, "") for d in e.evidence])) for e in examples]


def found_by(index: PassageIndex, questions: Sequence[KnownQuestion], k: int) -> Found:
    """Search for each question and judge the first `k` passages; no language model is asked, unless the index does."""
    began = clock.now()
    rows = index.search([question.text for question in questions], k)
    seconds = clock.now() - began
    sources = [[passage.source for passage in row] for row in rows]
    pairs = list(zip(sources, questions, strict=True))
    return Found(
        recall=tuple(recall(found, q.evidence) for found, q in pairs),
        reciprocal_rank=tuple(reciprocal_rank(found, q.evidence) for found, q in pairs),
        ndcg=tuple(ndcg(found, q.evidence, k) for found, q in pairs),
        answered=tuple(answered(question, row) for question, row in zip(questions, rows, strict=True)),
        seconds=seconds,
    )


def answered(question: KnownQuestion, shown: Sequence[Passage]) -> float:
    """Whether what is shown holds the answer, as `Found.answered` has it: 1 or 0."""
    right = [_words(f"{passage.title} {passage.text}") for passage in shown if passage.source in question.evidence]
    if not question.answers:
        return float(bool(right))
    return float(any(answer in text for answer in question.answers for text in right))


def _guessed(example: Example, texts: dict[str, str]) -> KnownQuestion | None:
    telling = _telling(example)
    holding = [identity for identity, text in texts.items() if any(answer in text for answer in telling)]
    if not 1 <= len(holding) <= WEAK:
        return None
    return KnownQuestion(example.input, tuple(holding), _standing(example, [texts[one] for one in holding]))


def _telling(example: Example) -> list[str]:
    """Answers that could tell where they stand."""
    plain = [answer for answer in example.answers if answer_form("qa", answer) not in _SAYS_NOTHING]
    return [words for answer in plain if len((words := _words(answer)).strip()) >= _SHORTEST]


def _standing(example: Example, texts: Sequence[str]) -> tuple[str, ...]:
    """The answers that stand word for word in one of the texts."""
    found = (_words(answer) for answer in example.answers)
    return tuple(words for words in found if words.strip() and any(words in text for text in texts))


def _texts(documents: Sequence[Document]) -> dict[str, str]:
    return {document.id: _words(f"{document.title} {document.text}") for document in documents}


def _words(text: str) -> str:
    """Words alone, in one Unicode form and without regard to case, between blanks: ` in oslo `."""
    return f" {squeezed(text)} "
