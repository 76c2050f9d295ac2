"""A measured predictor and its export, asked the same, and what the difference shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from advisor.approaches import Prediction, Predictor
from advisor.deploy.exporting.questions import CertifiedQueries
from advisor.measuring.batches import batches
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Comparison, Run
from advisor.tasks import Query, facts_of
from advisor.verdict.cells import Interval
from advisor.verdict.sample import samples
from advisor.verdict.statistics import Contrasts

Outcome = Literal["identical", "equivalent within the margin", "not shown to be as good at this n", "failed"]
"""What a certificate comes to, the best first; all but the last pass."""
OUTCOMES: tuple[Outcome, ...] = (
    "identical",
    "equivalent within the margin",
    "not shown to be as good at this n",
    "failed",
)
AGREEMENT = 0.9
"""The share of identical answers below which an export fails, whatever its quality."""
Told = Mapping[str, Prediction]
MEASURED, EXPORTED = "measured", "exported"


@dataclass(frozen=True)
class ReadingResult:
    """What was compared with labels read in one way, or of answers that are written.

    Attributes:
        reading: `as measured`, or `generated`: labels generated under a grammar, as a bare server has it.
        labels_by: how labels are told in it; None where there are none.
        test, more: queries of the test set, and inputs of dev and train.
        identical: answers that are the same on both sides, of all these.
        exported, measured: quality of both on the test set, with 95 % intervals; None where it cannot be told from the
            answers alone.
        difference: the export's minus the measured one's, paired, with its 95 % interval.
        log_probability: the largest difference of a log-probability (natural): of a label, else of a measured answer;
            None where one side tells none.
        as_measured: of `generated` answers, the same paired difference to the row as it was measured.
        confidence: the largest difference of a confidence; None where there is none.
    """

    reading: str
    labels_by: str | None
    test: int
    more: int
    identical: int
    exported: Interval | None = None
    measured: Interval | None = None
    difference: Interval | None = None
    log_probability: float | None = None
    as_measured: Interval | None = None
    confidence: float | None = None

    @property
    def agreement(self) -> float:
        """The share of identical answers."""
        return self.identical / (self.test + self.more)

    def loses(self, margin: float) -> bool:
        """Whether a loss beyond the margin is shown."""
        return self.difference is not None and self.difference.high < -margin

    def outcome(self, margin: float) -> tuple[Outcome, str]:
        """What it comes to, and why, as a sentence without a full stop."""
        n, found = self.test + self.more, f"{self.identical} of {self.test + self.more} answers are the same"
        if self.identical == n:
            return "identical", f"all {n} answers are the same"
        if self.agreement < AGREEMENT:
            return "failed", f"{found}, fewer than {AGREEMENT:.0%}"
        if self.difference is None:
            return "not shown to be as good at this n", f"{found}; quality cannot be told from the answers alone"
        low, high = self.difference.low, self.difference.high
        said = f"{found}; quality differs by {self.difference.value:+.3f} [{low:+.3f}, {high:+.3f}]"
        if self.loses(margin):
            return "failed", f"{said}: a loss beyond the margin of {margin:g} is shown"
        if low > -margin:
            return "equivalent within the margin", f"{said}: no loss of {margin:g} or more"
        return "not shown to be as good at this n", f"{said}: a loss of {margin:g} can neither be shown nor ruled out"

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "agreement": round(self.agreement, 6)}


def told(predictor: Predictor, questions: CertifiedQueries, size: int) -> Told:
    """The answers to all queries by their ids, those of the test set in the batches in which they were measured.

    Args:
        size: of a batch.
    """
    found: dict[str, Prediction] = {}
    for queries in (questions.test, questions.more):
        for batch in batches(queries, size):
            found |= {one.id: one for one in predictor.predict(batch)}
    return found


def compared(
    reading: str, labels_by: str | None, sides: tuple[Told, Told], questions: CertifiedQueries, comparison: Comparison
) -> ReadingResult:
    """Hold the export's answers against those of the measured predictor.

    Args:
        sides: the measured predictor's answers, and the export's.
    """
    measured, exported = sides
    every = (*questions.test, *questions.more)
    same = sum(_text(measured[q.id]) == _text(exported[q.id]) for q in every)
    found = ReadingResult(reading, labels_by, len(questions.test), len(questions.more), same)
    found = replace(found, confidence=_confidences(every, measured, exported))
    contrasts = contrasted({MEASURED: measured, EXPORTED: exported}, questions, comparison)
    if contrasts is None:
        return found
    return replace(
        found,
        exported=contrasts.intervals[EXPORTED],
        measured=contrasts.intervals[MEASURED],
        difference=contrasts.between(EXPORTED, MEASURED).alone,
    )


def contrasted(sides: Mapping[str, Told], questions: CertifiedQueries, comparison: Comparison) -> Contrasts | None:
    """The qualities on the test set, and their paired differences; None where a model has to be asked for them.

    Each side is that very predictor: that another seed of training would give another does not count.
    """
    metric = comparison.task.metric
    if facts_of(metric).sort == "asked" or not questions.test:
        return None
    runs = [_as_run(spec, side, questions.test) for spec, side in sides.items()]
    return Contrasts(samples(metric, questions.answers, runs))


def _as_run(spec: str, side: Told, test: Sequence[Query]) -> Run:
    records = tuple(PredictionRecord(q.id, side[q.id].text, failure=side[q.id].failure) for q in test)
    return Run(spec, 0, "ok", predictions=records)


def _text(prediction: Prediction) -> str:
    return "" if prediction.failure else prediction.text


def _confidences(queries: Sequence[Query], measured: Told, exported: Told) -> float | None:
    pairs = [(measured[q.id].confidence, exported[q.id].confidence) for q in queries]
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=None)
