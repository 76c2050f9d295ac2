"""Abstention: the answer "unanswerable" where nothing that was found holds one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from advisor.approaches import Asks, Prediction
from advisor.approaches.selection import likeness
from advisor.errors import NotApplicable, UserError
from advisor.models import Context, Prompt, Scores
from advisor.tasks import UNANSWERABLE, Example, Kind, Outline, Task
from advisor.tasks.forms import answer_tokens
from rag.index import PassageIndex

Abstain = Literal["none", "score", "probability", "trained"]
THRESHOLDS = ("score", "probability")
"""Ways of abstaining that choose a threshold on examples."""
MOST = 96  # examples on which a threshold is chosen
FEWEST = 8  # of the unanswerable ones among them, where there are so many
_COMPARED = {
    "score": "the score of the best passage",
    "probability": 'the log-likelihood per token of its answer, less that of "unanswerable",',
}


def is_unanswerable(text: str) -> bool:
    """Whether an answer says that there is none."""
    return answer_tokens(text) == (UNANSWERABLE,)


@dataclass(frozen=True)
class Trials:
    """Examples on which a threshold is chosen, with what stands beside each.

    Attributes:
        answerable, unanswerable: shown as at inference.
        share: how much the unanswerable ones count, from 0 to 1.
        made: whether they were made: answerable questions without the documents that hold their answers.
        dev: whether they are of dev, else of train.
    """

    answerable: tuple[Example, ...]
    unanswerable: tuple[Example, ...]
    share: float
    made: bool
    dev: bool


@dataclass(frozen=True)
class Threshold:
    """Below which value an answer is withheld, and what that rests on.

    Attributes:
        least: None where none is ever withheld.
        note: for the report.
    """

    least: float | None = None
    note: str = ""

    def withholds(self, value: float) -> bool:
        """Whether a query with this value is not answered."""
        return self.least is not None and value < self.least


def check_abstain(kind: Abstain, cot: bool) -> None:
    """Raises:
    UserError: the parameters cannot stand together.
    """
    if kind == "probability" and cot:
        raise UserError(
            "rag: abstain=probability compares answers that come at once, and cot=true reasons before them",
            "abstain=score, or leave cot out",
        )


def check_examples(task: Task) -> None:
    """Whether there is anything to choose a threshold by, said before something is trained.

    Raises:
        UserError: no example is unanswerable or names documents.
    """
    for split in (task.dev, task.train):
        count = sum(is_unanswerable(example.target) for example in split)
        if 0 < count < len(split) or any(example.evidence for example in split):
            return
    raise _nothing_to_choose_by()


def trials(task: Task, index: PassageIndex, seed: int) -> Trials:
    """Examples to choose a threshold by: of dev if it has unanswerable ones, else of train. Where neither has, those
    whose evidence is known serve twice, with what retrieval brings and with what it brings without their evidence.

    Raises:
        UserError: no example is unanswerable or names documents that are indexed.
    """
    for split in (task.dev, task.train):
        without = [example for example in split if is_unanswerable(example.target)]
        others = [example for example in split if not is_unanswerable(example.target)]
        if without and others:
            share = len(without) / len(split)
            number = min(len(without), max(round(share * MOST), FEWEST))
            chosen = _drawn(others, MOST - number, seed), _drawn(without, number, seed)
            return Trials(*chosen, share, made=False, dev=split is task.dev)
    for split in (task.dev, task.train):
        known = [example for example in split if index.knows(example.evidence)]
        if known:
            chosen_once = _drawn(known, MOST // 2, seed)
            return Trials(chosen_once, chosen_once, 0.5, made=True, dev=split is task.dev)
    raise _nothing_to_choose_by()


def _nothing_to_choose_by() -> UserError:
    return UserError(
        'rag: abstain chooses a threshold on unanswerable questions, and no example of train or dev is "unanswerable" '
        'or names the documents that hold its answer ("evidence")',
        "add some, or leave abstain out",
    )


def tried(kind: Abstain, task: Outline) -> float:
    """Queries that are answered to choose a threshold; what costs are foreseen by."""
    return min(MOST, len(task.dev) or len(task.train)) if kind in THRESHOLDS else 0.0


def best_score(context: Context) -> float:
    """The score of the passage that fits best; below all others where none was found.

    Raises:
        UserError: the searcher gives no scores.
    """
    scores = [passage.absolute for passage in context.passages]
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        raise UserError(
            "rag: abstain=score needs the scores of passages, and this retriever gives none",
            "retriever=dense or retriever=bm25, or abstain=probability",
        )
    return max(known, default=-math.inf)


def need_likelihoods(asks: Asks) -> None:
    """Raises:
    NotApplicable: the model does not tell how likely its answers are.
    """
    model = asks.model
    if not model.can.score or model.can.remote:
        why = "tells likelihoods of labels alone" if model.can.score else "gives no likelihoods"
        raise NotApplicable(f"abstain=probability compares likelihoods of answers, and {model.name} {why}")


def margins(asks: Asks, prompts: Sequence[Prompt], answers: Sequence[Prediction]) -> list[tuple[float, Scores | None]]:
    """By how much an answer is likelier than "unanswerable", in nats per token, and what it took to tell.

    Nothing is compared where there is no answer or where it is "unanswerable" already; that counts as certain.
    """
    found: list[tuple[float, Scores | None]] = [(math.inf, None)] * len(prompts)
    places: dict[str, list[int]] = {}
    for at, answer in enumerate(answers):
        if answer.text and not answer.failure and not is_unanswerable(answer.text):
            places.setdefault(answer.text, []).append(at)
    for text, same in places.items():
        scored = asks.model.score([prompts[at] for at in same], [text, UNANSWERABLE], asks.adaptation)
        for at, scores in zip(same, scored, strict=True):
            own, none = (total / length for total, length in zip(scores.totals, scores.lengths, strict=True))
            found[at] = (own - none, scores)
    return found


def with_cost(answer: Prediction, scores: Scores | None) -> Prediction:
    """An answer with what it took to compare it as well; it can be given only after that."""
    if scores is None:
        return answer
    first = answer.usage.ttft_seconds
    later = None if first is None else first + scores.seconds
    return replace(answer, usage=replace(answer.usage.with_spent(scores.spent), ttft_seconds=later))


def chosen(kind: Abstain, task: Kind, trials: Trials, values: Sequence[float], texts: Sequence[str]) -> Threshold:
    """The threshold by which the trials come out best: by the likeness of the answers given to the acceptable ones, the
    unanswerable questions counting by their share. Of equally good ones the lowest, or none at all.

    Args:
        values, texts: the value and the answer of each trial, the answerable ones first.
    """
    withheld, given = _worth(task, trials, [UNANSWERABLE] * len(texts)), _worth(task, trials, texts)
    best, least = sum(given), None
    order = sorted(range(len(values)), key=values.__getitem__)
    total = best
    for place, at in enumerate(order[:-1]):
        total += withheld[at] - given[at]
        low, high = values[at], values[order[place + 1]]
        if high > low and not math.isinf(high) and total > best + 1e-9:
            best, least = total, high if math.isinf(low) else (low + high) / 2
    return Threshold(least, _note(kind, trials, least, sum(given), best))


def _worth(task: Kind, trials: Trials, texts: Sequence[str]) -> list[float]:
    """What each answer adds to the mean over both kinds of questions."""
    first = len(trials.answerable)
    weights = [(1 - trials.share) / max(first, 1)] * first
    weights += [trials.share / max(len(trials.unanswerable), 1)] * len(trials.unanswerable)
    wanted = [example.answers for example in trials.answerable]
    wanted += [(UNANSWERABLE,) if trials.made else example.answers for example in trials.unanswerable]
    return [w * max(likeness(task, t, one) for one in a) for w, t, a in zip(weights, texts, wanted, strict=True)]


def _note(kind: Abstain, trials: Trials, least: float | None, before: float, after: float) -> str:
    number = len(trials.answerable) + len(trials.unanswerable)
    where = f"{number} {'dev' if trials.dev else 'training'} questions, {len(trials.unanswerable)} of them unanswerable"
    if trials.made:
        where += " (answerable ones without their evidence, since no example is unanswerable; both count alike)"
    if least is None:
        return f"Every query was answered (abstain={kind}): on {where}, no threshold did better than none."
    return (
        f'The answer was "unanswerable" where {_COMPARED[kind]} was below {least:.4g}, the threshold that did best on '
        f"{where}: mean F1 of words {after:.2f}, against {before:.2f} where every query is answered."
    )


def _drawn(examples: Sequence[Example], most: int, seed: int) -> tuple[Example, ...]:
    pool = list(examples)
    random.Random(seed).shuffle(pool)
    return tuple(pool[:most])
