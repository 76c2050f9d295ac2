"""What passages do for a row's own answers: their log-likelihood with the passages that were found less without.

An answer that was read in the passages is far likelier with them; one that the model knew is about as likely without
(pointwise information, as in Xu et al. 2020, "A Theory of Usable Information"). It needs no judge: the row's own prompt
and weights tell it, of the whole answer with the token that ends it, in nats. No figure of the run depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.approaches import Approach, Predictor
from advisor.measuring.assignment import Assignment
from advisor.measuring.harmless import harmless
from advisor.measuring.lines import append, counted
from advisor.measuring.progress import Progress
from advisor.measuring.records import Run
from advisor.measuring.scored import AT_ONCE, SCORED, Scored
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Query, Task

LIFT = "lift"


def tells_lift(approach: Approach, model: LanguageModel, task: Mapping[str, Any]) -> bool:
    """Whether a row is to be measured so: it shows documents and tells likelihoods, and no call may be paid.

    Args:
        task: what the head of the comparison says of it.
    """
    wanted = LIFT in task.get("metrics", ())
    return wanted and approach.shows == "documents" and approach.tells_likelihoods and _scores(model)


def _scores(model: LanguageModel) -> bool:
    return model.can.score and not model.can.remote


def lacks_lift(before: Run, assignment: Assignment) -> bool:
    """Whether a finished run lacks answers that are to be weighed."""
    done = before.scored.get(LIFT, Scored()).values
    return assignment.lift and any(prediction.id not in done for prediction in before.predictions)


class LiftMeasurement:
    """Weighs the answers that are not recorded yet."""

    def __init__(self, assignment: Assignment, task: Task, progress: Progress) -> None:
        self.assignment = assignment
        self.task = task
        self.progress = progress

    def go(self, predictor: Predictor, before: Run) -> None:
        """Weigh what is left; whatever goes wrong is recorded and leaves the run as it is. Nothing is said of an empty
        answer.

        Raises:
            Interrupted: it cannot go on now.
            NoRoom: the disk is full.
        """
        clock.drain()
        done = before.scored.get(LIFT, Scored()).values
        inputs = {example.id: example.input for example in self.task.test}
        left = [p for p in before.predictions if p.id in inputs and p.id not in done]
        self.progress.step(LIFT, len(left))
        with harmless(self.assignment.path.parent, lambda why: self._note(error=why)):
            for start in range(0, len(left), AT_ONCE):
                found: dict[str, float | None] = {}
                for prediction in left[start : start + AT_ONCE]:
                    query, given = Query(prediction.id, inputs[prediction.id]), (prediction.answer,)
                    found[prediction.id] = _lift(predictor, query, given) if prediction.answer.strip() else None
                    self.progress.advance()
                self._note(values=found)

    def give_up(self, before: Run, why: str) -> None:
        """Record why nothing can be measured, unless nothing is asked or that is recorded already."""
        if lacks_lift(before, self.assignment) and before.scored.get(LIFT, Scored()).error != why:
            self._note(error=why)

    def _note(self, **what: object) -> None:
        append(self.assignment.path, {"type": SCORED, "metric": LIFT, **what} | counted(clock.drain()))


def _lift(predictor: Predictor, query: Query, given: tuple[str]) -> float:
    (read,), (known,) = predictor.likelihoods(query, given), predictor.likelihoods(query, given, bare=True)
    return read - known
