"""The field of a real race: each turn is a recorded comparison of one approach on the next examples.

    <run folder>/race/
      race.jsonl          append-only: `leg` for every turn that ended, `broken off` for one that did not,
                          `measured` for a finalist's test run, `race` for how it all went
      <from>-<to>/        the run folder of the turns on these examples; with a smaller training set, of that size

A fit of the race serves all later turns and the test run. A race that was killed is held again from its record: turns
that are in it take no time again, but count as much as they took.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from advisor.approaches import Approach, Lengths, spec_of, untrained
from advisor.errors import Interrupted
from advisor.forecast.foresight import Work, load_of
from advisor.measuring import latency, metrics, timing
from advisor.measuring.code_digest import program_of
from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.lines import append, lines
from advisor.measuring.outside import outside
from advisor.measuring.progress import RacePlace
from advisor.measuring.reading import identity
from advisor.measuring.records import Comparison, described_by, facts_in
from advisor.models import LanguageModel
from advisor.models.store import digest
from advisor.pilot.deadline import OutOfTime
from advisor.racing.field import Contender, Leg
from advisor.racing.guard import Guard
from advisor.racing.setaside import SetAside
from advisor.tasks import Limits, Outline, release_of, subset
from advisor.verdict import costs
from advisor.verdict.limits import shown_violations
from advisor.verdict.prices import Tariff
from advisor.verdict.rows import measured

RACE = "race"
JOURNAL = "race.jsonl"
ALONE = 2.5  # how much longer a request takes that is sent alone, until it was measured


@dataclass(frozen=True)
class Conditions:
    """The conditions of a race.

    Attributes:
        limits: approaches that break one are out.
        tariff: what the model's work is paid by.
        seeds: the number of seeds that finalists are measured with.
        texts: whether inputs and shown passages stand in the records.
    """

    limits: Limits
    tariff: Tariff = field(default_factory=Tariff)
    seeds: int = 1
    texts: bool = True


class Track:
    """The `Field` of a real race: its examples, approaches, and the journal of turns."""

    def __init__(
        self,
        aside: SetAside,
        model: LanguageModel,
        approaches: Mapping[str, Approach],
        folder: Path,
        conditions: Conditions,
        guard: Guard,
    ) -> None:
        self.aside = aside
        self.model = model
        self.approaches = dict(approaches)
        self.folder = folder / RACE
        self.conditions = conditions
        self.guard = guard
        self.spent = 0.0
        self._place = dict.fromkeys(self.approaches, 0)
        raced = replace(aside.task, test=aside.pool)
        judged_by = (aside.task.metric, release_of(aside.task.metric))  # scores are in the journal
        described = described_by(model)
        self._facts = facts_in(described)
        self.key = digest(raced.fingerprint, aside.task.fingerprint, identity(described), judged_by)[:12]
        self._legs: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._broken: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for line in self.records():
            at = tuple(line.get(name) for name in ("spec", "start", "until", "train", "program"))
            if line["type"] == "leg":
                self._legs[at] = line
            elif line["type"] == "broken off":
                self._broken.setdefault(at, []).append(line)

    @property
    def specs(self) -> Sequence[str]:
        """The approaches, as they were named."""
        return tuple(self.approaches)

    @property
    def pool(self) -> int:
        """The number of examples to race on."""
        return len(self.aside.pool)

    @property
    def train(self) -> int:
        """The number of training examples."""
        return len(self.aside.task.train)

    def records(self) -> list[dict[str, Any]]:
        """The journal's lines of this race."""
        return [line for line in lines(self.folder / JOURNAL) if line.get("key") == self.key]

    def note(self, kind: str, **facts: Any) -> None:
        """Append a line to the journal."""
        append(self.folder / JOURNAL, {"type": kind, "key": self.key, **facts})

    def trains(self, spec: str) -> bool:
        """Whether the approach trains weights."""
        return self.approaches[spec].trains_model

    def kin(self, spec: str) -> str | None:
        """The approach with the same context and the base weights."""
        base = untrained(self.approaches[spec])
        return spec_of(base) if base else None

    def work(self, spec: str, train: int) -> float:
        """The work in equivalent prompt tokens, from the lengths of the texts."""
        outline = self._outline.with_labelled(train)
        load = load_of(self.approaches[spec], outline, self._lengths, self._facts)
        return Work.of(load).to_fit if load else 0.0

    @cached_property
    def _outline(self) -> Outline:
        return Outline.of(self.aside.task)

    @cached_property
    def _lengths(self) -> Lengths:
        return Lengths.of(self.aside.task, self.model.count_tokens)

    def run(self, spec: str, until: int, seconds: float, train: int | None = None) -> Leg:
        """The next turn of an approach, from the journal if it is recorded there.

        Raises:
            OutOfTime: it would not end within `seconds`.
            Interrupted: the model cannot go on now.
        """
        start = 0 if train is not None else self._place[spec]
        approach = self.approaches[spec]
        digest = program_of(approach, self.model, outside(self.aside.task, approach))
        at = (spec, start, until, train, digest)
        before = self._broken.get(at, [])
        self.spent += sum(line["seconds"] for line in before)
        if at not in self._legs:
            for line in before:
                if seconds < line["needed"]:
                    raise OutOfTime(line["why"], line["needed"], line.get("training", 0.0))
            self._legs[at] = self._ran(at, seconds)
        line = self._legs[at]
        self.spent += line["seconds"]
        if train is None:
            self._place[spec] = until
        scores = np.array(line["scores"]) * self.aside.weights[start : start + len(line["scores"])]
        made = line.get("training", 0.0) if line["seconds"] >= line.get("training", 0.0) else 0.0
        return Leg(scores, line["fit"], line["predict"], line["trouble"], self._violation(line), made)

    def test_seconds(self, per_example: float) -> float:
        """The expected seconds of a test run with latency; further seeds cost as much, except for their fits."""
        size = len(self.aside.task.test)
        alone = latency.foreseen_seconds(ALONE * per_example, size, self.conditions.limits.p95_ms is not None)
        again = min(timing.REPEATS * per_example * size, timing.REPEAT_SECONDS)
        return self.conditions.seeds * (per_example * size + again + alone)

    def tell(self, news: str) -> None:
        """Report progress."""
        self.guard.tell("race", news)

    def show(self, contenders: Sequence[Contender]) -> None:
        """Report how all contenders stand."""
        unit = self.aside.unit
        self.guard.standing(
            [
                RacePlace(one.spec, one.scores.size, unit * one.mean if one.scores.size else None, one.state or "")
                for one in contenders
            ]
        )

    def folders(self) -> tuple[Path, ...]:
        """The folders of approaches fitted on the whole training set."""
        names = dict.fromkeys(_name(start, until, None) for _, start, until, train, _ in self._legs if train is None)
        return tuple(self.folder / name for name in names)

    def _ran(self, at: tuple[Any, ...], seconds: float) -> dict[str, Any]:
        spec, start, until, train, digest = at
        where = {"spec": spec, "start": start, "until": until, "train": train, "program": digest}
        number = list(self.approaches).index(spec) + 1
        reach = f" on {until - start} race examples" + (f", fitted on {train}" if train is not None else "")
        began = time.monotonic()
        try:
            with self.guard.allowing(seconds, number, reach):
                comparison = self._compared(spec, start, until, train)
        except OutOfTime as error:
            took, why = time.monotonic() - began, str(error)
            self.spent += took
            self.note("broken off", **where, seconds=took, needed=error.needed, training=error.training, why=why)
            self.guard.end(spec, f"broken off: {why}")
            raise
        if comparison.runs[0].status == "interrupted":  # no fault of the approach: the turn goes on where it stopped
            raise Interrupted(f"{spec}: {comparison.runs[0].error}")
        line = {**where, **_facts(comparison), "seconds": time.monotonic() - began}
        line["violations"] = self._violations(comparison) if train is None and not line["trouble"] else []
        self.note("leg", **line)
        return line

    def _compared(self, spec: str, start: int, until: int, train: int | None) -> Comparison:
        task = self.aside.task if train is None else subset(self.aside.task, train_limit=train)
        part = replace(task.before_change(), test=self.aside.pool[start:until], preferences_held_out=())
        alone = latency.FEWEST if start == 0 and train is None and self.conditions.limits.p95_ms is not None else 0
        place, texts = self.folder / _name(start, until, train), self.conditions.texts
        plan = Plan(place, 1, alone, self.folders(), texts=texts)
        return carry_out(plan, part, self.model, [self.approaches[spec]], self.guard)

    def _violations(self, comparison: Comparison) -> list[str]:
        """The limits that it is already shown to break, except the least quality, which the test set decides."""
        limits = self.conditions.limits
        (row,) = measured(comparison)
        tariff = self.conditions.tariff if row.uses_model else self.conditions.tariff.without_model
        spent = costs.expenses(costs.quantities(row), tariff, limits)
        return list(shown_violations(replace(row, cost=costs.cost(spent, limits)), replace(limits, min_quality=None)))

    def _violation(self, line: Mapping[str, Any]) -> str:
        return "; ".join(line["violations"]) if line["start"] == 0 else ""


def _facts(comparison: Comparison) -> dict[str, Any]:
    """The results of a turn for its line in the journal."""
    (run,) = comparison.runs
    answers = [comparison.answers[p.id].targets for p in run.predictions]
    trouble = "" if run.status == "ok" else f"{run.status}: {run.error}"
    texts = [p.text for p in run.predictions]
    return {
        "scores": [] if trouble else [float(x) for x in metrics.scores(comparison.task.metric, texts, answers)],
        "fit": (run.fit_seconds or 0.0) + (run.index_seconds or 0.0),
        "training": run.fit_seconds or 0.0,
        "predict": run.predict_seconds or 0.0,
        "trouble": trouble,
    }


def _name(start: int, until: int, train: int | None) -> str:
    return f"{start}-{until}" + (f".train{train}" if train is not None else "")
