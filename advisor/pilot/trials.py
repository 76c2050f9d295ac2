"""The probes: each measures one thing on a growing number of examples."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from advisor.approaches import Approach, ContextBuilder, spec_of
from advisor.approaches.answering import CONTENT_FREE
from advisor.errors import NotApplicable
from advisor.models import Context, Prompt
from advisor.pilot import judging
from advisor.pilot.deadline import Allowance, OutOfTime
from advisor.pilot.meter import MeteredModel
from advisor.pilot.readings import ProbeReading
from advisor.pilot.shortlist import Shortlist, Shortlister
from advisor.pilot.slices import PROBED, Slices
from advisor.tasks import DEFAULT_METRIC, Document, Example, Task, facts_of, subset
from advisor.tasks.words import count_words, first_words

SEED = 0
FIRST, LADDER, FEWEST = 16, (16, 32, 64), (8, 4)
TRAIN_LADDER = (8, 32, 128, 512)
CURVE_AT_ONCE = 3  # sizes of train that are measured before anything else comes
WORDS_READ = 128
"""Words of a text that its perplexity is read from."""
SPARE = 8  # tokens of the context window left beside a plain text
FEWEST_DOCUMENTS = 30
"""Documents, if there are so many, among which retrieval is probed at least: ten times as many as are shown."""
RECALL = "recall@3"


@dataclass(frozen=True)
class Bench:
    """The resources shared by all probes of a task.

    Attributes:
        task: the task without its test split.
    """

    task: Task
    slices: Slices
    model: MeteredModel
    allowance: Allowance

    def prompt(self, example: Example, context: Context | None = None) -> Prompt:
        """The prompt of an example."""
        labels = self.task.labels if self.task.kind == "classification" else ()
        return Prompt(self.task.instruction, example.input, labels, context or Context())


class Probe(ABC):
    """One measurement on a growing number of examples.

    Attributes:
        name: the name of its readings.
        burst: sizes that it measures in its first turn.
        late: whether its first turn is in the second round.
        readings: the readings, in the order of the sizes.
        done: the size of the last.
        refused: the reason why there was no time for the next step; empty where there was.
        failed: the reason why it cannot be measured, or not further, whatever the time.
    """

    burst: int = 1
    late: bool = False

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.name = name
        self.done = 0
        self.readings: list[ProbeReading] = []
        self.refused = self.failed = ""

    @abstractmethod
    def sizes(self) -> Sequence[int]:
        """Numbers of examples to measure on, growing; the last is all that makes sense."""

    @abstractmethod
    def measure(self, size: int) -> None:
        """Measure on `size` examples and note the reading; raises `OutOfTime`, or any error of the approach."""

    def note(self, done: int, reading: ProbeReading | None = None) -> None:
        """Record a reading on `done` examples."""
        self.done = done
        self.refused = ""
        self.readings += [reading] if reading else []

    @property
    def open(self) -> list[int]:
        """The sizes that are not measured yet."""
        return [size for size in self.sizes() if size > self.done]

    @property
    def behind(self) -> bool:
        """Whether it had its first turn and did not get as far as it should have."""
        return not self.late and self.done < next(iter(self.sizes()), 0)

    def fewer(self) -> list[int]:
        """Smaller first sizes, for when even the first takes too long."""
        return []


class CheapProbe(Probe):
    """An approach that needs no model, with growing training sets: a learning curve."""

    burst = CURVE_AT_ONCE

    def __init__(self, bench: Bench, approach: Approach) -> None:
        super().__init__(bench, spec_of(approach))
        self.approach = approach

    def sizes(self) -> Sequence[int]:
        """Numbers of training examples."""
        return ladder(TRAIN_LADDER, self.bench.slices.smallest_train)

    def measure(self, size: int) -> None:
        """Judge all cheap examples with an approach trained on `size` examples."""
        slices, answers = self.bench.slices, dict[str, str]()
        judged = slices.judged[: slices.cheap]
        for fold in slices.cheap_folds(len(judged)):
            task = replace(self.bench.task, train=fold.train, dev=(), documents=())
            answers |= _answers(self.approach, subset(task, train_limit=size, seed=SEED), fold.judged, self.bench.model)
        self.note(size, _quality(self.bench, self.name, answers, judged, size))


class AnswerProbe(Probe):
    """An approach that uses the model.

    Args:
        documents: the documents to search, for a number of examples.
        most: examples at most, asked when it is its turn.
    """

    def __init__(
        self,
        bench: Bench,
        approach: Approach,
        documents: Callable[[int], tuple[Document, ...]] = lambda size: (),
        most: Callable[[], int] = lambda: PROBED,
    ) -> None:
        super().__init__(bench, spec_of(approach))
        self.approach = approach
        self.documents = documents
        self.most = most

    def sizes(self) -> Sequence[int]:
        """Numbers of examples to answer."""
        return ladder(LADDER, min(PROBED, self.most(), len(self.bench.slices.judged)))

    def fewer(self) -> list[int]:
        """A handful of examples: the interval shows how little they tell."""
        first = next(iter(self.sizes()), 0)
        return [size for size in FEWEST if self.done < size < first]

    def measure(self, size: int) -> None:
        """Judge the first `size` examples, or those of as many folds as there is time for."""
        documents, allowance = self.documents(size), self.bench.allowance
        allowance.require(self._least(size))
        answers: dict[str, str] = {}
        trains, took = [], 0.0
        for fold in self.bench.slices.folds(size):
            began = allowance.spent
            task = replace(self.bench.task, train=fold.train, dev=fold.trial, documents=documents)
            try:
                if not fold.trial:  # where labels are tried out, the first fold has asked most of the second
                    allowance.require(took)
                answers |= _answers(self.approach, task, fold.judged, self.bench.model)
            except OutOfTime:
                if len(answers) <= self.done:
                    raise
                break
            trains.append(len(fold.train))
            took = allowance.spent - began
        judged = [example for example in self.bench.slices.judged[:size] if example.id in answers]
        self.note(len(judged), _quality(self.bench, self.name, answers, judged, min(trains)))

    def _least(self, size: int) -> float:
        """A lower bound on the seconds where labels are scored. The approach calls the model several times, and only
        one call is visible at a time; calibration inputs come on top the first time.
        """
        bench = self.bench
        if bench.task.kind != "classification":
            return 0.0
        asked = [bench.prompt(example) for example in bench.slices.judged[self.done : size]]
        blanks = [] if self.done else [replace(asked[0], input=text) for text in CONTENT_FREE]
        return bench.model.scoring_seconds([*asked, *blanks], bench.task.labels)


class Corpus(Probe):
    """Retrieval from as many documents as can be indexed in time; its shortlist serves all probes with documents.

    Args:
        builder: shows three passages for each query.

    Attributes:
        picked: the documents; None before its turn.
    """

    def __init__(self, bench: Bench, builder: ContextBuilder) -> None:
        super().__init__(bench, RECALL)
        self.builder = builder
        self.picked: Shortlist | None = None
        self.shortlister = Shortlister(bench.task.documents, bench.slices.judged)

    def sizes(self) -> Sequence[int]:
        """One step over all questions."""
        return [len(self.bench.slices.judged)]

    def measure(self, size: int) -> None:
        """Pick the documents, index them, and retrieve for every question."""
        embedder = self.bench.model.embedder
        questions = self.bench.slices.judged
        embedder.embed([question.input for question in questions[: self.bench.slices.cheap]])
        embedder.embed([document.text for document in self.bench.task.documents[:4]])
        words = _power_of_two(embedder.words_in(self.bench.allowance.left_now / 1.5))
        while True:
            found = self.shortlister.within(words)
            if not found.questions or len(found.documents) < min(FEWEST_DOCUMENTS, len(self.bench.task.documents)):
                raise OutOfTime("there was no time to embed as many documents as retrieval can go wrong among")
            try:
                reading = self._recall(found)
            except OutOfTime:
                words //= 2
            else:
                self.picked = found
                return self.note(size, reading)

    def documents(self, size: int) -> tuple[Document, ...]:
        """The documents to search.

        Raises:
            OutOfTime: nothing is indexed yet.
            NotApplicable: nothing can be.
        """
        if self.failed:
            raise NotApplicable(self.failed)
        if self.picked is None:
            raise OutOfTime(self.refused)
        return self.picked.documents

    def documents_with_evidence(self, size: int) -> tuple[Document, ...]:
        """The documents for a control, which include the evidence of all its questions."""
        evidence = self.shortlister.evidence(self.bench.slices.judged[:size])
        return tuple(dict.fromkeys((*(self.picked.documents if self.picked else ()), *evidence)))

    @property
    def questions(self) -> int:
        """The number of questions that the documents were picked for; before that, the most possible."""
        return self.picked.questions if self.picked else PROBED

    def _recall(self, found: Shortlist) -> ProbeReading | None:
        task = replace(self.bench.task, documents=found.documents, dev=())
        source = self.builder.build(task, self.bench.model, SEED)
        asked = self.bench.slices.judged[: min(found.questions, self.bench.slices.cheap)]
        contexts = source.contexts([question.query for question in asked])
        shares = []
        for question, context in zip(asked, contexts, strict=True):
            if question.evidence:
                shown = {passage.source for passage in context.passages}
                shares.append(len(shown.intersection(question.evidence)) / len(set(question.evidence)))
        return judging.share(self.name, shares) if shares else None


class Perplexity(Probe):
    """The model's perplexity on the task's texts."""

    def __init__(self, bench: Bench, what: str, texts: Sequence[str], late: bool = False) -> None:
        super().__init__(bench, f"perplexity of {what}")
        self.late = late
        self.texts = [text for text in texts if text.strip()]

    def sizes(self) -> Sequence[int]:
        """Numbers of texts."""
        return ladder((FIRST,), min(PROBED, len(self.texts)))

    def measure(self, size: int) -> None:
        """Measure the first `size` texts, each cut to what is affordable and fits."""
        texts = [self._cut(text) for text in self.texts[:size]]
        totals = self.bench.model.log_likelihoods(texts)
        self.note(size, judging.perplexity(self.name, totals, [count_words(text) for text in texts]))

    def _cut(self, text: str) -> str:
        if count_words(text) <= WORDS_READ and self._fits(text):
            return text
        read = first_words(text, WORDS_READ)
        while (words := count_words(read)) > 1 and not self._fits(read):
            read = first_words(read, words // 2)
        return read

    def _fits(self, text: str) -> bool:
        return self.bench.model.count_tokens(text) + SPARE <= self.bench.model.context_window


def ladder(steps: Sequence[int], most: int) -> list[int]:
    """The steps below `most`, and `most` itself; empty where it is zero."""
    return [step for step in steps if step < most] + [most] * (most > 0)


def sample(documents: Sequence[Document], size: int) -> list[Document]:
    """A fixed random sample of documents."""
    return random.Random(SEED).sample(list(documents), min(size, len(documents)))


def _answers(approach: Approach, task: Task, judged: Sequence[Example], model: MeteredModel) -> dict[str, str]:
    """The approach's answers by example id."""
    reason = approach.unsuited(task)
    if reason:
        raise NotApplicable(reason)
    predictor = approach.fit(task, model, SEED)
    try:
        predictions = predictor.predict([e.grounded if approach.control else e.query for e in judged])
    finally:
        predictor.close()
    return {prediction.id: prediction.text for prediction in predictions}


def _quality(bench: Bench, name: str, answers: dict[str, str], judged: Sequence[Example], train: int) -> ProbeReading:
    own = bench.task.metric
    metric = (
        own if facts_of(own).sort == "example" else DEFAULT_METRIC[bench.task.kind]
    )  # no model is asked for a probe
    return judging.quality(name, metric, [answers[e.id] for e in judged], judged, train)


def _power_of_two(words: float) -> int:
    """The largest power of two not above `words`, so that a slightly faster machine picks the same documents."""
    return 1 << max(0, int(words).bit_length() - 1)
