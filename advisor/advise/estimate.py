"""An estimate: what to expect of every approach before any is run, and which to choose. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from advisor.advise.expected import Expected
from advisor.advise.foresight import Foreseen
from advisor.advise.profile import Profile
from advisor.advise.readings import Probes
from advisor.decide import Cost
from advisor.measure.records import ModelFacts
from advisor.tasks import Limits


@dataclass(frozen=True)
class Option:
    """One approach.

    Attributes:
        control: it serves the diagnosis and is never advised.
        foreseen: what it will take; None where there is no task to tell it from.
        cost: US dollars; None where a price or a rate is unknown.
        violations: the limits that it is expected to break, in words.
    """

    spec: str
    control: bool
    expected: Expected
    foreseen: Foreseen | None
    cost: Cost
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in a manager's words, and the fact behind it."""

    claim: str
    fact: str


@dataclass(frozen=True, slots=True)
class Change:
    """What the advice would be under other circumstances."""

    circumstance: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do, and why now."""

    what: str
    command: str = ""


@dataclass(frozen=True)
class Estimate:
    """Advice before anything is spent.

    Attributes:
        name: of the task, or of the interview.
        metric: the unit of the expected qualities.
        model: None where none was named.
        probes: None where nothing was measured.
        options: best expected quality first.
        advised: the spec to begin with; None where nothing respects the limits.
        open: others that may well turn out better, likeliest first.
        reasons: the three that weigh most.
        steps: in order, the cheapest that may suffice first.
        caveats: full sentences.
    """

    name: str
    metric: str
    limits: Limits
    model: ModelFacts | None
    profile: Profile | None = field(repr=False)
    probes: Probes | None = field(repr=False)
    options: tuple[Option, ...]
    advised: str | None
    open: tuple[str, ...]
    reasons: tuple[Reason, ...]
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    caveats: tuple[str, ...]

    def option(self, spec: str) -> Option:
        """The approach of that spec."""
        return next(option for option in self.options if option.spec == spec)
