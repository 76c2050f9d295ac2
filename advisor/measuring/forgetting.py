"""What tuning makes a language model forget: a general text and the scores of other tasks, before tuning and after.

It is measured of a run that is finished, so that no figure of the run depends on it, and of each untuned model once.
Both are recorded as they come, and what is recorded is not measured again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from advisor.approaches import Adapted, Approach, Predictor, ZeroShot
from advisor.approaches.adapted import AdaptedPredictor
from advisor.disk import intact
from advisor.errors import NotApplicable
from advisor.measuring.assignment import Assignment
from advisor.measuring.batches import answered
from advisor.measuring.code_digest import program_of
from advisor.measuring.harmless import harmless
from advisor.measuring.keeping import keep
from advisor.measuring.lines import append, counted
from advisor.measuring.progress import Progress
from advisor.measuring.recall import FORGETTING, Recalled, base_path, read_base
from advisor.measuring.records import Run
from advisor.measuring.yardsticks import Yardsticks, passages, text_key
from advisor.models import Adaptation, LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Task

ZERO_SHOT = Adapted(ZeroShot())
UNTUNED = "the untuned model"


class Note(Protocol):
    """Records what is known of one yardstick, by the names of `Recalled`."""

    def __call__(self, **what: object) -> None: ...


def yardsticks(
    place: Path, model: LanguageModel, chosen: Mapping[str, Approach], others: tuple[Task, ...] | None
) -> Yardsticks | None:
    """On what it is measured what the model forgets; None where that is not asked for, or its weights stay as they are.

    Args:
        place: of the model's records.
        chosen: the approaches that run on it.
        others: as `other_tasks` gives them; None where forgetting is not asked for.
    """
    if others is None or not model.can.train or not any(approach.trains_model for approach in chosen.values()):
        return None
    return Yardsticks(place, program_of(ZERO_SHOT, model), others)


def lacks_forgetting(before: Run, asked: Yardsticks | None) -> bool:
    """Whether a finished run lacks what is to be measured of it."""
    return asked is not None and any(_missing(before, asked))


def _missing(before: Run, asked: Yardsticks) -> Iterator[str]:
    """The keys of what the untuned model was measured on and the run was not."""
    base = read_base(asked.place, asked.program)
    for key in asked.keys:
        if base.get(key, Recalled()).ended and not before.forgetting.get(key, Recalled()).ended:
            yield key


class UntunedMeasurement:
    """What the untuned model makes of each yardstick; what asks it in other tasks is kept for the tuned ones."""

    def __init__(self, asked: Yardsticks, model: LanguageModel, progress: Progress) -> None:
        self.asked = asked
        self.model = model
        self.progress = progress

    def go(self) -> bool:
        """Measure what is not recorded yet, and record what goes wrong; whether there was anything to do.

        Raises:
            Interrupted: it cannot go on now.
            NoRoom: the disk is full.
        """
        known = read_base(self.asked.place, self.asked.program)
        left = [key for key in self.asked.keys if not self._is_there(key, known.get(key, Recalled()))]
        if left:
            self.progress.begin(UNTUNED, 1, 1)
            self.model.forget()
        outcomes = [self._measured(key, known.get(key, Recalled())) for key in left]
        if left:
            self.progress.end(UNTUNED, next(filter(None, outcomes), "ok"))
        return bool(left)

    def _is_there(self, key: str, known: Recalled) -> bool:
        return known.ended and (self.asked.task(key) is None or intact(self.asked.asking(key)))

    def _measured(self, key: str, known: Recalled) -> str:
        """Measure one of them; what went wrong in words, empty where nothing did."""
        note, faults = partial(self._note, key), list[str]()
        with harmless(self.asked.place, faults.append):
            task = self.asked.task(key)
            if task is None:
                _read(self.model, None, note, self.progress)
            else:
                _ask(self._fitted(task, note), task, known, note, self.progress)
        for why in faults:
            note(error=why)
        return "".join(f"failed: {why}" for why in faults)

    def _fitted(self, task: Task, note: Note) -> AdaptedPredictor:
        self.progress.step(f"fit zero-shot on {task.name}", None)
        predictor = ZERO_SHOT.fit(task.for_fitting(), self.model, 0)
        assert isinstance(predictor, AdaptedPredictor)
        keep(predictor, task.brief, self.asked.asking(task.fingerprint))
        note(targets={example.id: example.answers for example in task.test})
        return predictor

    def _note(self, key: str, **what: object) -> None:
        append(base_path(self.asked.place), {"type": FORGETTING, "on": key, "program": self.asked.program, **what})


class ForgettingMeasurement:
    """What the tuned model of a finished run makes of each yardstick."""

    def __init__(self, assignment: Assignment, model: LanguageModel, progress: Progress) -> None:
        self.assignment = assignment
        self.model = model
        self.progress = progress

    def go(self, predictor: Predictor, before: Run) -> None:
        """Measure what is not recorded yet; whatever goes wrong is recorded and leaves the run as it is.

        Args:
            before: the run as it is recorded.

        Raises:
            Interrupted: it cannot go on now.
            NoRoom: the disk is full.
        """
        clock.drain()
        for key, note in self._left(before):
            faults = list[str]()
            with harmless(self.assignment.path.parent, faults.append):
                self._measure(key, predictor.adaptation, before.forgetting.get(key, Recalled()), note)
            for why in faults:
                note(error=why)

    def give_up(self, before: Run, why: str) -> None:
        """Record why nothing can be measured, unless nothing is asked or that is recorded already."""
        for key, note in self._left(before):
            if before.forgetting.get(key, Recalled()).error != why:
                note(error=why)

    def _left(self, before: Run) -> Iterator[tuple[str, Note]]:
        asked = self.assignment.yardsticks
        for key in _missing(before, asked) if asked else ():
            yield key, partial(self._note, key)

    def _measure(self, key: str, adaptation: Adaptation | None, known: Recalled, note: Note) -> None:
        asked = self.assignment.yardsticks
        if adaptation is None or asked is None:
            raise NotApplicable("the approach does not say with what weights it answers")
        if key == text_key():
            _read(self.model, adaptation, note, self.progress)
        elif task := asked.task(key):
            asking = ZERO_SHOT.restore(asked.asking(key), task.brief, self.model)
            assert isinstance(asking, AdaptedPredictor)
            _ask(asking.adapted(adaptation), task, known, note, self.progress)

    def _note(self, key: str, **what: object) -> None:
        append(self.assignment.path, {"type": FORGETTING, "on": key, **what} | counted(clock.drain()))


def _read(model: LanguageModel, adaptation: Adaptation | None, note: Note, progress: Progress) -> None:
    """How likely each passage of the general text is."""
    texts = passages()
    progress.step("general text", len(texts))
    totals = model.log_likelihoods(texts, adaptation)
    progress.advance(len(texts))
    note(totals=totals, tokens=[model.count_tokens(text) for text in texts], ended=True)


def _ask(predictor: AdaptedPredictor, task: Task, known: Recalled, note: Note, progress: Progress) -> None:
    """The answers to the test examples of another task, but for those that are there."""
    progress.step(f"zero-shot on {task.name}", len(task.test))
    queries, rows = [example.query for example in task.test], predictor.asker.model.can.rows_at_once
    for predictions, _ in answered(predictor, queries, rows, known.answers, progress):
        note(answers={p.id: None if p.failure else p.text for p in predictions})
    note(ended=True)
