"""The field of a race: approaches and examples, one turn's outcome, and the state of each contender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.verdict.race import Entrant, State
from advisor.verdict.standings import Beaten

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Leg:
    """The outcome of one turn.

    Attributes:
        scores: the scores of the new examples, in the order of the race.
        fit_seconds: seconds of fitting and indexing, if that was part of it.
        training: seconds of fitting alone; 0 where it was fitted before.
        predict_seconds: seconds for all the new examples.
        trouble: the reason why there are no scores: it failed or does not apply.
        violation: a limit that it breaks, in words.
    """

    scores: Floats
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    trouble: str = ""
    violation: str = ""
    training: float = 0.0


class Field(Protocol):
    """The approaches and examples of a race."""

    @property
    def specs(self) -> Sequence[str]:
        """The approaches, in the order in which they were named."""

    @property
    def pool(self) -> int:
        """The number of examples to race on."""

    @property
    def train(self) -> int:
        """The number of training examples."""

    @property
    def spent(self) -> float:
        """Seconds spent, including earlier calls."""

    def trains(self, spec: str) -> bool:
        """Whether fitting the approach trains weights."""

    def kin(self, spec: str) -> str | None:
        """An approach that needs no training and is about as slow at answering; None where there is none."""

    def work(self, spec: str, train: int) -> float:
        """The work of fitting `spec` to `train` training examples, comparable between approaches; 0 where unknown."""

    def run(self, spec: str, until: int, seconds: float, train: int | None = None) -> Leg:
        """Fit `spec` if needed (on `train` examples where given), and let it answer the race's examples up to number
        `until`.

        Raises:
            OutOfTime: it would take longer than `seconds`.
        """

    def test_seconds(self, per_example: float) -> float:
        """The expected seconds for measuring a fitted approach on the test set."""

    def tell(self, news: str) -> None:
        """Report progress."""

    def show(self, contenders: Sequence[Contender]) -> None:
        """Report how all contenders stand."""


@dataclass
class Contender:
    """The state of one approach in a race.

    Attributes:
        trial: scores when fitted on `tried_with` training examples only.
        per_example: seconds of its last turn; None before the first.
        state: None while it is in the race; its places in the end as in `advisor.verdict.race.Entrant`.
        left_at: seconds of the race after which it was out.
        expected: the score to expect of it before it is fitted; None where nothing is known.
    """

    spec: str
    scores: Floats = field(default_factory=lambda: np.zeros(0))
    trial: Floats = field(default_factory=lambda: np.zeros(0))
    seconds: float = 0.0
    per_example: float | None = None
    state: State | None = None
    beaten: Beaten | None = None
    tried_with: int | None = None
    left_at: float | None = None
    expected: float | None = None
    why: str = ""

    @property
    def running(self) -> bool:
        """Whether it is still in the race."""
        return self.state is None

    @property
    def mean(self) -> float:
        """The mean score so far; that of its trial before it is fitted, 0 without any."""
        scores = self.scores if self.scores.size else self.trial
        return float(scores.mean()) if scores.size else 0.0

    @property
    def rank(self) -> tuple[int, float]:
        """The rank for the report, behind the finalists: contenders still in, then the others, last to leave first."""
        return (0, -self.mean) if self.left_at is None else (1, -self.left_at)

    def entrant(self) -> Entrant:
        """Its result, for the report."""
        by = self.beaten if self.state == "beaten" else None
        scores = self.scores if self.scores.size else self.trial
        assert self.state is not None
        return Entrant(
            spec=self.spec,
            state=self.state,
            examples=scores.size,
            score=float(scores.mean()) if scores.size else None,
            trained_on=self.tried_with if scores is self.trial else None,
            expected=self.expected if not self.scores.size else None,
            by=by.by if by else None,
            evidence=by.evidence if by else None,
            difference=by.difference if by else None,
            at_examples=by.examples if by else None,
            seconds=self.seconds,
            left_at=self.left_at,
            why=self.why,
        )
