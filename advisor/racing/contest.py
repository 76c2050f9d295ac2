"""`compare` within a budget: a race on held-out examples, then the finalists on the test set."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.approaches import Approach, ContextBuilder, Tuner
from advisor.errors import UserError
from advisor.forecast.learned import expect, learned_edges
from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.environment import hardware
from advisor.measuring.judging import check_race
from advisor.measuring.kept_threads import keep_threads
from advisor.measuring.lineup import chosen_of
from advisor.measuring.lock import alone
from advisor.measuring.outside import with_outside
from advisor.measuring.progress import Progress, Silence
from advisor.measuring.reading import read_comparison
from advisor.measuring.records import Comparison, facts_of
from advisor.models import LanguageModel
from advisor.pilot.deadline import SAFETY, OutOfTime
from advisor.racing.budget import Budget
from advisor.racing.guard import Guard
from advisor.racing.policy import Finish, RaceRules, run_race
from advisor.racing.result import RacedComparison, record_of
from advisor.racing.setaside import SetAside, set_aside
from advisor.racing.track import JOURNAL, RACE, Conditions, Track
from advisor.tasks import Limits, Task
from advisor.tasks.description import describe
from advisor.tasks.material import Material
from advisor.tasks.power import LEVEL, MARGIN
from advisor.verdict.prices import Prices, load_prices
from advisor.verdict.race import WHY, Entrant, Race, State
from advisor.verdict.standings import GAIN

ON_TEST = " on the test set"


@dataclass(frozen=True)
class Terms:
    """The terms of a race: its budget, and how approaches are judged.

    Attributes:
        budget: wall time, or what it costs, for the race and for measuring the finalists; loading the model and
            making the report come on top.
        limits: approaches that break one are out; those of the task by default.
        prices: the price list; the built-in one by default.
        margin: a difference in quality that is too small to matter.
        seeds: the number of seeds for finalists that a seed can change.
        texts: whether inputs and shown passages stand in the records.
    """

    budget: Budget
    limits: Limits | None = None
    prices: Prices | None = None
    margin: float = MARGIN
    seeds: int = 1
    texts: bool = True


def race(
    task: Task,
    model: LanguageModel,
    approaches: Sequence[str | Approach | ContextBuilder | Tuner] | None = None,
    terms: Terms | None = None,
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> RacedComparison:
    """Race the approaches within a budget and measure the finalists on the test set; a killed call is resumed.

    The comparison is an ordinary one of fewer approaches, on the task without the examples that were set aside to race
    on; it carries how the race went. Controls do not race; those that need no model are measured with the finalists.
    The rules are those of `advisor.racing.policy`, the tests and their guarantee those of
    `advisor.verdict.standings`.

    Args:
        approaches: see `compare`.
        terms: ten minutes by default.
        out: the run folder, `runs/<task name>` by default.

    Raises:
        UserError: see `compare`; or a budget in dollars was given and no price is known for the machine.
        Interrupted: the model cannot go on now.
    """
    check_race(task)
    terms = terms or Terms(Budget(seconds=600.0))
    if terms.seeds < 1:
        raise UserError(f"--seeds is {terms.seeds}", "1 or more")
    folder = Path(out or Path("runs") / task.name)
    with alone(folder / RACE):  # what is recorded there is read when nobody adds to it any more
        return _Contest(task, model, approaches, terms, folder, progress or Silence()).hold()


def as_raced(task: Task, out: str | Path | None = None) -> Task:
    """The task of a run folder's comparison: where it was raced, without the examples set aside for the race.

    Args:
        out: the run folder, `runs/<task name>` by default.
    """
    folder = Path(out or Path("runs") / task.name)
    if not (folder / RACE / JOURNAL).exists():
        return task
    without, there = set_aside(task).task, read_comparison(folder).task.fingerprint
    return without if without.fingerprint == there else task


class _Contest:
    """One call of `race`."""

    def __init__(
        self,
        task: Task,
        model: LanguageModel,
        approaches: Sequence[str | Approach | ContextBuilder | Tuner] | None,
        terms: Terms,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.model = model
        self.terms = terms
        self.folder = folder
        keep_threads(model, [folder, *(folder / RACE).glob("*/")])
        self.aside: SetAside = set_aside(task)
        chosen = chosen_of(self.aside.task, approaches)
        self.aside = replace(self.aside, task=with_outside(self.aside.task, chosen))
        self.racing = {spec: a for spec, a in chosen.items() if not a.control}
        self.controls = {spec: a for spec, a in chosen.items() if a.control and not a.uses_model}
        if not self.racing:
            raise UserError("a race needs an approach that can be chosen", "name one that is no control: zero-shot")
        facts = facts_of(model)
        prices = terms.prices or load_prices()
        tariff = prices.tariff(facts, hardware(facts.device_name))
        self.seconds = terms.budget.in_seconds(tariff.hour)
        conditions = Conditions(terms.limits or task.limits, tariff, terms.seeds, terms.texts)
        self.guard = Guard(progress, len(self.racing))
        self.track = Track(self.aside, model, self.racing, folder, conditions, self.guard)

    def hold(self) -> RacedComparison:
        """Race, measure the finalists, and record the result."""
        unit = self.aside.unit
        rules = RaceRules(self.seconds, self.terms.margin / unit, GAIN / unit, edges=self._edges())
        finish = run_race(self.track, rules)
        raced = self.track.spent
        finalists = finish.finalists or tuple(self.racing)[:1]
        self.track.tell(f"{WHY[finish.stopped]}; to be measured on the test set: {', '.join(finalists)}")
        comparison, late = self._measured(finalists, {one.spec: one.per_example or 0.0 for one in finish.contenders})
        result = self._result(finish, late, raced, comparison)
        self._record(result)
        return result

    def _edges(self) -> dict[str, float]:
        """The expected difference of each approach to a shared reference, learned from other tasks."""
        task = self.aside.task
        found = expect(describe(Material(task)), task.kind, task.metric, None, list(self.racing))
        return {spec: edge / self.aside.unit for spec, edge in learned_edges(found).items()}

    def _measured(self, finalists: Sequence[str], per_example: Mapping[str, float]) -> tuple[Comparison, list[str]]:
        """The comparison of the finalists, and those that there was no time to measure after all."""
        comparison = self._compare(finalists[:1], math.inf)
        done, late = list(finalists[:1]), []
        for spec in finalists[1:]:
            left = self.seconds - self.track.spent
            known = self._known(spec)
            if not known and SAFETY * self.track.test_seconds(per_example[spec]) > left:
                late.append(spec)
                continue
            try:
                comparison = self._compare([*done, spec], left + known)
                done.append(spec)
            except OutOfTime as error:
                self.guard.end(spec, f"broken off: {error}")
                late.append(spec)
                comparison = self._compare(done, math.inf)
        return comparison, late

    def _compare(self, specs: Sequence[str], seconds: float) -> Comparison:
        """Measure the last of `specs`; the results of those before it are reused."""
        newest = specs[-1]
        self.track.spent += self._known(newest)
        limit = self.track.conditions.limits.p95_ms
        plan = Plan(self.folder, self.terms.seeds, fits=self.track.folders(), p95_ms=limit, texts=self.terms.texts)
        chosen = [*(self.racing[spec] for spec in specs), *self.controls.values()]
        began = time.monotonic()
        try:
            with self.guard.allowing(seconds, list(self.racing).index(newest) + 1, ON_TEST, in_race=False):
                return carry_out(plan, self.aside.task, self.model, chosen, self.guard)
        finally:
            if self.guard.worked:
                took = time.monotonic() - began
                self.track.spent += took
                self.track.note("measured", spec=newest, seconds=took)

    def _known(self, spec: str) -> float:
        """Seconds that measuring the approach took in earlier calls."""
        measured = (line for line in self.track.records() if line["type"] == "measured")
        return sum(float(line["seconds"]) for line in measured if line["spec"] == spec)

    def _result(self, finish: Finish, late: Sequence[str], raced: float, comparison: Comparison) -> RacedComparison:
        unit = self.aside.unit
        race = Race(
            budget=self.seconds,
            usd=self.terms.budget.usd,
            racing=raced,
            measuring=self.track.spent - raced,
            stopped=finish.stopped,
            split=self.aside.split,
            pool=len(self.aside.pool),
            train=len(self.aside.task.train),
            level=LEVEL,
            margin=self.terms.margin,
            rivals=max(1, len(self.racing) - 1),
            score="balanced accuracy" if self.aside.task.metric == "macro_f1" else "mean score",
            gain=GAIN,
            favourite=finish.favourite,
            entrants=tuple(_in_quality(entrant, unit, late) for entrant in finish.entrants()),
        )
        return RacedComparison.of(comparison, race)

    def _record(self, raced: RacedComparison) -> None:
        """Append the race to the journal, unless it holds the same already."""
        before = [line for line in self.track.records() if line["type"] == "race"]
        facts = record_of(raced)
        if not before or {name: before[-1].get(name) for name in facts} != facts:
            self.track.note("race", **facts)


def _in_quality(entrant: Entrant, unit: float, late: Sequence[str]) -> Entrant:
    """The entrant with its scores converted to the unit of the quality, marked if there was no time to measure it."""
    state: State = "unmeasured" if entrant.spec in late else entrant.state
    found = (entrant.score, entrant.difference, entrant.expected)
    score, difference, expected = (None if x is None else x * unit for x in found)
    return replace(entrant, state=state, score=score, difference=difference, expected=expected)
