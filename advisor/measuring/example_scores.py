"""What each answer of a run is worth by any metric: from its text, or as a model that was asked recorded it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from advisor.measuring import metrics
from advisor.measuring.records import Answer, Run, TaskFacts
from advisor.measuring.scored import Scored
from advisor.tasks import facts_of


def example_scores(
    metric: str, run: Run, answers: Mapping[str, Answer], task: TaskFacts | None = None
) -> NDArray[np.float64]:
    """The value of each answer by a metric, NaN where it has none; shape (examples,), in the order of `answers`.

    A query that got no answer is worth 0 by a metric of which more is better, also where an empty answer would be
    right, and has no value by others.

    Args:
        metric: the spec of one by which every example has a value.
        run: a complete run.
        task: as in `advisor.measuring.metrics.value`.

    Raises:
        UserError: as in `advisor.measuring.metrics.score`.
    """
    facts = facts_of(metric)
    given = {p.id: p for p in run.predictions}
    unanswered = np.array([bool(given[i].failure) for i in answers], dtype=bool)
    if facts.sort == "asked":
        recorded = run.scored.get(metric, Scored()).values
        found = [recorded.get(i) for i in answers]
    else:
        found = [metrics.value(metric, given[i].answer, answer.targets, task) for i, answer in answers.items()]
    values = np.array([np.nan if value is None else value for value in found], dtype=np.float64)
    values[unanswered] = 0.0 if facts.better == "higher" else np.nan
    return values


def is_scored(metric: str, run: Run, answers: Mapping[str, Answer]) -> bool:
    """Whether a run has all that a metric needs: of one that asks a model, what that gave for every example."""
    return facts_of(metric).sort != "asked" or answers.keys() <= run.scored.get(metric, Scored()).values.keys()


def is_whole(run: Run, answers: Mapping[str, Answer]) -> bool:
    """Whether a run answers every test example."""
    return bool(answers) and answers.keys() <= {p.id for p in run.predictions}
