"""Caveats about money: what costs assume, what they leave out, and what has no price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from advisor.measuring.attempt import EMBEDDED
from advisor.tasks import Limits
from advisor.verdict import costs, staleness, words
from advisor.verdict.decision import Row
from advisor.verdict.prices import HourlyPrice, Tariff
from advisor.verdict.token_prices import PaidTokens, TokenPrice


def money(rows: Sequence[Row], limits: Limits, tariffs: Mapping[str, Tariff]) -> Iterator[str]:
    """All of them, price by price.

    Args:
        tariffs: what each row is paid by, by its spec.
    """
    for unknown in dict.fromkeys(tariff.unknown for tariff in tariffs.values() if tariff.unknown):
        yield f"{unknown.rstrip('.')}. Costs are unknown, which does not mean zero."
    for price, found in _by_price(rows, tariffs).items():
        yield from _by_hours(found, limits, price) if isinstance(price, HourlyPrice) else _by_tokens(found, price)
    yield from _estimated(rows)
    yield from _embedding(rows, tariffs)
    yield from _asking(rows, tariffs)
    yield from _sent_again(rows)
    if any(row.cost.per_1k_queries is not None for row in rows):
        if limits.queries_per_day is None:
            yield "Costs over the horizon are unknown without queries_per_day."
        elif limits.horizon_days is None:
            yield f"Costs are added up over {costs.DEFAULT_HORIZON_DAYS:g} days, since no horizon_days was given."
    yield from staleness.upkeep(rows, limits)
    unchecked = [row.spec for row in rows if row.eligible and row.cost.over_horizon is None]
    if limits.budget_usd is not None and unchecked:
        yield f"The budget could not be checked in full for {words.listed(unchecked)}."


def _by_price(rows: Sequence[Row], tariffs: Mapping[str, Tariff]) -> dict[HourlyPrice | TokenPrice, list[Row]]:
    """The rows that have a cost, by the price that is applied."""
    found: dict[HourlyPrice | TokenPrice, list[Row]] = {}
    for row in rows:
        price = tariffs[row.spec].applied
        if price is not None and row.cost.per_1k_queries is not None:
            found.setdefault(price, []).append(row)
    return found


def _by_hours(rows: Sequence[Row], limits: Limits, price: HourlyPrice) -> Iterator[str]:
    idle = "without idle time"
    if limits.utilisation is not None:
        idle = f"with the hardware busy {100 * limits.utilisation:g} % of the time"
    yield (
        "Costs assume batched use at the measured throughput and an hourly price of "
        f"{words.usd(price.usd)} ({price.name}) {idle}{_alone(rows)}."
    )
    yield from _always_on(rows, limits, price)


def _by_tokens(rows: Sequence[Row], price: TokenPrice) -> Iterator[str]:
    specs = words.listed([row.spec for row in rows])
    thought = ", those of its thinking among the written ones" if any(row.reasoning_tokens for row in rows) else ""
    yield (
        f"{specs}: paid by the token of {price.model}, {words.usd(price.rates.prompt)} per million prompt tokens and "
        f"{words.usd(price.rates.completion)} per million written ones{thought} ({price.source}, {price.date}); no "
        "machine is kept on for it."
    )
    if price.batch_share is not None:
        yield (
            f"Batches of {price.model} cost {_share(price.batch_share)} and are answered within 24 hours, so that no "
            "latency can be given for them; the costs here are without them."
        )


def _estimated(rows: Sequence[Row]) -> Iterator[str]:
    counted = {row.spec: row.estimated for row in rows if row.estimated}
    if counted:
        each = [f"{words.many(count, 'answer')} of {spec}" for spec, count in counted.items()]
        yield f"The tokens of {words.listed(each)} were estimated here, since the server did not count them."


def _embedding(rows: Sequence[Row], tariffs: Mapping[str, Tariff]) -> Iterator[str]:
    """What an embedder elsewhere costs, or that it is in no cost."""
    paid = [row for row in rows if _asked(row, EMBEDDED)]
    if not paid:
        return
    specs, price = words.listed([row.spec for row in paid]), tariffs[paid[0].spec].embedding
    if price is None and not tariffs[paid[0].spec].embeds_here:
        yield f"{specs}: the tokens of the embedder have no known price and stand in no cost."
    elif price is not None:
        yield (
            f"{specs}: the embedder's tokens are in the cost, {words.usd(price.rates.prompt)} per million "
            f"({price.source}, {price.date})."
        )


def _asking(rows: Sequence[Row], tariffs: Mapping[str, Tariff]) -> Iterator[str]:
    """What other models cost that were asked before a fit, or that their tokens are in no cost."""
    for row in rows:
        for one, price in zip(row.asked, tariffs[row.spec].asked, strict=True):
            if price is not None:
                usd = words.usd(price.usd(PaidTokens.of(one.calls)))
                yield f"{row.spec}: asking {one.alias} before the fit cost {usd}, which is part of its fit."
            elif one.calls and one.model.get("place") == "network":
                unknown = "have no known price and stand in no cost"
                yield f"{row.spec}: the tokens of {one.alias}, asked before the fit, {unknown}."


def _share(share: float) -> str:
    return "half" if share == 0.5 else f"{100 * share:.0f} % of that"


def _sent_again(rows: Sequence[Row]) -> Iterator[str]:
    """Requests that took more than one attempt, or were made twice because a process was killed."""
    for what, why in (("retried", "sent again after a fault"), ("repeated", "made again after a kill")):
        counts = {row.spec: number for row in rows if (number := round(row.seeds * _asked(row, what)))}
        if counts:
            each = [f"{words.many(number, 'request')} of {spec}" for spec, number in counts.items()]
            yield f"Not in the cost of a query: {words.listed(each)}, {why}."


def _asked(row: Row, what: str) -> float:
    return sum(found.get(what, 0.0) for found in row.calls.values())


def _alone(rows: Sequence[Row]) -> str:
    """The factor by which requests sent one at a time cost more, for approaches where it exceeds the tolerance."""
    factors = {row.spec: f for row in rows if not row.control and (f := costs.alone_factor(row)) is not None}
    dearer = {spec: f for spec, f in factors.items() if f > 1 + costs.TOLERANCE}
    if not dearer:
        return ""
    ends = list(dict.fromkeys(f"{f:.2g}" for f in (min(dearer.values()), max(dearer.values()))))
    whom = "" if len(dearer) == len(factors) else f" for {words.listed(list(dearer))}"
    return f"; one request at a time costs {' to '.join(ends)} times as much{whom}"


def _always_on(rows: Sequence[Row], limits: Limits, price: HourlyPrice) -> Iterator[str]:
    """The cost of machines that are kept on, beside the cost per query."""
    needed = {row.spec: row.cost.machines for row in rows if row.cost.machines is not None and not row.control}
    if not needed:
        return
    days = costs.horizon(limits)
    more = [f"{count:,} for {spec}" for spec, count in needed.items() if count > 1]
    enough = "one is enough for each approach" if not more else f"it takes {words.listed(more)}"
    others = ", one for the others" if more and len(more) < len(needed) else ""
    yield (
        f"A machine that is kept on costs {words.usd(24 * days * price.usd)} over {days:g} days, whatever it answers; "
        f"at this traffic, evenly spread, {enough}{others}."
    )
