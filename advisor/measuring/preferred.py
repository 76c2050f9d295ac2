"""How likely a finished run's row finds the better and the worse answer of the preferences that are held out.

It is measured of every row that answers by prompts and tells likelihoods, tuned or not, so that rows can be compared:
by the row's own prompts and weights, of the whole answer with the token that ends it (a sum of log-probabilities).
No figure of the run depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.approaches import Approach, Predictor
from advisor.measuring.assignment import Assignment
from advisor.measuring.further_records import PREFERRED
from advisor.measuring.harmless import harmless
from advisor.measuring.lines import append, counted
from advisor.measuring.progress import Progress
from advisor.measuring.records import Run
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Query, Task

AT_ONCE = 16
"""Pairs of a line: what a kill can cost at most."""


def pairs_to_weigh(approach: Approach, model: LanguageModel, task: Mapping[str, Any]) -> int:
    """How many of the preferences held out a row is to be measured on; 0 where it tells no likelihoods, or every call
    may be paid.

    Args:
        task: what the head of the comparison says of it.
    """
    told = approach.tells_likelihoods and model.can.score and not model.can.remote
    return int(task["preferences_held_out"]) if told else 0


def lacks_pairs(before: Run, assignment: Assignment) -> bool:
    """Whether a finished run lacks pairs that are to be weighed."""
    return len(before.preferred.pairs) < assignment.pairs


class PreferenceMeasurement:
    """Weighs the pairs that are not recorded yet."""

    def __init__(self, assignment: Assignment, task: Task, progress: Progress) -> None:
        self.assignment = assignment
        self.task = task
        self.progress = progress

    def go(self, predictor: Predictor, before: Run) -> None:
        """Weigh what is left; whatever goes wrong is recorded and leaves the run as it is.

        Raises:
            Interrupted: it cannot go on now.
            NoRoom: the disk is full.
        """
        clock.drain()
        left = self.task.preferences_held_out[len(before.preferred.pairs) :]
        self.progress.step("preferences", len(left))
        with harmless(self.assignment.path.parent, lambda why: self._note(error=why)):
            for start in range(0, len(left), AT_ONCE):
                found = []
                for pair in left[start : start + AT_ONCE]:
                    found.append(predictor.likelihoods(Query("", pair.input), (pair.chosen, pair.rejected)))
                    self.progress.advance()
                self._note(pairs=found)

    def give_up(self, before: Run, why: str) -> None:
        """Record why nothing can be measured, unless nothing is asked or that is recorded already."""
        if lacks_pairs(before, self.assignment) and before.preferred.error != why:
            self._note(error=why)

    def _note(self, **what: object) -> None:
        append(self.assignment.path, {"type": PREFERRED, **what} | counted(clock.drain()))
