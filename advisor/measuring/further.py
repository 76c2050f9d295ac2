"""What is measured of a run that is finished, by what it fitted: after a change of the documents, on preferences that
are held out, what passages do for its answers, and what the model has forgotten. Each is recorded as it comes, and the
run stays as it is."""

from __future__ import annotations

from advisor.approaches import Predictor
from advisor.measuring.assignment import Assignment
from advisor.measuring.attempt import AFTER, PREDICT, read_run
from advisor.measuring.change import ChangeMeasurement, lacks_change
from advisor.measuring.forgetting import ForgettingMeasurement, lacks_forgetting
from advisor.measuring.further_records import PREFERRED
from advisor.measuring.preferred import PreferenceMeasurement, lacks_pairs
from advisor.measuring.progress import Progress
from advisor.measuring.recall import FORGETTING
from advisor.measuring.records import Run
from advisor.measuring.scored import SCORED
from advisor.measuring.scoring import ScoredMeasurement, lacks_scores
from advisor.models import LanguageModel
from advisor.tasks import Task


def lacks_further(before: Run, assignment: Assignment, task: Task | None) -> bool:
    """Whether a finished run lacks any of it.

    Args:
        task: whose change it has to have been measured after; None where that is not asked for.
    """
    changed = task is not None and lacks_change(before, task)
    lacks = lacks_pairs(before, assignment) or lacks_scores(before, assignment)
    return changed or lacks or lacks_forgetting(before, assignment.yardsticks)


class FurtherMeasurement:
    """Measures what a finished run lacks; `doing` is what it is at."""

    def __init__(self, assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> None:
        self.assignment = assignment
        self.task = task
        self.doing = PREDICT
        self._change = ChangeMeasurement(assignment, task, model, progress)
        self._pairs = PreferenceMeasurement(assignment, task, progress)
        self._scores = ScoredMeasurement(assignment, task, model, progress)
        self._forgetting = ForgettingMeasurement(assignment, model, progress)

    def go(self, predictor: Predictor) -> None:
        """Measure what the run as it is recorded lacks."""
        assignment = self.assignment
        asked = self.task.test_after or assignment.pairs or assignment.metrics or assignment.yardsticks
        run = read_run(assignment.path) if asked else None
        if run is None:
            return
        if lacks_change(run, self.task):
            self.doing = AFTER
            self._change.go(predictor, run)
        if lacks_pairs(run, assignment):
            self.doing = PREFERRED
            self._pairs.go(predictor, run)
        if lacks_scores(run, assignment):
            self.doing = SCORED
            self._scores.go(predictor, run)
        if lacks_forgetting(run, assignment.yardsticks):
            self.doing = FORGETTING
            self._forgetting.go(predictor, run)

    def give_up(self, before: Run, why: str) -> None:
        """Record why nothing can be measured of what is asked for."""
        self._change.give_up(before, why)
        self._pairs.give_up(before, why)
        self._scores.go(None, before)  # not all of them need what was fitted
        self._forgetting.give_up(before, why)
