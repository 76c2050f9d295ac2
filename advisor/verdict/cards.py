"""Single test examples with what every row answered: those first on which rows differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Answer, Comparison, Run
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import samples

_DIGITS = 9  # of a spread, so that machines whose sums differ in the last bit agree on the order


@dataclass(frozen=True, slots=True)
class CardPassage:
    """A passage that was retrieved for a question.

    Attributes:
        document: its document's id.
        text: empty where texts were left out of the records.
        right: whether the document holds the answer; False where that is not known.
        shown: whether it reached the prompt.
    """

    document: str
    text: str
    right: bool
    shown: bool = True


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """What a row answered, with its first seed.

    Attributes:
        score: of the answer by the task's metric, from 0 to 1; None where the metric gave none.
        passages: what was retrieved for it, best first.
        failure: why there is no answer; empty where there is one.
        confidence: probability of the answer among the labels; None where there is none.
    """

    text: str
    score: float | None
    passages: tuple[CardPassage, ...]
    failure: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Card:
    """A test example with what every row answered.

    Attributes:
        input: empty where texts were left out of the records.
        targets: all acceptable answers.
        group: the slice that it belongs to; may be empty.
        answers: by row, of those that are judged, in the order of the records.
        spread: standard deviation of the scores of the rows that can be chosen, of all where these are fewer than two.
    """

    id: str
    input: str
    targets: tuple[str, ...]
    group: str
    answers: Mapping[str, CardAnswer]
    spread: float = 0.0


def cards(comparison: Comparison, known: Mapping[str, Sequence[float]] | None = None) -> tuple[Card, ...]:
    """Every test example with the answers of all rows that are judged; those on which rows differ most first.

    Among those that differ alike, the order of the test set. Empty where no row is judged.

    Args:
        known: the scores of each row's first seed, where they were computed already (`Decision.scores`).
    """
    metric, runs = comparison.task.metric, _first_seeds(complete_runs(comparison))
    if not runs:
        return ()
    if known is None:
        known = {one.spec: one.scores[0] for one in samples(metric, comparison.answers, runs)}
    scores = np.array([known[run.spec] for run in runs])
    choosable = [place for place, run in enumerate(runs) if not run.control]
    spread = np.round(scores[choosable if len(choosable) > 1 else slice(None)].std(axis=0), _DIGITS)
    by_id = [{p.id: p for p in run.predictions} for run in runs]
    ids = list(comparison.answers)
    found = []
    for at in np.argsort(-spread, kind="stable"):
        wanted = comparison.answers[ids[at]]
        answers = {
            run.spec: _answer(predictions[ids[at]], wanted, _known(run, metric, ids[at], float(scores[place, at])))
            for place, (run, predictions) in enumerate(zip(runs, by_id, strict=True))
        }
        found.append(Card(ids[at], wanted.input, wanted.targets, wanted.group, answers, float(spread[at])))
    return tuple(found)


def _first_seeds(runs: Sequence[Run]) -> list[Run]:
    return list({run.spec: run for run in reversed(runs)}.values())[::-1]


def _known(run: Run, metric: str, key: str, score: float) -> float | None:
    """The score of an answer; None where a model was asked for it and gave none, which counts as not right."""
    return None if metric in run.scored and run.scored[metric].values.get(key) is None else score


def _answer(prediction: PredictionRecord, wanted: Answer, score: float | None) -> CardAnswer:
    return CardAnswer(
        text=prediction.text,
        score=score,
        passages=_passages(prediction, wanted),
        failure=prediction.failure,
        confidence=prediction.confidence,
    )


def _passages(prediction: PredictionRecord, wanted: Answer) -> tuple[CardPassage, ...]:
    """What was retrieved; without texts, the documents that it came from."""
    pieces = [(one.source, one.text) for one in prediction.passages] or [(one, "") for one in prediction.evidence]
    reached = 0 if prediction.shown == 0 else max(len(pieces) - prediction.dropped, 0)
    return tuple(
        CardPassage(source, text, source in wanted.evidence, place < reached)
        for place, (source, text) in enumerate(pieces)
    )
