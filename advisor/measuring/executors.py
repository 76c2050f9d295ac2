"""Where the runs of a comparison are carried out: in this process one after the other, or in several of this machine.

A run is an `Assignment`, plain data; what it needs besides is the task and by what the model was loaded. Figures of
time are those of the process that measured them, and what others took of the machine meanwhile stands beside them.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, Protocol

from advisor.approaches import is_described
from advisor.errors import UserError
from advisor.measuring.assignment import Assignment
from advisor.measuring.progress import Fitting, Lane, Progress, Silence
from advisor.measuring.runner import run
from advisor.models import LanguageModel
from advisor.models.load import load_again
from advisor.models.store import fresh, wants_fresh
from advisor.progress import listening
from advisor.tasks import Task

SILENCE = Silence()
TELL = 0.2
"""Seconds after which a worker tells again how far it is; what it measures is not held up by telling."""
STEP, ADVANCE, NOTE = "step", "advance", "note"
log = logging.getLogger(__name__)

Rows = Mapping[str, Sequence[Assignment]]
"""By spec, in the order of the comparison: a run for each seed."""


class Executor(Protocol):
    """Carries out runs, each recorded as soon as it has something to record."""

    def sharing(self, model: LanguageModel) -> AbstractContextManager[None]:
        """While the block runs, the model takes no more of the machine than its share; all is recorded within."""

    def outcomes(self, rows: Rows, task: Task, model: LanguageModel, progress: Progress) -> Iterator[list[str]]:
        """The outcomes of a row's runs, in words, as each row ends."""


class Here:
    """One run after the other, in this process."""

    def sharing(self, model: LanguageModel) -> AbstractContextManager[None]:
        """The model has the machine for itself."""
        return nullcontext()

    def outcomes(self, rows: Rows, task: Task, model: LanguageModel, progress: Progress) -> Iterator[list[str]]:
        """Outcomes in the order of the comparison."""
        for number, (spec, assignments) in enumerate(rows.items(), start=1):
            progress.begin(spec, number, len(rows))
            found = [run(assignment, task, model, progress) for assignment in assignments]
            progress.row(spec, [assignment.path for assignment in assignments], task)
            progress.end(spec, in_a_word(found))
            yield found


def in_a_word(outcomes: Sequence[str]) -> str:
    """What a row came to: what stood in its way, else whether anything was measured."""
    failed = [outcome for outcome in outcomes if outcome.startswith(("failed", "interrupted", "not completed"))]
    return failed[0] if failed else "ok" if "ok" in outcomes else outcomes[-1]


@dataclass
class _Worker:
    process: BaseProcess
    line: Connection
    doing: tuple[str, int] | None = None
    lane: Lane = SILENCE

    def rest(self) -> tuple[str, int]:
        """It does nothing any more; which row's which run it did."""
        self.lane.close()
        done, self.doing, self.lane = self.doing or ("", 0), None, SILENCE
        return done


class Processes:
    """Several runs at once, each in a process of its own that has loaded the model for itself.

    They share the processor, and each takes its part of the threads. An approach that was given from Python, of which
    a spec does not say all, runs in this process when the others have ended.

    Args:
        workers: processes; at least 2.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @contextmanager
    def sharing(self, model: LanguageModel) -> Iterator[None]:
        """Each process has its part of the threads, this one too.

        Raises:
            UserError: nothing says by what a worker could load the model.
        """
        if model.loaded_from is None:
            raise UserError(
                f"{model.name} was not loaded by its name, so that no other process can load it",
                "take it from advisor.load_model, or leave --workers out",
            )
        threads = model.describe().get("threads")
        if threads:
            model.use_threads(max(1, threads // self.workers))
        try:
            yield
        finally:
            if threads:
                model.use_threads(threads)

    def outcomes(self, rows: Rows, task: Task, model: LanguageModel, progress: Progress) -> Iterator[list[str]]:
        """Outcomes as rows end, which need not be the order of the comparison."""
        away = {spec: runs for spec, runs in rows.items() if all(is_described(one.approach) for one in runs)}
        numbers = {spec: number for number, spec in enumerate(rows, start=1)}
        for spec, found, seconds in self._away(away, task, model, progress):
            progress.begin(spec, numbers[spec], len(rows))
            progress.row(spec, [assignment.path for assignment in rows[spec]], task)
            outcome = in_a_word(found)
            progress.end(spec, f"ok after {seconds:.0f} s" if outcome == "ok" else outcome)
            yield found
        left = {spec: runs for spec, runs in rows.items() if spec not in away}
        yield from Here().outcomes(left, task, model, progress)

    def _away(
        self, rows: Rows, task: Task, model: LanguageModel, progress: Progress
    ) -> Iterator[tuple[str, list[str], float]]:
        waiting = deque((spec, number) for spec, runs in rows.items() for number in range(len(runs)))
        found: dict[str, dict[int, str]] = {spec: {} for spec in rows}
        begun: dict[str, float] = {}
        workers = [_started(task, model) for _ in range(min(self.workers, len(waiting)))]
        try:
            while any(worker.doing for worker in workers) or waiting:
                for worker in workers:
                    if worker.doing is None and waiting:
                        begun.setdefault(waiting[0][0], time.monotonic())
                        _give(worker, waiting.popleft(), rows, progress)
                for worker in _ready(workers):
                    outcome = _told(worker)
                    if outcome is None:
                        continue
                    spec, number = worker.rest()
                    found[spec][number] = outcome
                    if not worker.process.is_alive():
                        workers.remove(worker)
                    if len(found[spec]) == len(rows[spec]):
                        outcomes = [found[spec][at] for at in range(len(rows[spec]))]
                        yield spec, outcomes, time.monotonic() - begun[spec]
                if waiting and not workers:
                    raise UserError(
                        "all worker processes have ended, with runs still to be done",
                        "give the same command again, which goes on where this one stopped; fewer --workers need less "
                        "memory",
                    )
        finally:
            for worker in workers:
                worker.rest()
                worker.line.close()
                worker.process.terminate()
                worker.process.join()


def _started(task: Task, model: LanguageModel) -> _Worker:
    context = get_context("spawn")  # a copy of a process that has threads may wait for ever
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_work, args=(theirs, task, dict(model.loaded_from or {}), (model.typed, wants_fresh())), daemon=True
    )
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, what: tuple[str, int], rows: Rows, progress: Progress) -> None:
    spec, number = worker.doing = what
    worker.lane = progress.lane(f"{spec}, seed {number}" if len(rows[spec]) > 1 else spec)
    with suppress(OSError):  # it has ended: that is heard where its answer is waited for
        worker.line.send(rows[what[0]][what[1]])


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    """Those that have something to tell, or ended themselves."""
    lines = {id(worker.line): worker for worker in workers if worker.doing}
    return [lines[id(line)] for line in wait([worker.line for worker in lines.values()])]


def _told(worker: _Worker) -> str | None:
    """The outcome of a run; None while it goes on, of which its lane is told.

    Raises:
        UserError: as the run itself would, or the model could not be loaded there.
    """
    try:
        outcome = worker.line.recv()
    except (EOFError, OSError):
        worker.process.join()
        return f"interrupted: its process ended ({worker.process.exitcode}); the same command goes on from there"
    if isinstance(outcome, UserError):
        raise outcome
    if isinstance(outcome, str):
        return outcome
    kind, *what = outcome
    if kind == STEP:
        worker.lane.step(*what)
    elif kind == NOTE:
        log.warning(*what)
    else:
        worker.lane.advance(*what)
    return None


class _Telling(Silence):
    """Tells the process that started this one where a run stands, and that at most a few times a second."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._done, self._told = 0, 0.0

    def step(self, name: str, total: int | None) -> None:
        """A step starts."""
        self._tell(STEP, name, total)
        self._done, self._told = 0, time.monotonic()

    def advance(self, n: int = 1) -> None:
        """`n` more are done."""
        self._done += n
        if time.monotonic() - self._told > TELL:
            self._tell(ADVANCE, self._done)
            self._done, self._told = 0, time.monotonic()

    def note(self, text: str) -> None:
        """What would be logged."""
        self._tell(NOTE, "%s", text)

    def _tell(self, *what: object) -> None:
        with suppress(OSError):  # nobody hears it any more; that is no failure of what is measured
            self._line.send(what)


class _Passed(logging.Handler):
    """Log lines of a worker go where those of the process that started it go: two that write to one terminal would
    tear each other's lines."""

    def __init__(self, telling: _Telling) -> None:
        super().__init__(logging.WARNING)
        self._telling = telling

    def emit(self, record: logging.LogRecord) -> None:
        """Send one on."""
        self._telling.note(self.format(record))


def _work(line: Connection, task: Task, loaded_from: Mapping[str, Any], said: tuple[bool, bool]) -> None:
    """What a worker does: load the model, then one run after the other until nobody asks any more.

    Args:
        said: whether the user named the model, and whether nothing is to be taken from the store.
    """
    typed, anew = said
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends it
    Thread(target=_end_with_parent, daemon=True).start()
    model: LanguageModel | None = None
    telling = _Telling(line)
    logging.getLogger().addHandler(_Passed(telling))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError), fresh() if anew else nullcontext():
        while True:
            assignment: Assignment = line.recv()
            try:
                with listening(Fitting(telling)):
                    model = model or load_again(loaded_from, bool(loaded_from.get("trust_remote_code")), typed=typed)
                if assignment.threads:
                    model.use_threads(assignment.threads)
                line.send(run(assignment, task, model, telling))
            except UserError as error:
                line.send(error)


def _end_with_parent() -> None:
    """End this process as soon as the one that started it is gone: somebody else may then work in its run folder."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
