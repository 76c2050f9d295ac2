"""The tests of a race: who is beaten, and whether the winner is certain enough.

All that is tested is of the form: *the expected score of a is at least that of b, plus something*, for two approaches
as they were fitted, over the distribution that the race's examples were drawn from. `evidence` (`advisor.verdict.
betting`) is gathered against it from the paired differences of the two on the same examples, in a random order that
was fixed before anything was measured.

- a is *beaten* by b where evidence against "a is at least as good as b" exceeds R / level, R being the number of a's
  rivals when the race began.
- The leader w is *certain* where for every other approach a that is not beaten the evidence against "a is better than w
  by the margin or more" exceeds R / level.

Guarantee. Let a be an approach of the highest expected score. With a chance of at least 1 - level, all at once and
however often it is looked at: a is never beaten, and whoever is certain is worse than a by less than the margin.
For a has R rivals. To be wrongly beaten by b, the evidence of one true null hypothesis has to exceed R / level at some
time; to be wrongly passed over for b, that of another, which is a true one only where b is worse than a by the margin,
and which is never less than the first. So for each rival there is one event of a chance of at most level / R (Ville),
and R of them (Boole). An approach that is as good as the best may be beaten with a chance of at most level too.

What the guarantee needs is that the examples are independent draws; that the bets on an example depend on earlier ones
alone, which is so, since they are constant; and that scores lie between 0 and 1. It does not need the rivals to have
seen equally many examples, nor a rule by which the race goes on or ends: the evidence that was looked at is never more
than its highest over all examples, seen and unseen. It says nothing of approaches that were fitted anew on other
examples, and nothing of other rivals.

An approach that was judged with a *smaller* training set than it would be fitted on is another approach. It is beaten
only where it falls short of b by more than `gain`, and then under an assumption: that the larger training set raises
its expected score by no more than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.tasks.power import LEVEL, MARGIN
from advisor.verdict.betting import evidence

Floats = NDArray[np.float64]

GAIN = 0.2
"""The most that a larger training set is assumed to add to the expected score of an approach judged with a smaller."""


@dataclass(frozen=True, slots=True)
class Beaten:
    """How an approach was beaten.

    Attributes:
        by: the rival whose evidence against it is the strongest.
        evidence: the gambler's capital, relative to the start.
        difference: its mean score minus the rival's on the examples that both answered.
        examples: the number of those examples.
    """

    by: str
    evidence: float
    difference: float
    examples: int


@dataclass(frozen=True)
class Standard:
    """The threshold that evidence has to exceed.

    Attributes:
        rivals: the number of rivals of each approach at the start of the race.
        level: the chance of error over the whole race.
        margin: a difference that is too small to matter, in units of the scores.
    """

    rivals: int
    level: float = LEVEL
    margin: float = MARGIN

    @property
    def threshold(self) -> float:
        """The evidence to be reached."""
        return self.rivals / self.level


def beaten(spec: str, scores: Mapping[str, Floats], standard: Standard, gain: float = 0.0) -> Beaten | None:
    """Test whether an approach is beaten by any other, still racing or not.

    Args:
        scores: the scores by spec, each between 0 and 1, of the first examples in the order of the race.
        gain: more than by this much it has to fall short; above 0 where it was judged with a smaller training set.
    """
    found = [_against(spec, rival, scores, gain) for rival in scores if rival != spec]
    strongest = max(found, key=lambda f: f.evidence, default=None)
    return strongest if strongest is not None and strongest.evidence >= standard.threshold else None


def within_margin(spec: str, winner: str, scores: Mapping[str, Floats], standard: Standard) -> bool:
    """Whether it is shown that `spec` is not better than `winner` by the margin or more."""
    return _against(spec, winner, scores, -standard.margin).evidence >= standard.threshold


def estimates(specs: Sequence[str], scores: Mapping[str, Floats]) -> dict[str, float]:
    """The estimated score of each approach. One with fewer examples is placed by its paired difference to the one with
    most, since the other examples may have been harder.
    """
    known = [spec for spec in specs if spec in scores and scores[spec].size]
    if not known:
        return {}
    most = max(known, key=lambda spec: (scores[spec].size, scores[spec].mean()))
    base = float(scores[most].mean())
    return {spec: base + _against(spec, most, scores, 0.0).difference for spec in known}


def examples_to_beat(spec: str, scores: Mapping[str, Floats], standard: Standard) -> float:
    """Forecast the total number of examples until an approach is beaten if the strongest evidence keeps growing at its
    rate; infinite where nothing points that way. No conclusion rests on it.
    """
    found = [_against(spec, rival, scores, 0.0) for rival in scores if rival != spec]
    rates = [math.log(each.evidence) / each.examples for each in found if each.examples]
    fastest = max(rates, default=0.0)
    return math.log(standard.threshold) / fastest if fastest > 0 else math.inf


def certain(winner: str, others: Sequence[str], scores: Mapping[str, Floats], standard: Standard) -> bool:
    """Whether no other approach still in the race is better than `winner` by the margin or more."""
    return all(spec in scores and within_margin(spec, winner, scores, standard) for spec in others if spec != winner)


def _against(spec: str, rival: str, scores: Mapping[str, Floats], allowance: float) -> Beaten:
    common = min(scores[spec].size, scores[rival].size)
    differences = scores[spec][:common] - scores[rival][:common]
    mean = float(differences.mean()) if common else 0.0
    return Beaten(rival, evidence(differences, allowance), mean, common)
