"""The advice for a task: expectations for every approach, the choice under the limits, reasons and next steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from advisor.advice import argument
from advisor.advice.agenda import Agenda, Invocation
from advisor.advice.caveats import caveats, of_another_model
from advisor.advice.estimate import Estimate
from advisor.advice.outlook import Circumstances, Outlook
from advisor.advice.preference import prefer
from advisor.approaches import Approach, Lengths, owed, parse
from advisor.errors import UserError
from advisor.forecast.expected import Expected
from advisor.forecast.learned import expect, knowledge
from advisor.measuring.environment import hardware
from advisor.measuring.progress import Progress
from advisor.measuring.records import ModelFacts, facts_of
from advisor.models import LanguageModel, note_of_cut
from advisor.pilot.probing import probe
from advisor.pilot.readings import PROBING, Probes, Rates
from advisor.profiling.task_profile import Profile, profile
from advisor.tasks import Limits, Outline, Task
from advisor.tasks.description import Description
from advisor.verdict import Prices, load_prices
from advisor.verdict.prices import Tariff


def recommend(
    task: Task,
    model: LanguageModel | None = None,
    *,
    limits: Limits | None = None,
    prices: Prices | None = None,
    seconds: float = PROBING,
    progress: Progress | None = None,
) -> Estimate:
    """Say which approach to expect most of, before anything is spent.

    Without a model, from the task's profile alone, in seconds and without torch. With one, cheap probes of it come
    first; they look at train and dev only.

    Args:
        limits: what the answer must respect; None takes those of the task.
        prices: None takes the built-in list.
        seconds: the time for probes.

    Raises:
        UserError: there is nothing to probe on, or the time is not above 0.
    """
    probes = probe(task, model, seconds, progress) if model else None
    return estimate(profile(task, model), probes, model, limits or task.limits, prices or load_prices())


def estimate(
    described: Profile,
    probes: Probes | None,
    model: LanguageModel | None,
    limits: Limits,
    prices: Prices,
    names: Invocation | None = None,
) -> Estimate:
    """The estimate that follows from a profile and probes.

    Args:
        names: how the command line names task and model, and what else it names to be estimated; told from the task
            where None.

    Raises:
        UserError: what else is named is no approach, or does not suit the task.
    """
    task, facts = described.task, facts_of(model) if model else None
    tariff = prices.tariff(facts, hardware(facts.device_name)) if facts else Tariff()
    names = names or Invocation.of(task, facts.id if facts else "")
    outlook = replace(_outlook(described, probes, model, facts, tariff), also=_named(names.also, task))
    trainable = model is None or model.can.train
    now = Circumstances(task, Outline.of(task), described.description, limits, weights=trainable)
    options = outlook.options(now)
    chosen = prefer(options, limits)
    changes = outlook.changes(now, options, chosen)
    agenda = Agenda(options, chosen, described, names, limits)
    return Estimate(
        name=task.name,
        metric=task.metric,
        limits=limits,
        model=facts,
        profile=described,
        probes=probes,
        options=tuple(options),
        advised=chosen.advised,
        open=chosen.open,
        chances=chosen.chances,
        at_stake=chosen.at_stake,
        passed_over=argument.passed_over(options, chosen),
        settling=agenda.settling(),
        nearest=chosen.nearest,
        reasons=argument.reasons(options, chosen, described.description, probes, task.kind),
        changes=changes,
        steps=tuple(agenda.steps(changes)),
        caveats=(
            *described.language_caveats,
            *(note_of_cut(model.embedder, [e.input for e in (*task.train, *task.dev)], "inputs") if model else ()),
            *of_another_model(facts.id if facts else None),
            *caveats(described, options, chosen, knowledge(), limits, probes),
        ),
        prices=tariff.in_words(),
    )


def _named(specs: Sequence[str], task: Task) -> tuple[Approach, ...]:
    found = tuple(parse(spec) for spec in specs)
    for spec, one in zip(specs, found, strict=True):
        if why := one.unsuited(task):
            raise UserError(f"{spec} cannot be used on {task.name}: {why}", "leave it out")
        for _, asked in owed(one, 0):
            raise UserError(
                f"{spec} rests on another model, {asked.alias}, and advice is about one",
                "advisor compare --plan with both models says what it takes",
            )
    return found


def _outlook(
    described: Profile,
    probes: Probes | None,
    model: LanguageModel | None,
    facts: ModelFacts | None,
    tariff: Tariff,
) -> Outlook:
    task = described.task

    def expecting(description: Description, specs: Sequence[str]) -> Mapping[str, Expected]:
        return expect(description, task.kind, task.metric, probes, specs)

    lengths = Lengths.of(task, model.count_tokens if model else None)
    return Outlook(expecting, lengths, probes.rates if probes else Rates(), facts, tariff)
