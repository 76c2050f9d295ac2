"""The result of a race, reported beside the comparison of its finalists. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["winner", "finalist", "unmeasured", "passed over", "beaten", "over a limit", "no time", "failed"]
Stopped = Literal["certain", "examples", "saving", "budget", "alone"]

WHY: dict[Stopped, str] = {
    "certain": "the winner is certain enough",
    "examples": "the examples of the race are used up",
    "saving": "racing on would spare nothing",
    "budget": "the budget allows no more",
    "alone": "there is nothing to race against",
}
"""In words, why a race ended."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One approach's result in a race.

    Attributes:
        state: `winner` and `finalist` were measured on the test set; `unmeasured` could not be told apart from the
            winner, but there was no time to measure it; `passed over`: shown not to be better than the winner by the
            margin, and dearer; `beaten`: shown to be worse than another; `over a limit`; `no time`: it was not fitted
            on all training examples, since that or its predictions would not have ended in time; `failed`, or did not
            apply.
        examples: the number of race examples it answered.
        score: mean over them; None without any.
        trained_on: training examples it was judged with, where that was fewer than there are; else None.
        expected: the expected score where it was not fitted on all training examples, from the leader's score and
            comparisons on other tasks; None where nothing is known.
        by, evidence, difference, at_examples: the rival that beat it and the evidence, as in
            `advisor.verdict.standings.Beaten`.
        seconds: it took in the race, fitting included.
        left_at: seconds of the race after which it was out; None for those that were not.
        why: a further explanation, such as a broken limit or an error; may be empty.
    """

    spec: str
    state: State
    examples: int = 0
    score: float | None = None
    trained_on: int | None = None
    expected: float | None = None
    by: str | None = None
    evidence: float | None = None
    difference: float | None = None
    at_examples: int | None = None
    seconds: float = 0.0
    left_at: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Race:
    """The result of a race and of measuring its finalists.

    Attributes:
        budget: seconds.
        usd: the budget in US dollars, where it was given so.
        racing, measuring: seconds spent in the race and on the finalists, over all calls.
        stopped: why the race ended: the winner was `certain`; there were no more `examples`; racing on would have
            spared nothing (`saving`); the `budget`; or there was but one approach (`alone`).
        split: the split its examples came from, `dev` or `train`; no approach learned from them.
        pool: examples that were set aside for it.
        train: training examples that were left to learn from.
        level: chance of error of the whole race.
        margin: a difference in quality that is too small to matter.
        rivals: the number of rivals of each approach at the start.
        score: the score that was raced on: `mean score`, or `balanced accuracy` in place of macro F1.
        gain: the largest gain assumed from a larger training set.
        favourite: the approach that seemed the best, measured afterwards or not: on the race's examples, or, if the
            budget could not fit it, by what was expected of it.
        entrants: the winner first, then the finalists, the last to leave before the first.
    """

    budget: float
    usd: float | None
    racing: float
    measuring: float
    stopped: Stopped
    split: str
    pool: int
    train: int
    level: float
    margin: float
    rivals: int
    score: str
    gain: float
    favourite: str | None
    entrants: tuple[Entrant, ...]

    @property
    def overrun(self) -> float:
        """Seconds beyond the budget; 0 where it was kept."""
        return max(0.0, self.racing + self.measuring - self.budget)

    @property
    def assumed(self) -> bool:
        """Whether an approach was beaten with a smaller training set, so that the guarantee rests on an assumption."""
        return any(e.state == "beaten" and e.trained_on is not None for e in self.entrants)
