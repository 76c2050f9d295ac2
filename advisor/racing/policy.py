"""A race: who runs next, who is out, and when it is over. What runs, and on what, is the `Field`'s business.

All approaches answer the same examples in the same random order, 16 at first, then twice as many in each round. After
each turn those that are beaten (`advisor.verdict.standings`, where the tests and their guarantee are stated) are out.
What needs no training goes first, since it may make the dear fits of the others unnecessary or show what they have to
beat. Evidence is gathered on approaches as they are fitted on the whole training set, and the fit of the race is the
one that is measured afterwards: nothing is fitted twice. The exception is the trial of a trained approach with a
quarter of the training set: before the fit on all of it where the training set is large, and in place of it where the
time does not allow it. It is out if it falls short of a rival by more than the other three quarters could explain; that
rests on the assumption which `standings` names. Where it was tried for lack of time and was better than the winner, the
report says so and calls nothing decided. Who is fitted first is decided by trials and by what comparisons on other
tasks let one expect (`RaceRules.edges`); the same tells whether an approach that the budget could not fit would
probably have won. Nothing else rests on these expectations, and nobody is beaten by them.

Time is spent where it can be spared: after the first round only the leader goes on, and those who are likely to be
beaten, as the evidence grows, for less than half of what their test runs would take. Who is level with the leader is
measured with it; only where the budget does not allow that, all go on, since it has to be seen whom it is spent on.

The race ends where the winner is certain, where the examples are used up, where nobody's going on would spare anything,
or where the budget does not allow it. No turn is begun that is not expected to end within the budget; what turns out to
take longer while it runs is broken off. The time of the leader's test run is not to be had by anybody else, nor, up to
a tenth of the budget, that of the rivals which are cheapest to measure; an approach whose test run the budget does not
allow cannot win, unless it allows nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from advisor.racing.field import Field, Form, Leg, OutOfTime
from advisor.racing.fit_times import Pace
from advisor.tasks.power import LEVEL
from advisor.verdict import words
from advisor.verdict.race import Entrant, State, Stopped
from advisor.verdict.standings import (
    GAIN,
    Standard,
    beaten,
    certain,
    estimates,
    examples_to_beat,
    within_margin,
)

Floats = NDArray[np.float64]

FIRST = 16  # examples of the first round; fewer can hardly show anything after correction
LARGE_TRAIN = 2048  # training examples from which on a trained approach is tried with fewer before it is fitted
TRIAL_SHARE = 4
SMALLEST_TRIAL = 8  # training examples
TRIAL_ANSWERS = 64  # examples of the race: the fit is what a trial costs
CAUTION = 1.25
"""Work is taken to last this many times as long as what was measured lets one expect: others share the machine."""
SPARED = 0.1  # of the budget, for the test runs of what is in the race beside the leader
WORTH = 0.5  # of its test run, what it may cost to beat an approach before it


@dataclass(frozen=True)
class Finish:
    """How the race ended.

    Attributes:
        stopped: as in `advisor.verdict.race.Race`.
        finalists: to be measured on the test set, the winner first; empty where nothing could be judged.
        favourite: the approach that seems to be the best, those included that were tried with fewer training examples
            or, where `RaceRules.edges` tells what to expect of them, not fitted at all.
        forms: all approaches.
    """

    stopped: Stopped
    finalists: tuple[str, ...]
    favourite: str | None
    forms: tuple[Form, ...]

    def entrants(self) -> tuple[Entrant, ...]:
        """For the report."""
        ranked = sorted(self.forms, key=lambda form: form.rank)
        order = {spec: number for number, spec in enumerate(self.finalists)}
        ranked.sort(key=lambda form: order.get(form.spec, len(order)))
        return tuple(form.entrant() for form in ranked)


@dataclass(frozen=True)
class RaceRules:
    """Of a race.

    Attributes:
        budget: seconds; infinite for as long as it takes.
        margin, gain: as in `advisor.verdict.standings`, in units of the scores.
        level: chance that the best approach is lost, or a winner called certain that is not within `margin` of it.
        measures: whether the budget has to do for the finalists' test runs too.
        edges: by how much comparisons on other tasks let one expect each approach to score more than a reference that
            they share; without those of which nothing is known.
    """

    budget: float
    margin: float
    gain: float = GAIN
    level: float = LEVEL
    measures: bool = True
    edges: Mapping[str, float] = field(default_factory=dict)


def run_race(field_: Field, rules: RaceRules) -> Finish:
    """Hold a race."""
    return _Race(field_, rules).go()


class _Race:
    def __init__(self, field_: Field, rules: RaceRules) -> None:
        self.field = field_
        self.rules = rules
        self.standard = Standard(max(1, len(field_.specs) - 1), rules.level, rules.margin)
        self.forms = {spec: Form(spec) for spec in field_.specs}
        self.pace = Pace(field_.work)

    @property
    def left(self) -> float:
        return self.rules.budget - self.field.spent

    @property
    def running(self) -> list[Form]:
        return [form for form in self.forms.values() if form.running]

    @property
    def fitted(self) -> list[Form]:
        return [form for form in self.running if form.scores.size]

    @property
    def scores(self) -> dict[str, Floats]:
        """Of all who can win or could, and so may beat others."""
        out = ("over a limit", "unmeasured")
        return {f.spec: f.scores for f in self.forms.values() if f.scores.size and f.state not in out}

    @property
    def leader(self) -> Form | None:
        worth = estimates([form.spec for form in self.fitted], self.scores)
        return self.forms[max(worth, key=worth.__getitem__)] if worth else None

    def go(self) -> Finish:
        if len(self.forms) == 1 or not self.field.pool:
            return self._all()
        stopped: Stopped = "examples"
        for until, next_ in _rounds(self.field.pool):
            short = self._round(until)
            ended = self._ended(until, next_, short)
            if ended:
                stopped = ended
                break
            self.field.tell(f"{until} examples answered; still in it: {', '.join(form.spec for form in self.running)}")
        finalists = self._finalists(stopped)
        return Finish(stopped, finalists, self._favourite(finalists), tuple(self.forms.values()))

    def _all(self) -> Finish:
        """Nobody to race against, or nothing to race on: what needs no training is measured first."""
        for form in self.forms.values():
            form.state = "finalist"
        order = tuple(sorted(self.forms, key=self.field.trains))
        return Finish("alone" if len(order) == 1 else "examples", order, None, tuple(self.forms.values()))

    def _round(self, until: int) -> bool:
        """Who is to go on answers up to `until`; returns whether the time was too short for somebody."""
        short = False
        chased = self._chased()
        waiting = {form.spec for form in self.running if form in chased or not form.scores.size}
        # Ordered anew after each turn: what the first ones score tells what to expect of the next.
        while form := next((form for form in self._order() if form.spec in waiting), None):
            waiting.discard(form.spec)
            short |= not self._turn(form, until)
        return short

    def _order(self) -> list[Form]:
        """Those without training first, and of those with it the promising and then the quick."""

        best = self.leader

        def key(form: Form) -> tuple[bool, float, float]:
            return self.field.trains(form.spec), -self._hoped(form, best), self._per_example(form)

        fitted = [form for form in self.running if form.scores.size]
        return fitted + sorted((form for form in self.running if not form.scores.size), key=key)

    def _turn(self, form: Form, until: int) -> bool:
        """Returns False where the time does not allow it."""
        if self.field.train >= LARGE_TRAIN and self._can_be_tried(form):
            self._try(form)
        new = until - form.scores.size
        if new <= 0 or not form.running:
            return True
        if self._per_example(form) * new * CAUTION > self._allowed(form):
            return self._no_time(form, "")
        if not form.scores.size and (least := self._least(form, self.field.train)) > self._allowed(form):
            said = f"to fit it would take at least {words.duration(least)}, {words.duration(self._allowed(form))} left"
            return self._no_time(form, said)
        try:
            leg = self._leg(form, until)
        except OutOfTime as error:
            return self._no_time(form, str(error))
        if leg.trouble:
            self._out(form, "failed", leg.trouble)
            return True
        form.scores = np.concatenate([form.scores, leg.scores])
        form.per_example = leg.predict_seconds / new
        if leg.violation:
            self._out(form, "over a limit", leg.violation)
        elif self._test(form) > self.left:
            self._out(form, "unmeasured", self._too_long(form, self.left))
        self._drop()
        return True

    def _too_long(self, form: Form, left: float) -> str:
        took, rest = words.duration(self._test(form)), words.duration(max(left, 0))
        return f"its test run would take about {took}, and {rest} were left for it"

    def _no_time(self, form: Form, why: str) -> bool:
        """What was not fitted has no second try, since less time will be left; but it is tried with fewer examples."""
        if form.scores.size:
            return False
        if self._can_be_tried(form):
            self._try(form)
        if form.running:
            self._out(form, "no time", why)
        return False

    def _can_be_tried(self, form: Form) -> bool:
        small_enough = self.field.train // TRIAL_SHARE >= SMALLEST_TRIAL
        untried = not form.scores.size and not form.trial.size
        return self.field.trains(form.spec) and small_enough and untried and self.leader is not None

    def _try(self, form: Form) -> None:
        """Fit it on a part of the training examples."""
        size = self.field.train // TRIAL_SHARE
        if self._allowed(form) <= self._least(form, size):
            return
        try:
            leg = self._leg(form, min(TRIAL_ANSWERS, self.field.pool), size)
        except OutOfTime:
            return
        if leg.trouble:
            self._out(form, "failed", leg.trouble)
            return
        form.trial, form.tried_with = leg.scores, size
        form.beaten = beaten(form.spec, {**self.scores, form.spec: form.trial}, self.standard, self.rules.gain)
        if form.beaten:
            self._out(form, "beaten")

    def _leg(self, form: Form, until: int, train: int | None = None) -> Leg:
        """Its next turn, within the time that it is allowed; what its fit takes tells of the fits of others."""
        size = self.field.train if train is None else train
        fits = self.field.trains(form.spec) and not form.scores.size
        try:
            leg = self.field.run(form.spec, until, self._allowed(form), train=train)
        except OutOfTime as error:
            if fits:
                self.pace.note(form.spec, size, error.training)
            raise
        if fits and not leg.trouble:
            self.pace.note(form.spec, size, leg.training)
        form.seconds += leg.fit_seconds + leg.predict_seconds
        return leg

    def _least(self, form: Form, train: int) -> float:
        """Seconds that its fit takes at least, where that is known."""
        return self.pace.least(form.spec, train) if self.field.trains(form.spec) else 0.0

    def _drop(self) -> None:
        for form in self.fitted:
            form.beaten = beaten(form.spec, self.scores, self.standard)
            if form.beaten:
                self._out(form, "beaten")

    def _out(self, form: Form, state: State, why: str = "") -> None:
        form.state, form.why, form.left_at = state, why, self.field.spent
        if by := form.beaten:
            how = f"by {by.by}, evidence {by.evidence:,.0f} after {by.examples} examples"
            self.field.tell(f"{form.spec} is beaten {how}")
        else:
            self.field.tell(f"{form.spec} is out: {state}" + (f" ({why})" if why else ""))

    def _ended(self, until: int, next_: int | None, short: bool) -> Stopped | None:
        best = self.leader
        others = [form for form in self.running if form is not best]
        if best is not None and certain(best.spec, [form.spec for form in others], self.scores, self.standard):
            return "budget" if any(form.state == "no time" for form in self.forms.values()) else "certain"
        if short and all(form.scores.size < until for form in self.running):
            return "budget"  # nobody came any further
        if next_ is None:
            return "budget" if short else "examples"
        if not self._chased():
            return "budget" if short else "saving"
        return None

    def _chased(self) -> list[Form]:
        """The leader and those who are worth racing on; nobody where there is none of these."""
        best, fitted = self.leader, self.fitted
        scarce = not self.rules.measures or sum(map(self._test, fitted)) > self.left
        chased = [form for form in fitted if form is not best and (scarce or self._worth_chasing(form))]
        return [best, *chased] if best and chased else []

    def _worth_chasing(self, form: Form) -> bool:
        needed = examples_to_beat(form.spec, self.scores, self.standard)
        price = self._per_example(form) * (needed - form.scores.size)
        return needed <= self.field.pool and price < WORTH * self.field.test_seconds(self._per_example(form))

    def _finalists(self, stopped: Stopped) -> tuple[str, ...]:
        """The winner, and what cannot be told apart from it, as far as the time allows."""
        for form in self.running:
            if not form.scores.size:
                self._out(form, "no time")
        ranked = self._ranked()
        if not ranked:
            return ()
        best = ranked[0]
        best.state = "winner"
        chosen, left = [best], self.left - self._test(best)
        for form in (form for form in ranked if form.running):
            cheaper = self._per_example(form) < self._per_example(best)
            if stopped == "certain" and not cheaper and within_margin(form.spec, best.spec, self.scores, self.standard):
                form.state = "passed over"
            elif self._test(form) > left:
                form.state = "unmeasured"
                form.why = self._too_long(form, left)
            else:
                form.state = "finalist"
                chosen.append(form)
                left -= self._test(form)
        return tuple(form.spec for form in chosen)

    def _hoped(self, form: Form, best: Form | None) -> float:
        """The score to expect of it once it is fitted: that of its trial, or more where that of the leader lets one
        expect more; 0 where nothing is known."""
        if best is not None and {form.spec, best.spec} <= self.rules.edges.keys():
            edge = self.rules.edges[form.spec] - self.rules.edges[best.spec]
            form.expected = min(1.0, max(0.0, best.mean + edge))
        return max(form.mean, form.expected or 0.0)

    def _favourite(self, finalists: tuple[str, ...]) -> str | None:
        """By its scores on the examples that all answered, and for those that answered none by what is expected."""
        others = [f for f in self.forms.values() if f.state in ("no time", "unmeasured")]
        tried = {f.spec: f.scores if f.scores.size else f.trial for f in others if f.scores.size or f.trial.size}
        worth = estimates([*finalists, *tried], {**self.scores, **tried})
        for form in others:
            if not form.scores.size and (hoped := self._hoped(form, self.forms[finalists[0]] if finalists else None)):
                worth[form.spec] = max(hoped, worth.get(form.spec, 0.0))
        return max(worth, key=worth.__getitem__, default=None)

    def _ranked(self) -> list[Form]:
        """Who may be measured, the best first; where nobody is left, those without the time for it or over a limit."""
        found = self.fitted
        for state in ("unmeasured", "over a limit"):
            found = found or [form for form in self.forms.values() if form.state == state]
        worth = estimates([form.spec for form in found], {form.spec: form.scores for form in found})
        return sorted(found, key=lambda form: -worth[form.spec])

    def _allowed(self, form: Form) -> float:
        """Seconds for its next turn: what is left without the test run of whoever may win after it.

        The training of weights says how far it has come, so that one that would take too long is found out early.
        Other fits do not, so they get no more than an equal share.
        """
        best = self.leader
        left = self.left - max(self._test(form), self._test(best) if best else 0.0) - self._spared(form, best)
        if form.scores.size or self.field.trains(form.spec):
            return left
        waiting = sum(not other.scores.size for other in self.running)
        return left / waiting  # how long this fit takes cannot be told, and others want theirs

    def _spared(self, form: Form, best: Form | None) -> float:
        """Seconds for those whose test runs cost so little that no fit of another is worth losing them."""
        tests = sorted(self._test(other) for other in self.fitted if other not in (form, best))
        return max((total for total in accumulate(tests) if total <= SPARED * self.rules.budget), default=0.0)

    def _test(self, form: Form) -> float:
        """Seconds to be kept for its test run."""
        return CAUTION * self.field.test_seconds(self._per_example(form)) if self.rules.measures else 0.0

    def _per_example(self, form: Form) -> float:
        """Seconds, measured or those of its kin; 0 while nothing is known."""
        if form.per_example is None:
            kin = self.forms.get(self.field.kin(form.spec) or "")
            return (kin.per_example if kin else None) or 0.0
        return form.per_example


def _rounds(pool: int) -> Iterator[tuple[int, int | None]]:
    """How many examples are answered after each round, and after the next one."""
    ends = [FIRST]
    while ends[-1] < pool:
        ends.append(2 * ends[-1])
    ends = [min(end, pool) for end in ends]
    yield from zip(ends, [*ends[1:], None], strict=True)
