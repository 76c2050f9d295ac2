"""Which approaches differ: all pairs tested, corrected and grouped by letters; sizes of test sets."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import NormalDist
from typing import TypeVar

from advisor.decide.decision import Interval
from advisor.decide.permutation import p_values
from advisor.decide.resampling import Bootstrap, rounded
from advisor.decide.sample import Sample
from advisor.tasks.power import LEVEL, POWER, examples_for

_INVERSE = NormalDist().inv_cdf

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two approaches on the same test examples: first minus second.

    Attributes:
        difference: in units of the metric, with its uncorrected 95 % interval.
        p: two-sided, Holm-corrected for all pairs that were compared.
        pairs: how many pairs that were.
        deviation: standard deviation of the paired differences per test example.
        n: number of test examples.
    """

    first: str
    second: str
    difference: Interval
    p: float
    pairs: int
    deviation: float
    n: int

    @property
    def shown(self) -> bool:
        """Whether the two are shown to differ: corrected p below 5 % and 0 outside the interval.

        The interval counts too because it alone allows for other seeds.
        """
        return self.p < LEVEL and not self.difference.low <= 0 <= self.difference.high

    @property
    def reversed(self) -> Contrast:
        """The same, second minus first."""
        d = self.difference
        turned = rounded(-d.value, -d.high, -d.low)
        return replace(self, first=self.second, second=self.first, difference=turned)

    def no_worse_by(self, margin: float) -> bool:
        """Whether first is shown to be worse than second by less than `margin` (non-inferiority)."""
        return self.difference.low > -margin

    @property
    def examples_needed(self) -> int | None:
        """Test examples in all that would show a difference of the observed size; None if nought or shown.

        For a two-sided test at 5 %, divided by the number of pairs that are compared (Bonferroni), with 80 %
        power, from the standard deviation of the paired differences; more than there are.
        """
        if self.shown or self.difference.value == 0:
            return None
        return max(self.n + 1, examples_for(self.difference.value, self.deviation, LEVEL / self.pairs))

    def examples_for_margin(self, margin: float) -> int | None:
        """Test examples in all that would show first to be no worse by `margin`; None if it seems worse.

        As if the observed difference were the true one; 80 % power. The pseudo-differences of `Bootstrap`
        keep the interval from closing even where all answers agree, so they are part of the sum.
        """
        room = self.difference.value + margin
        if room <= 0:
            return None
        variance, wanted = self.deviation**2, (room / (_INVERSE(0.975) + _INVERSE(POWER))) ** 2
        # With x = 1 / n, the variance of the mean is variance * x + 2 x^2; solve for it being as wanted.
        x = (math.sqrt(variance**2 + 8 * wanted) - variance) / 4
        return max(self.n + 1, math.ceil(1 / x))


class Contrasts:
    """All pairs of approaches, tested together.

    The best approach is picked by the same data that it is tested on. Holm's correction runs over all pairs,
    not over those with the best alone, so it holds whichever pair the data single out. Pairs of approaches
    that can be chosen are one family; a pair with a control is corrected for all pairs of all approaches, so
    that controls take no power from the choice.

    Args:
        samples: complete approaches over the same test examples, at least one.
        controls: specs of those that are never chosen.
    """

    def __init__(self, samples: Sequence[Sample], controls: frozenset[str] = frozenset()) -> None:
        bootstrap = Bootstrap(samples) if samples else None
        self.intervals = {s.spec: bootstrap.interval(s) for s in samples} if bootstrap else {}
        self._pairs: dict[tuple[str, str], Contrast] = {}
        if bootstrap is None:
            return
        both = list(combinations(samples, 2))
        raw = {(a.spec, b.spec): p for (a, b), p in zip(both, p_values(both), strict=True)}
        inner = {pair: p for pair, p in raw.items() if controls.isdisjoint(pair)}
        corrected = {**holm(raw), **holm(inner)}
        for a, b in both:
            pair = (a.spec, b.spec)
            self._pairs[pair] = Contrast(
                first=a.spec,
                second=b.spec,
                difference=bootstrap.difference(a, b),
                p=corrected[pair],
                pairs=len(inner) if pair in inner else len(raw),
                deviation=bootstrap.deviation(a, b),
                n=a.n,
            )

    def between(self, first: str, second: str) -> Contrast:
        """First minus second.

        Raises:
            KeyError: one of them was not compared.
        """
        found = self._pairs.get((first, second))
        return found if found else self._pairs[second, first].reversed

    def letters(self) -> dict[str, str]:
        """The groups that cannot be told apart, by spec; "a" is the group of the best."""
        ranked = sorted(self.intervals, key=lambda spec: -self.intervals[spec].value)
        return letters(ranked, lambda a, b: self.between(a, b).shown)


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Holm's step-down correction (Holm 1979), by the same keys."""
    corrected: dict[K, float] = {}
    running = 0.0
    for i, key in enumerate(sorted(p_values, key=lambda k: p_values[k])):
        running = max(running, min(1.0, (len(p_values) - i) * p_values[key]))
        corrected[key] = running
    return corrected


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
