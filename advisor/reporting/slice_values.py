"""Slices, gaps between groups and errors in `results.json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from advisor.verdict.decision import Decision, Row
from advisor.verdict.errors import ErrorKind
from advisor.verdict.slices import Slice


def slices_of(row: Row, decision: Decision) -> dict[str, Any]:
    """A row's quality on every slice, and what is wrong with its answers; empty lists where it is not judged."""
    judged = [one for one in decision.slices if row.spec in one.quality]
    return {"slices": [_slice(row, one) for one in judged], "errors": [_error(one) for one in row.errors]}


def gaps_of(decision: Decision) -> list[dict[str, Any]]:
    """The largest gap between groups of every row."""
    return [
        {
            "row": gap.row,
            "best": gap.best,
            "worst": gap.worst,
            **_difference(asdict(gap.difference)),
            "shown": gap.shown,
        }
        for gap in decision.gaps
    ]


def _slice(row: Row, found: Slice) -> dict[str, Any]:
    versus = found.versus.get(row.spec)
    return {
        "name": found.name,
        "by": found.by,
        "pooled": found.pooled,
        "n": found.n,
        **asdict(found.quality[row.spec]),
        "versus_best": versus and {**_difference(asdict(versus)), "shown": row.spec in found.shown},
    }


def _error(kind: ErrorKind) -> dict[str, Any]:
    share = {"share": kind.share.value, "low": kind.share.low, "high": kind.share.high}
    pairs = [{"true": true, "given": given, "count": count} for true, given, count in kind.pairs]
    return {"name": kind.name, "count": kind.count, **share, **({"pairs": pairs} if pairs else {})}


def _difference(interval: dict[str, float]) -> dict[str, float]:
    return {"difference": interval["value"], "low": interval["low"], "high": interval["high"]}
