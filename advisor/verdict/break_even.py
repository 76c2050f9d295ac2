"""Break-even points between approaches: by how much is asked, how often documents change, how busy hardware is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, product

from advisor.tasks import Limits
from advisor.verdict.costs import CENT, TOLERANCE, Expenses, horizon, queries
from advisor.verdict.decision import BreakEven, Row

QUERIES = "queries"
DAYS = "days between document changes"
UTILISATION = "utilisation"
FEWEST_QUERIES = 100.0
"""A break-even below a day's traffic, or below this where the traffic is not known, is nothing to choose by."""
LEAST_UTILISATION = 0.001  # nobody keeps hardware for what keeps it busy less than that
SHORTEST_DAYS = 1 / 24  # nobody changes documents more often than hourly


def break_even(rows: Sequence[Row], spent: Mapping[str, Expenses], limits: Limits) -> tuple[BreakEven, ...]:
    """The break-even points of eligible approaches: in queries, in days between document changes, in utilisation.

    Approaches that another one beats or equals in quality and in every kind of cost are left out, and so is what is
    nothing to choose by: points below `FEWEST_QUERIES` or a day's traffic, or of changes that nobody makes, and two
    that cost the same but for what measurements may be off by. Days are computed only where the traffic is known, and
    only up to the horizon, since there is no change beyond it. Utilisation is that of hardware against tokens; there an
    approach is held against others that are paid as it is, since idle hardware makes all of the other kind look good.
    """
    known = [row for row in rows if row.eligible and row.spec in spent]
    both = list(combinations([row.spec for row in _worth_it(known, spent)], 2))
    found = [_in_queries(a, b, spent, limits) for a, b in both] + [_in_days(a, b, spent, limits) for a, b in both]
    paid = [_worth_it([row for row in known if spent[row.spec].by_tokens is kind], spent) for kind in (False, True)]
    found += [_in_utilisation(one.spec, two.spec, spent, limits) for one, two in product(*paid)]
    points = [point for point in found if point is not None]
    return tuple(sorted(points, key=lambda p: ((QUERIES, DAYS, UTILISATION).index(p.variable), p.at)))


def _worth_it(rows: Sequence[Row], spent: Mapping[str, Expenses]) -> list[Row]:
    def merits(row: Row) -> tuple[float, float, float, float]:
        e, quality = spent[row.spec], row.quality.value if row.quality else 0.0
        return quality, -e.fit, -e.per_query, -e.upkeep

    def beaten(row: Row) -> bool:
        mine = merits(row)
        return any(
            merits(other) != mine and all(a >= b for a, b in zip(merits(other), mine, strict=True)) for other in rows
        )

    return [row for row in rows if not beaten(row)]


def _in_queries(a: str, b: str, spent: Mapping[str, Expenses], limits: Limits) -> BreakEven | None:
    one, two = spent[a], spent[b]
    saved, extra = two.per_query - one.per_query, one.fixed(limits) - two.fixed(limits)
    off = math.hypot(one.off_by(one.per_query), two.off_by(two.per_query))
    if abs(saved) <= max(off, TOLERANCE * max(one.per_query, two.per_query)) or extra / saved <= 0:
        return None
    number, fewest = queries(limits), limits.queries_per_day or FEWEST_QUERIES
    at_most = max(abs(extra), abs(extra - saved * number)) if number is not None else math.inf
    if extra / saved < fewest or at_most < CENT:
        return None
    few, many = (b, a) if extra > 0 else (a, b)
    extra_off = math.hypot(one.off_by(one.fixed(limits)), two.off_by(two.fixed(limits)))
    return BreakEven(QUERIES, extra / saved, few, many, *_ends(extra, extra_off, saved, off, _measured_twice(one, two)))


def _in_days(a: str, b: str, spent: Mapping[str, Expenses], limits: Limits) -> BreakEven | None:
    number, one, two = queries(limits), spent[a], spent[b]
    if number is None:
        return None
    upkeep = (one.upkeep - two.upkeep) * horizon(limits)
    others = [each.fit + each.per_query * number for each in (one, two)]
    rest = others[1] - others[0]
    off = math.hypot(one.off_by(others[0]), two.off_by(others[1]))
    if abs(rest) <= max(off, CENT) or not SHORTEST_DAYS <= upkeep / rest <= horizon(limits):
        return None
    often, seldom = (b, a) if upkeep > 0 else (a, b)
    upkeep_off = horizon(limits) * math.hypot(one.off_by(one.upkeep), two.off_by(two.upkeep))
    return BreakEven(
        DAYS, upkeep / rest, often, seldom, *_ends(upkeep, upkeep_off, rest, off, _measured_twice(one, two))
    )


def _in_utilisation(hours: str, tokens: str, spent: Mapping[str, Expenses], limits: Limits) -> BreakEven | None:
    """The share of use of one's own hardware from which on it is cheaper than tokens, over the horizon.

    Where the traffic is not known, of so much of it that what is paid once is nothing beside it.
    """
    one, two, number = spent[hours], spent[tokens], queries(limits)
    busy = one.per_query * (limits.utilisation or 1.0)  # a query of hardware that is never idle
    once = 0.0 if number is None else one.fixed(limits) - two.fixed(limits)
    work, saved = (busy, two.per_query) if number is None else (number * busy, number * two.per_query - once)
    if saved <= 0 or not LEAST_UTILISATION <= work / saved <= 1:
        return None
    once_off = 0.0 if number is None else one.off_by(one.fixed(limits))
    if once_off >= saved:
        return None
    ends = _ends(work, one.off_by(work), saved, once_off, _measured_twice(one, two))
    return BreakEven(UTILISATION, work / saved, tokens, hours, *ends)


def _measured_twice(one: Expenses, two: Expenses) -> bool:
    return one.error is not None and two.error is not None


def _ends(
    above: float, above_off: float, below: float, below_off: float, known: bool
) -> tuple[float, float] | tuple[None, None]:
    """The interval of a quotient of two differences of equal, known signs; None where nothing was timed again."""
    if not known:
        return None, None
    above, below = abs(above), abs(below)
    return max(0.0, above - above_off) / (below + below_off), (above + above_off) / (below - below_off)
