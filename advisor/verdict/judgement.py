"""Judging a comparison: `decide` runs the steps of this room in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date

from advisor.errors import UserError
from advisor.measuring.records import Comparison, facts_in
from advisor.tasks import Limits
from advisor.tasks.power import COVERAGE, MARGIN
from advisor.verdict.break_even import break_even
from advisor.verdict.caveats import caveats
from advisor.verdict.choice import what_settles
from advisor.verdict.confidences import with_confidences
from advisor.verdict.decision import Decision, Grounds, Recommendation, Row, Versus
from advisor.verdict.diagnosis import diagnose
from advisor.verdict.doubts import not_above_constant, provisional_because
from advisor.verdict.flips import flips
from advisor.verdict.forgetting import not_measured, with_forgetting
from advisor.verdict.judge_cells import JudgeReport
from advisor.verdict.judges import judge_doubts, judge_reports, unused_grades
from advisor.verdict.measures import not_scored, with_metrics
from advisor.verdict.optimism import corrected
from advisor.verdict.other_tasks import with_missing_partners
from advisor.verdict.outcome import Outcome, Outcomes
from advisor.verdict.preferred import not_weighed, with_preferences
from advisor.verdict.prices import Prices, Tariff, load_prices
from advisor.verdict.reasons import Wording
from advisor.verdict.rows import complete_runs, measured
from advisor.verdict.sample import samples
from advisor.verdict.slicing import with_parts
from advisor.verdict.staleness import after_the_change
from advisor.verdict.statistics import Contrasts
from advisor.verdict.two_axes import across_models


def decide(
    comparison: Comparison,
    limits: Limits | None = None,
    *,
    prices: Prices | None = None,
    margin: float = MARGIN,
    today: date | None = None,
    coverage: float = COVERAGE,
) -> Decision:
    """Judge a comparison: quality with intervals, costs, the diagnosis and the choice.

    The same records give the same decision on any machine and, but for the age of prices and for tokens that cost
    something else from some day on, on any day. The rules of the choice are those of `advisor.verdict.choice.choose`.

    Args:
        comparison: the recorded comparison.
        limits: what the answer must respect; those recorded with the task by default.
        prices: the price list; the built-in one by default.
        margin: the margin of non-inferiority by which a cheaper approach may be worse, in units of the metric.
        today: whose prices of tokens hold, and against which ages are told; the machine's date by default.
        coverage: the share of the questions, the surest ones, of whose answers the quality is told; above 0.

    Raises:
        UserError: a limit, the margin or the coverage makes no sense, or the targets cannot be judged by the metric.
    """
    limits, prices = _recorded_limits(comparison) if limits is None else limits, prices or load_prices()
    _check(limits, margin)
    later = after_the_change(comparison, measured(comparison), margin)
    told = with_missing_partners(with_preferences(comparison, with_forgetting(comparison, later.rows)))
    judged = samples(comparison.task.metric, comparison.answers, complete_runs(comparison))
    tariffs = _tariffs(comparison, told, prices, today)
    contrasts = Contrasts(judged, frozenset(row.spec for row in told if row.control))
    ranked = with_metrics(comparison, _ranked(with_confidences(told, comparison, judged, coverage), contrasts))
    judges = judge_reports(comparison, ranked, prices, today)
    outcomes = Outcomes(ranked, grounds := Grounds(contrasts, tariffs, _doubts(comparison, ranked, contrasts, judges)))
    outcome = _settled(outcomes, contrasts, limits, margin)
    rows, choice = outcome.rows, outcome.choice
    between = across_models(rows, contrasts, outcome.spent, limits, margin)
    unknown = (*later.cautions, *_not_known(comparison), *_old(tariffs, today))
    cautions = (*caveats(comparison, rows, contrasts, limits, margin, tariffs), *unknown)
    wording = Wording(choice, rows, contrasts, limits, margin, comparison.task)
    found, when = flips(outcomes, limits, margin)
    decision = Decision(
        comparison=comparison,
        limits=limits,
        margin=margin,
        rows=rows,
        diagnosis=(*diagnose(rows, contrasts, comparison.task, margin), *between.items),
        break_even=break_even(rows, outcome.spent, limits),
        recommendation=replace(
            _recommended(outcome, wording, (*between.sentences, *later.sentences), cautions),
            flips=found,
            flips_when=(*when, *wording.flips_when(), *later.flips(choice.chosen)),
        ),
        prices="; ".join(dict.fromkeys(filter(None, (one.in_words() for one in tariffs.values())))),
        grounds=grounds,
        judges=judges,
    )
    return with_parts(decision, contrasts.samples)


def _doubts(
    comparison: Comparison, rows: Sequence[Row], contrasts: Contrasts, judges: Sequence[JudgeReport]
) -> dict[str, tuple[str, ...]]:
    """What would keep the choice of each row provisional, whatever the limits."""
    task, of_all = comparison.task, provisional_because(comparison)
    return {
        row.spec: (
            *of_all,
            *judge_doubts(task.metric, judges, row.spec),
            *not_above_constant(row, rows, contrasts, task.kind),
        )
        for row in rows
        if row.quality is not None and not row.control
    }


def _settled(outcomes: Outcomes, contrasts: Contrasts, limits: Limits, margin: float) -> Outcome:
    """The outcome with the quality of the choice corrected, and with what would settle it."""
    found = outcomes.at(limits, margin)
    if found.choice.chosen is None:
        return found
    quality = corrected(contrasts.intervals[found.choice.chosen.spec], outcomes.optimism(found.rows, limits, margin))
    settling = what_settles(found.choice, found.rows, contrasts, margin)
    return replace(found, choice=replace(found.choice, quality=quality, settling=settling))


def _not_known(comparison: Comparison) -> tuple[str, ...]:
    """What was to be measured of finished rows and could not be, with the reason; and what nothing was made of."""
    return (*not_measured(comparison), *not_weighed(comparison), *not_scored(comparison), *unused_grades(comparison))


def _tariffs(comparison: Comparison, rows: Sequence[Row], prices: Prices, today: date | None) -> dict[str, Tariff]:
    """What each row is paid by: its own model's price, or where none runs that of the machine that recorded it."""
    found = {}
    for row in rows:
        run = next(run for run in comparison.runs if run.spec == row.spec)
        member = comparison.model_of(run) or comparison.models[0]
        tariff = prices.tariff(member.facts, member.hardware, today)
        asked = tuple(prices.tariff(facts_in(one.model), one.hardware, today).tokens for one in row.asked)
        found[row.spec] = replace(tariff if row.uses_model else tariff.without_model, asked=asked)
    return found


def _recommended(outcome: Outcome, wording: Wording, more: Sequence[str], cautions: Sequence[str]) -> Recommendation:
    """The recommendation in words, but for when it flips.

    Args:
        more: reasons besides those of the choice alone and what keeps it provisional.
    """
    choice = outcome.choice
    return Recommendation(
        approach=outcome.approach,
        decided=outcome.decided,
        alternatives=choice.alternatives,
        settling=choice.settling,
        reasons=(*wording.reasons(), *more, *outcome.doubts),
        against=wording.against(),
        caveats=tuple(cautions),
        flips_when=(),
        quality=choice.quality,
        rests_on=wording.rests_on() if outcome.decided else "",
    )


def _old(tariffs: Mapping[str, Tariff], today: date | None) -> list[str]:
    """Caveats where applied prices are old."""
    said = (tariff.outdated(today or date.today()) for tariff in tariffs.values())
    return list(dict.fromkeys(filter(None, said)))


def _recorded_limits(comparison: Comparison) -> Limits:
    known = {field.name for field in fields(Limits)}
    return Limits(**{name: value for name, value in comparison.task.limits.items() if name in known})


def _check(limits: Limits, margin: float) -> None:
    if not math.isfinite(margin) or margin < 0:
        raise UserError(f"the margin is {margin}", "give a number of at least 0, in units of the metric")
    for field in fields(limits):
        value = getattr(limits, field.name)
        if value is None:
            continue
        least_is_fine = field.name in ("min_quality", "budget_usd")
        if not math.isfinite(value) or value < 0 or (value == 0 and not least_is_fine):
            raise UserError(f"the limit {field.name} is {value}", "give a number above 0, or leave it out")
        if field.name == "utilisation" and value > 1:
            raise UserError(f"the limit utilisation is {value}", f"a share is at most 1: {value / 100:g}")


def _ranked(rows: Sequence[Row], contrasts: Contrasts) -> list[Row]:
    """Rows with quality, letters and the difference to the best, best first; the rest after them.

    The best is that of the approaches that can be chosen in principle: no control.
    """
    letters = contrasts.letters()
    judged = [replace(row, quality=contrasts.intervals.get(row.spec), group=letters.get(row.spec, "")) for row in rows]
    judged.sort(key=lambda row: -row.quality.value if row.quality else math.inf)
    best = next((row.spec for row in judged if row.quality and not row.control), None)
    return [row if best is None else _versus(row, best, contrasts) for row in judged]


def _versus(row: Row, best: str, contrasts: Contrasts) -> Row:
    if row.quality is None or row.spec == best:
        return row
    contrast = contrasts.between(row.spec, best)
    d = contrast.difference
    versus = Versus(d.value, d.low, d.high, contrast.p, contrast.shown)
    return replace(row, versus_best=versus)
