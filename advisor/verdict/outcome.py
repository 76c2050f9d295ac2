"""What is chosen under any limits and margin, of rows that were measured once: their costs, whether each may be chosen,
the choice and what keeps it provisional. `decide` asks for that of its own limits, `flips.py` for that of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from advisor.tasks import Limits
from advisor.verdict import costs, words
from advisor.verdict.choice import Choice, choose, costs_of, figures, optimism_of, violations
from advisor.verdict.costs import Expenses, measure_for
from advisor.verdict.decision import Grounds, Row
from advisor.verdict.limits import open_limits, rests_on_open_limits
from advisor.verdict.optimism import corrected
from advisor.verdict.staleness import held_to


@dataclass(frozen=True)
class Outcome:
    """What is chosen under some limits.

    Attributes:
        rows: best quality first, with their costs, and whether each may be chosen.
        choice: without what would settle it, and without the corrected quality where no least quality asks for it.
        doubts: what keeps it provisional beside its alternatives, in sentences.
        spent: what each row costs, where that is known.
    """

    rows: tuple[Row, ...]
    choice: Choice
    doubts: tuple[str, ...]
    spent: Mapping[str, Expenses]

    @property
    def approach(self) -> str | None:
        """The chosen approach, or that which is named provisionally; None where nothing may be chosen."""
        return self.choice.chosen.spec if self.choice.chosen else None

    @property
    def decided(self) -> bool:
        """Whether it is shown to be the right choice."""
        return self.choice.chosen is not None and not self.choice.alternatives and not self.doubts


class Outcomes:
    """The outcomes under any limits.

    Args:
        rows: with their qualities, best first.
        grounds: what does not depend on limits.
    """

    def __init__(self, rows: Sequence[Row], grounds: Grounds) -> None:
        self._rows = rows
        self._grounds = grounds
        self._optimism: dict[tuple[object, ...], float] = {}

    def at(self, limits: Limits, margin: float) -> Outcome:
        """The outcome under these limits with this margin of non-inferiority, in units of the metric."""
        priced, spent = [], {}
        for row in self._rows:
            held = replace(row, after=held_to(row.after, margin)) if row.after else row
            found = costs.expenses(costs.quantities(held), self._grounds.tariffs[row.spec], limits)
            if found is not None:
                spent[row.spec] = found
            priced.append(_admitted(replace(held, cost=costs.cost(found, limits)), limits))
        rows, choice = self._chosen(priced, limits, margin)
        again = partial(choose, contrasts=self._grounds.contrasts, margin=margin)
        own = self._grounds.doubts.get(choice.chosen.spec, ()) if choice.chosen else ()
        return Outcome(tuple(rows), choice, (*own, *rests_on_open_limits(choice, rows, limits, again)), spent)

    def optimism(self, rows: Sequence[Row], limits: Limits, margin: float) -> float:
        """The optimism of the pick from all that could have been chosen of `rows`, whatever their quality: a least
        quality picks too."""
        others = replace(limits, min_quality=None)
        field = [
            row
            for row in rows
            if row.eligible or (row.violations and not row.alike and not violations(figures(row), others))
        ]
        if not field:
            return 0.0
        by = costs_of(field, measure_for(field))
        key = (margin, tuple(row.spec for row in field), by.cheaper.tobytes(), by.order.tobytes())
        if key not in self._optimism:
            self._optimism[key] = optimism_of(field, self._grounds.contrasts, margin)
        return self._optimism[key]

    def _chosen(self, rows: list[Row], limits: Limits, margin: float) -> tuple[list[Row], Choice]:
        """The choice, and the rows without those that reach the required quality only because they were selected."""
        contrasts = self._grounds.contrasts
        optimism = 0.0 if limits.min_quality is None else self.optimism(rows, limits, margin)
        while True:
            choice = choose(rows, contrasts, margin)
            if choice.chosen is None or limits.min_quality is None:
                return rows, choice
            quality = corrected(contrasts.intervals[choice.chosen.spec], optimism)
            if quality.value >= limits.min_quality:
                return rows, choice
            broken = f"quality {words.value(quality.value)}, corrected for having been picked, is below "
            place = rows.index(choice.chosen)
            rows[place] = replace(rows[place], eligible=False, violations=(f"{broken}{limits.min_quality:g}",))


def _admitted(row: Row, limits: Limits) -> Row:
    if row.status != "ok" or row.quality is None:
        return row
    broken = () if row.control else (*filter(None, [row.alike]), *violations(figures(row), limits))
    straddled = () if row.control else tuple(open_limits(row, limits).values())
    return replace(row, eligible=not row.control and not broken, violations=broken, straddles=straddled)
