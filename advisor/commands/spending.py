"""What a command may pay for models that are paid by the token."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from advisor.cleaning import say
from advisor.commands.planning import planned_comparison
from advisor.errors import UserError
from advisor.forecast.plan import Scope
from advisor.measuring.lineup import Lineup
from advisor.measuring.progress import Silence
from advisor.models.hosted.purse import Purse
from advisor.models.load import ModelSource, paid_elsewhere
from advisor.tasks import Task
from advisor.verdict import Prices
from advisor.verdict.words import usd


def cap_of(options: argparse.Namespace) -> float | None:
    """The dollars of `--max-spend`; None where none were given.

    Raises:
        UserError: it is no amount.
    """
    cap: float | None = options.max_spend
    if cap is not None and not 0 < cap < math.inf:
        raise UserError(f"--max-spend is {cap:g}", "dollars above 0, e.g. --max-spend 2")
    return cap


@contextmanager
def paying(cap: float | None, prices: Prices) -> Iterator[None]:
    """While the block runs, calls are paid from one purse; what was spent is said at the end, however that comes."""
    purse = Purse(cap, prices.usd)
    try:
        with purse.open():
            yield
    finally:
        if purse.spent:
            say(f"note: paid for calls, at list prices: {usd(purse.spent)}")


def asked_cap(task: Task, models: Sequence[ModelSource], rows: Lineup, prices: Prices, scope: Scope) -> float | None:
    """The most that may be spent, asked for on a terminal where much is foreseen for paid models.

    Raises:
        UserError: what was typed is no amount, or nobody typed anything.
    """
    elsewhere = [model for model in models if paid_elsewhere(model.name)]
    if not elsewhere or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    plan = planned_comparison(task, elsewhere, rows, prices, scope, Silence())
    if not plan.wants_a_cap:
        return None
    names = ", ".join(sorted(plan.paid))
    say(f"{names}: about {usd(plan.paid_usd)} is foreseen (--plan says for what). Spend how many dollars at most?")
    try:
        cap = float(input().strip().lstrip("$"))
    except (EOFError, ValueError):
        cap = math.nan
    if not 0 < cap < math.inf:
        raise UserError("no amount was given, so that nothing was sent", "--max-spend USD, or --plan to see for what")
    return cap
