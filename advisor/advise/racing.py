"""A race: who runs next, who is out, and when it is over. What runs, and on what, is the `Field`'s business.

All approaches answer the same examples in the same random order, 16 at first, then twice as many in each round. After
each turn those that are beaten (`advisor.decide.standings`, where the tests and their guarantee are stated) are out.
What needs no training goes first, since it may make the dear fits of the others unnecessary or show what they have to
beat. Evidence is gathered on approaches as they are fitted on the whole training set, and the fit of the race is the
one that is measured afterwards: nothing is fitted twice. The one exception is a trained approach with a large training
set: it is first tried with an eighth of it, and out if it falls short of a rival by more than an eighth could explain;
that rests on the assumption which `standings` names. Those trials also decide who is fitted first.

Time is spent where it can be spared: after the first round only the leader goes on, and those who are likely to be
beaten, as the evidence grows, for less than half of what their test runs would take. Who is level with the leader is
measured with it.

The race ends where the winner is certain, where the examples are used up, where nobody's going on would spare
anything, or where the budget does not allow it. No turn is begun that is not expected to end within the budget; what
turns out to take longer while it runs is broken off. The time of the leader's test run is not to be had by anybody
else; an approach whose test run the budget does not allow cannot win, unless it allows nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.decide.race import Entrant, State, Stopped
from advisor.decide.standings import (
    GAIN,
    Beaten,
    Tests,
    beaten,
    certain,
    estimates,
    examples_to_beat,
    within_margin,
)

Floats = NDArray[np.float64]

FIRST = 16  # examples of the first round; fewer can hardly show anything after correction
LARGE_TRAIN = 1024  # training examples from which on a trained approach is tried with fewer
TRIAL_SHARE = 8
CAUTION = 1.25
"""Work is taken to last this many times as long as what was measured lets one expect: others share the machine."""
WORTH = 0.5  # of its test run, what it may cost to beat an approach before it


class OutOfTime(Exception):
    """A turn was broken off, since it would not have ended in the time that it was given."""


@dataclass(frozen=True)
class Leg:
    """What came of one turn.

    Attributes:
        scores: of the examples that were new, in the order of the race.
        fit_seconds: of fitting and indexing, if that was part of it.
        predict_seconds: for all the new examples.
        trouble: why there are no scores: it failed or does not apply.
        violation: a limit that it breaks, in words.
    """

    scores: Floats
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    trouble: str = ""
    violation: str = ""


class Field(Protocol):
    """The approaches and the examples of a race."""

    @property
    def specs(self) -> Sequence[str]:
        """Of the approaches, in the order in which they were named."""

    @property
    def pool(self) -> int:
        """Examples to race on."""

    @property
    def train(self) -> int:
        """Training examples."""

    @property
    def spent(self) -> float:
        """Seconds, the calls before this one included."""

    def trains(self, spec: str) -> bool:
        """Whether fitting is what it takes its time for."""

    def kin(self, spec: str) -> str | None:
        """An approach that answers about as slowly and needs no training; None where there is none."""

    def run(self, spec: str, until: int, seconds: float, train: int | None = None) -> Leg:
        """Fit `spec` if that was not done, on `train` examples only where that is given, and let it answer the race's
        examples up to number `until`.

        Raises:
            OutOfTime: it would take longer than `seconds`.
        """

    def test_seconds(self, per_example: float) -> float:
        """What measuring a fitted approach on the test set is expected to take."""

    def tell(self, news: str) -> None:
        """Say what happened."""


@dataclass
class Form:
    """An approach in the race, as far as it has come."""

    spec: str
    scores: Floats = field(default_factory=lambda: np.zeros(0))
    trial: Floats = field(default_factory=lambda: np.zeros(0))
    seconds: float = 0.0
    per_example: float | None = None
    state: State | None = None
    beaten: Beaten | None = None
    trained_on: int | None = None
    left_at: float | None = None
    why: str = ""

    @property
    def running(self) -> bool:
        return self.state is None

    @property
    def mean(self) -> float:
        scores = self.scores if self.scores.size else self.trial
        return float(scores.mean()) if scores.size else 0.0


@dataclass(frozen=True)
class Finish:
    """How the race ended.

    Attributes:
        stopped: as in `advisor.decide.race.Race`.
        finalists: to be measured on the test set, the winner first; empty where nothing could be judged.
        forms: all approaches.
    """

    stopped: Stopped
    finalists: tuple[str, ...]
    forms: tuple[Form, ...]

    def entrants(self) -> tuple[Entrant, ...]:
        """For the report."""
        ranked = sorted(self.forms, key=_rank)
        order = {spec: number for number, spec in enumerate(self.finalists)}
        ranked.sort(key=lambda form: order.get(form.spec, len(order)))
        return tuple(_entrant(form) for form in ranked)


def run_race(field_: Field, budget: float, level: float, margin: float, gain: float = GAIN) -> Finish:
    """Hold a race.

    Args:
        budget: seconds for all of it and for measuring the finalists; infinite for as long as it takes.
        level: chance that the best approach is lost, or a winner called certain that is not within `margin` of it.
        margin, gain: as in `advisor.decide.standings`, in units of the scores.
    """
    return _Race(field_, budget, Tests(max(1, len(field_.specs) - 1), level, margin), gain).go()


class _Race:
    def __init__(self, field_: Field, budget: float, tests: Tests, gain: float) -> None:
        self.field = field_
        self.budget = budget
        self.tests = tests
        self.gain = gain
        self.forms = {spec: Form(spec) for spec in field_.specs}

    @property
    def left(self) -> float:
        return self.budget - self.field.spent

    @property
    def running(self) -> list[Form]:
        return [form for form in self.forms.values() if form.running]

    @property
    def fitted(self) -> list[Form]:
        return [form for form in self.running if form.scores.size]

    @property
    def scores(self) -> dict[str, Floats]:
        return {form.spec: form.scores for form in self.forms.values() if form.scores.size}

    @property
    def leader(self) -> Form | None:
        worth = estimates([form.spec for form in self.fitted], self.scores)
        return self.forms[max(worth, key=worth.__getitem__)] if worth else None

    def go(self) -> Finish:
        stopped: Stopped = "examples"
        if len(self.forms) == 1 or not self.field.pool:
            stopped = "alone" if len(self.forms) == 1 else "examples"
            return Finish(stopped, tuple(self.forms), tuple(self.forms.values()))
        for until, next_ in _rounds(self.field.pool):
            short = self._round(until)
            ended = self._ended(until, next_, short)
            if ended:
                stopped = ended
                break
            self.field.tell(f"{until} examples answered; still in it: {', '.join(form.spec for form in self.running)}")
        return Finish(stopped, self._finalists(stopped), tuple(self.forms.values()))

    def _round(self, until: int) -> bool:
        """Who is to go on answers up to `until`; returns whether the time was too short for somebody."""
        short = False
        chased = self._chased(until)
        for form in self._order():
            if (
                (not form.scores.size or form in chased)
                and form.running
                and self._tried(form, until)
                and not self._turn(form, until)
            ):
                short = True
        return short

    def _order(self) -> list[Form]:
        """Those without training first, and of those with it the promising and then the quick."""

        def key(form: Form) -> tuple[bool, float, float]:
            return self.field.trains(form.spec), -form.mean, self._per_example(form)

        fitted = [form for form in self.running if form.scores.size]
        return fitted + sorted((form for form in self.running if not form.scores.size), key=key)

    def _tried(self, form: Form, until: int) -> bool:
        """Whether it is still in the race after a trial with fewer training examples, where there is to be one."""
        size = self.field.train // TRIAL_SHARE
        best = self.leader
        if form.scores.size or self.field.train < LARGE_TRAIN or not self.field.trains(form.spec) or best is None:
            return True
        try:
            leg = self.field.run(form.spec, until, self._allowed(form), train=size)
        except OutOfTime:
            return True  # the fit on all of it is forecast by what it is heard to take
        form.seconds += leg.fit_seconds + leg.predict_seconds
        form.trial = leg.scores
        if leg.trouble:
            self._out(form, "failed", leg.trouble)
            return False
        form.beaten = beaten(form.spec, {**self.scores, form.spec: form.trial}, self.tests, self.gain)
        if form.beaten:
            form.trained_on = size
            self._out(form, "beaten")
        return form.running

    def _turn(self, form: Form, until: int) -> bool:
        """Returns False where the time does not allow it."""
        new = until - form.scores.size
        if new <= 0:
            return True
        expected = self._per_example(form) * new * CAUTION
        if expected > self._allowed(form):
            return self._no_time(form, "")
        try:
            leg = self.field.run(form.spec, until, self._allowed(form))
        except OutOfTime as error:
            return self._no_time(form, str(error))
        form.seconds += leg.fit_seconds + leg.predict_seconds
        if leg.trouble:
            self._out(form, "failed", leg.trouble)
            return True
        form.scores = np.concatenate([form.scores, leg.scores])
        form.per_example = leg.predict_seconds / new
        if leg.violation:
            self._out(form, "over a limit", leg.violation)
        self._drop()
        return True

    def _no_time(self, form: Form, why: str) -> bool:
        """What was not fitted has no second try: less time will be left."""
        if not form.scores.size:
            self._out(form, "no time", why)
        return False

    def _drop(self) -> None:
        for form in self.fitted:
            form.beaten = beaten(form.spec, self.scores, self.tests)
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
        if best is not None and not others:
            return "certain"
        if best is not None and certain(best.spec, [form.spec for form in others], self.scores, self.tests):
            return "certain"
        if short and all(form.scores.size < until for form in self.running):
            return "budget"  # nobody came any further
        if next_ is None:
            return "budget" if short else "examples"
        if not self._chased(next_):
            return "budget" if short else "saving"
        return None

    def _chased(self, until: int) -> list[Form]:
        """The leader and those who are worth racing on; nobody where there is none of these."""
        best = self.leader
        chased = [form for form in self.fitted if form is not best and self._worth_chasing(form)]
        return [best, *chased] if best and chased else []

    def _worth_chasing(self, form: Form) -> bool:
        needed = examples_to_beat(form.spec, self.scores, self.tests)
        price = self._per_example(form) * (needed - form.scores.size)
        return needed <= self.field.pool and price < WORTH * self.field.test_seconds(self._per_example(form))

    def _finalists(self, stopped: Stopped) -> tuple[str, ...]:
        """The winner, and what cannot be told apart from it, as far as the time allows."""
        for form in self.running:
            if not form.scores.size:
                self._out(form, "no time")
        ranked = self._ranked()
        best = next((form for form in ranked if self._test(form) <= self.left), ranked[0] if ranked else None)
        if best is None:
            return ()
        best.state = "winner"
        chosen, left = [best], self.left - self._test(best)
        for form in (form for form in ranked if form.running):
            cheaper = self._per_example(form) < self._per_example(best)
            if stopped == "certain" and not cheaper and within_margin(form.spec, best.spec, self.scores, self.tests):
                form.state = "passed over"
            elif self._test(form) > left:
                form.state = "unmeasured"
                form.why = f"its test run would take about {self._test(form):.0f} s, and {max(left, 0):.0f} s were left"
            else:
                form.state = "finalist"
                chosen.append(form)
                left -= self._test(form)
        return tuple(form.spec for form in chosen)

    def _ranked(self) -> list[Form]:
        """Who may be measured, the best first; where every approach breaks a limit, those that do."""
        found = self.fitted or [form for form in self.forms.values() if form.state == "over a limit"]
        worth = estimates([form.spec for form in found], self.scores)
        return sorted(found, key=lambda form: -worth[form.spec])

    def _allowed(self, form: Form) -> float:
        """Seconds for its next turn: what is left without the test run of whoever may win after it.

        The training of weights says how far it has come, so that one that would take too long is found out early.
        Other fits do not, so they get no more than an equal share.
        """
        best = self.leader
        left = self.left - max(self._test(form), self._test(best) if best else 0.0)
        if form.scores.size or self.field.trains(form.spec):
            return left
        waiting = sum(not other.scores.size for other in self.running)
        return left / waiting  # how long this fit takes cannot be told, and others want theirs

    def _test(self, form: Form) -> float:
        return CAUTION * self.field.test_seconds(self._per_example(form))

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


def _rank(form: Form) -> tuple[int, float]:
    """After the finalists: those that were in it at the end, then the others, the last to leave first."""
    return (0, -form.mean) if form.left_at is None else (1, -form.left_at)


def _entrant(form: Form) -> Entrant:
    by = form.beaten if form.state == "beaten" else None
    scores = form.scores if form.trained_on is None else form.trial
    assert form.state is not None
    return Entrant(
        spec=form.spec,
        state=form.state,
        examples=scores.size,
        score=float(scores.mean()) if scores.size else None,
        trained_on=form.trained_on,
        by=by.by if by else None,
        evidence=by.evidence if by else None,
        difference=by.difference if by else None,
        at_examples=by.examples if by else None,
        seconds=form.seconds,
        left_at=form.left_at,
        why=form.why,
    )
