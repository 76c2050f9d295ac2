"""What a reader of the page can vary and look through: costs under other settings, and the test examples."""

from __future__ import annotations

from dataclasses import replace

from advisor.reporting import figures, statements
from advisor.reporting.axes import linear_ticks
from advisor.reporting.interactive import Browser, CostExplorer, TestPart
from advisor.reporting.pictures import Axis, Lines, Trace
from advisor.verdict import costs, words
from advisor.verdict.cards import Card
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Decision
from advisor.verdict.exploring import ASSUMED_QUERIES, Exploration, exploration

_HALF, _FULLY = 0.5, 0.05
"""An answer counts as right if its score is 1, or, where fewer than this share of all are, from a half on."""
_NO_TEXTS = (
    "Inputs and passages were left out of the records (--no-texts), so that there are no examples to look through."
)


def cost_explorer(decision: Decision) -> CostExplorer | None:
    """Costs over time; None where none is known."""
    found = exploration(decision)
    if found is None:
        return None
    points = tuple(statements.break_even(point) for point in decision.break_even)
    return CostExplorer(found, statements.numbers(decision), _present(decision, found), points)


def _present(decision: Decision, found: Exploration) -> Lines:
    """Costs over time under the limits of the decision, with a number of queries assumed where none is given."""
    days, asked = costs.horizon(decision.limits), decision.limits.queries_per_day or ASSUMED_QUERIES
    limits = replace(decision.limits, queries_per_day=asked)
    keys, traces = statements.numbers(decision), []
    for one in found.candidates:
        total = one.terms.spent.over_horizon(limits) if one.terms else None
        if one.terms and total is not None:
            ends = ((0.0, one.terms.spent.fit), (days, total))
            points = tuple((day, Interval(usd, usd, usd)) for day, usd in ends)
            chosen = one.spec == decision.recommendation.approach
            traces.append(Trace(one.spec, keys[one.spec], points, strong=chosen))
    most = max(point.value for trace in traces for _, point in trace.points) or 1.0
    assumed = "" if decision.limits.queries_per_day else " (assumed, since the limits do not say)"
    return Lines(
        f"Costs over time at {words.number(asked)} queries a day{assumed}",
        Axis("days", 0.0, days, tuple((tick, figures.amount(tick)) for tick in linear_ticks(0.0, days))),
        Axis("US dollars", 0.0, most, tuple((tick, figures.money(tick)) for tick in linear_ticks(0.0, most))),
        tuple(traces),
    )


def browser(decision: Decision, found: tuple[Card, ...]) -> Browser | None:
    """The test examples, by all cards of the decision; None where no row was judged."""
    comparison = decision.comparison
    if not found:
        return None
    rows = tuple(row.spec for row in decision.rows if row.spec in found[0].answers)
    scores = [answer.score for card in found for answer in card.answers.values() if answer.score is not None]
    graded = not {0.0, 1.0}.issuperset(scores)
    right_from = _HALF if graded and scores.count(1.0) < _FULLY * len(scores) else 1.0
    shown = Browser(found, rows, words.metric(comparison.task.metric), graded, right_from)
    if not comparison.texts:
        return replace(shown, cards=(), why_not=_NO_TEXTS)
    ids, groups = list(comparison.answers), sorted({card.group for card in found} - {""})
    parts = [TestPart("group", group, frozenset(card.id for card in found if card.group == group)) for group in groups]
    others = [one for one in decision.slices if one.by != "group"]
    parts += [TestPart(one.by, one.name, frozenset(ids[place] for place in one.places)) for one in others]
    return replace(shown, parts=tuple(parts))
