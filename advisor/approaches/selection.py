"""The search for what stands in the prompt: candidates answer training examples that none of them shows.

All candidates answer a few examples, the better half of them as many again, and so on (successive halving, Jamieson
and Talwalkar 2016). The first candidate, what stands there without a search, answers all that any does, and gives way
only to one that did better by more than chance, so that noise alone changes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist, fmean, stdev

from advisor.approaches.answering import decoding_for, trial_examples
from advisor.approaches.asking import Asker
from advisor.models import Context, LanguageModel, Prompt
from advisor.tasks import Example, Kind, Outline, Task
from advisor.tasks.forms import answer_form, answer_tokens

MOST, FEWEST = 96, 8
"""Examples by which a candidate is judged at most, and with fewer of which there is no search."""
FIRST = 24  # of them that every candidate answers
CHANCE = 0.16
"""With which the best of the others takes the first's place where none is better: a standard error, of one other; of
several each has its part of it (Bonferroni)."""


_MEASURES = {True: "share that was right", False: "mean F1 of words"}


@dataclass
class PromptCandidate:
    """What may stand in the prompt.

    Attributes:
        context: the same beside every query.
        called: in words, for the report.
        following: tells what stands beside given examples in its place, where that follows the query.
        scores: what its answers were worth so far, from 0 to 1, in the order of the examples.
    """

    context: Context
    called: str
    following: Callable[[Sequence[Example]], Sequence[Context]] | None = None
    scores: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return fmean(self.scores)

    def prompts(self, asker: Asker, examples: Sequence[Example]) -> list[Prompt]:
        """The prompts of examples with it."""
        contexts = self.following(examples) if self.following else [self.context] * len(examples)
        return [asker.prompt(example.input, context) for example, context in zip(examples, contexts, strict=True)]


def held_out(task: Task, seed: int, shown: Sequence[str]) -> list[Example]:
    """Examples to judge candidates by: of dev, else up to half of train; none whose input is among `shown`."""
    most = MOST if task.dev else min(MOST, len(task.train) // 2)
    return trial_examples(task, seed, shown, most)


def tried(task: Outline, candidates: int) -> float:
    """Queries that a search answers, the reading of labels included; what costs are foreseen by."""
    examples = min(MOST, len(task.dev) or len(task.train) // 2)
    if examples < FEWEST:
        return 0.0
    ends, total, left = [0, *_rungs(examples)], 0, candidates
    for before, end in pairwise(ends):
        total += left * (end - before)
        left = _staying(left)
    return total + (examples if task.kind == "classification" else 0)


def select(
    candidates: Sequence[PromptCandidate], task: Task, model: LanguageModel, examples: Sequence[Example], cot: bool
) -> tuple[PromptCandidate, tuple[str, ...]]:
    """The candidate to take, and notes for the report.

    An answer is worth 1 or 0 where labels are told; elsewhere the F1 of its words and those of the nearest acceptable
    answer, whatever the task's metric. Labels are read as is best for the first candidate.

    Args:
        candidates: what stands there without a search first; none shows any of the examples.
        cot: whether the model reasons before it answers.
    """
    first, others = candidates[0], candidates[1:]
    if not others or len(examples) < FEWEST:
        few = f"{len(examples)} examples were left to choose by"
        why = few if len(examples) < FEWEST else "there was nothing else to try"
        return first, (f"Nothing was searched, since {why}: what stands is {first.called}.",)
    asker = Asker(task.brief, model, decoding_for(task, model), cot=cot)
    if task.kind == "classification":
        asker.choose_reading(first.prompts(asker, examples), [example.target for example in examples], bool(task.dev))
    running, answers = list(candidates), 0
    for end in _rungs(len(examples)):
        for one in running:
            new = examples[len(one.scores) : end]
            one.scores += _worth(asker, one, new)
            answers += len(new)
        ranked = sorted(running, key=lambda one: -one.mean)[: _staying(len(running))]
        running = [one for one in running if one is first or one in ranked]
    best = max((one for one in running if one is not first), key=lambda one: one.mean, default=first)
    where = "dev" if task.dev else "training"
    each = ", ".join(f"{one.called} {one.mean:.2f} on {len(one.scores)}" for one in candidates)
    searched = (
        f"{len(candidates)} candidates were tried by successive halving on up to {len(examples)} {where} examples that "
        f"none of them shows, with {answers:,} answers ({_MEASURES[task.kind == 'classification']}): {each}."
    )
    chosen = best if better_by_more_than_chance(best.scores, first.scores, len(others)) else first
    return chosen, (searched, _outcome(chosen, first, best))


def _rungs(examples: int) -> list[int]:
    """How many examples the candidates that are left have answered at the end of each round."""
    ends = [examples]
    while ends[0] > FIRST:
        ends.insert(0, math.ceil(ends[0] / 2))
    return ends


def _staying(candidates: int) -> int:
    """How many go on: the better half, and the first beside at least one other."""
    return max(2, math.ceil(candidates / 2))


def _worth(asker: Asker, one: PromptCandidate, examples: Sequence[Example]) -> list[float]:
    answers = asker.answers(one.prompts(asker, examples))
    kind = asker.task.kind
    return [max(likeness(kind, a.text, one) for one in e.answers) for a, e in zip(answers, examples, strict=True)]


def likeness(kind: Kind, answer: str, expected: str) -> float:
    """How near an answer comes to what is expected, from 0 to 1; see `select`."""
    if kind == "classification":
        return float(answer_form(kind, answer) == answer_form(kind, expected))
    said, right = Counter(answer_tokens(answer)), Counter(answer_tokens(expected))
    common = (said & right).total()
    return 2 * common / (said.total() + right.total()) if common else 0.0


def better_by_more_than_chance(best: Sequence[float], first: Sequence[float], others: int) -> bool:
    """Whether the best of the others did better than the first by more than chance, pair by pair.

    Args:
        others: of how many it is the best.
    """
    differences = [b - f for b, f in zip(best, first, strict=True)]
    error = stdev(differences) / math.sqrt(len(differences))
    return fmean(differences) > NormalDist().inv_cdf(1 - CHANCE / others) * error


def _outcome(chosen: PromptCandidate, first: PromptCandidate, best: PromptCandidate) -> str:
    both = f"{best.mean:.2f} against {first.mean:.2f} on {len(first.scores)} examples"
    if chosen is best:
        return f"What was chosen is {best.called} in place of {first.called}: {both}."
    how = "did no better" if best.mean <= first.mean else "may have done better by chance"
    return f"What was chosen is {first.called}, since the best of the others, {best.called}, {how}: {both}."
