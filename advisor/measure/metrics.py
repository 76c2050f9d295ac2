"""Quality: how well an answer matches the acceptable ones, per example and over a test set.

Failures never enter: callers pass the answers of complete runs only, so 0 always means a wrong answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UserError
from advisor.measure.answers import json_object, normalised, pairs
from advisor.tasks import UNANSWERABLE

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.chrf import CHRF


def score(metric: str, text: str, targets: Sequence[str]) -> float:
    """How well one answer matches the acceptable ones, between 0 and 1.

    `macro_f1` has no value for a single example; its per-example value is the accuracy.

    Args:
        metric: one of `advisor.tasks.METRICS`.
        text: the answer as the approach gave it.
        targets: all acceptable answers, at least one; the best match counts.

    Raises:
        UserError: the metric is unknown, there is no target, or a target of `json_f1` is no JSON object.
    """
    judge = _JUDGES.get(metric)
    if judge is None:
        raise UserError(f'the metric "{metric}" is unknown', "use one of " + ", ".join(_JUDGES))
    if not targets:
        raise UserError("an example without any target cannot be judged", 'give each line a "target"')
    return judge(text, targets)


def scores(metric: str, texts: Sequence[str], targets: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """`score` of each answer; shape (examples,)."""
    judged = [score(metric, text, accepted) for text, accepted in zip(texts, targets, strict=True)]
    return np.array(judged, dtype=np.float64)


def aggregate(metric: str, texts: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    """The quality over a test set: the mean of the scores, but the true macro F1 for `macro_f1`.

    Raises:
        UserError: as in `score`, or there is no example.
    """
    if not texts:
        raise UserError("there is no test example to judge", "add examples to the test split")
    if metric == "macro_f1":
        labels = label_set(texts, targets)
        return float(macro_f1(confusion(texts, targets, labels).sum(axis=0)))
    return float(scores(metric, texts, targets).mean())


def label_set(texts: Sequence[str], targets: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """All labels that occur as the true or the predicted one, sorted."""
    seen = {text.strip() for text in texts}
    seen.update(_true_label(text, accepted) for text, accepted in zip(texts, targets, strict=True))
    return tuple(sorted(seen))


def confusion(texts: Sequence[str], targets: Sequence[Sequence[str]], labels: Sequence[str]) -> NDArray[np.float32]:
    """Per example and label: whether it is a hit (0 or 1), and how often it is the true or the predicted one
    (0, 1 or 2); shape (examples, 2, labels). Sums over examples go into `macro_f1`.

    Where several labels are acceptable, the true one is the predicted one if that is acceptable, else the
    first.
    """
    position = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(texts), 2, len(labels)), dtype=np.float32)
    for row, text, accepted in zip(counts, texts, targets, strict=True):
        predicted, true = position[text.strip()], position[_true_label(text, accepted)]
        row[0, true] = predicted == true
        row[1, predicted] += 1
        row[1, true] += 1
    return counts


def macro_f1(counts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Macro F1 from sums of `confusion` over examples; shape (..., 2, labels) to (...).

    Labels that occur neither as true nor as predicted do not count, and a label without a hit scores 0, as in
    scikit-learn's `f1_score(average="macro", zero_division=0)`.
    """
    hits, involved = counts[..., 0, :], counts[..., 1, :]
    each = hits / np.maximum(involved, 1)
    present = np.count_nonzero(involved, axis=-1)
    mean: NDArray[np.float64] = 2 * each.sum(axis=-1, dtype=np.float64) / np.maximum(present, 1)
    return mean


def _true_label(text: str, accepted: Sequence[str]) -> str:
    predicted = text.strip()
    labels = [target.strip() for target in accepted]
    return predicted if predicted in labels else labels[0]


def _accuracy(text: str, targets: Sequence[str]) -> float:
    return float(text.strip() in [target.strip() for target in targets])


def _exact_match(text: str, targets: Sequence[str]) -> float:
    answer = normalised(text)
    return float(any(answer == target for target in _squad_targets(targets)))


def _token_f1(text: str, targets: Sequence[str]) -> float:
    answer = normalised(text)
    return max(_overlap(answer, target) for target in _squad_targets(targets))


def _squad_targets(targets: Sequence[str]) -> list[str]:
    """Targets that are empty once normalised count only where no other is left (SQuAD's `get_raw_scores`)."""
    return [target for target in map(normalised, targets) if target] or [""]


def _overlap(answer: str, target: str) -> float:
    """Token F1 of two normalised answers (`compute_f1` of SQuAD's official script, version 2.0).

    Between "unanswerable" or an empty answer and anything else there is no partial match.
    """
    if UNANSWERABLE in (answer, target) or not answer or not target:
        return float(answer == target)
    return _f1(Counter(answer.split()), Counter(target.split()))


def _f1(found: Counter[Any], wanted: Counter[Any]) -> float:
    shared = (found & wanted).total()
    return 2 * shared / (found.total() + wanted.total())


def _rouge_l(text: str, targets: Sequence[str]) -> float:
    scorer = _rouge_scorer()
    return max(float(scorer.score(target, text)["rougeL"].fmeasure) for target in targets)


def _chrf(text: str, targets: Sequence[str]) -> float:
    return float(_chrf_scorer().sentence_score(text, list(targets)).score) / 100


def _json_f1(text: str, targets: Sequence[str]) -> float:
    """F1 over (key, value) pairs; an answer without a JSON object scores 0, two empty objects score 1."""
    wanted = [pairs(_target_object(target)) for target in targets]
    answer = json_object(text)
    if answer is None:
        return 0.0
    found = pairs(answer)
    return max(_f1(found, target) if found or target else 1.0 for target in wanted)


def _target_object(target: str) -> dict[str, Any]:
    value = json_object(target)
    if value is None:
        raise UserError(
            f"the target {target[:60]!r} holds no JSON object, so json_f1 cannot judge answers by it",
            'write targets as JSON objects in a string, e.g. "{\\"city\\": \\"Bern\\"}"',
        )
    return value


@cache
def _rouge_scorer() -> RougeScorer:
    # Imported on first use: it brings in nltk, which takes more than a second.
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True)


@cache
def _chrf_scorer() -> CHRF:
    # Imported on first use, like rouge_score: only one metric needs it.
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


_JUDGES: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "accuracy": _accuracy,
    "macro_f1": _accuracy,
    "exact_match": _exact_match,
    "token_f1": _token_f1,
    "rouge_l": _rouge_l,
    "chrf": _chrf,
    "json_f1": _json_f1,
}
