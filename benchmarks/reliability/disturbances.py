"""Disturbances: two processes on one folder, ten on one store, and a full disk."""

from __future__ import annotations

import os
import resource
import shutil
from functools import partial
from pathlib import Path

from benchmarks.reliability.kills import Tally, checked, child, code_of
from benchmarks.reliability.scenarios import Answers, Scenario

ROUNDS = 20
TOGETHER = 10
SIZES = tuple(round(200 * 2.6**step) for step in range(10))
"""Bytes that a file may have where the disk is full: from a record's first line to an adapter's middle."""


def one_folder(scenario: Scenario, work: Path) -> Tally:
    """Run two processes on one folder: one works, the other is refused or comes when all is done."""
    tally, expected = Tally("two processes on one folder"), _alone(scenario, work)
    for _ in range(ROUNDS):
        out = _new(work)
        codes = [code_of(process) for process in [child(partial(scenario.run, out)) for _ in range(2)]]
        tally.count, tally.runs = tally.count + 2, tally.runs + codes.count(0)
        if 0 not in codes or not set(codes) <= {0, 2}:
            tally.wrong.append(f"ended with {codes}")
        tally.wrong += checked(scenario, out, expected, {})
    return tally


def one_store(scenario: Scenario, work: Path) -> Tally:
    """Run ten processes with one store, each in a folder of its own."""
    tally, expected = Tally("ten processes on one store"), _alone(scenario, work)
    for number in range(ROUNDS // 4):
        os.environ["ADVISOR_CACHE"] = str(work / f"store{number}")
        outs = [work / f"one-of-ten-{i}" for i in range(TOGETHER)]
        for out in outs:
            shutil.rmtree(out, ignore_errors=True)
        codes = [code_of(process) for process in [child(partial(scenario.run, out)) for out in outs]]
        tally.count, tally.runs = tally.count + TOGETHER, tally.runs + codes.count(0)
        tally.wrong += [f"ended with {code}" for code in codes if code]
        for out in outs:
            tally.wrong += checked(scenario, out, expected, {})
    os.environ["ADVISOR_CACHE"] = str(work / "cache")
    return tally


def full_disk(scenario: Scenario, work: Path) -> Tally:
    """Run on a disk that is full at ten places and then has room again."""
    tally, expected = Tally("full disk, at ten places"), _alone(scenario, work)
    os.environ["ADVISOR_CACHE"] = "off"
    for size in SIZES:
        out, told = _new(work), work / "told"
        told.unlink(missing_ok=True)
        code = code_of(child(partial(_limited, scenario, out, size), told))
        tally.count += 1
        if code not in (0, 2):
            tally.wrong.append(f"{size:,} bytes: ended with {code}: {told.read_text()[-200:]}")
        if again := code_of(child(partial(scenario.run, out))):
            tally.wrong.append(f"{size:,} bytes: went on with {again}")
        tally.runs += 1
        tally.wrong += checked(scenario, out, expected, {})
    os.environ["ADVISOR_CACHE"] = str(work / "cache")
    return tally


def _limited(scenario: Scenario, out: Path, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    scenario.run(out)


def _alone(scenario: Scenario, work: Path) -> Answers:
    out = _new(work)
    code_of(child(lambda: scenario.run(out)))
    return scenario.answers(out)


def _new(work: Path) -> Path:
    out = work / "disturbed"
    shutil.rmtree(out, ignore_errors=True)
    return out
