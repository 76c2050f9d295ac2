"""Killing a process at a random moment, and checking what it left."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from advisor.disk import intact
from advisor.measuring.lines import Damaged, every_line
from advisor.models.local.gguf import converted
from advisor.models.local.packages import SMOLLM2
from advisor.models.local.source import find
from advisor.racing.contest import RACE
from benchmarks.reliability.scenarios import Answers, Scenario

MOST = 5  # kills of one run before it may end
PATIENCE = 600.0  # seconds


@dataclass
class Tally:
    """The counts of one kind of disturbance: disturbances, finished runs, and what was wrong."""

    what: str
    count: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


def killed(scenario: Scenario, work: Path, kills: int, rng: random.Random) -> Tally:
    """Kill a scenario `kills` times, at moments spread over its undisturbed time."""
    tally, whole = Tally(scenario.name), work / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    started = time.monotonic()
    _ended(child(lambda: scenario.run(whole)), tally, "undisturbed")
    seconds, expected = time.monotonic() - started, scenario.answers(whole)
    while tally.count < kills:
        out = work / "killed"
        shutil.rmtree(out, ignore_errors=True)
        finished: dict[Path, bytes] = {}
        # In every other run all is measured; in the others what the undisturbed run left in the store is copied.
        os.environ["ADVISOR_CACHE"] = str(work / "cache") if tally.runs % 2 else "off"
        for _ in range(min(rng.randint(1, MOST), kills - tally.count)):
            process = child(partial(scenario.run, out))
            time.sleep(rng.uniform(0.0, seconds))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            tally.count += 1
            finished |= {path: data for path, data in _finished(out).items() if path not in finished}
        _ended(child(partial(scenario.run, out)), tally, f"after {tally.count} kills")
        tally.runs += 1
        tally.wrong += checked(scenario, out, expected, finished)
    os.environ["ADVISOR_CACHE"] = str(work / "cache")
    return tally


def checked(scenario: Scenario, out: Path, expected: Answers, finished: dict[Path, bytes]) -> list[str]:
    """The faults in the results of a disturbed run."""
    wrong = []
    answers = scenario.answers(out)
    if scenario.settled and answers.keys() != expected.keys():
        wrong.append(f"{len(answers)} answers instead of {len(expected)}")
    differing = [place for place in answers.keys() & expected.keys() if answers[place] != expected[place]]
    if differing:
        wrong.append(f"{len(differing)} other answers, such as {differing[0]}")
    for path, data in finished.items():
        if not path.exists() or not path.read_bytes().startswith(data):
            wrong.append(f"{path.name} was finished and was changed")
    for path in out.rglob("*"):
        if path.name.endswith((".writing", ".saving")):
            wrong.append(f"{path.name} was left over")
        if path.suffix == ".jsonl" and path.parent.name != RACE:
            wrong += _twice(path) if ".seed" in path.name else []
            wrong += [f"{line.place} is no record" for line in every_line(path) if _torn(path, line)]
        if path.is_dir() and ".seed" in path.name and not intact(path):
            wrong.append(f"{path.name} is not as it was kept")
    return wrong


def conversion(work: Path, kills: int, rng: random.Random) -> Tally:
    """Kill the conversion of the packaged model, and compare the weights with those of an undisturbed one."""
    tally, file = Tally("conversion of the model"), find("embedded", SMOLLM2).path
    started = time.monotonic()
    reference = converted(file)
    seconds = time.monotonic() - started
    os.environ["ADVISOR_CACHE"] = str(work / "other")
    for _ in range(kills):
        process = child(lambda: converted(file))
        time.sleep(rng.uniform(0.0, seconds))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        tally.count += 1
    again = converted(file)
    tally.runs = 1
    for path in sorted(reference.iterdir()):
        if path.read_bytes() != (again / path.name).read_bytes():
            tally.wrong.append(f"{path.name} differs")
    os.environ["ADVISOR_CACHE"] = str(work / "cache")
    shutil.rmtree(work / "other", ignore_errors=True)
    return tally


def child(task: Callable[[], object], told: Path | None = None) -> int:
    """Fork a process that runs `task` and exits with 0, or with 2 on a user's mistake; returns its id."""
    number = os.fork()
    if number:
        return number
    code = 3
    try:
        target = os.open(told or os.devnull, os.O_WRONLY | os.O_CREAT, 0o644)
        os.dup2(target, 1)
        os.dup2(target, 2)
        task()
        code = 0
    except BaseException as error:  # noqa: BLE001 - the process ends here, whatever happened
        code = 2 if type(error).__name__ in ("UserError", "NoRoom") else 3
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def code_of(process: int) -> int:
    """The exit code of a process; negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _ended(process: int, tally: Tally, when: str) -> None:
    code = code_of(process)
    if code:
        tally.wrong.append(f"ended with {code} {when}")


def _finished(out: Path) -> dict[Path, bytes]:
    """The records of complete runs."""
    found = {}
    for path in out.rglob("*.seed*.jsonl"):
        data = path.read_bytes()
        rows = data.split(b"\n")[:-1]
        if rows and json.loads(rows[-1])["type"] == "finished":
            found[path] = data
    return found


def _twice(path: Path) -> list[str]:
    """Whether the last attempt answers an example twice."""
    ids: list[str] = []
    for line in every_line(path):
        if isinstance(line, Damaged):
            continue
        if line["type"] == "run":
            ids = []
        elif line["type"] == "predictions":
            ids += [prediction["id"] for prediction in line["predictions"]]
    return [f"{path.name} answers twice"] if len(ids) != len(set(ids)) else []


def _torn(path: Path, line: object) -> bool:
    return isinstance(line, Damaged) and path.name != "answers.jsonl" and "documents" not in path.name
