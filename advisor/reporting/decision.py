"""The report of a decision, as blocks."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.measuring.records import Comparison, ModelFacts, TaskFacts
from advisor.reporting import charts, figures, race, repeating, statements, tables
from advisor.reporting.blocks import (
    Argument,
    Block,
    Bullets,
    Code,
    Conclusion,
    Detail,
    Details,
    Gap,
    Heading,
    Only,
    Paragraph,
    Remark,
    Remarks,
    Report,
    listed,
    section,
)
from advisor.reporting.cards import differences
from advisor.reporting.confidences import confidences
from advisor.reporting.errors import errors
from advisor.reporting.exploring import browser, cost_explorer
from advisor.reporting.forgetting import forgetting
from advisor.reporting.judges import judges
from advisor.reporting.measures import measures
from advisor.reporting.preferences import preferences
from advisor.reporting.scatter import scatter
from advisor.reporting.slices import slices
from advisor.tasks.power import LEVEL
from advisor.verdict.cards import cards
from advisor.verdict.decision import Decision
from advisor.verdict.race import Race

LABELS = 10
"""Columns of the labels at the head and foot of a report."""


def decision_report(decision: Decision) -> Report:
    """The report of a decision: what was measured, what follows from it, and how it was done."""
    comparison = decision.comparison
    examples = cards(comparison, decision.scores or None)
    return Report(
        f"Advisor: {statements.named(comparison.task.name)}",
        (
            Only("screen", (_head(decision), Gap())),
            Only("page", (Heading("Results"), measured(comparison.task))),
            *_results(decision),
            *_pictures(decision),
            *section("Unanswerable questions", tables.abstention(decision)),
            *measures(decision),
            *section("How it was trained", tables.training(decision)),
            *section("Diagnosis", _diagnosis(decision)),
            *slices(decision),
            *errors(decision),
            *differences(decision, examples),
            Only("page", section("Examples", browser(decision, examples))),
            *judges(decision),
            *preferences(decision),
            *forgetting(decision),
            *confidences(decision),
            Only("page", section("Calibration", *charts.reliability(decision), charts.coverage(decision))),
            *_costs(decision),
            _conclusion(decision),
            *(_race(decision.race) if decision.race else ()),
            *section("Notes", _notes(decision)),
            *listed("Caveats", statements.caveats(decision)),
            Only("page", (Heading("Method"), Paragraph(tuple(_method(decision))), *section("Setup", _setup(decision)))),
            Only("screen", (Gap(), _foot(decision))),
        ),
    )


def head(task: TaskFacts, *models: ModelFacts) -> list[Detail]:
    """The task and the models in short."""
    found = [Detail("task", f"{task.kind}, measured by {task.metric}; {statements.sizes(task)}")]
    for model in models:
        found.append(Detail("model", statements.model(model, short=True)))
        found.append(Detail("device", statements.device(model), follows=True))
    return found


def _models(comparison: Comparison) -> list[Detail]:
    """Each model of several, by its alias."""
    found = []
    for member in comparison.members:
        found.append(Detail(member.alias, statements.model(member.facts, short=True)))
        found.append(Detail("device", statements.device(member.facts), follows=True))
    return found


def measured(task: TaskFacts) -> Paragraph:
    """The kind and size of the task."""
    return Paragraph((f"{task.kind}; {statements.sizes(task)}.",))


def _head(decision: Decision) -> Details:
    comparison = decision.comparison
    task, model = comparison.task, comparison.model
    first, *rest = [*head(task), *_models(comparison)] if comparison.several else head(task, model)
    fingerprint = Detail("fingerprint", f"fingerprint {task.fingerprint}", follows=True)
    more = [
        ("embedder", model.embedder),
        ("change", statements.change(comparison)),
        ("limits", "; ".join(statements.limits(decision.limits))),
    ]
    return Details((first, fingerprint, *rest, *(Detail(label, text) for label, text in more if text)), LABELS)


def _results(decision: Decision) -> Iterator[Block]:
    if decision.rows:
        yield tables.results(decision)
    else:
        yield Only("screen", (Paragraph(("No approach was recorded.",)),))


def _pictures(decision: Decision) -> Iterator[Block]:
    """What a page draws; a terminal has a figure of its own, and the tables."""
    yield Only("page", section("Quality against cost", charts.against_cost(decision)))
    yield Only("page", section("Quality against latency", charts.against_latency(decision)))
    yield Only("page", section("Differences to the best", charts.differences(decision)))


def _diagnosis(decision: Decision) -> Details | None:
    found = [Detail(one.name, one.meaning, figures.quality(one.estimate)) for one in decision.diagnosis]
    return Details(tuple(found)) if found else None


def _costs(decision: Decision) -> Iterator[Block]:
    figure = scatter(decision)
    if any(row.quality for row in decision.rows):
        yield Only("page", (Heading("Costs"), tables.costs(decision)))
    yield Only("screen", section(f"Quality ({decision.comparison.task.metric}) against cost", figure))
    points = Bullets([statements.break_even(point) for point in decision.break_even], dashed=False)
    if decision.break_even:
        yield Only("screen", (Heading("Break-even"), points))
    if explorer := cost_explorer(decision):  # which lists them too
        yield Only("page", (explorer,))
    elif decision.break_even:
        yield Only("page", (points,))


def _conclusion(decision: Decision) -> Conclusion:
    r = decision.recommendation
    return Conclusion(
        "Recommendation",
        statements.verdict(r),
        "good" if r.decided and r.approach else "strong",
        statements.still_needed(decision),
        (
            Argument("why", "", r.reasons),
            Argument("against", "Against it", r.against),
            Argument("flips", "It would flip", r.flips_when),
        ),
    )


def _race(found: Race) -> tuple[Block, ...]:
    fates = tuple(Detail(Code(spec), fate) for spec, fate in race.entrants(found))
    promised = tuple(race.guarantee(found))
    drawn = charts.stays(found)
    return section(
        "Race",
        Paragraph(tuple(race.summary(found))),
        Only("page", (drawn,)) if drawn else None,
        Details(fates),
        Paragraph(promised) if promised else None,
    )


def _notes(decision: Decision) -> Remarks | None:
    keys = statements.numbers(decision)
    noted = [(row.spec, found) for row in decision.rows if (found := statements.notes(row))]
    return Remarks(tuple(Remark(Code(spec), found, keys.get(spec, "")) for spec, found in noted)) if noted else None


def _method(decision: Decision) -> Iterator[str]:
    seeds = decision.comparison.seeds
    counts = sorted({r.latency.n for r in decision.rows if r.latency})
    span = " to ".join(str(n) for n in dict.fromkeys(counts[:1] + counts[-1:]))
    model = "for each model the same precision" if decision.comparison.several else "the same base model, precision"
    yield (
        f"Every approach ran with {model}, prompt renderer and decoding on the same test examples, with "
        f"{'one seed' if seeds == 1 else f'{seeds} seeds, taken together'}."
    )
    yield (
        "Intervals of qualities hold 95 %: the Wilson score interval of a share of right answers, else a bootstrap "
        "over the test examples, wider where macro F1 has labels with few of them; with several seeds a t interval "
        "over examples and seeds."
    )
    yield (
        "Differences to the best approach are paired by example. Their intervals hold together, their p-values are "
        "corrected for all pairs (single-step maximum), and both allow for the seed of a training; p below "
        f"{LEVEL:g} counts as shown, and a difference in {decision.comparison.task.metric} within "
        f"{figures.decimals(decision.margin)} as too small to matter. The choice itself is tested against each "
        "rival alone: the best has to pass every one of these tests, so that it needs no correction "
        "(docs/statistics.md)."
    )
    yield (
        "Latency is measured end to end on requests sent one at a time, after warm-up"
        f"{f' ({span} each)' if counts else ''}; the bounds of its percentiles are order statistics, which hold with "
        "95 % each whatever the distribution."
    )
    prices = f" ({decision.prices.rstrip('.')})" if decision.prices else ""
    yield (
        f"Costs are computed from the measured times and tokens and from the prices{prices}; where a price is not "
        "known, the cost is unknown, not zero. The interval of a cost says what timing the same work again would "
        "give, by batches that were timed again, and not which queries come."
    )
    yield "Controls serve the diagnosis and are never chosen; a failed approach has no quality, rather than 0."


def _setup(decision: Decision) -> Details:
    comparison = decision.comparison
    details = [
        ("command", repeating.command(comparison)),
        ("names in it", repeating.legend(comparison)),
        ("task fingerprint", comparison.task.fingerprint),
        *_weights(comparison),
        ("embedder", comparison.model.embedder),
        ("limits", "; ".join(statements.limits(decision.limits))),
        ("seeds", str(comparison.seeds)),
        ("settings", statements.settings(comparison.settings.items())),
        ("hardware", statements.settings(comparison.hardware.items())),
        ("versions", statements.settings(comparison.versions.items())),
        ("prices", decision.prices),
        ("reused", statements.reused(decision)),
        ("time", statements.time_spent(decision)),
        ("share of ceiling", statements.share_of_ceiling(decision)),
        ("records", comparison.folder),
    ]
    return Details(tuple(Detail(label, text) for label, text in details if text))


def _weights(comparison: Comparison) -> Iterator[tuple[str, str]]:
    for member in comparison.models:
        named = f" {member.alias}" if comparison.several else ""
        yield f"model{named}", statements.model(member.facts)
        yield f"device{named}", statements.device(member.facts)


def _foot(decision: Decision) -> Details:
    reached = statements.share_of_ceiling(decision)
    details = [
        Detail("reused", statements.reused(decision)),
        Detail("time", statements.time_spent(decision)),
        Detail("share of ceiling", f"share of ceiling: {reached}" if reached else "", follows=True),
        Detail("costs", decision.prices),
        Detail("records", decision.comparison.folder),
    ]
    return Details(tuple(detail for detail in details if detail.text), LABELS)
