"""The reasons for a choice in sentences: arguments for and against, and where it would flip."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.measuring.records import TaskFacts
from advisor.tasks import Limits
from advisor.verdict import costs, staleness, words
from advisor.verdict.break_even import DAYS, UTILISATION
from advisor.verdict.cells import Interval
from advisor.verdict.choice import Choice, excess, figures
from advisor.verdict.costs import known_cost
from advisor.verdict.decision import BreakEven, Row
from advisor.verdict.statistics import Contrasts


class Wording:
    """The sentences about one choice.

    Args:
        choice: the choice.
        rows: all rows, best quality first.
        contrasts: the contrasts of all complete approaches.
        limits: the limits that the choice respects.
        margin: the margin of non-inferiority, in units of the metric.
        task: the task as recorded.
    """

    def __init__(
        self,
        choice: Choice,
        rows: Sequence[Row],
        contrasts: Contrasts,
        limits: Limits,
        margin: float,
        task: TaskFacts,
    ) -> None:
        self._choice = choice
        self._rows = {row.spec: row for row in rows}
        self._contrasts = contrasts
        self._limits = limits
        self._margin = margin
        self._metric = words.metric(task.metric)
        self._constant = words.constant_answer(task.kind)

    def reasons(self) -> tuple[str, ...]:
        """The reasons for this choice, or for choosing nothing; the outcome first."""
        choice = self._choice
        if choice.chosen is None or choice.best is None:
            return self._nothing_eligible()
        found = [self._first_reason(choice.chosen, choice.best)]
        found += [self._better(spec) for spec in choice.better_than]
        found += [self._cheaper(spec) for spec in choice.cheaper_than]
        found += [self._open(spec) for spec in choice.alternatives]
        found += self._picked(choice.chosen)
        if choice.better_than or choice.cheaper_than or choice.alternatives:
            found.append(
                "Intervals and p-values here are those of one pair alone, which is what this claim needs; those of the "
                "table and the diagnosis are corrected for all pairs."
            )
        return tuple(found)

    def against(self) -> tuple[str, ...]:
        """The arguments against the chosen approach."""
        chosen = self._choice.chosen
        if chosen is None:
            return ()
        found = [*self._no_better_than_majority(), *self._excluded(chosen)]
        best = self._choice.best
        if best is not None and best is not chosen:
            found.append(f"{best.spec} measured better: {self._alone(best.spec, chosen.spec)}.")
        found += self._cheapest(chosen) + self._fastest(chosen)
        return (*found, *staleness.against(chosen))

    def flips_when(self, points: Sequence[BreakEven]) -> tuple[str, ...]:
        """Conditions under which another approach would be better, each beginning with the condition."""
        chosen = self._choice.chosen
        if chosen is None:
            return ()
        found = [s for s in (self._at(point, chosen.spec) for point in points) if s]
        if chosen.latency is not None:
            found.append(f"The p95 limit is below {words.ms(chosen.latency.p95)}: that excludes {chosen.spec}.")
        found += self._looser_limits(chosen)
        found += self._larger_test_set(chosen)
        return tuple(found)

    def _nothing_eligible(self) -> tuple[str, ...]:
        ran = [row for row in self._rows.values() if row.quality is not None and not row.control]
        if not ran:
            return ("No approach that could be chosen was measured to the end.",)
        answering = [row for row in ran if not row.alike]
        found = ["No approach respects all limits." if answering else "No approach can be chosen."]
        found += [f"{row.spec}: {words.listed(row.violations)}." for row in ran]
        if not answering:
            return tuple(found)
        nearest = min(answering, key=lambda row: excess(figures(row), self._limits))
        return (*found, f"Nearest to the limits comes {nearest.spec}.")

    def _first_reason(self, chosen: Row, best: Row) -> str:
        where = "of the approaches that respect the limits" if self._restricted() else "of all approaches"
        if len(self._eligible()) == 1:
            return f"{chosen.spec} is the only approach that can be chosen; {self._quality(chosen)}."
        if self._choice.alternatives:
            rivals = words.listed(self._choice.alternatives)
            return (
                f"Undecided between {chosen.spec} and {rivals}: {chosen.spec} has the better point estimate, "
                f"{self._quality(chosen)}, and is named provisionally."
            )
        if chosen is best:
            return f"{chosen.spec} has the best quality {where}: {self._quality(chosen)}."
        return (
            f"{chosen.spec} takes the place of {best.spec}, which has the best quality {where}: it is cheaper and "
            f"shown to be worse by less than {self._margin:g}; {self._quality(chosen)}."
        )

    def _better(self, spec: str) -> str:
        return f"It is better than {spec}: {self._alone(self._chosen, spec)}."

    def _cheaper(self, spec: str) -> str:
        shown = self._alone(self._chosen, spec)
        return (
            f"It is cheaper than {spec} ({self._sums(self._chosen, spec)}) and, if worse at all, then by less than "
            f"{self._margin:g}: {shown}."
        )

    def _open(self, spec: str) -> str:
        text = f"{spec} cannot be ruled out: {self._alone(self._chosen, spec)}"
        sums = self._sums(self._chosen, spec)
        return f"{text}; {sums}." if sums else f"{text}."

    def _no_better_than_majority(self) -> list[str]:
        best = self._choice.best
        control = next(
            (r for r in self._rows.values() if r.baseline and r.quality),
            None,
        )
        if best is None or control is None:
            return []
        contrast = self._contrasts.between(best.spec, control.spec)
        if contrast.shown and contrast.difference.value > 0:
            return []
        return [
            f"{best.spec} is not shown to beat {control.spec}, which always gives {self._constant}: "
            f"{_difference(contrast.difference, contrast.p)}, corrected for all pairs."
        ]

    def _excluded(self, chosen: Row) -> list[str]:
        return [
            f"{row.spec} has the better quality, {self._quality(row)}, but is excluded: {words.listed(row.violations)}."
            for row in self._rows.values()
            if row.violations and row.quality and chosen.quality and row.quality.value > chosen.quality.value
        ]

    def _cheapest(self, chosen: Row) -> list[str]:
        measure = self._choice.measure
        if measure is None or measure is costs.MEDIAN_LATENCY:
            return []
        cheapest = min(self._eligible(), key=lambda row: found.value if (found := measure.of(row)) else 0.0)
        if not costs.cheaper(cheapest, chosen, measure):
            return []
        return [f"{cheapest.spec} is the cheapest: {self._sums(chosen.spec, cheapest.spec)}."]

    def _fastest(self, chosen: Row) -> list[str]:
        faster = [row for row in self._eligible() if costs.cheaper(row, chosen, costs.MEDIAN_LATENCY)]
        if chosen.latency is None or not faster:
            return []
        fastest, spec = min((row.latency.p50, row.spec) for row in faster if row.latency)
        return [
            f"{spec} answers the fastest: {words.ms(fastest)} in the median against {words.ms(chosen.latency.p50)} for "
            f"{chosen.spec}."
        ]

    def _at(self, point: BreakEven, chosen: str) -> str:
        """A break-even point as a condition; empty where it does not lie ahead of the chosen approach."""
        if chosen not in (point.below, point.above):
            return ""
        rises = chosen == point.below
        cheaper = point.above if rises else point.below
        now = costs.queries(self._limits)
        if point.variable == DAYS:
            now = self._limits.documents_change_every_days
            condition = f"Documents change {'less' if rises else 'more'} often than every {words.number(point.at)} days"
        elif point.variable == UTILISATION:
            now = self._limits.utilisation or 1.0  # as the costs have it
            condition = (
                f"Hardware is busy {'more' if rises else 'less'} than {words.number(100 * point.at)} % of the time"
            )
        else:
            condition = f"There are {'more' if rises else 'fewer'} than {words.number(point.at)} queries in all"
        if now is not None and (now > point.at) == rises:
            return ""
        return f"{condition}: then {cheaper} is cheaper than {chosen}."

    def _looser_limits(self, chosen: Row) -> list[str]:
        found = []
        for row in self._rows.values():
            if not row.violations or row.alike or not row.quality or not chosen.quality:
                continue
            if row.quality.value > chosen.quality.value:
                asked = self._asked(row)
                found.append(f"The limits allow {asked}: then {row.spec} can be chosen, {self._quality(row)}.")
        return found

    def _asked(self, row: Row) -> str:
        asked = []
        p95, total = row.latency.p95 if row.latency else None, known_cost(row.cost)
        if self._limits.p95_ms is not None and p95 is not None and p95 > self._limits.p95_ms:
            asked.append(f"a p95 latency of {words.ms(p95)}")
        if self._limits.budget_usd is not None and total is not None and total > self._limits.budget_usd:
            asked.append(f"a budget of {words.usd(total)}")
        return words.listed(asked) or "what it asks"

    def _larger_test_set(self, chosen: Row) -> list[str]:
        measure = self._choice.measure
        found = []
        for row in self._eligible():
            if measure is None or not costs.cheaper(row, chosen, measure):
                continue
            contrast = self._contrasts.between(row.spec, chosen.spec)
            if contrast.no_worse_by(self._margin) or contrast.alone.high <= -self._margin:
                continue
            more = "More seeds and a larger test set show" if contrast.of_seeds else "A larger test set shows"
            found.append(
                f"{more} {row.spec} to be worse than {chosen.spec} by less than {self._margin:g}: then it is "
                f"preferred, being cheaper in {measure.name}."
            )
        return found

    @property
    def _chosen(self) -> str:
        return self._choice.chosen.spec if self._choice.chosen else ""

    def _eligible(self) -> list[Row]:
        return [row for row in self._rows.values() if row.eligible]

    def _restricted(self) -> bool:
        limits = self._limits
        return any(limit is not None for limit in (limits.p95_ms, limits.budget_usd, limits.min_quality))

    def _quality(self, row: Row) -> str:
        shown = words.interval(row.quality) if row.quality else "unknown"
        return f"{self._metric} {shown}, {words.many(row.n, 'test example')}"

    def _picked(self, chosen: Row) -> list[str]:
        """The correction for the winner's curse, where it is worth a sentence."""
        quality = self._choice.quality
        if quality is None or chosen.quality is None or words.value(quality.value) == words.value(chosen.quality.value):
            return []
        return [f"Corrected for having been picked by these test examples: {self._metric} {words.interval(quality)}."]

    def _alone(self, first: str, second: str) -> str:
        contrast = self._contrasts.between(first, second)
        return _difference(contrast.alone, contrast.p_alone)

    def _sums(self, first: str, second: str) -> str:
        measure = self._choice.measure
        if measure is None:
            return ""
        one, two = measure.of(self._rows[first]), measure.of(self._rows[second])
        if one is None or two is None:
            return ""
        return f"{measure.name} {measure.show(one.value)} for {first} against {measure.show(two.value)} for {second}"


def _difference(difference: Interval, p: float) -> str:
    sign = "+" if difference.value > 0 else ""
    return f"difference {sign}{words.interval(difference)}, {words.probability(p)}"
