"""What a finished run answers after the documents, or the rules behind the answers, have changed; nothing is fitted
anew. What keeps documents indexes the changed ones, and all else answers as it is."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.approaches import Predictor
from advisor.measuring.assignment import Assignment
from advisor.measuring.attempt import AFTER, prediction_line
from advisor.measuring.batches import OTHER, answered
from advisor.measuring.further_records import AfterChange
from advisor.measuring.harmless import harmless
from advisor.measuring.lines import append, counted
from advisor.measuring.progress import Progress
from advisor.measuring.records import Run
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.tasks import GroundedQuery, Query, Task


def lacks_change(before: Run, task: Task) -> bool:
    """Whether a finished run lacks answers to the questions of after the change."""
    return bool(task.test_after) and not _recorded(before, task).ended


def _recorded(run: Run, task: Task) -> AfterChange:
    return run.after.get(task.fingerprint_after, AfterChange())


class ChangeMeasurement:
    """The answers of a run after the change, each batch recorded as soon as it is there."""

    def __init__(self, assignment: Assignment, task: Task, model: LanguageModel, progress: Progress) -> None:
        self.assignment = assignment
        self.task = task
        self.model = model
        self.progress = progress

    def go(self, predictor: Predictor, before: Run) -> None:
        """Answer what is not answered yet.

        Whatever goes wrong with the approach is recorded and leaves the run finished as it is.

        Args:
            predictor: what was fitted before the change; it stays as it is.
            before: the run as it is recorded.

        Raises:
            Interrupted: it cannot go on now.
            NoRoom: the disk is full.
        """
        clock.drain()
        with (
            harmless(self.assignment.path.parent, lambda why: self._note(error=why)),
            self.model.keeping_answers(self.assignment.answers),
        ):
            self._answer(predictor, before)
        self.assignment.drop_answers()

    def give_up(self, before: Run, why: str) -> None:
        """Record why nothing can be answered after the change, unless nothing is asked or that is recorded already."""
        if lacks_change(before, self.task) and _recorded(before, self.task).error != why:
            self._note(error=why)

    def _answer(self, predictor: Predictor, before: Run) -> None:
        done = {p.id for p in _recorded(before, self.task).predictions}
        queries = self.assignment.queries(self.task.test_after)
        self.progress.step("after the change", len(queries))
        changed = self._changed(predictor)
        try:
            same = self._same(queries, before) if changed is predictor else {}
            if same.keys() - done:
                self._note(same={now: then for now, then in same.items() if now not in done})
            self.progress.advance(len(same))
            left = [query for query in queries if query.id not in same]
            for predictions, seconds in answered(changed, left, self.assignment.batch, done, self.progress):
                rows = [prediction_line(p, self.assignment.texts) for p in predictions]
                self._note(seconds=seconds, predictions=rows)
        finally:
            if changed is not predictor:
                changed.close()
        self._note(ended=True)

    def _changed(self, predictor: Predictor) -> Predictor:
        """What answers after the change: what keeps documents has indexed them, and the rest stays as it is."""
        if not self.task.documents_after:
            self._note()
            return predictor
        started = clock.now()
        with clock.span(OTHER):
            changed = predictor.after(self.task.documents_after)
        self._note(index_seconds=None if changed is predictor else clock.now() - started)
        return changed

    def _same(self, queries: Sequence[Query], before: Run) -> dict[str, str]:
        """Questions that were asked before, whose answers are the same again, since what answers is; by the ids of
        now, those of then."""
        answered = {p.id for p in before.predictions if not p.failure}
        known = {_asked(query): query.id for query in self.assignment.queries(self.task.test) if query.id in answered}
        return {query.id: known[_asked(query)] for query in queries if _asked(query) in known}

    def _note(self, **what: object) -> None:
        line = {"type": AFTER, "change": self.task.fingerprint_after, **what}
        append(self.assignment.path, line | counted(clock.drain()))


def _asked(query: Query) -> tuple[str, tuple[str, ...]]:
    """All of a query that an answer may depend on."""
    return query.input, query.evidence if isinstance(query, GroundedQuery) else ()
