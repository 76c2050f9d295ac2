"""The contenders of a race, and how they compare by their scores so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.racing.field import Contender, Floats
from advisor.verdict.standings import estimates


class Standing:
    """All contenders of a race.

    Args:
        edges: see `advisor.racing.policy.RaceRules`.

    Attributes:
        contenders: the contenders by spec, in the order in which they were named.
    """

    def __init__(self, specs: Sequence[str], edges: Mapping[str, float]) -> None:
        self.contenders = {spec: Contender(spec) for spec in specs}
        self._edges = edges

    @property
    def running(self) -> list[Contender]:
        """The contenders still in the race."""
        return [one for one in self.contenders.values() if one.running]

    @property
    def fitted(self) -> list[Contender]:
        """The running contenders that were fitted on the whole training set and have scores."""
        return [one for one in self.running if one.scores.size]

    @property
    def scores(self) -> dict[str, Floats]:
        """The scores of all contenders that can or could have won, which may beat others."""
        out = ("over a limit", "unmeasured")
        return {f.spec: f.scores for f in self.contenders.values() if f.scores.size and f.state not in out}

    @property
    def leader(self) -> Contender | None:
        """The best fitted contender; None without any."""
        worth = estimates([one.spec for one in self.fitted], self.scores)
        return self.contenders[max(worth, key=worth.__getitem__)] if worth else None

    def ranked(self) -> list[Contender]:
        """The contenders that may be measured, best first; if none is left, those that lacked time or broke a limit."""
        found = self.fitted
        for state in ("unmeasured", "over a limit"):
            found = found or [one for one in self.contenders.values() if one.state == state]
        worth = estimates([one.spec for one in found], {one.spec: one.scores for one in found})
        return sorted(found, key=lambda one: -worth[one.spec])

    def hoped(self, one: Contender, best: Contender | None) -> float:
        """The score to expect of a contender once it is fitted: that of its trial, or a higher one that follows from
        the leader's; 0 where nothing is known.
        """
        if best is not None and {one.spec, best.spec} <= self._edges.keys():
            edge = self._edges[one.spec] - self._edges[best.spec]
            one.expected = min(1.0, max(0.0, best.mean + edge))
        return max(one.mean, one.expected or 0.0)

    def favourite(self, finalists: tuple[str, ...]) -> str | None:
        """The contender that seems best by its scores on the common examples, or by expectation without scores."""
        others = [f for f in self.contenders.values() if f.state in ("no time", "unmeasured")]
        tried = {f.spec: f.scores if f.scores.size else f.trial for f in others if f.scores.size or f.trial.size}
        worth = estimates([*finalists, *tried], {**self.scores, **tried})
        for one in others:
            if not one.scores.size and (hoped := self.hoped(one, self.contenders[finalists[0]] if finalists else None)):
                worth[one.spec] = max(hoped, worth.get(one.spec, 0.0))
        return max(worth, key=worth.__getitem__, default=None)
