"""The description of a task in numbers, without a model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from advisor.tasks.forms import unicode_form
from advisor.tasks.language import main_language
from advisor.tasks.material import Entry, Material
from advisor.tasks.metrics import facts_of
from advisor.tasks.minhash import squeezed
from advisor.tasks.occurrences import Occurrences, holds
from advisor.tasks.power import detectable
from advisor.tasks.shapes import is_code, is_json, is_number, rigidity
from advisor.tasks.task import UNANSWERABLE, Task
from advisor.tasks.words import count_words

_ASKED = 500  # questions whose overlap with the documents is worked out


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a length: mean, percentiles and maximum, in the unit of the field it belongs to."""

    mean: float
    p5: float
    p50: float
    p95: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """The distribution of some values; None without any."""
        if not len(values):
            return None
        low, middle, high = (float(value) for value in np.percentile(values, (5, 50, 95)))
        return cls(float(np.mean(values)), low, middle, high, float(max(values)))


@dataclass(frozen=True, slots=True)
class Description:
    """A task in numbers. Shares lie between 0 and 1; a number without meaning for the task is None.

    Words are counted by white space for lengths, and told from characters in scripts without spaces
    (`advisor.tasks.words`). Whether answers are the same is told as metrics tell it
    (`advisor.tasks.forms.answer_form`); what occurs in a text is looked for as words alone, without case and
    punctuation.

    Attributes:
        train, dev, test, documents: the number of each.
        input_words, target_words, document_words: lengths; inputs and targets of all splits.
        labels: classes of a classification, else 0.
        label_counts: training examples by label, the most frequent first; empty but for classification.
        smallest_class: training examples of the smallest class.
        label_entropy: normalised entropy of the labels in train: 1 where all are equally frequent, 0 where there is
            one.
        majority: share of the test examples that accept the most frequent training answer: the accuracy or exact
            match of always giving it.
        majority_macro_f1: macro F1 of always giving it; classification only.
        distinct_answers: different answers among the training targets, over their number.
        answers_seen: share of the test examples of which an answer is a training target.
        several_answers: share of the examples with more than one acceptable answer.
        unanswerable: share of the examples whose answer is "unanswerable".
        in_input: share of the answerable examples of which an answer occurs word for word in the input.
        in_evidence: the same in the documents named as evidence, among examples that name some.
        in_documents: the same anywhere in the documents.
        question_overlap: share of an input's words, weighted by their rarity, that the document with most of them
            has; mean over at most 500 inputs.
        evidence_overlap: the same for the documents named as evidence.
        evidence_first: share of the inputs with evidence for which the document with most of the words is evidence.
        rigidity: how fixed the form of the answers is (`advisor.tasks.shapes.rigidity`), 1 for labels.
        numeric_answers, code_answers, json_answers: share of the targets that are a number, look like code, are JSON.
        digits_in_answers: share of the targets that hold a digit.
        line_breaks: share of the targets that hold a line break.
        language: most frequent language of the inputs, ISO 639 code, `und` where it cannot be told.
        language_share: its share of the inputs whose language is clear.
        document_language: the same of the documents; empty without documents.
        detectable: the smallest difference in the metric between two approaches that the test set shows with 80 %
            power (two-sided, 5 %), by the spread assumed in `advisor.tasks.metrics`.
        examples_to_halve: test examples in all that would halve it.
    """

    train: int
    dev: int
    test: int
    documents: int
    input_words: Spread | None
    target_words: Spread | None
    document_words: Spread | None
    labels: int
    label_counts: dict[str, int]
    smallest_class: int | None
    label_entropy: float | None
    majority: float | None
    majority_macro_f1: float | None
    distinct_answers: float | None
    answers_seen: float | None
    several_answers: float
    unanswerable: float
    in_input: float | None
    in_evidence: float | None
    in_documents: float | None
    question_overlap: float | None
    evidence_overlap: float | None
    evidence_first: float | None
    rigidity: float
    numeric_answers: float
    code_answers: float
    json_answers: float
    digits_in_answers: float
    line_breaks: float
    language: str
    language_share: float
    document_language: str
    detectable: float | None
    examples_to_halve: int


def describe(material: Material) -> Description:
    """Compute the description of a task."""
    task, entries = material.task, material.entries
    targets = [entry.example.target for entry in entries]
    language, language_share = main_language(material.input_languages)
    train, test = material.of("train"), material.of("test")
    return Description(
        train=len(task.train),
        dev=len(task.dev),
        test=len(task.test),
        documents=len(task.documents),
        input_words=Spread.of([count_words(entry.example.input) for entry in entries]),
        target_words=Spread.of([count_words(target) for target in targets]),
        document_words=Spread.of([count_words(document.text) for document in task.documents]),
        **_labels(task, train, test),
        **_answers(train, test),
        several_answers=_share(len(entry.forms) > 1 for entry in entries),
        unanswerable=_share(entry.form == UNANSWERABLE for entry in entries),
        **_occurrences(material),
        rigidity=1.0 if task.kind == "classification" else rigidity(targets),
        numeric_answers=_share(map(is_number, targets)),
        code_answers=_share(map(is_code, targets)),
        json_answers=_share(map(is_json, targets)),
        digits_in_answers=_share(any(map(str.isdigit, target)) for target in targets),
        line_breaks=_share("\n" in target for target in targets),
        language=language,
        language_share=language_share,
        document_language=main_language(material.page_languages)[0] if material.pages else "",
        detectable=detectable(facts_of(task.metric).spread / math.sqrt(len(test))) if test else None,
        examples_to_halve=4 * len(test),
    )


def _share(hits: Iterable[bool]) -> float:
    listed = list(hits)
    return sum(listed) / len(listed) if listed else 0.0


def _labels(task: Task, train: Sequence[Entry], test: Sequence[Entry]) -> dict[str, Any]:
    labels = [unicode_form(label) for label in task.labels]
    found = Counter(entry.form for entry in train)
    counts = Counter(dict.fromkeys(labels, 0) | found)
    usual = next((form for form, _ in found.most_common(1)), "")  # of a tie the first in train, as `majority` takes it
    majority = {"majority": _share(usual in entry.forms for entry in test) if train and test else None}
    if task.kind != "classification":
        nothing = dict.fromkeys(("smallest_class", "label_entropy", "majority_macro_f1"))
        return {"labels": 0, "label_counts": {}, **nothing, **majority}
    total = counts.total()
    entropy = -sum(count / total * math.log(count / total) for count in counts.values() if count)
    share = majority["majority"]
    tested = len({usual, *(entry.form for entry in test)})
    return {
        "labels": len(labels),
        "label_counts": dict(counts.most_common()),
        "smallest_class": min((counts[label] for label in labels), default=None),
        "label_entropy": entropy / math.log(len(labels)) if len(labels) > 1 else 0.0,
        "majority_macro_f1": None if share is None else 2 * share / (1 + share) / tested,
        **majority,
    }


def _answers(train: Sequence[Entry], test: Sequence[Entry]) -> dict[str, Any]:
    if not train:
        return {"distinct_answers": None, "answers_seen": None}
    known = {entry.form for entry in train}
    seen = _share(not known.isdisjoint(entry.forms) for entry in test) if test else None
    return {"distinct_answers": len(known) / len(train), "answers_seen": seen}


def _occurrences(material: Material) -> dict[str, Any]:
    """The shares of answers that occur word for word, and the overlap of inputs with the documents."""
    task, entries = material.task, material.entries
    nothing = dict.fromkeys(
        ("in_input", "in_evidence", "in_documents", "question_overlap", "evidence_overlap", "evidence_first")
    )
    if task.kind == "extraction":  # an answer is a JSON object there
        return nothing
    asked = [entry for entry in entries if entry.form != UNANSWERABLE]
    found: dict[str, float | None] = dict(nothing)
    if asked and task.kind != "classification":
        found["in_input"] = _share(holds(entry.words, entry.answers) for entry in asked)
    if not task.documents:
        return found
    texts = [f"{squeezed(page.document.title)} {page.words}" for page in material.pages]
    number = {page.document.id: at for at, page in enumerate(material.pages)}
    index = Occurrences(texts)
    if asked and task.kind != "classification":
        named = [entry for entry in asked if entry.example.evidence]
        found["in_documents"] = _share(index.any(entry.answers) for entry in asked)
        if named:
            found["in_evidence"] = _share(
                any(holds(texts[number[name]], entry.answers) for name in entry.example.evidence) for entry in named
            )
    step = max(1, -(-len(entries) // _ASKED))
    return found | _overlap(index, entries[::step], number)


def _overlap(index: Occurrences, asked: Sequence[Entry], number: dict[str, int]) -> dict[str, Any]:
    best, own, first = [], [], []
    for entry in asked:
        held, whole = index.shared(entry.words)
        if not whole:
            continue
        top = max(held.values(), default=0.0)
        best.append(top / whole)
        evidence = [held.get(number[name], 0.0) for name in entry.example.evidence]
        if evidence:
            own.append(max(evidence) / whole)
            first.append(max(evidence) == top)
    return {
        "question_overlap": sum(best) / len(best) if best else None,
        "evidence_overlap": sum(own) / len(own) if own else None,
        "evidence_first": _share(first) if first else None,
    }
