"""A plan of what a comparison is going to take. Plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

from advisor.tasks import Task
from advisor.tasks.words import count_words
from advisor.verdict.token_prices import PaidTokens

UNASKED_USD = 1.0
"""Foreseen dollars of paid models up to which nobody is asked for a cap."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a step takes.

    Attributes:
        calls: of the language model.
        tokens: of these, as they would be charged; nothing is taken to be cached.
        seconds: None where that cannot be told.
        usd: None where there is no price, or hours are paid that cannot be told.
    """

    calls: float = 0.0
    tokens: PaidTokens = field(default_factory=partial(PaidTokens, requests=0.0))
    seconds: float | None = 0.0
    usd: float | None = 0.0

    def __add__(self, other: Planned) -> Planned:
        return Planned(
            self.calls + other.calls,
            self.tokens + other.tokens,
            both(self.seconds, other.seconds),
            both(self.usd, other.usd),
        )

    def times(self, number: int) -> Planned:
        """So many times as much."""
        seconds, usd = (None if x is None else number * x for x in (self.seconds, self.usd))
        return Planned(number * self.calls, self.tokens.times(number), seconds, usd)


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """What an approach takes with a model, all seeds together.

    Attributes:
        model: the model's alias; empty where no model runs.
        fit, test, alone: fitting and indexing; the answers to the test set; the requests that are sent one at a time.
        after: indexing changed documents, and the answers to the questions of after the change.
        instead: why there is nothing to do, or nothing can be told; empty else.
    """

    spec: str
    model: str
    fit: Planned = field(default_factory=Planned)
    test: Planned = field(default_factory=Planned)
    alone: Planned = field(default_factory=Planned)
    instead: str = ""
    after: Planned = field(default_factory=Planned)

    @property
    def total(self) -> Planned:
        """All steps."""
        return self.fit + self.test + self.alone + self.after


@dataclass(frozen=True, slots=True)
class ChangeScope:
    """How much is measured after a change.

    Attributes:
        questions, new: that are asked then, and those of them that are not asked before.
        words: of the changed documents; 0 where they stay the same.
    """

    questions: int = 0
    new: int = 0
    words: int = 0

    @classmethod
    def of(cls, task: Task) -> ChangeScope:
        """That of a task."""
        before = {example.input for example in task.test}
        new = sum(example.input not in before for example in task.test_after)
        return cls(len(task.test_after), new, sum(count_words(document.text) for document in task.documents_after))


@dataclass(frozen=True)
class WorkPlan:
    """What a comparison takes.

    Attributes:
        task: its name.
        paid: aliases of the models that are paid by the token.
        assumptions: what it rests on, in sentences.
        prices: the prices that were applied, for display.
    """

    task: str
    rows: tuple[PlannedRow, ...]
    paid: frozenset[str] = frozenset()
    assumptions: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()

    @property
    def total(self) -> Planned:
        """What is known of all rows."""
        whole = Planned()
        for row in self.rows:
            known = row.total
            whole += replace(known, seconds=known.seconds or 0.0, usd=known.usd or 0.0)
        return whole

    @property
    def paid_usd(self) -> float:
        """Dollars for models that are paid by the token, as far as their prices are known."""
        return math.fsum(row.total.usd or 0.0 for row in self.rows if row.model in self.paid)

    @property
    def wants_a_cap(self) -> bool:
        """Whether so much is foreseen for them that a person should say how much may be spent (`--max-spend`)."""
        return self.paid_usd > UNASKED_USD


def both(one: float | None, other: float | None) -> float | None:
    """Their sum; None where one is not known."""
    return None if one is None or other is None else one + other
