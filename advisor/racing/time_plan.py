"""The time left of a race's budget, and each contender's share of it."""

from __future__ import annotations

from itertools import accumulate

from advisor.pilot.deadline import SAFETY
from advisor.racing.field import Contender, Field
from advisor.racing.fit_times import FitTimes
from advisor.racing.standing import Standing
from advisor.verdict import words

SPARED = 0.1  # of the budget, for the test runs of what is in the race beside the leader


class TimePlan:
    """The time of a race, planned from what turns took so far.

    Args:
        budget: seconds; infinite for as long as it takes.
        measures: whether the budget has to do for the finalists' test runs too.
    """

    def __init__(self, field: Field, standing: Standing, budget: float, measures: bool) -> None:
        self._field = field
        self._standing = standing
        self._budget = budget
        self._measures = measures
        self._fits = FitTimes(field.work)

    @property
    def left(self) -> float:
        """Seconds left of the budget; below 0 where it was overrun."""
        return self._budget - self._field.spent

    @property
    def scarce(self) -> bool:
        """Whether not all fitted contenders can be measured on the test set, or none is to be."""
        return not self._measures or sum(map(self.test, self._standing.fitted)) > self.left

    def allowed(self, one: Contender) -> float:
        """Seconds for a contender's next turn: what is left minus the test run of whoever may win after it.

        The training of weights says how far it has come, so that one that would take too long is found out early.
        Other fits do not, so they get no more than an equal share.
        """
        best = self._standing.leader
        left = self.left - max(self.test(one), self.test(best) if best else 0.0) - self._spared(one, best)
        if one.scores.size or self._field.trains(one.spec):
            return left
        waiting = sum(not other.scores.size for other in self._standing.running)
        return left / waiting  # how long this fit takes cannot be told, and others want theirs

    def why_not(self, one: Contender, new: int) -> str | None:
        """The reason why a contender's next turn over `new` examples would not end in time (may be empty); None where
        it may.
        """
        allowed = self.allowed(one)
        if self.per_example(one) * new * SAFETY > allowed:
            return ""
        if not one.scores.size and (least := self.least(one, self._field.train)) > allowed:
            return f"to fit it would take at least {words.duration(least)}, {words.duration(allowed)} left"
        return None

    def least(self, one: Contender, train: int) -> float:
        """The least seconds for a contender's fit on `train` training examples; 0 where unknown."""
        return self._fits.least(one.spec, train) if self._field.trains(one.spec) else 0.0

    def note_fit(self, one: Contender, train: int, seconds: float) -> None:
        """Record that a contender's fit on `train` examples took so long, or would have."""
        self._fits.note(one.spec, train, seconds)

    def test(self, one: Contender) -> float:
        """Seconds to be kept for a contender's test run."""
        return SAFETY * self._field.test_seconds(self.per_example(one)) if self._measures else 0.0

    def too_long(self, one: Contender, left: float) -> str:
        """The statement that a contender's test run would not end in `left` seconds."""
        took, rest = words.duration(self.test(one)), words.duration(max(left, 0))
        return f"its test run would take about {took}, and {rest} were left for it"

    def per_example(self, one: Contender) -> float:
        """Seconds per example, measured or those of its kin; 0 while unknown."""
        if one.per_example is None:
            kin = self._standing.contenders.get(self._field.kin(one.spec) or "")
            return (kin.per_example if kin else None) or 0.0
        return one.per_example

    def _spared(self, one: Contender, best: Contender | None) -> float:
        """Seconds reserved for test runs so cheap that no other fit is worth losing them."""
        tests = sorted(self.test(other) for other in self._standing.fitted if other not in (one, best))
        return max((total for total in accumulate(tests) if total <= SPARED * self._budget), default=0.0)
