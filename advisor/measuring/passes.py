"""Passes of second models: what parts of approaches ask another model of the comparison before they are fitted.

Each is carried out while that model alone is in memory, and kept in the run folder, below `asked/`, by all that decides
it: it is asked once for all rows and seeds that ask the same, and not again after a kill. One that was killed goes on
from what the model had answered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from advisor.approaches import Approach, SecondAnswer, SecondPass, owed, spec_of
from advisor.disk import NoRoom, clear, no_room, write_whole
from advisor.errors import AdvisorError, Interrupted, NotApplicable, UserError
from advisor.measuring.assignment import Assignment, Owed
from advisor.measuring.batches import OTHER
from advisor.measuring.code_digest import HOST, program_of
from advisor.measuring.environment import hardware
from advisor.measuring.lines import count, counted
from advisor.measuring.progress import Fitting, Progress
from advisor.measuring.reading import identity
from advisor.measuring.records import described_by
from advisor.models import LanguageModel
from advisor.models.clock import Ledger, clock
from advisor.models.language_model import vectors_beside
from advisor.models.local.shortage import in_words
from advisor.models.store import current, digest
from advisor.progress import listening
from advisor.scratch import Scratch, lending
from advisor.tasks import Task

FOLDER = "asked"
_LEDGER = ("reused", "spans", "others", "calls")
_KNOWN = {"told", "seconds", "model", "hardware"}


class Passes:
    """The passes that the runs of a comparison rest on, and how they went.

    Args:
        folder: the run folder.
        runs: approach and seed of every run, of whatever model.
    """

    def __init__(self, folder: Path, task: Task, runs: Iterable[tuple[Approach, int]]) -> None:
        self._folder = folder / FOLDER
        self._task = task.for_fitting()
        self._runs = {(spec_of(approach), seed): (approach, owed(approach, seed)) for approach, seed in runs}
        self._went: dict[tuple[str, int], list[Owed]] = {}
        self._stopped: dict[str, str] = {}
        self._ledgers: list[Ledger] = []

    def carry_out(self, model: LanguageModel, progress: Progress) -> None:
        """Ask a model that is loaded all that it was not asked yet."""
        described = described_by(model)
        of_run: dict[tuple[str, int], list[Owed]] = {}
        wanted: dict[str, SecondPass] = {}
        for run, (approach, passes) in self._runs.items():
            for part, one in passes:
                if one.alias == model.alias:
                    key = self._key(approach, one, model, described)
                    wanted.setdefault(key, one)
                    told = {name: described[name] for name in ("id", "revision")}
                    of_run.setdefault(run, []).append(
                        Owed(part, one.parameter, one.alias, key, self._folder / f"{key}.json", told)
                    )
        troubles = {
            key: self._asked(key, one, model, progress, (number, len(wanted)))
            for number, (key, one) in enumerate(wanted.items(), start=1)
        }
        for run, found in of_run.items():
            went = [replace(one, trouble=troubles[one.key]) for one in found]
            self._went[run] = [*(one for one in self._went.get(run, []) if one.alias != model.alias), *went]

    def stop(self, alias: str, why: str) -> None:
        """A model could not be had; what was to be asked of it waits."""
        self._stopped[alias] = why

    def drain(self) -> list[Ledger]:
        """Where the time of passes went that were carried out since the last call."""
        ledgers, self._ledgers = self._ledgers, []
        return ledgers

    def onto(self, assignment: Assignment) -> Assignment:
        """The run with what other models were asked for it, by which its key is another."""
        run = (assignment.spec, assignment.seed)
        _, passes = self._runs.get(run, (None, []))
        went = self._went.get(run, [])
        found = []
        for part, one in passes:
            found += [w for w in went if w.part == part and w.parameter == one.parameter] or [
                Owed(part, one.parameter, one.alias, trouble=self._not_asked(one))
            ]
        known = assignment.key and all(one.key and one.model["revision"] for one in found)
        key = digest(assignment.key, [one.key for one in found]) if known else ""
        return replace(assignment, second=tuple(found), key=key) if found else assignment

    def _not_asked(self, one: SecondPass) -> Interrupted:
        why = self._stopped.get(one.alias, "its turn did not come")
        return Interrupted(f"{one.parameter}={one.alias} could not be asked: {why}")

    def _key(self, approach: Approach, one: SecondPass, model: LanguageModel, described: Mapping[str, Any]) -> str:
        who = identity(described), described.get("quantisation")
        return digest(self._task.fingerprint, *who, one.parameter, one.request, program_of(approach, model))[:24]

    def _asked(
        self, key: str, one: SecondPass, model: LanguageModel, progress: Progress, place: tuple[int, int]
    ) -> AdvisorError | None:
        """Carry one pass out unless it is there; why it could not be, None where it is there then.

        Raises:
            NoRoom: the disk is full.
        """
        path, name = self._folder / f"{key}.json", f"{one.parameter}={one.alias}"
        shared = type(model).__module__.split(".")[0] == HOST and bool(model.revision)
        if read_kept(path) is not None or (shared and self._taken(key, path)):
            return None
        progress.begin(name, *place)
        trouble: AdvisorError | None = None
        try:
            text = self._carried_out(path, one, model, progress)
            if shared and (store := current()):
                store.write(f"{FOLDER}/{key}.json", lambda file: _put(file, text))
        except NoRoom:
            raise
        except AdvisorError as error:
            trouble = _of_model(name, error)
        except Exception as error:
            if found := no_room(error, self._folder):
                raise found from error
            trouble = UserError(f"{name}: {in_words(error)}")
        progress.end(name, _outcome(trouble))
        return trouble

    def _carried_out(self, path: Path, one: SecondPass, model: LanguageModel, progress: Progress) -> str:
        """Ask, by a clock of its own, and keep what was told; returns what the file holds."""
        answers, scratch = path.with_suffix(".asked.jsonl"), path.with_suffix(".unfinished")
        progress.step("ask", None)
        model.forget()
        with clock.of_a_run():
            clock.drain()
            started = clock.now()
            with (
                model.keeping_answers(answers),
                listening(Fitting(progress)),
                lending(Scratch(scratch)),
                clock.span(OTHER),
            ):
                told = one.ask(self._task, model)
            seconds, ledger = clock.now() - started, clock.drain()
        described = described_by(model)
        found = {
            "parameter": one.parameter,
            "alias": one.alias,
            "request": one.request,
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "seconds": seconds,
            "model": described,
            "hardware": hardware(described["device_name"]),
            "told": told,
            **counted(ledger),
        }
        text = json.dumps(found)
        write_whole(path, text)
        self._ledgers.append(ledger)
        clear(scratch)
        for kept in (answers, vectors_beside(answers)):
            kept.unlink(missing_ok=True)
        return text

    def _taken(self, key: str, path: Path) -> bool:
        """Whether the same was asked for another run folder; it is copied then."""
        store = current()
        text = store.read(f"{FOLDER}/{key}.json", _whole) if store else None
        if text is not None:
            write_whole(path, text)
        return text is not None


def read_kept(path: Path) -> dict[str, Any] | None:
    """What is kept of a pass; None where nothing is, or it is damaged."""
    try:
        return _checked(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def told_for(second: Sequence[Owed]) -> list[SecondAnswer]:
    """What other models have told the parts of a run.

    Raises:
        AdvisorError: one of them could not be asked; as that went.
    """
    found = []
    for one in second:
        if one.trouble is not None:
            raise one.trouble
        kept = read_kept(one.path) if one.path else None
        if kept is None:
            raise Interrupted(f"{one.path}: is gone or damaged; the same command asks {one.alias} again")
        ledger = Ledger()
        count({name: kept[name] for name in _LEDGER if name in kept}, ledger)
        facts = {
            "parameter": one.parameter,
            "alias": one.alias,
            "key": one.key,
            **one.model,
            "seconds": kept["seconds"],
            "calls": dict(ledger.calls),
            "tokens": sum(span.tokens for span in ledger.spans.values()),
            "model": kept["model"],
            "hardware": kept["hardware"],
        }
        found.append(SecondAnswer(one.part, one.parameter, one.alias, kept["told"], kept["seconds"], facts))
    return found


def _of_model(name: str, error: AdvisorError) -> AdvisorError:
    """What went wrong with a pass, as its rows tell it."""
    if isinstance(error, UserError):
        return UserError(f"{name}: {error.what}", error.hint)
    return type(error)(f"{name}: {error}") if isinstance(error, NotApplicable | Interrupted) else error


def _outcome(trouble: AdvisorError | None) -> str:
    if trouble is None:
        return "ok"
    what = trouble.what if isinstance(trouble, UserError) else str(trouble)
    kinds = {NotApplicable: "skipped", Interrupted: "interrupted"}
    return f"{kinds.get(type(trouble), 'failed')}: {what}"


def _checked(data: bytes) -> dict[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict) or not found.keys() >= _KNOWN:
        raise ValueError("it is not what a pass leaves")
    return found


def _whole(file: BinaryIO) -> str:
    data = file.read()
    _checked(data)
    return data.decode()


def _put(file: BinaryIO, text: str) -> None:
    file.write(text.encode())
