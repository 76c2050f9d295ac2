"""The next steps: the measurement that may settle a choice, and what to do first."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.advice.estimate import Change, Option, Step
from advisor.advice.preference import AdvisedChoice
from advisor.approaches import Approach, spec_of, suggested
from advisor.measuring.latency import foreseen_seconds
from advisor.pilot.readings import PROBING
from advisor.profiling.task_profile import Profile
from advisor.tasks import Limits, Task
from advisor.tasks.metrics import facts_of
from advisor.tasks.power import detectable
from advisor.verdict import words

ENOUGH_TEST = 100


@dataclass(frozen=True)
class Invocation:
    """The words that name task, model and machine on the command line.

    Attributes:
        task: the words that name the task.
        running: the options for model and machine; empty where no model was named.
        also: specs that were named, to be estimated beside those that run unasked.
    """

    task: str
    running: str = ""
    also: tuple[str, ...] = ()

    @classmethod
    def of(cls, task: Task, model: str = "") -> Invocation:
        """Name a task by the folder it was read from, else by a placeholder."""
        known = bool(task.origin) and Path(task.origin).is_dir()
        named = shlex.quote(task.origin) if known else "TASK"
        return cls(named, f"--model {shlex.quote(model)}" if model else "")

    def compare(self, specs: Sequence[str], limit: int | None) -> str:
        """The command that measures these approaches."""
        asked = [f"--approach {shlex.quote(spec)}" for spec in specs]
        limited = [f"--limit {limit}"] if limit else []
        return " ".join(filter(None, ["advisor compare", self.task, *asked, *limited, self.running]))

    def command(self, verb: str, *more: str) -> str:
        """Another command on the task."""
        return " ".join(filter(None, [f"advisor {verb}", self.task, *more]))


@dataclass(frozen=True)
class Agenda:
    """Everything the next steps follow from."""

    options: Sequence[Option]
    chosen: AdvisedChoice
    profile: Profile
    names: Invocation
    limits: Limits

    @property
    def task(self) -> Task:
        """The task."""
        return self.profile.task

    @property
    def asked(self) -> int:
        """The number of test examples to measure on."""
        return min(len(self.task.test), ENOUGH_TEST)

    @property
    def limit(self) -> int | None:
        """The `--limit` to ask for; None where there are no more test examples."""
        return ENOUGH_TEST if len(self.task.test) > ENOUGH_TEST else None

    def settling(self) -> str:
        """The cheapest measurement that may settle an open choice; empty where nothing is open or nothing can be
        measured.
        """
        chosen = self.chosen
        if chosen.advised is None or not chosen.open or not self.asked:
            return ""
        rivals = words.listed([chosen.advised, *chosen.open])
        shown = detectable(facts_of(self.task.metric).spread / math.sqrt(self.asked))
        enough = float((chosen.gaps > shown).mean())
        time = self._time([chosen.advised, *chosen.open])
        took = f" (about {words.duration(time, compact=True)})" if time is not None else ""
        return (
            f"Measuring {rivals} on {self.asked} test examples{took} tells apart what differs by {shown:.2f} or more: "
            f"in {_tenths(enough)} cases that would settle it."
        )

    def steps(self, changes: Sequence[Change]) -> Iterator[Step]:
        """The steps in order, the cheapest that may suffice first."""
        yield from self._fixing()
        if not self.names.running:
            what = "Let a model be probed on your training examples."
            yield Step(what, self.names.command("recommend", "--model embedded"), PROBING)
        yield from self._measuring()
        yield from self._learning(changes)
        if self.chosen.open and self.asked:
            found = self.profile.description
            if self.limit:
                shown = f"all {found.test:,} test examples show differences of {found.detectable:.2f} or more"
                yield Step(f"If these still cannot be told apart, leave out --limit: {shown}.")
                return
            yield Step(
                f"If these still cannot be told apart, add test examples: {found.test:,} show differences of "
                f"{found.detectable:.2f} or more, {found.examples_to_halve:,} would show half of that."
            )

    def _fixing(self) -> Iterator[Step]:
        grave = [finding for finding in self.profile.findings if finding.severity == "high"]
        if grave:
            more = f" And {len(grave) - 1} more." if len(grave) > 1 else ""
            yield Step(f"Mend the data first: {grave[0].what}{more}", self.names.command("profile"))
        if not self.task.test:
            what = f"Set {ENOUGH_TEST} labelled examples aside as test.jsonl: without them nothing can be measured."
            yield Step(what)

    def _measuring(self) -> Iterator[Step]:
        if not self.asked:
            return
        advised, open_ = self.chosen.advised or self.chosen.nearest, self.chosen.open
        there = {one.spec: one for one in self.options if not one.control}
        cheap = [spec_of(one) for one in suggested(self.task) if spec_of(one) in there and _costs_little(one)]
        wanted = [spec for spec in (advised, *open_) if spec and spec not in cheap]
        if cheap:
            yield self._comparison(f"Measure what costs little: {words.listed(cheap)}.{self._goal(cheap)}", cheap)
        if wanted:
            then = "Then measure" if cheap else "Measure"
            yield self._comparison(f"{then} what may be best: {words.listed(wanted)}.", wanted)

    def _goal(self, cheap: Sequence[str]) -> str:
        """The quality from which the cheap approaches suffice, as a sentence."""
        least = self.limits.min_quality
        if least is not None:
            return f" If one of them reaches {least:g}, which is what you ask for, stop there."
        advised = self.chosen.advised
        if advised is None or advised in cheap:
            return ""
        value = next(one for one in self.options if one.spec == advised).expected.value
        constant = next((one.expected.value for one in self.options if one.baseline), 0.0)
        if value <= constant:
            return ""
        return f" If one of them reaches {value:.2f}, what {advised} is expected at, stop there."

    def _comparison(self, what: str, specs: Sequence[str]) -> Step:
        return Step(what, self.names.compare(specs, self.limit), self._time(specs))

    def _learning(self, changes: Sequence[Change]) -> Iterator[Step]:
        """The step of measuring a learning curve, where more labels are expected to help."""
        more = changes[0] if changes else None
        if more is None or more.advised is None or not self.asked:
            return
        named = {one.spec: one for one in self.options}
        rivals = [named[spec] for spec in (self.chosen.advised, *self.chosen.open) if spec]
        rivals = [one for one in rivals if one.approach.learns]
        if more.advised != self.chosen.advised or any(one.trained for one in rivals):
            specs = dict.fromkeys([*(one.spec for one in rivals), more.advised])
            asked = " ".join(f"--approach {shlex.quote(spec)}" for spec in specs)
            command = self.names.command("curve", asked, self.names.running)
            yield Step("Before you label more, see what more labels bring.", command)

    def _time(self, specs: Sequence[str]) -> float | None:
        """Seconds for measuring these approaches."""
        total = 0.0
        for one in self.options:
            if one.spec not in specs:
                continue
            found = one.foreseen
            if found is None or found.fit_seconds is None or not found.throughput_qps or found.latency is None:
                return None
            total += found.fit_seconds + (found.index_seconds or 0.0) + self.asked / found.throughput_qps
            total += foreseen_seconds(found.latency.p50 / 1000, self.asked, self.limits.p95_ms is not None)
        return total


def _costs_little(approach: Approach) -> bool:
    """Whether measuring takes minutes at most: nothing is trained, indexed or retrieved for a model."""
    return not (approach.trains_model or approach.shows == "documents" or approach.follows_query)


def _tenths(share: float) -> str:
    tenths = round(10 * share)
    return "hardly any" if tenths == 0 else "nearly all" if tenths == 10 else f"{tenths} of 10"
