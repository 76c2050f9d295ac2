"""The racing policy: who runs next, who is out, and when the race is over. What runs, and on what, is the `Field`'s
business.

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

import numpy as np

from advisor.pilot.deadline import OutOfTime
from advisor.racing.field import Contender, Field, Leg
from advisor.racing.standing import Standing
from advisor.racing.time_plan import TimePlan
from advisor.tasks.power import LEVEL
from advisor.verdict.race import Entrant, State, Stopped
from advisor.verdict.standings import (
    GAIN,
    Standard,
    beaten,
    certain,
    examples_to_beat,
    within_margin,
)

FIRST = 16  # examples of the first round; fewer can hardly show anything after correction
LARGE_TRAIN = 2048  # training examples from which on a trained approach is tried with fewer before it is fitted
TRIAL_SHARE = 4
SMALLEST_TRIAL = 8  # training examples
TRIAL_ANSWERS = 64  # examples of the race: the fit is what a trial costs
WORTH = 0.5  # of its test run, what it may cost to beat an approach before it


@dataclass(frozen=True)
class Finish:
    """How the race ended.

    Attributes:
        stopped: why the race ended, as in `advisor.verdict.race.Race`.
        finalists: the approaches to be measured on the test set, the winner first; empty where nothing could be judged.
        favourite: the approach that seems to be the best, those included that were tried with fewer training examples
            or, where `RaceRules.edges` tells what to expect of them, not fitted at all.
        contenders: all approaches.
    """

    stopped: Stopped
    finalists: tuple[str, ...]
    favourite: str | None
    contenders: tuple[Contender, ...]

    def entrants(self) -> tuple[Entrant, ...]:
        """The results of all approaches, for the report."""
        ranked = sorted(self.contenders, key=lambda one: one.rank)
        order = {spec: number for number, spec in enumerate(self.finalists)}
        ranked.sort(key=lambda one: order.get(one.spec, len(order)))
        return tuple(one.entrant() for one in ranked)


@dataclass(frozen=True)
class RaceRules:
    """The rules of a race.

    Attributes:
        budget: seconds; infinite for as long as it takes.
        margin, gain: see `advisor.verdict.standings`, in units of the scores.
        level: chance that the best approach is lost, or a winner called certain that is not within `margin` of it.
        measures: whether the budget has to do for the finalists' test runs too.
        edges: the expected difference of each approach to a shared reference, from comparisons on other tasks; unknown
            ones are left out.
    """

    budget: float
    margin: float
    gain: float = GAIN
    level: float = LEVEL
    measures: bool = True
    edges: Mapping[str, float] = field(default_factory=dict)


def run_race(field_: Field, rules: RaceRules) -> Finish:
    """Run a race to its end."""
    return _Race(field_, rules).go()


class _Race:
    """A running race: its contenders (`Standing`) and its time (`TimePlan`)."""

    def __init__(self, field_: Field, rules: RaceRules) -> None:
        self.field = field_
        self.rules = rules
        self.standard = Standard(max(1, len(field_.specs) - 1), rules.level, rules.margin)
        self.standing = Standing(field_.specs, rules.edges)
        self.time = TimePlan(field_, self.standing, rules.budget, rules.measures)

    def go(self) -> Finish:
        """Run rounds until the race ends."""
        contenders = self.standing.contenders
        if len(contenders) == 1 or not self.field.pool:
            return self._all()
        stopped: Stopped = "examples"
        for until, next_ in _rounds(self.field.pool):
            short = self._round(until)
            ended = self._ended(until, next_, short)
            if ended:
                stopped = ended
                break
            still = ", ".join(one.spec for one in self.standing.running)
            self.field.tell(f"{until} examples answered; still in it: {still}")
        finalists = self._finalists(stopped)
        return Finish(stopped, finalists, self.standing.favourite(finalists), tuple(contenders.values()))

    def _all(self) -> Finish:
        """Finish without racing where there is one approach or no example: approaches without training are measured
        first.
        """
        for one in self.standing.contenders.values():
            one.state = "finalist"
        order = tuple(sorted(self.standing.contenders, key=self.field.trains))
        return Finish("alone" if len(order) == 1 else "examples", order, None, tuple(self.standing.contenders.values()))

    def _round(self, until: int) -> bool:
        """Let contenders answer up to `until`; returns whether the time was too short for one of them."""
        short = False
        chased = self._chased()
        waiting = {one.spec for one in self.standing.running if one in chased or not one.scores.size}
        # Ordered anew after each turn: what the first ones score tells what to expect of the next.
        while one := next((one for one in self._order() if one.spec in waiting), None):
            waiting.discard(one.spec)
            short |= not self._turn(one, until)
            self.field.show(tuple(self.standing.contenders.values()))
        return short

    def _order(self) -> list[Contender]:
        """Contenders without training first, then those with it: promising ones first, then quick ones."""
        best = self.standing.leader

        def key(one: Contender) -> tuple[bool, float, float]:
            return self.field.trains(one.spec), -self.standing.hoped(one, best), self.time.per_example(one)

        return self.standing.fitted + sorted((one for one in self.standing.running if not one.scores.size), key=key)

    def _turn(self, one: Contender, until: int) -> bool:
        """Give one contender its next turn; returns False where the time does not allow it."""
        if self.field.train >= LARGE_TRAIN and self._can_be_tried(one):
            self._try(one)
        new = until - one.scores.size
        if new <= 0 or not one.running:
            return True
        if (why := self.time.why_not(one, new)) is not None:
            return self._no_time(one, why)
        try:
            leg = self._leg(one, until)
        except OutOfTime as error:
            return self._no_time(one, str(error))
        if leg.trouble:
            self._out(one, "failed", leg.trouble)
            return True
        one.scores = np.concatenate([one.scores, leg.scores])
        one.per_example = leg.predict_seconds / new
        if leg.violation:
            self._out(one, "over a limit", leg.violation)
        elif self.time.test(one) > self.time.left:
            self._out(one, "unmeasured", self.time.too_long(one, self.time.left))
        self._drop()
        return True

    def _no_time(self, one: Contender, why: str) -> bool:
        """Try a contender with fewer training examples where the time is too short for its full fit."""
        if one.scores.size:
            return False
        if self._can_be_tried(one):
            self._try(one)
        if one.running:
            self._out(one, "no time", why)
        return False

    def _can_be_tried(self, one: Contender) -> bool:
        small_enough = self.field.train // TRIAL_SHARE >= SMALLEST_TRIAL
        untried = not one.scores.size and not one.trial.size
        return self.field.trains(one.spec) and small_enough and untried and self.standing.leader is not None

    def _try(self, one: Contender) -> None:
        """Fit a contender on part of the training examples."""
        size = self.field.train // TRIAL_SHARE
        if self.time.allowed(one) <= self.time.least(one, size):
            return
        try:
            leg = self._leg(one, min(TRIAL_ANSWERS, self.field.pool), size)
        except OutOfTime:
            return
        if leg.trouble:
            self._out(one, "failed", leg.trouble)
            return
        one.trial, one.tried_with = leg.scores, size
        one.beaten = beaten(one.spec, {**self.standing.scores, one.spec: one.trial}, self.standard, self.rules.gain)
        if one.beaten:
            self._out(one, "beaten")

    def _leg(self, one: Contender, until: int, train: int | None = None) -> Leg:
        """Run a contender's next turn within its time; the time of its fit informs the plan."""
        size = self.field.train if train is None else train
        fits = self.field.trains(one.spec) and not one.scores.size
        try:
            leg = self.field.run(one.spec, until, self.time.allowed(one), train=train)
        except OutOfTime as error:
            if fits:
                self.time.note_fit(one, size, error.training)
            raise
        if fits and not leg.trouble:
            self.time.note_fit(one, size, leg.training)
        one.seconds += leg.fit_seconds + leg.predict_seconds
        return leg

    def _drop(self) -> None:
        for one in self.standing.fitted:
            one.beaten = beaten(one.spec, self.standing.scores, self.standard)
            if one.beaten:
                self._out(one, "beaten")

    def _out(self, one: Contender, state: State, why: str = "") -> None:
        one.state, one.why, one.left_at = state, why, self.field.spent
        if by := one.beaten:
            how = f"by {by.by}, evidence {by.evidence:,.0f} after {by.examples} examples"
            self.field.tell(f"{one.spec} is beaten {how}")
        else:
            self.field.tell(f"{one.spec} is out: {state}" + (f" ({why})" if why else ""))

    def _ended(self, until: int, next_: int | None, short: bool) -> Stopped | None:
        best = self.standing.leader
        others = [one for one in self.standing.running if one is not best]
        if best is not None and certain(best.spec, [one.spec for one in others], self.standing.scores, self.standard):
            return "budget" if any(one.state == "no time" for one in self.standing.contenders.values()) else "certain"
        if short and all(one.scores.size < until for one in self.standing.running):
            return "budget"  # nobody came any further
        if next_ is None:
            return "budget" if short else "examples"
        if not self._chased():
            return "budget" if short else "saving"
        return None

    def _chased(self) -> list[Contender]:
        """The leader and the contenders worth racing on; empty without any of the latter."""
        best, fitted = self.standing.leader, self.standing.fitted
        scarce = self.time.scarce
        chased = [one for one in fitted if one is not best and (scarce or self._worth_chasing(one))]
        return [best, *chased] if best and chased else []

    def _worth_chasing(self, one: Contender) -> bool:
        needed = examples_to_beat(one.spec, self.standing.scores, self.standard)
        price = self.time.per_example(one) * (needed - one.scores.size)
        return needed <= self.field.pool and price < WORTH * self.field.test_seconds(self.time.per_example(one))

    def _not_worth_measuring(self, one: Contender, best: Contender) -> bool:
        """Whether a contender is no cheaper than the winner, and shown not to be better by the margin."""
        if self.time.per_example(one) < self.time.per_example(best):
            return False
        return within_margin(one.spec, best.spec, self.standing.scores, self.standard)

    def _finalists(self, stopped: Stopped) -> tuple[str, ...]:
        """The winner and what cannot be told apart from it, as far as the time allows."""
        for one in self.standing.running:
            if not one.scores.size:
                self._out(one, "no time")
        ranked = self.standing.ranked()
        if not ranked:
            return ()
        best = ranked[0]
        best.state = "winner"
        chosen, left = [best], self.time.left - self.time.test(best)
        for one in (one for one in ranked if one.running):
            if stopped == "certain" and self._not_worth_measuring(one, best):
                one.state = "passed over"
            elif self.time.test(one) > left:
                one.state = "unmeasured"
                one.why = self.time.too_long(one, left)
            else:
                one.state = "finalist"
                chosen.append(one)
                left -= self.time.test(one)
        return tuple(one.spec for one in chosen)


def _rounds(pool: int) -> Iterator[tuple[int, int | None]]:
    """The number of examples answered after each round, and after the next one."""
    ends = [FIRST]
    while ends[-1] < pool:
        ends.append(2 * ends[-1])
    ends = [min(end, pool) for end in ends]
    yield from zip(ends, [*ends[1:], None], strict=True)
