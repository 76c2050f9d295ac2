"""The reasons for a choice in sentences: arguments for and against it, and what would have to be shown for another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.measuring.records import TaskFacts
from advisor.tasks import Limits
from advisor.verdict import costs, staleness, words
from advisor.verdict.cells import Interval
from advisor.verdict.choice import Choice, excess, figures
from advisor.verdict.costs import Measure
from advisor.verdict.decision import Row
from advisor.verdict.doubts import constant_answer
from advisor.verdict.statistics import Contrasts

STATISTICS = "docs/statistics.md"


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
                "Intervals and p-values here are those of one pair alone: the best has to pass the test against every "
                "rival, so that no number of them makes a wrong claim likelier. Those of the table and the diagnosis "
                f"speak of all pairs at once and are corrected for that ({STATISTICS})."
            )
        return tuple(found)

    def against(self) -> tuple[str, ...]:
        """The arguments against the chosen approach."""
        chosen = self._choice.chosen
        if chosen is None:
            return ()
        found = [*self._not_above_constant(chosen), *self._excluded(chosen)]
        best = self._choice.best
        if best is not None and best is not chosen:
            found.append(f"{best.spec} measured better: {self._alone(best.spec, chosen.spec)}.")
        found += self._cheapest(chosen) + self._fastest(chosen)
        return (*found, *staleness.against(chosen))

    def rests_on(self) -> str:
        """What a decided choice rests on, as part of a sentence."""
        choice = self._choice
        rivals = len(self._eligible()) - 1
        if not rivals:
            return "the only approach that can be chosen"
        within = f"worse by less than {self._margin:g}"
        how = (
            "shown to be better"
            if not choice.cheaper_than
            else f"cheaper, and shown to be {within} if worse at all,"
            if not choice.better_than
            else f"shown to be better, or cheaper and {within} if worse at all,"
        )
        return f"{how} than {'its one rival' if rivals == 1 else f'each of its {rivals} rivals, tested one by one'}"

    def flips_when(self) -> tuple[str, ...]:
        """What more test examples would have to show for another approach to be chosen, which is cheaper."""
        chosen = self._choice.chosen
        return tuple(self._larger_test_set(chosen)) if chosen else ()

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
                f"Undecided between {chosen.spec} and {rivals}: {chosen.spec} {self._lead(chosen)}, "
                f"{self._quality(chosen)}, and is named provisionally."
            )
        if chosen is best:
            return f"{chosen.spec} has the best quality {where}: {self._quality(chosen)}."
        return (
            f"{chosen.spec} takes the place of {best.spec}, which has the best quality {where}: it is cheaper and "
            f"shown to be worse by less than {self._margin:g}; {self._quality(chosen)}."
        )

    def _lead(self, chosen: Row) -> str:
        """What an undecided choice has ahead of those that cannot be ruled out: nothing, where they measured alike."""
        shown = {row.spec: words.value(row.quality.value) for row in self._rows.values() if row.quality}
        equal = [spec for spec in self._choice.alternatives if shown[spec] == shown[chosen.spec]]
        return f"measured the same as {words.listed(equal)}" if equal else "measured best"

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

    def _not_above_constant(self, chosen: Row) -> list[str]:
        control = constant_answer(list(self._rows.values()))
        if control is None or self._contrasts.between(chosen.spec, control.spec).beats:
            return []
        return [
            f"{chosen.spec} is not shown to beat {control.spec}, which always gives {self._constant}: "
            f"{self._alone(chosen.spec, control.spec)}."
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

    def _larger_test_set(self, chosen: Row) -> Iterator[str]:
        measure = self._choice.measure
        for row in self._eligible():
            if measure is None or not costs.cheaper(row, chosen, measure):
                continue
            asked = [self._still_to_be_shown(row, other, measure) for other in self._eligible() if other is not row]
            lacking = [one for one in asked if one is not None]
            if len(lacking) < len(asked):
                continue
            no_worse = [spec for what, spec in lacking if what == "no worse"]
            better = [spec for what, spec in lacking if what == "better"]
            to_show = [f"to be worse than {words.listed(no_worse)} by less than {self._margin:g}"] if no_worse else []
            to_show += [f"to be better than {words.listed(better)}"] if better else []
            seeds = any(self._contrasts.between(row.spec, spec).of_seeds for spec in (*no_worse, *better))
            more = "More seeds and a larger test set show" if seeds else "A larger test set shows"
            yield (f"{more} {row.spec} {' and '.join(to_show)}: then it is preferred, being cheaper in {measure.name}.")

    def _still_to_be_shown(self, row: Row, other: Row, measure: Measure) -> tuple[str, str] | None:
        """What is still to be shown of a row against a rival for it to be chosen; None where that cannot be.

        What is shown already is empty.
        """
        contrast = self._contrasts.between(row.spec, other.spec)
        cheap = costs.cheaper(row, other, measure)
        if contrast.beats or (cheap and contrast.no_worse_by(self._margin)):
            return "", other.spec
        if cheap and contrast.alone.high > -self._margin:
            return "no worse", other.spec
        return ("better", other.spec) if contrast.difference.value > 0 else None

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
