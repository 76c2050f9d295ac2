"""What changed between runs of the same task: rows side by side, and paired differences where test examples are the
same.

Every run is judged for itself first. Differences are those of a run to the first one, over the test examples that all
runs have in common, by the tests of all other differences (`paired.py`): both of a row's trainings count with what
another seed would have given. All pairs that are shown are one family (`simultaneous.py`), so that their intervals hold
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from advisor.approaches import apart
from advisor.errors import UserError
from advisor.measuring.matching import Common, common
from advisor.measuring.records import Run
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Decision, Row
from advisor.verdict.paired import pivot
from advisor.verdict.permutation import p_values
from advisor.verdict.rows import complete_runs
from advisor.verdict.run_facts import Differing, differing, facts_of
from advisor.verdict.sample import Sample, labels_of, samples
from advisor.verdict.simultaneous import Family
from advisor.verdict.statistics import Contrast, contrast

_EQUAL = 1e-9  # of scores that are the same


@dataclass(frozen=True, slots=True)
class Shift:
    """How quality differs from that of the first run, over the test examples in common: this run's minus the first's.

    Attributes:
        difference: with its simultaneous 95 % interval.
        p: two-sided, corrected for all pairs of the report.
        shown: whether the two are shown to differ.
        better, worse: common test examples with a higher and with a lower score than in the first run.
    """

    difference: Interval
    p: float
    shown: bool
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class AlignedRow:
    """The same row in several runs.

    Attributes:
        name: what the first run that has it calls it.
        rows: one for each run; None where it has no such row.
        shifts: to the first run, one for each run; None for the first, and where one of both has no quality.
        settings: parameters that were resolved otherwise.
    """

    name: str
    rows: tuple[Row | None, ...]
    shifts: tuple[Shift | None, ...]
    settings: tuple[Differing, ...] = ()


@dataclass(frozen=True)
class SideBySide:
    """Several runs of the same task.

    Attributes:
        runs: each judged for itself, in the order asked for; differences are to the first.
        shared: the test examples in common.
        aligned: the rows, in the order of the first run's, best quality first, then those that it lacks.
        choices: for each run, how its recommended row does beside that of the first run; None for the first, and where
            one of them recommends nothing.
        facts: what else differs: task, models, settings, versions, hardware, prices.
    """

    runs: tuple[Decision, ...]
    shared: Common
    aligned: tuple[AlignedRow, ...]
    choices: tuple[Shift | None, ...]
    facts: tuple[Differing, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the runs are called: `A`, `B`, ..."""
        return run_labels(len(self.runs))


MOST = 26
"""Runs that can be compared at once."""


def run_labels(number: int) -> tuple[str, ...]:
    """What so many runs are called."""
    return tuple(chr(ord("A") + place) for place in range(number))


def side_by_side(runs: Sequence[Decision]) -> SideBySide:
    """Hold runs of the same task against each other.

    Raises:
        UserError: they are too few or too many, or not of the same task: of another kind or metric, or without a test
            example in common.
    """
    check_number(len(runs))
    shared = _shared(runs)
    lines, several = _aligned(runs), any(run.comparison.several for run in runs)
    choices = tuple(next((row for row in run.rows if row.spec == run.recommendation.approach), None) for run in runs)
    pairs = _Pairs(_judged(runs, shared), [*lines, choices])
    return SideBySide(
        runs=tuple(runs),
        shared=shared,
        aligned=tuple(
            AlignedRow(_name(line), line, pairs.shifts(line), tuple(differing(_configs(runs, line)))) for line in lines
        ),
        choices=pairs.shifts(choices),
        facts=tuple(differing([facts_of(run, several) for run in runs])),
    )


def check_number(number: int) -> None:
    """Whether so many runs can be compared.

    Raises:
        UserError: there is but one, or too many.
    """
    if not 2 <= number <= MOST:
        raise UserError(f"{number} runs side by side", f"name from 2 to {MOST} run folders")


def _shared(runs: Sequence[Decision]) -> Common:
    """The test examples in common.

    Raises:
        UserError: the runs are not of the same task.
    """
    first = runs[0].comparison
    for run in runs:
        if not any(row.quality for row in run.rows):
            where = run.comparison.folder
            raise UserError(
                f"{where}: no row is finished yet, so that nothing can be held against others",
                "wait for the run that is at work in it"
                if run.comparison.at_work
                else f"advisor report {where} tells what became of each; the same advisor compare goes on",
            )
    for run in runs[1:]:
        task, folders = run.comparison.task, f"{first.folder} and {run.comparison.folder}"
        for what in ("kind", "metric"):
            one, other = getattr(first.task, what), getattr(task, what)
            if one != other:
                seen = f"{folders} are not of the same task: {what} {one} against {other}"
                raise UserError(seen, "compare runs of one task; its folder may have changed, its kind and metric not")
    found = common([run.comparison.answers for run in runs])
    if found.ids:
        return found
    places = ", ".join(run.comparison.folder for run in runs)
    seen = f"{places} have no test example in common"
    if found.otherwise:
        seen += f": {found.otherwise:,} have the same id, and another input or other answers"
    raise UserError(seen, "compare runs of one task, and the same test examples where --limit took some")


def _aligned(runs: Sequence[Decision]) -> list[tuple[Row | None, ...]]:
    """Rows that are the same: by their name, else by approach and model, whatever its alias is."""
    lines: list[list[Row | None]] = []
    for place, run in enumerate(runs):
        left = list(run.rows)
        for same in (_same_name, _same_model):
            for line in lines:
                if line[place] is None:
                    line[place] = next((row for row in left if same(runs, line, row, place)), None)
                    left = [row for row in left if row is not line[place]]
        lines += [[None] * place + [row] + [None] * (len(runs) - place - 1) for row in left]
    return [tuple(line) for line in lines]


def _same_name(runs: Sequence[Decision], line: Sequence[Row | None], row: Row, place: int) -> bool:
    return any(other is not None and other.spec == row.spec for other in line)


def _same_model(runs: Sequence[Decision], line: Sequence[Row | None], row: Row, place: int) -> bool:
    own = apart(row.spec)[0], _model(runs[place], row)
    known = [(apart(other.spec)[0], _model(run, other)) for run, other in zip(runs, line, strict=True) if other]
    return bool(own[1]) and own in known


def _model(run: Decision, row: Row) -> str:
    """The name of the model that a row ran on; empty where none does."""
    members = run.comparison.models
    if not row.uses_model:
        return ""
    found = [one for one in members if one.alias == row.model] or (list(members) if len(members) == 1 else [])
    return found[0].facts.id if found else ""


def _name(line: Sequence[Row | None]) -> str:
    return next(row.spec for row in line if row is not None)


def _configs(runs: Sequence[Decision], line: Sequence[Row | None]) -> list[dict[str, Any]]:
    """The resolved parameters of a row in each run; where they are not known, as in the first that tells them."""
    found = [
        _flat(next((one for one in run.comparison.runs if row and one.spec == row.spec), None))
        for run, row in zip(runs, line, strict=True)
    ]
    told = next(filter(None, found), {})
    return [one or told for one in found]


def _flat(run: Run | None) -> dict[str, Any]:
    if run is None:
        return {}
    return {f"{part}: {name}": value for part, values in run.config.items() for name, value in values.items()}


def _judged(runs: Sequence[Decision], shared: Common) -> list[dict[str, Sample]]:
    """The judged answers of each run to the test examples in common, by row."""
    metric = runs[0].comparison.task.metric
    answers = [shared.answers(place, run.comparison.answers) for place, run in enumerate(runs)]
    complete = [complete_runs(run.comparison) for run in runs]
    labels = set[str]().union(*(labels_of(metric, *each) for each in zip(answers, complete, strict=True)))
    return [
        {one.spec: one for one in samples(metric, right, found, labels)}
        for right, found in zip(answers, complete, strict=True)
    ]


class _Pairs:
    """The differences of rows to those of the first run, tested together.

    Args:
        judged: the answers of each run, by row.
        lines: rows, one for each run, each of which is held against that of the first.
    """

    def __init__(self, judged: Sequence[Mapping[str, Sample]], lines: Sequence[tuple[Row | None, ...]]) -> None:
        self._judged = judged
        found = {pair: None for line in lines for place in range(1, len(judged)) if (pair := self._pair(line, place))}
        self._contrasts: dict[tuple[Sample, Sample], Contrast] = {}
        if not found:
            return
        every = list(dict.fromkeys(sample for pair in found for sample in pair))
        family = Family(every, [(every.index(one), every.index(other)) for one, other in found])
        for (one, other), p in zip(found, p_values(list(found)), strict=True):
            self._contrasts[one, other] = contrast(one, other, pivot(one, other, p), family)

    def shifts(self, line: tuple[Row | None, ...]) -> tuple[Shift | None, ...]:
        """How the rows do beside that of the first run."""
        return tuple(self._shift(line, place) for place in range(len(self._judged)))

    def _pair(self, line: tuple[Row | None, ...], place: int) -> tuple[Sample, Sample] | None:
        first, row = line[0], line[place]
        one = self._judged[place].get(row.spec) if row else None
        other = self._judged[0].get(first.spec) if first else None
        return (one, other) if one and other and place else None

    def _shift(self, line: tuple[Row | None, ...], place: int) -> Shift | None:
        pair = self._pair(line, place)
        if pair is None:
            return None
        found, change = self._contrasts[pair], pair[0].means - pair[1].means
        better, worse = (int(np.count_nonzero(side > _EQUAL)) for side in (change, -change))
        return Shift(found.difference, found.p, found.shown, better, worse)
