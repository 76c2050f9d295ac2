"""Limits that the measurements leave open: the interval holds both sides of the limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from advisor.measuring.latency import BOUNDED_FROM
from advisor.tasks import Limits
from advisor.verdict import words
from advisor.verdict.choice import Choice, figures, violations
from advisor.verdict.decision import Row


def open_limits(row: Row, limits: Limits) -> dict[str, str]:
    """The limits of which it is unknown whether the approach keeps them, each with the reason; empty without any.

    The limits of what was measured in time: the 95th percentile of latency, whose bounds hold with 95 % each, and the
    budget. What was not measured at all is open too, but nothing that an interval says, and left out.
    """
    found = {}
    latency, cost = row.latency, row.cost
    if limits.p95_ms is not None and latency is not None and latency.n:
        low, high = latency.p95_low or 0.0, latency.p95_high
        if low <= limits.p95_ms and (high is None or high > limits.p95_ms):
            does = "breaks" if latency.p95 > limits.p95_ms else "keeps"
            ends = (
                f"it is {words.ms(low)} or more"
                if high is None
                else f"it lies from {words.ms(low)} to {words.ms(high)}"
            )
            few = latency.n < BOUNDED_FROM
            asked = f", and an upper bound takes {BOUNDED_FROM} of them" if high is None and few else ""
            found["p95_ms"] = (
                f"{row.spec} {does} the p95 limit of {words.ms(limits.p95_ms)} by its estimate of "
                f"{words.ms(latency.p95)} but is not shown to: by {words.many(latency.n, 'request')} {ends}{asked}."
            )
    budget, total = limits.budget_usd, cost.over_horizon
    if budget is not None and total is not None and cost.over_horizon_low is not None:
        low, high = cost.over_horizon_low, cost.over_horizon_high
        if high is not None and low <= budget < high:
            does = "breaks" if total > budget else "keeps"
            found["budget_usd"] = (
                f"{row.spec} {does} the budget of {words.usd(budget)} by its estimate of {words.usd(total)} but is not "
                f"shown to: by what its times may be off it is {words.usd(low)} to {words.usd(high)}."
            )
    return found


def shown_violations(row: Row, limits: Limits) -> tuple[str, ...]:
    """The limits that an approach is shown to break, in words."""
    return violations(figures(row), replace(limits, **dict.fromkeys(open_limits(row, limits))))


def rests_on_open_limits(
    choice: Choice, rows: Sequence[Row], limits: Limits, choose: Callable[[Sequence[Row]], Choice]
) -> tuple[str, ...]:
    """The reasons why a choice is provisional because limits are neither shown to be kept nor broken.

    That is so where the chosen approach itself is not shown to keep its limits, and where another would be chosen if
    those were admitted that are not shown to break theirs.

    Args:
        choose: makes the choice among rows, best quality first.
    """
    if choice.chosen is None:
        return ()
    mine = tuple(open_limits(choice.chosen, limits).values())
    if mine:
        return mine
    if not any(_may_keep_all(row, limits) for row in rows):
        return ()
    admitted = choose([replace(row, eligible=row.eligible or _may_keep_all(row, limits)) for row in rows])
    if admitted.chosen is None or admitted.chosen.spec == choice.chosen.spec:
        return ()
    rival = admitted.chosen
    text = f"If {rival.spec} kept its limit, it would be chosen in place of {choice.chosen.spec}."
    return (*open_limits(rival, limits).values(), text)


def _may_keep_all(row: Row, limits: Limits) -> bool:
    """Whether an excluded approach is excluded only by limits that it is not shown to break."""
    return bool(row.violations) and not row.control and not row.alike and not shown_violations(row, limits)
