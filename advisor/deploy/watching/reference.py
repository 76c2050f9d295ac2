"""What the record of a row shows, against which is held what it answers in use. Texts are not needed for most of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.deploy.serving.observer import Answered
from advisor.measuring.latency import p50_interval, p95_interval
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Comparison, Run
from advisor.tasks import Limits
from advisor.tasks.words import count_words
from advisor.verdict.resampling import wilson
from advisor.verdict.sources import abstains

OTHER = "other"
"""Stands for every answer that is none of the labels, and for labels beyond the first so many."""
MOST_LABELS = 100
SLOWER = 2.0
"""Times the measured 95th percentile, which is slow where the task sets no limit: requests were measured alone, and in
use they wait for their batch."""
CONFIDENCE, SCORE, ABSTAINED = "confidence", "retrieval_score", "abstained"
INPUT_WORDS, PROMPT_TOKENS, OUTPUT_WORDS = "input_words", "prompt_tokens", "output_words"
QUANTITIES: Mapping[str, str] = {
    CONFIDENCE: "probability of the answer among the labels",
    SCORE: "score of the best passage that was found",
    INPUT_WORDS: "words of the query",
    PROMPT_TOKENS: "tokens of the prompt",
    OUTPUT_WORDS: "words of the answer",
    ABSTAINED: "share of answers saying that the documents do not tell",
}
"""What is held against the test set by its mean, and what it is. Of a row those that it has."""


@dataclass(frozen=True, slots=True)
class Moments:
    """A quantity on the test set.

    Attributes:
        deviation: standard deviation of single answers.
        number: of answers that have it.
    """

    mean: float
    deviation: float
    number: int


@dataclass(frozen=True)
class MeasuredRow:
    """A row as it was measured.

    Attributes:
        spec, model, key: its name, its model's id (empty where none runs) and the folder of its records.
        answers: to test examples that are there.
        labels: that are told apart; empty unless the task is a classification.
        mix: of the answers, by label and `OTHER`; sums to 1, empty without labels.
        moments: of its quantities.
        score_bounds: the nine deciles of the best passages' scores, ascending, without repeats; empty without.
        p50, p95, ttft_p50: seconds of requests that were sent alone; None where none were.
        failing: upper end of the 95 % interval of the share of queries without an answer; None where none was asked.
        limits: of the task.
    """

    spec: str
    model: str
    key: str
    answers: int
    labels: tuple[str, ...]
    mix: Mapping[str, float]
    moments: Mapping[str, Moments]
    score_bounds: tuple[float, ...]
    p50: float | None
    p95: float | None
    ttft_p50: float | None
    failing: float | None
    limits: Limits

    @property
    def slow(self) -> float | None:
        """Seconds beyond which the 95th percentile is too slow, to four digits: the task's limit, else `SLOWER` times
        what was measured; None where neither is known."""
        if self.limits.p95_ms is not None:
            return float(f"{self.limits.p95_ms / 1000:.4g}")
        return None if self.p95 is None else float(f"{SLOWER * self.p95:.4g}")


def measured_row(comparison: Comparison, run: Run) -> MeasuredRow:
    """What the record of a run shows. With `--no-texts` it does not show lengths of inputs and scores of passages."""
    classification = comparison.task.kind == "classification"
    told = [p for p in run.predictions if not p.failure]
    labels = _labels(comparison.task.labels, told) if classification else ()
    values = [_of_record(p, comparison) for p in told]
    columns = {name: [one[name] for one in values if name in one] for name in QUANTITIES}
    seconds = [one.seconds for one in run.latencies]
    member = comparison.model_of(run) or comparison.models[0]
    n = len(run.predictions)
    return MeasuredRow(
        spec=run.spec,
        model=member.facts.id if run.uses_model else "",
        key=run.key or comparison.key,
        answers=len(told),
        labels=labels,
        mix=shares([p.text for p in told], labels),
        moments={name: _moments(column, name) for name, column in columns.items() if column},
        score_bounds=_tenths(columns[SCORE]),
        p50=p50_interval(seconds).value if seconds else None,
        p95=p95_interval(seconds).value if seconds else None,
        ttft_p50=p50_interval([one.ttft_seconds for one in run.latencies]).value if seconds else None,
        failing=wilson((n - len(told)) / n, n).high if n else None,
        limits=Limits(**comparison.task.limits),
    )


def quantities_of(answer: Answered, classification: bool) -> dict[str, float]:
    """The quantities that an answer in use has."""
    return _quantities(
        classification,
        {
            CONFIDENCE: answer.confidence,
            SCORE: answer.retrieval_scores[0] if answer.retrieval_scores else None,
            INPUT_WORDS: answer.input_words or None,
            PROMPT_TOKENS: answer.prompt_tokens or None,
            OUTPUT_WORDS: answer.output_words,
            ABSTAINED: float(answer.abstained),
        },
    )


def _of_record(prediction: PredictionRecord, comparison: Comparison) -> dict[str, float]:
    asked = comparison.answers[prediction.id].input if prediction.id in comparison.answers else ""
    scores = [p.absolute for p in prediction.passages if p.absolute is not None]
    return _quantities(
        comparison.task.kind == "classification",
        {
            CONFIDENCE: prediction.confidence,
            SCORE: scores[0] if scores else None,
            INPUT_WORDS: count_words(asked) or None,
            PROMPT_TOKENS: prediction.prompt_tokens or None,
            OUTPUT_WORDS: count_words(prediction.text),
            ABSTAINED: float(abstains(prediction)),
        },
    )


def _quantities(classification: bool, found: Mapping[str, float | None]) -> dict[str, float]:
    """Those that are there; a label's words say no more than the mix of labels, and it never abstains."""
    aside = (OUTPUT_WORDS, ABSTAINED) if classification else ()
    return {name: float(value) for name, value in found.items() if value is not None and name not in aside}


def shares(texts: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """The share of each label among answers, and of all that is none; empty without labels or answers."""
    if not labels or not texts:
        return {}
    counted = Counter(text if text in labels else OTHER for text in texts)
    return {label: counted[label] / len(texts) for label in (*labels, OTHER)}


def _labels(labels: Sequence[str], told: Sequence[PredictionRecord]) -> tuple[str, ...]:
    """All labels, or the most frequent where there are many."""
    if len(labels) <= MOST_LABELS:
        return tuple(labels)
    counted = Counter(p.text for p in told)
    return tuple(sorted(labels, key=lambda label: -counted[label])[:MOST_LABELS])


def _moments(values: Sequence[float], name: str) -> Moments:
    """Mean and deviation; of a share the deviation of one that is never 0 or 1 (one more of each: Laplace)."""
    n, mean = len(values), float(np.mean(values))
    if name == ABSTAINED:
        share = (sum(values) + 1) / (n + 2)
        return Moments(mean, float(np.sqrt(share * (1 - share))), n)
    return Moments(mean, float(np.std(values, ddof=1)) if n > 1 else 0.0, n)


def _tenths(values: Sequence[float]) -> tuple[float, ...]:
    """The nine deciles, to three digits."""
    if not values:
        return ()
    found = np.quantile(values, np.arange(0.1, 1.0, 0.1))
    return tuple(dict.fromkeys(float(f"{value:.3g}") for value in found))
