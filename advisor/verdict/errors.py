"""What is wrong with the answers that are not fully right: exclusive kinds of errors, which add up to them.

An answer is of the first kind that applies:

1. no answer: asking failed;
2. format failure: it is in no form that the task can use (`advisor.measuring.failings`);
3. answered the unanswerable;
4. retrieval miss: none of the documents known to hold the answer was among what reached the prompt;
5. abstained wrongly: the question can be answered, and was said not to be;
6. wrong label, of a classification;
7. wrong despite the right passage: at least one of those documents stood in the prompt;
8. wrong answer: nothing more is known.

Where the metric is graded, answers that score `RIGHT` or more but not 1 are partly right, a kind of its own, and those
below are errors; where it is not, all that are not right are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.measuring.failings import format_failures
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Answer, Comparison, Run
from advisor.tasks.forms import is_blank, unicode_form
from advisor.verdict.cells import Interval
from advisor.verdict.resampling import wilson
from advisor.verdict.sample import Sample
from advisor.verdict.sources import abstains, is_unanswerable

NO_ANSWER = "no answer"
FORMAT = "format failure"
UNANSWERABLE = "answered the unanswerable"
MISS = "retrieval miss"
ABSTAINED = "abstained wrongly"
LABEL = "wrong label"
READER = "wrong despite the right passage"
WRONG = "wrong answer"
PARTLY = "partly right"
KINDS = (NO_ANSWER, FORMAT, UNANSWERABLE, MISS, ABSTAINED, LABEL, READER, WRONG, PARTLY)
RIGHT = 0.5
"""Score from which an answer counts as partly right where the metric is graded."""
_PAIRS = 3
_FULLY = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of error of a row.

    Attributes:
        name: one of `KINDS`.
        count: of the answers that are not fully right, the mean over seeds.
        share: of all answers.
        pairs: of wrong labels the most frequent pairs of the true and the given one, with their mean count.
    """

    name: str
    count: float
    share: Interval
    pairs: tuple[tuple[str, str, float], ...] = ()


def errors(comparison: Comparison, runs: Sequence[Run], sample: Sample) -> tuple[ErrorKind, ...]:
    """The kinds of errors of a row that occur, in the order of `KINDS`.

    Args:
        runs: its complete runs, one for each seed.
        sample: its answers, scored, with the seeds in the same order.
    """
    answers, kind = comparison.answers, comparison.task.kind
    labels = comparison.task.labels
    found, pairs = Counter[str](), Counter[tuple[str, str]]()
    for run, scores in zip(runs, sample.scores, strict=True):
        by_id = {prediction.id: prediction for prediction in run.predictions}
        retrieves = any(prediction.evidence for prediction in run.predictions)
        for (key, answer), score in zip(answers.items(), scores, strict=True):
            if score >= _FULLY:
                continue
            name = PARTLY if score >= RIGHT else _kind(kind, by_id[key], answer, labels, retrieves)
            found[name] += 1
            if name == LABEL:
                pairs[unicode_form(answer.targets[0]), unicode_form(by_id[key].text)] += 1
    most = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_PAIRS]
    told = tuple((true, given, count / len(runs)) for (true, given), count in most)
    return tuple(
        ErrorKind(name, found[name] / len(runs), _share(found[name], len(runs), sample.n), told * (name == LABEL))
        for name in KINDS
        if found[name]
    )


def _kind(kind: str, prediction: PredictionRecord, answer: Answer, labels: Sequence[str], retrieves: bool) -> str:
    """The first kind of error that applies."""
    if prediction.failure:
        return NO_ANSWER
    if is_blank(prediction.text) or format_failures(prediction.text, answer.targets, kind, labels):
        return FORMAT
    free = kind not in ("classification", "extraction")
    if free and is_unanswerable(answer):
        return UNANSWERABLE
    known = retrieves and bool(answer.evidence)
    read = known and not set(answer.evidence).isdisjoint(prediction.evidence_shown)
    if known and not read:
        return MISS
    if free and abstains(prediction):
        return ABSTAINED
    if kind == "classification":
        return LABEL
    return READER if read else WRONG


def _share(count: int, seeds: int, n: int) -> Interval:
    """The share of all answers, with the interval of as many as one seed has."""
    return wilson(count / (seeds * n), n)
