"""How far plans are off: what `--plan` foresees of a comparison, against what it then took, here and served."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import advisor
from advisor.commands.planning import planned_comparison
from advisor.forecast.plan import Scope
from advisor.measuring.lineup import asked, lineup
from advisor.measuring.progress import Silence
from advisor.measuring.records import Run
from advisor.models.load import Loading, model_sources
from advisor.tasks import Task
from advisor.verdict import Prices
from advisor.verdict.token_prices import PaidTokens, TokenRates

HERE, THERE = "here", "there"
FIRST = "zero-shot"
"""Measured before the plan, so that the folder tells how fast the server is: without, its seconds are unknown."""
RATES = TokenRates(0.25, 2.0)
"""As if the server's tokens were paid; what is compared is money as the same price makes it of other tokens."""


def planning(task: Task, server: str, approaches: Sequence[str], prices: Prices, out: Path) -> list[dict[str, Any]]:
    """Two rows: for each side, what was foreseen in all, what it took, and the factor between."""
    sources = model_sources([f"{HERE}=embedded", f"{THERE}={server}"], Loading())
    task = replace(task, limits=replace(task.limits, p95_ms=None))
    advisor.compare(task, sources, [FIRST], out=out)
    rows = lineup(asked([*approaches], task), sources)
    plan = planned_comparison(task, sources, rows, prices, Scope(out), Silence())
    comparison = advisor.compare(task, sources, [*approaches], out=out)
    found = []
    for side in (HERE, THERE):
        foreseen = [row for row in plan.rows if row.model == side and not row.instead]
        runs = [run for run in comparison.runs if run.spec in {f"{row.spec}@{side}" for row in foreseen}]
        expected = _summed([row.total.tokens for row in foreseen])
        seconds = [row.total.seconds for row in foreseen]
        entry = {
            "task": task.name,
            "side": side,
            "rows": len(foreseen),
            "seconds": _pair(None if None in seconds else math.fsum(s or 0.0 for s in seconds), _seconds(runs)),
        }
        if side == THERE:
            took = _summed([PaidTokens.of(amounts) for run in runs for amounts in run.calls.values()])
            calls = sum(amounts.get("requests", 0) for run in runs for amounts in run.calls.values())
            entry |= {
                "calls": _pair(sum(row.total.calls for row in foreseen), calls),
                "tokens": _pair(expected.prompt + expected.completion, took.prompt + took.completion),
                "usd": _pair(RATES.usd(expected), RATES.usd(replace(took, cached=0.0))),
            }
        else:
            test = _summed([row.test.tokens for row in foreseen])
            read = sum(p.prompt_tokens + p.completion_tokens for run in runs for p in run.predictions)
            entry["tokens"] = _pair(test.prompt + test.completion, read)
        found.append(entry)
    return found


def _seconds(runs: Sequence[Run]) -> float:
    return math.fsum(span.seconds for run in runs for span in run.spans.values())


def _summed(tokens: Sequence[PaidTokens]) -> PaidTokens:
    total = PaidTokens(requests=0.0)
    for one in tokens:
        total += one
    return total


def _pair(foreseen: float | None, took: float) -> dict[str, float | None]:
    factor = None if not foreseen or not took else max(foreseen / took, took / foreseen)
    return {"foreseen": foreseen, "took": took, "factor": factor}
