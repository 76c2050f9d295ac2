"""Advice for a task: expectations for every approach, the choice under the limits, reasons, and what to do first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from advisor.advise import argument
from advisor.advise.estimate import Change, Estimate, Option
from advisor.advise.foresight import Lengths, foresee
from advisor.advise.learned import expect
from advisor.advise.preference import Preference, option, prefer
from advisor.advise.probe import probe
from advisor.advise.profile import Profile, profile
from advisor.advise.readings import Probes, Rates
from advisor.approaches import Approach, spec_of, suggested
from advisor.decide import Prices, load_prices
from advisor.measure.environment import hardware
from advisor.measure.progress import Progress
from advisor.measure.records import ModelFacts
from advisor.models import LanguageModel
from advisor.tasks import Limits, Task
from advisor.tasks.description import Description

MORE_LABELS = 10
MORE_TRAFFIC = 10
WEEK = 7.0


def recommend(
    task: Task,
    model: LanguageModel | None = None,
    *,
    limits: Limits | None = None,
    prices: Prices | None = None,
    seconds: float = 120.0,
    progress: Progress | None = None,
) -> Estimate:
    """Say which approach to expect most of, before anything is spent.

    Without a model, from the task's profile alone, in seconds. With one, cheap probes of it come first; they look at
    train and dev only.

    Args:
        limits: what the answer must respect; None takes those of the task.
        prices: None takes the built-in list.
        seconds: that the probes may take.
    """
    probes = probe(task, model, seconds, progress) if model else None
    return estimate(profile(task, model), probes, model, limits or task.limits, prices or load_prices())


def estimate(
    described: Profile, probes: Probes | None, model: LanguageModel | None, limits: Limits, prices: Prices
) -> Estimate:
    """The advice that follows from a profile and probes."""
    case = _Case(described, probes, model, prices)
    options = case.options(case.task, described.description, limits)
    chosen = prefer(options)
    return Estimate(
        name=case.task.name,
        metric=case.task.metric,
        limits=limits,
        model=case.facts,
        profile=described,
        probes=probes,
        options=tuple(options),
        advised=chosen.advised,
        open=chosen.open,
        reasons=argument.reasons(options, chosen, described.description, probes, case.task.kind),
        changes=tuple(case.changes(options, chosen, limits)),
        steps=tuple(argument.steps(options, chosen, described, model is not None)),
        caveats=tuple(argument.caveats(options, probes, model is not None)),
    )


class _Case:
    """All that expectations and costs are worked out from, so that they can be worked out again for other facts."""

    def __init__(self, described: Profile, probes: Probes | None, model: LanguageModel | None, prices: Prices) -> None:
        self.task, self.description, self.probes = described.task, described.description, probes
        self.lengths = Lengths.of(self.task, model.count_tokens if model else None)
        self.rates = probes.rates if probes else Rates()
        self.facts = _facts(model) if model else None
        price = prices.hourly(self.facts, hardware(self.facts.device_name)) if self.facts else None
        self.usd_per_hour = price.usd if price else None

    def options(self, task: Task, description: Description, limits: Limits) -> list[Option]:
        """Every approach that applies, best expected quality first."""
        approaches: dict[str, Approach] = {spec_of(one): one for one in suggested(task)}
        found = expect(description, task.kind, task.metric, self.probes, list(approaches))
        options = [
            option(
                one.control or spec == "majority",
                found[spec],
                foresee(one, task, self.lengths, self.rates, self.facts),
                self.usd_per_hour,
                limits,
            )
            for spec, one in approaches.items()
        ]
        return sorted(options, key=lambda one: (-one.expected.value, one.spec))

    def changes(self, options: Sequence[Option], chosen: Preference, limits: Limits) -> list[Change]:
        """The advice again, under what may become different."""
        more = replace(
            self.description,
            train=MORE_LABELS * self.description.train,
            label_counts={label: MORE_LABELS * n for label, n in self.description.label_counts.items()},
        )
        weekly = replace(limits, documents_change_every_days=WEEK)
        busy = replace(limits, queries_per_day=MORE_TRAFFIC * (limits.queries_per_day or 1_000))
        labelled = self.options(_grown(self.task), more, limits)
        found = [argument.change(f"{more.train:,} labelled examples, not {self.description.train:,}", chosen, labelled)]
        if self.usd_per_hour is not None:
            what = "the documents change every week" if self.task.documents else "the rules change every week"
            found.append(argument.change(what, chosen, self.options(self.task, self.description, weekly)))
            traffic = f"{busy.queries_per_day:,.0f} queries a day"
            found.append(argument.change(traffic, chosen, self.options(self.task, self.description, busy)))
        return [*found, argument.privacy(options, chosen, self.facts)]


def _grown(task: Task) -> Task:
    """The task as if there were more labels, as far as the costs of fitting go."""
    return replace(task, train=task.train * MORE_LABELS)


def _facts(model: LanguageModel) -> ModelFacts:
    described = model.describe()
    return ModelFacts(**{**described, "caveats": tuple(described["caveats"])})
