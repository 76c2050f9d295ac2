"""Pairwise differences of approaches on the same test examples, tested alone and together, grouped by letters."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, permutations
from statistics import NormalDist

import numpy as np

from advisor.tasks.power import LEVEL, POWER
from advisor.verdict.cells import Interval
from advisor.verdict.optimism import Repeated, repeated
from advisor.verdict.paired import Pivot, pivot, turned
from advisor.verdict.permutation import p_values
from advisor.verdict.resampling import Bootstrap
from advisor.verdict.rule import Bools, Places
from advisor.verdict.sample import Floats, Sample
from advisor.verdict.simultaneous import Family


@dataclass(frozen=True, slots=True)
class Contrast:
    """The paired difference of two approaches: first minus second.

    Attributes:
        difference: the difference in units of the metric, with its simultaneous 95 % interval: all intervals of the
            family hold at once.
        p: two-sided, corrected for all pairs of the family; below 5 % exactly where the interval excludes zero.
        alone: the difference with the 95 % interval of this pair alone, for claims that need no correction.
        p_alone: two-sided, not corrected.
        half: half the width of that interval, as far as it reaches.
        detectable: the smallest difference that is shown with 80 % power, all pairs of the family together.
        of_seeds: whether part of its variance is due to the seeds of training.
    """

    first: str
    second: str
    difference: Interval
    p: float
    alone: Interval
    p_alone: float
    half: float
    detectable: float
    of_seeds: bool

    @property
    def shown(self) -> bool:
        """Whether the two are shown to differ, corrected for all pairs. Stars, letters and words rest on it."""
        return self.p < LEVEL

    @property
    def beats(self) -> bool:
        """Whether first is shown to be better than second, uncorrected: part of the claim to be the best."""
        return self.p_alone < LEVEL and self.difference.value > 0

    @property
    def reversed(self) -> Contrast:
        """The contrast as second minus first."""
        return replace(
            self, first=self.second, second=self.first, difference=turned(self.difference), alone=turned(self.alone)
        )

    def no_worse_by(self, margin: float) -> bool:
        """Whether first is shown to be worse than second by less than `margin` (non-inferiority), uncorrected."""
        return self.alone.low > -margin

    def equivalent_by(self, margin: float) -> bool:
        """Whether the two are shown to differ by less than `margin` either way, corrected for all pairs."""
        return -margin < self.difference.low and self.difference.high < margin


class Contrasts:
    """All pairwise contrasts.

    Pairs of approaches that can be chosen are one family; a pair with a control is corrected for all pairs of all
    approaches, so that controls take no power from the choice.

    Args:
        samples: complete approaches over the same test examples.
        controls: specs of those that are never chosen.
    """

    def __init__(self, samples: Sequence[Sample], controls: frozenset[str] = frozenset()) -> None:
        bootstrap = Bootstrap(samples) if samples else None
        self.intervals = {s.spec: bootstrap.interval(s) for s in samples} if bootstrap else {}
        self.samples = {s.spec: s for s in samples}
        self._pairs: dict[tuple[str, str], Contrast] = {}
        every = list(combinations(range(len(samples)), 2))
        if not every:
            return
        inner = [(i, j) for i, j in every if controls.isdisjoint((samples[i].spec, samples[j].spec))]
        among_all = Family(samples, every)
        among_choosable = Family(samples, inner) if inner else among_all
        permuted = p_values([(samples[i], samples[j]) for i, j in every])
        for (i, j), p in zip(every, permuted, strict=True):
            a, b = samples[i], samples[j]
            family = among_choosable if (i, j) in inner else among_all
            self._pairs[a.spec, b.spec] = contrast(a, b, pivot(a, b, p), family)

    def between(self, first: str, second: str) -> Contrast:
        """The contrast of two approaches, first minus second.

        Raises:
            KeyError: one of them was not compared.
        """
        found = self._pairs.get((first, second))
        return found if found else self._pairs[second, first].reversed

    def better(self, specs: Sequence[str]) -> Bools:
        """Whether the approach of the row is shown to be better than that of the column; shape (specs, specs)."""
        places = self._places(specs)
        found: Bools = self._alone[0][places]
        return found

    def no_worse(self, specs: Sequence[str], margin: float) -> Bools:
        """Whether it is shown to be worse by less than `margin`; same shape."""
        found: Bools = self._alone[1][self._places(specs)] > -margin
        return found

    def half_widths(self, specs: Sequence[str]) -> Floats:
        """Half the widths of the intervals of all pairs, each alone; same shape."""
        found: Floats = self._alone[2][self._places(specs)]
        return found

    def resampled(self, specs: Sequence[str]) -> Repeated | None:
        """Their qualities on resamples of the test examples; None where there is nothing to pick, or one example."""
        found = self._resampled if len(specs) > 1 else None
        return found and found.of([self._order[spec] for spec in specs])

    @cached_property
    def _resampled(self) -> Repeated | None:
        return repeated(list(self.samples.values()))

    def _places(self, specs: Sequence[str]) -> tuple[Places, Places]:
        places = np.array([self._order[spec] for spec in specs], dtype=np.intp)
        return places[:, None], places[None, :]

    @cached_property
    def _order(self) -> dict[str, int]:
        return {spec: place for place, spec in enumerate(self.samples)}

    @cached_property
    def _alone(self) -> tuple[Bools, Floats, Floats]:
        """Of all pairs, each alone: whether the first is better, the lower end of the difference, half its width."""
        shape = (len(self.samples),) * 2
        better, low, half = np.zeros(shape, dtype=bool), np.full(shape, -np.inf), np.zeros(shape)
        for (first, i), (second, j) in permutations(self._order.items(), 2):
            found = self.between(first, second)
            better[i, j], low[i, j], half[i, j] = found.beats, found.alone.low, found.half
        return better, low, half

    def letters(self) -> dict[str, str]:
        """The letters of the groups that cannot be told apart, by spec; "a" is the group of the best."""
        ranked = sorted(self.intervals, key=lambda spec: -self.intervals[spec].value)
        return letters(ranked, lambda a, b: self.between(a, b).shown)


def contrast(a: Sample, b: Sample, studentised: Pivot, family: Family) -> Contrast:
    """The paired difference of two approaches, corrected for all pairs of a family."""
    p, (low, high) = studentised.p, studentised.ends(LEVEL)
    return Contrast(
        first=a.spec,
        second=b.spec,
        difference=studentised.interval(family.level),
        p=family.adjusted(p),
        alone=studentised.interval(LEVEL),
        p_alone=p,
        half=(high - low) / 2,
        detectable=studentised.half(family.level) + NormalDist().inv_cdf(POWER) * studentised.error,
        of_seeds=any(part.variance for part in studentised.parts[1:]),
    )


def letters(ranked: Sequence[str], differ: Callable[[str, str], bool]) -> dict[str, str]:
    """Compact letter display: two names share a letter if and only if they do not differ.

    Insert-and-absorb of Piepho 2004, "An algorithm for a letter-based representation of all-pairwise
    comparisons"; letters are given out in the order of `ranked`.
    """
    columns = [frozenset(ranked)] if ranked else []
    for a, b in combinations(ranked, 2):
        if not differ(a, b):
            continue
        split = [part for c in columns for part in ((c - {a}, c - {b}) if {a, b} <= c else (c,))]
        columns = [c for c in dict.fromkeys(split) if not any(c < other for other in split)]
    columns.sort(key=lambda c: sorted(ranked.index(name) for name in c))
    return {name: "".join(_letter(i) for i, c in enumerate(columns) if name in c) for name in ranked}


def _letter(i: int) -> str:
    turn, i = divmod(i, len(string.ascii_letters))
    return string.ascii_letters[i] + "'" * turn
