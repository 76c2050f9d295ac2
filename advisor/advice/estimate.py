"""An estimate: expectations for every approach before any is run, and the choice. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from advisor.approaches import Approach, Shows
from advisor.forecast.expected import Expected
from advisor.forecast.foresight import Foreseen
from advisor.measuring.records import ModelFacts
from advisor.pilot.readings import Probes
from advisor.profiling.task_profile import Profile
from advisor.tasks import Limits
from advisor.verdict import Cost


@dataclass(frozen=True)
class Option:
    """One approach with what is expected of it.

    Attributes:
        foreseen: its foreseen costs; None where there is no task to tell them from.
        cost: US dollars; None where a price or a rate is unknown.
        violations: the limits that it is expected to break, in words.
    """

    spec: str
    approach: Approach
    expected: Expected
    foreseen: Foreseen | None
    cost: Cost
    violations: tuple[str, ...]

    @property
    def control(self) -> bool:
        """Whether it serves the diagnosis only and is never advised."""
        return self.approach.control

    @property
    def trained(self) -> bool:
        """Whether the model's weights are trained."""
        return self.approach.trains_model

    @property
    def uses_model(self) -> bool:
        """Whether it runs a language model."""
        return self.approach.uses_model

    @property
    def shows(self) -> Shows:
        """What stands in the prompt beside the query."""
        return self.approach.shows

    @property
    def baseline(self) -> bool:
        """Whether it is a control without a model, which must be beaten to have learned anything."""
        return self.control and not self.uses_model

    @property
    def asks_simply(self) -> bool:
        """Whether it is the base model with nothing beside the query."""
        return self.uses_model and not self.trained and self.shows == "nothing"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in a manager's words, and the fact behind it."""

    claim: str
    fact: str


@dataclass(frozen=True, slots=True)
class Change:
    """The advice under other circumstances.

    Attributes:
        advised: the approach advised then; None where nothing would respect the limits.
    """

    circumstance: str
    advised: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do next, and why.

    Attributes:
        command: the command to type; empty where there is none.
        seconds: about how long it takes on this machine; None where that is unknown.
    """

    what: str
    command: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Estimate:
    """The advice before anything is spent.

    Attributes:
        name: the name of the task, or of the interview.
        metric: the unit of the expected qualities.
        model: None where none was named.
        probes: None where nothing was measured.
        options: best expected quality first.
        advised: the spec to begin with; None where nothing respects the limits.
        open: others that may well turn out to be the better choice, likeliest first; empty where it is settled.
        chances: the chance of each other approach within the limits to be the better choice, by spec.
        at_stake: quality that is lost on average if the advised approach is taken unmeasured.
        passed_over: why something else has a higher figure than the advised one, in a sentence; empty where it has not.
        settling: the cheapest measurement that may settle it, in a sentence; empty where nothing is open.
        nearest: the approach nearest to the limits, where nothing respects them.
        reasons: the three that weigh most.
        steps: in order, the cheapest that may suffice first.
        caveats: full sentences.
        prices: date and sources of the prices that were applied, for display; empty where none were.
        told: questions and answers of an interview.
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
    chances: Mapping[str, float]
    at_stake: float
    passed_over: str
    settling: str
    nearest: str | None
    reasons: tuple[Reason, ...]
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    caveats: tuple[str, ...]
    prices: str = ""
    told: tuple[tuple[str, str], ...] = ()

    def option(self, spec: str) -> Option:
        """The option with this spec."""
        return next(option for option in self.options if option.spec == spec)
