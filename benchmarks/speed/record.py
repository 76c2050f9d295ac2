"""The record of a benchmark: a JSON file that is whole after every pair, so that a kill loses one pair at most."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.speed import RESULTS, SMOKE, WORK
from benchmarks.speed.machine import describe, kind
from benchmarks.speed.options import Options

SCHEMA = 1


@dataclass(frozen=True)
class Gate:
    """Whether both sides did the same work equally well.

    Attributes:
        what: the condition, in words.
        holds: None where it cannot be judged, which `seen` explains.
        seen: the figures behind it.
    """

    what: str
    holds: bool | None
    seen: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """One line of the table.

    Attributes:
        case: what was done.
        against: the other side, and how it was set.
        unit: `times` for how many times as fast Advisor is, `share` for a share of time or of the ceiling.
        goal: what the value should reach, or, where `at_most`, stay below.
        value: the median of `values`, one a pair; None where the other side could not run.
        cpu_value: the same ratio of the sides' own processor time, which other processes disturb less.
        seconds: median wall seconds of each side.
        others: median share of the usable cores that other processes took, by side.
        gate: of equal quality; None where there is nothing to compare.
        note: what a reader must know.
    """

    case: str
    against: str
    unit: Literal["times", "share"]
    goal: float
    value: float | None
    values: list[float]
    at_most: bool = False
    cpu_value: float | None = None
    seconds: dict[str, float] | None = None
    others: dict[str, float | None] | None = None
    gate: Gate | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached at equal quality; None where there is no value."""
        if self.value is None:
            return None
        if self.gate is not None and self.gate.holds is False:
            return False
        return self.value <= self.goal if self.at_most else self.value >= self.goal


class Record:
    """The JSON file of one benchmark.

    Args:
        path: where it is written.
        head: what is known before: benchmark, machine, versions, commit, settings.
    """

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self.content: dict[str, Any] = {"schema": SCHEMA, **head, "started": started, "complete": False}
        self.content["claims"] = {}
        self.content["runs"] = []

    def note(self, **settings: Any) -> None:
        """Add settings to the record."""
        self.content.setdefault("settings", {}).update(settings)

    def add_run(self, **facts: Any) -> None:
        """Record one run of one side."""
        self.content["runs"].append(facts)

    def put(self, claim: Claim) -> None:
        """Record a claim, replacing its earlier state, and write the file."""
        self.content["claims"][f"{claim.case} | {claim.against}"] = {**asdict(claim), "reached": claim.reached}
        self._write()

    def finish(self) -> None:
        """Mark the record as complete."""
        self.content["complete"] = True
        self._write()

    @property
    def broken_gates(self) -> list[str]:
        """The claims whose sides did not do the same work equally well."""
        claims = self.content["claims"].items()
        return [name for name, claim in claims if claim["gate"] and claim["gate"]["holds"] is False]

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        work = self.path.with_suffix(".writing")
        work.write_text(json.dumps(self.content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        work.replace(self.path)


def keep(name: str, job: Callable[[Options, Record], None], given: argparse.Namespace) -> int:
    """Run a benchmark and keep its record; 1 where its sides did not agree, else 0."""
    options = Options(
        pairs=1 if given.smoke else given.pairs,
        minutes=given.minutes,
        smoke=given.smoke,
        train=given.train,
        test=given.test,
        data=given.data,
        work=SMOKE if given.smoke else WORK,
    )
    out = given.out or (SMOKE / "results" if given.smoke else RESULTS / kind())
    head = {"benchmark": name, "smoke": options.smoke, "pairs": options.pairs, **describe()}
    record = Record(out / f"{name}.json", head)
    print(f"{name}: {options.pairs} pairs, {given.threads} threads", file=sys.stderr, flush=True)
    job(options, record)
    record.finish()
    for gate in record.broken_gates:
        print(f"  {gate}: the sides do not agree", file=sys.stderr)
    return 1 if record.broken_gates else 0
