"""The nouns of a task: Example, Query, Document, Preference, Place, Limits, Defaults and Task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

from advisor.tasks.guard import LeakGuard
from advisor.tasks.store_table import StoreTable

Kind = Literal["classification", "qa", "generation", "extraction"]

KINDS: tuple[Kind, ...] = get_args(Kind)
DEFAULT_METRIC: dict[Kind, str] = {  # of texts that are code: code_f1
    "classification": "accuracy",
    "qa": "token_f1",
    "generation": "rouge_l",
    "extraction": "json_f1",
}
UNANSWERABLE = "unanswerable"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The origin of a record: a file's name and its 1-based line (a record number in Parquet or a JSON list).

    The line is 0 where the whole file is meant.
    """

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Query:
    """An example without its answer: all that a predictor ever sees."""

    id: str
    input: str


@dataclass(frozen=True, slots=True)
class GroundedQuery(Query):
    """A query with the ids of the documents that hold its answer; given to controls alone."""

    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled example.

    Attributes:
        id: unique within its split.
        input: what the model is given.
        target: the answer to learn and to show.
        targets: all acceptable answers, `target` first.
        evidence: ids of the documents that hold the answer; empty where unknown.
        group: the slice it belongs to, whose quality is reported apart (a language, a product), or the source that it
            is from (a patient, a conversation), which a split keeps on one side. Not part of the fingerprint.
        place: where it was read; None where it was made. Not part of its identity.
    """

    id: str
    input: str
    target: str
    targets: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    group: str = ""
    place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def query(self) -> Query:
        """The example without its answer."""
        return Query(self.id, self.input)

    @property
    def grounded(self) -> GroundedQuery:
        """The example without its answer, with its evidence."""
        return GroundedQuery(self.id, self.input, self.evidence)

    @property
    def answers(self) -> tuple[str, ...]:
        """All acceptable answers, never empty."""
        return self.targets or (self.target,)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the user's corpus.

    Attributes:
        title: may be empty.
        text: headings inside it are lines of Markdown (`## ...`), where the format that it came in has some.
        place: where it was read.
        pages: where in `text` each page begins, in characters, the first one at 0; empty where there are none. Neither
            place nor pages are part of the fingerprint.
    """

    id: str
    title: str
    text: str
    place: Place | None = field(default=None, compare=False, repr=False)
    pages: tuple[int, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Preference:
    """A better and a worse answer to the same input.

    Attributes:
        place: where it was read. Not part of its identity.
    """

    input: str
    chosen: str
    rejected: str
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Grade:
    """How good a person found an answer.

    Attributes:
        id: of the test example that it answers.
        grade: from 0, wrong, to 1, as good as the reference.
        place: where it was read. Not part of its identity.
    """

    id: str
    answer: str
    grade: float
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Limits:
    """Constraints on the chosen approach; None means no limit.

    Attributes:
        p95_ms: end-to-end latency of one request, 95th percentile, milliseconds.
        queries_per_day: expected traffic.
        horizon_days: how long the choice will be in use; the span over which costs are added up.
        documents_change_every_days: how often the documents (or the rules behind the labels) change.
        budget_usd: total cost over the horizon, US dollars.
        min_quality: least acceptable value of the task's metric.
        utilisation: share of the time that one's own hardware is busy, above 0 and at most 1; costs of queries are
            divided by it. None: as if it never idled.
        local_only: whether no text may leave the machine; what would send one is refused.
    """

    p95_ms: float | None = None
    queries_per_day: float | None = None
    horizon_days: float | None = None
    documents_change_every_days: float | None = None
    budget_usd: float | None = None
    min_quality: float | None = None
    utilisation: float | None = None
    local_only: bool | None = None


@dataclass(frozen=True)
class Defaults:
    """The `[compare]` table: defaults of the command line.

    Attributes:
        models: as `--model` takes them, `NAME` or `ALIAS=NAME`; in the file also `model`, where there is one.
    """

    models: tuple[str, ...] = ()
    approaches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskBrief:
    """The part of a task that answering needs: what stands in every prompt or decides how answers are read."""

    name: str
    kind: Kind
    instruction: str
    metric: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class OtherTask:
    """Another task, as far as its training examples are learned from beside those of a task.

    Attributes:
        named: its folder, as it was named.
        left_out: how many of its training examples are not among `train`, since the task's test set has them.
    """

    named: str
    brief: TaskBrief
    train: tuple[Example, ...]
    left_out: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """A digest of 16 hex digits over all that is learned from it."""
        digest = hashlib.sha256()
        digest.update(json.dumps([self.brief.kind, self.brief.instruction, list(self.brief.labels)]).encode())
        _add_split(digest, self.train)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Task:
    """A task as the user defines it, immutable.

    Attributes:
        metric: the spec of one that is built in or installed (`advisor.tasks.metrics`).
        metrics: further ones, which are shown beside it and decide nothing; no part of the fingerprint either.
        caveats: what was done while reading (a split that was made, examples left out) and what was left unread;
            repeated among the report's caveats.
        origin: where it was read from, for messages, and to find what is named as seen from there; not part of the
            fingerprint.
        documents_after: all documents as they are after a change; empty where they stay the same.
        test_after: questions with the answers that are right after the change; empty where none is known. With
            `documents_after` they are needed; alone they say that the rules behind the answers change.
        stores: where vector stores are; no record and no fingerprint has them.
        guard: what tells that a text is nearly an input that is not shown here: of the test split where an approach is
            fitted, of what it is judged by besides; no fingerprint has it.
        others: tasks whose training examples are learned from too, where an approach asks for them
            (`advisor.tasks.beside`); no part of the fingerprint, since other approaches do not.
        preferences: what may be learned of which answers are better; empty where nobody said.
        preferences_held_out: what is never trained on, by which it is told whether answers became better
            (`advisor.tasks.preferences`).
        grades: that people gave to answers of the test examples, by which judges are judged; no part of the
            fingerprint, and no approach sees them.
        rubric: by which a judge grades, of the table `[judge]`; empty for the default.
    """

    name: str
    kind: Kind
    instruction: str
    metric: str
    labels: tuple[str, ...] = ()
    train: tuple[Example, ...] = ()
    dev: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()
    documents: tuple[Document, ...] = ()
    limits: Limits = field(default_factory=Limits)
    defaults: Defaults = field(default_factory=Defaults)
    caveats: tuple[str, ...] = ()
    origin: str = ""
    documents_after: tuple[Document, ...] = ()
    test_after: tuple[Example, ...] = ()
    stores: StoreTable = field(default_factory=StoreTable, compare=False, repr=False)
    guard: LeakGuard = field(default_factory=LeakGuard, compare=False, repr=False)
    others: tuple[OtherTask, ...] = field(default=(), compare=False, repr=False)
    preferences: tuple[Preference, ...] = ()
    preferences_held_out: tuple[Preference, ...] = ()
    grades: tuple[Grade, ...] = ()
    rubric: str = ""
    metrics: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """A digest of 16 hex digits over all that can change an answer: kind, instruction, labels, examples, documents,
        and preferences where there are some.

        The metric and the limits are left out on purpose: they are applied to records afterwards and never
        make a run stale. So is what is known of a change: it decides what is measured after it, and nothing before.
        """
        digest = hashlib.sha256()
        head = [self.kind, self.instruction, list(self.labels)]
        digest.update(json.dumps(head, ensure_ascii=False).encode())
        for split in (self.train, self.dev, self.test):
            _add_split(digest, split)
        _add_documents(digest, self.documents)
        for name, pairs in ((b"preferences", self.preferences), (b"held out", self.preferences_held_out)):
            if pairs:
                digest.update(b"\x00" + name)
                _update(digest, ([p.input, p.chosen, p.rejected] for p in pairs))
        return digest.hexdigest()[:16]

    @cached_property
    def fingerprint_after(self) -> str:
        """The same over what is known of a change; empty where nothing is."""
        if not self.changes:
            return ""
        digest = hashlib.sha256()
        _add_split(digest, self.test_after)
        _add_documents(digest, self.documents_after)
        return digest.hexdigest()[:16]

    @property
    def changes(self) -> bool:
        """Whether something is known of a change of the documents, or of the rules behind the answers."""
        return bool(self.test_after or self.documents_after)

    @property
    def has_evidence(self) -> bool:
        """Whether some test or training example names the documents that hold its answer."""
        return any(e.evidence for e in self.test) or any(e.evidence for e in self.train)

    @property
    def brief(self) -> TaskBrief:
        """The task without its data."""
        return TaskBrief(self.name, self.kind, self.instruction, self.metric, self.labels)

    @cached_property
    def distinct_answers(self) -> int:
        """The number of distinct targets among the training examples."""
        return len({e.target for e in self.train})

    def for_fitting(self) -> Task:
        """The task without its test split, its grades and the preferences held out: all that an approach may learn
        from, and the guard of what it may not."""
        guard = self.guard.beside(self._tested)
        return replace(
            self, test=(), documents_after=(), test_after=(), preferences_held_out=(), grades=(), guard=guard
        )

    @cached_property
    def _tested(self) -> LeakGuard:
        inputs = [example.input for example in (*self.test, *self.test_after)]
        return LeakGuard.of((*inputs, *(pair.input for pair in self.preferences_held_out)))

    def before_change(self) -> Task:
        """The task without what is known of a change."""
        return replace(self, documents_after=(), test_after=())


def _add_split(digest: hashlib._Hash, examples: Iterable[Example]) -> None:
    digest.update(b"\x00split")
    _update(digest, ([e.id, e.input, e.target, e.targets, e.evidence] for e in examples))


def _add_documents(digest: hashlib._Hash, documents: Iterable[Document]) -> None:
    digest.update(b"\x00documents")
    _update(digest, ([d.id, d.title, d.text] for d in documents))


def _update(digest: hashlib._Hash, rows: Iterable[object]) -> None:
    for row in rows:
        digest.update(json.dumps(row, ensure_ascii=False).encode())
        digest.update(b"\n")
