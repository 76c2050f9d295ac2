"""What is answered now against what the test set showed: a sliding window, and how far it is from what was measured.

The window holds the last `WINDOW` answers as a few numbers each, never a text, so that memory stays the same. A mix of
labels is compared by the total variation distance, half the sum of the absolute differences of shares: the share of the
answers that would have to be others. Unlike the population stability index it stays finite where a label was never
answered before. Other quantities are compared by their means, in standard deviations of the test set (Cohen's d with
the reference's deviation: Cohen 1988, section 2.2), which needs no bins and reads the same for all of them.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from advisor.deploy.serving.observer import Answered
from advisor.deploy.watching.reference import MeasuredRow, Moments, quantities_of, shares

WINDOW = 500
"""Answers in the window."""
CHANCE = 0.001
"""How often a full window of what the test set is drawn from is beyond a bound, when it is looked at once."""
_DRAWS = 10_000
_SEED = 20_261_130


@dataclass(frozen=True)
class Drift:
    """The window as it is.

    Attributes:
        answers: in it.
        shares: of the labels, as in `MeasuredRow.mix`; empty where there are none.
        distance: total variation distance of these to `MeasuredRow.mix`; None where either is empty.
        means: of quantities.
        differences: of means from the test set's, in its standard deviations; without those that did not vary there.
    """

    answers: int
    shares: Mapping[str, float]
    distance: float | None
    means: Mapping[str, float]
    differences: Mapping[str, float]


class DriftWindow:
    """The last answers, against a measured row. Several threads may add to it."""

    def __init__(self, row: MeasuredRow, size: int = WINDOW) -> None:
        self.row = row
        self.size = size
        self._seen: deque[tuple[str, Mapping[str, float]]] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, answer: Answered) -> None:
        """Count an answer. Left out are those that failed, and what answers no query of the task (an embedding, a
        conversation that is gone on with), which has no words of input."""
        if answer.failure or not answer.input_words:
            return
        figures = quantities_of(answer, bool(self.row.labels))
        with self._lock:
            self._seen.append((answer.label, figures))

    def drift(self) -> Drift:
        """Where it stands, computed anew, so that no rounding adds up."""
        with self._lock:
            seen = list(self._seen)
        now = shares([label for label, _ in seen], self.row.labels)
        columns: dict[str, list[float]] = {}
        for _, figures in seen:
            for name, value in figures.items():
                columns.setdefault(name, []).append(value)
        means = {name: float(np.mean(column)) for name, column in columns.items()}
        measured = self.row.moments
        differences = {
            name: (mean - measured[name].mean) / measured[name].deviation
            for name, mean in means.items()
            if name in measured and measured[name].deviation > 0
        }
        return Drift(len(seen), now, distance(now, self.row.mix), means, differences)


def distance(now: Mapping[str, float], then: Mapping[str, float]) -> float | None:
    """The total variation distance of two mixes, from 0 to 1; None where either is empty."""
    if not now or not then:
        return None
    return sum(abs(now.get(label, 0.0) - then.get(label, 0.0)) for label in {*now, *then}) / 2


def chance_distance(row: MeasuredRow, size: int = WINDOW) -> float | None:
    """The distance that a full window of the same mix is beyond in `CHANCE` of cases, the test set's own sampling
    among it; None without a mix.

    Both are drawn from the mix of the test set with half an answer more for each label, so that a label that it did not
    show is possible.
    """
    if not row.mix:
        return None
    counts = np.array([share * row.answers for share in row.mix.values()]) + 0.5
    mix = counts / counts.sum()
    random = np.random.default_rng(_SEED)
    then = random.multinomial(row.answers, mix, _DRAWS) / row.answers
    now = random.multinomial(size, mix, _DRAWS) / size
    return float(np.quantile(np.abs(now - then).sum(axis=1) / 2, 1 - CHANCE))


def chance_differences(row: MeasuredRow, size: int = WINDOW) -> dict[str, float]:
    """The bounds of all quantities that varied on the test set, so that there is a unit to tell a difference in."""
    varied = {name: one for name, one in row.moments.items() if one.number > 1 and one.deviation > 0}
    return {name: chance_difference(moments, size) for name, moments in varied.items()}


def chance_difference(moments: Moments, size: int = WINDOW) -> float:
    """The difference of means, in standard deviations of the test set, that a full window of the same distribution is
    beyond in `CHANCE` of cases, in either direction (Student's t with the test set's degrees of freedom).

    Args:
        moments: of at least two answers.
    """
    return float(t.ppf(1 - CHANCE / 2, moments.number - 1)) * math.sqrt(1 / moments.number + 1 / size)
