"""Who is in a race, and how they compare by what they have scored so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.racing.field import Floats, Form
from advisor.verdict.standings import estimates


class Standing:
    """All approaches of a race.

    Args:
        edges: as in `advisor.racing.policy.RaceRules`.

    Attributes:
        forms: by spec, in the order in which they were named.
    """

    def __init__(self, specs: Sequence[str], edges: Mapping[str, float]) -> None:
        self.forms = {spec: Form(spec) for spec in specs}
        self._edges = edges

    @property
    def running(self) -> list[Form]:
        """Those that are not out."""
        return [form for form in self.forms.values() if form.running]

    @property
    def fitted(self) -> list[Form]:
        """Those of them that have answered examples after a fit on the whole training set."""
        return [form for form in self.running if form.scores.size]

    @property
    def scores(self) -> dict[str, Floats]:
        """Of all who can win or could, and so may beat others."""
        out = ("over a limit", "unmeasured")
        return {f.spec: f.scores for f in self.forms.values() if f.scores.size and f.state not in out}

    @property
    def leader(self) -> Form | None:
        """The best of those that are fitted; None without any."""
        worth = estimates([form.spec for form in self.fitted], self.scores)
        return self.forms[max(worth, key=worth.__getitem__)] if worth else None

    def ranked(self) -> list[Form]:
        """Who may be measured, the best first; where nobody is left, those without the time for it or over a limit."""
        found = self.fitted
        for state in ("unmeasured", "over a limit"):
            found = found or [form for form in self.forms.values() if form.state == state]
        worth = estimates([form.spec for form in found], {form.spec: form.scores for form in found})
        return sorted(found, key=lambda form: -worth[form.spec])

    def hoped(self, form: Form, best: Form | None) -> float:
        """The score to expect of it once it is fitted: that of its trial, or more where that of the leader lets one
        expect more; 0 where nothing is known."""
        if best is not None and {form.spec, best.spec} <= self._edges.keys():
            edge = self._edges[form.spec] - self._edges[best.spec]
            form.expected = min(1.0, max(0.0, best.mean + edge))
        return max(form.mean, form.expected or 0.0)

    def favourite(self, finalists: tuple[str, ...]) -> str | None:
        """By its scores on the examples that all answered, and for those that answered none by what is expected."""
        others = [f for f in self.forms.values() if f.state in ("no time", "unmeasured")]
        tried = {f.spec: f.scores if f.scores.size else f.trial for f in others if f.scores.size or f.trial.size}
        worth = estimates([*finalists, *tried], {**self.scores, **tried})
        for form in others:
            if not form.scores.size and (hoped := self.hoped(form, self.forms[finalists[0]] if finalists else None)):
                worth[form.spec] = max(hoped, worth.get(form.spec, 0.0))
        return max(worth, key=worth.__getitem__, default=None)
