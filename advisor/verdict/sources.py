"""How well a row finds, names and misses its sources: retrieval and citations against evidence, and abstention.

Intervals are of the test questions; answers of several seeds to one question count as one, by their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import numpy as np

from advisor.measuring.example_scores import example_scores
from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.records import Answer, Comparison, Run
from advisor.tasks import UNANSWERABLE
from advisor.tasks.forms import answer_tokens
from advisor.tasks.ranking import ndcg, recall, reciprocal_rank
from advisor.verdict.cells import Abstention, Citations, Interval, Retrieval
from advisor.verdict.paired import rounded
from advisor.verdict.resampling import mean_interval, wilson

Judge = Callable[[PredictionRecord, Answer], float | None]


def retrieval(runs: Sequence[Run], answers: Mapping[str, Answer]) -> Retrieval | None:
    """How well the evidence is found; None without retrieval, without any known evidence, and for controls."""
    if not runs or runs[0].control:
        return None
    runs = [run for run in runs if run.shows == "documents" or any(p.evidence for p in run.predictions)]
    k = max((len(p.evidence) for run in runs for p in run.predictions), default=0)
    found = {
        "recall_at_k": _mean(runs, answers, _of_evidence(lambda p, e: recall(p.evidence, e))),
        "recall_shown": _mean(runs, answers, _of_evidence(lambda p, e: recall(p.evidence_shown, e))),
        "mrr": _mean(runs, answers, _of_evidence(lambda p, e: reciprocal_rank(p.evidence, e))),
        "ndcg_at_k": _mean(runs, answers, _of_evidence(lambda p, e: ndcg(p.evidence, e, k))),
    }
    known = {name: interval for name, interval in found.items() if interval is not None}
    return Retrieval(**known) if known else None


def citations(runs: Sequence[Run], answers: Mapping[str, Answer]) -> Citations | None:
    """How well answers name their evidence; None where they were not asked to name any."""
    every = [p for run in runs for p in run.predictions if p.citations is not None]
    if not every:
        return None
    lacking = [p for p in every if p.answer and not p.citations and not abstains(p)]
    return Citations(
        _mean(runs, answers, _of_evidence(_precision)),
        _mean(runs, answers, _of_evidence(_recall)),
        without=len(lacking) / len(every),
        impossible=sum(p.miscited > 0 for p in every) / len(every),
    )


def abstention(comparison: Comparison, runs: Sequence[Run]) -> Abstention | None:
    """How well a row tells what cannot be answered; None where the test set holds no such question.

    Tasks whose answers are labels or records have none.
    """
    task, answers = comparison.task, comparison.answers
    if not runs or not may_abstain(comparison):
        return None
    hopeless = {key for key, answer in answers.items() if is_unanswerable(answer)}
    judged = [p for run in runs for p in run.predictions if p.id in answers]
    silent = [p for p in judged if abstains(p)]
    right = sum(p.id in hopeless for p in silent)
    wanted = len(hopeless) * len(runs)
    involved = len(silent) + wanted - right

    worth = [np.nan_to_num(example_scores(task.metric, run, answers, task)) for run in runs]
    can = np.array([key not in hopeless for key in answers])
    of_answerable = np.stack(worth).mean(axis=0)[can]
    return Abstention(
        unanswerable=len(hopeless),
        share=_share(len(silent), len(judged), len(runs)),
        precision=_share(right, len(silent), len(runs)),
        recall=_share(right, wanted, len(runs)),
        f1=_f1(_share(right, involved, len(runs))),
        quality_answerable=mean_interval(of_answerable) if of_answerable.size else None,
        false=_share(len(silent) - right, len(judged) - wanted, len(runs)),
    )


def may_abstain(comparison: Comparison) -> bool:
    """Whether the test set holds questions that cannot be answered; labels and records are always given."""
    asks = comparison.task.kind not in ("classification", "extraction")
    return asks and any(map(is_unanswerable, comparison.answers.values()))


def is_unanswerable(answer: Answer) -> bool:
    """Whether a question is one that cannot be answered."""
    return bool(answer.targets) and answer_tokens(answer.targets[0]) == (UNANSWERABLE,)


def abstains(prediction: PredictionRecord) -> bool:
    """Whether an answer says that the question cannot be answered."""
    return answer_tokens(prediction.answer) == (UNANSWERABLE,)


def _of_evidence(judge: Callable[[PredictionRecord, tuple[str, ...]], float | None]) -> Judge:
    """A judge of the questions whose evidence is known."""
    return lambda prediction, answer: judge(prediction, answer.evidence) if answer.evidence else None


def _precision(prediction: PredictionRecord, evidence: tuple[str, ...]) -> float | None:
    """The share of the named documents that are evidence; None where none is named."""
    named = {one.source for one in prediction.citations or ()}
    return len(named.intersection(evidence)) / len(named) if named else None


def _recall(prediction: PredictionRecord, evidence: tuple[str, ...]) -> float | None:
    """The share of the evidence that is named."""
    return recall([one.source for one in prediction.citations or ()], evidence)


def _mean(runs: Sequence[Run], answers: Mapping[str, Answer], judge: Judge) -> Interval | None:
    """The mean over the questions that can be judged, each by the mean of its seeds; None where there is none."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for prediction in run.predictions:
            if prediction.id in answers:
                value = judge(prediction, answers[prediction.id])
                if value is not None:
                    values.setdefault(prediction.id, []).append(value)
    return mean_interval(np.array([fmean(found) for found in values.values()])) if values else None


def _share(hits: int, trials: int, seeds: int) -> Interval | None:
    """A share of the answers of all seeds, with the interval of as many as one seed has; None of none."""
    return wilson(hits / trials, max(round(trials / seeds), 1)) if trials else None


def _f1(common: Interval | None) -> Interval | None:
    """F1, of the share that is common to what was found and what was sought: a function of it, so its ends are too."""
    if common is None:
        return None
    value, low, high = (2 * share / (1 + share) for share in (common.value, common.low, common.high))
    return rounded(value, low, high)
