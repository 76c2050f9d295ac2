"""How often each row finds the better answer of a preference likelier than the worse one, on pairs that are held out.

That is ranking accuracy (Chen et al. 2024, "Preference Learning Algorithms Do Not Learn Preference Rankings"): of the
whole answers, by the sum of their tokens' log-probabilities and without a reference model, so that tuned and untuned
rows are judged alike. It is not normalised by length: where chosen answers are the longer ones it starts below a half.
Several seeds are averaged; intervals and tests are those of the task's own metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from advisor.approaches import apart, row_name, without_last
from advisor.measuring.records import Comparison, Run
from advisor.tasks.power import LEVEL
from advisor.verdict.cells import Preferring
from advisor.verdict.decision import Row
from advisor.verdict.paired import pivot
from advisor.verdict.permutation import p_values
from advisor.verdict.resampling import Bootstrap
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import Sample


def with_preferences(comparison: Comparison, rows: Sequence[Row]) -> list[Row]:
    """The rows, each with its accuracy on the preferences held out, where that was measured in every seed."""
    runs = complete_runs(comparison)
    found = {row.spec: _sample(comparison, [run for run in runs if run.spec == row.spec]) for row in rows}
    known = {spec: sample for spec, sample in found.items() if sample is not None}
    return [replace(row, preferring=_preferring(row, known)) if row.spec in known else row for row in rows]


def _sample(comparison: Comparison, runs: Sequence[Run]) -> Sample | None:
    number = comparison.task.preferences_held_out
    if not (number and runs) or any(len(run.preferred.pairs) != number for run in runs):
        return None
    scores = [[float(chosen > rejected) for chosen, rejected in run.preferred.pairs] for run in runs]
    return Sample(runs[0].spec, np.array(scores), tuned=runs[0].tuned)


def _preferring(row: Row, known: Mapping[str, Sample]) -> Preferring:
    own = known[row.spec]
    found = Preferring(Bootstrap([own]).interval(own), own.n)
    spec, alias = apart(row.spec)
    before = without_last(spec) if row.tuned else ""
    versus = row_name(before, alias) if before and alias else before
    if versus not in known:
        return found
    difference = pivot(own, known[versus], p_values([(own, known[versus])])[0]).interval(LEVEL)
    return replace(found, versus=versus, difference=difference)


def not_weighed(comparison: Comparison) -> Iterator[str]:
    """What was to be measured and is not known, with the reason."""
    for run in complete_runs(comparison):
        if run.preferred.error:
            yield f"Preferences were not measured of {run.spec} (seed {run.seed}): {run.preferred.error}."
