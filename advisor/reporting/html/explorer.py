"""Costs over time with sliders: the data that the script of the page reckons with, and what stands there without it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from advisor.reporting.html.lines_chart import lines_chart
from advisor.reporting.html.markup import data, listed, prose, tag
from advisor.reporting.interactive import CostExplorer
from advisor.verdict import costs
from advisor.verdict.break_even import LEAST_UTILISATION, SHORTEST_DAYS
from advisor.verdict.exploring import ASSUMED_QUERIES, Candidate, CostTerms, Exploration, Selection
from advisor.verdict.flips import NEVER


def explorer(block: CostExplorer, name: str) -> str:
    """What the script fills; until then, and without it, the costs under the limits of the report.

    Args:
        name: an id that no other block of the page has.
    """
    found = values(block.found)
    rows = [{**row, "key": block.keys.get(row["spec"], "")} for row in found["rows"]]
    points = tag("h3", "Break-even") + listed(map(prose, block.points)) if block.points else ""
    return (
        f"<h3>Costs over time</h3>{data({**found, 'rows': rows}, 'costs-data')}"
        f'<div id="costs-explorer" class="explorer">{lines_chart(block.present, name)}{points}</div>'
    )


def values(found: Exploration) -> dict[str, Any]:
    """All that the choice under other settings follows from, as JSON values; `choosing.js` says how."""
    limits = found.now
    return {
        "rows": [_row(candidate) for candidate in found.candidates],
        "margins": found.margins,
        "queries": found.queries,
        "horizons": found.horizons,
        "changes": found.changes,
        "now": {
            "queries": limits.queries_per_day or ASSUMED_QUERIES,
            "horizon": costs.horizon(limits),
            "every": limits.documents_change_every_days,
            "margin": found.margins.index(found.margin),
        },
        "assumed": limits.queries_per_day is None,
        "budget": limits.budget_usd,
        "min_quality": limits.min_quality,
        "better": [_bits(line) for line in found.better],
        "no_worse": [[_bits(line) for line in at_margin] for at_margin in found.no_worse],
        "tolerance": costs.TOLERANCE,
        "cent": costs.CENT,
        "shortest": SHORTEST_DAYS,
        "idlest": LEAST_UTILISATION,
        "never": NEVER,
        "utilisation": limits.utilisation,
        "selection": _selection(found.selection) if found.selection else None,
    }


def _row(found: Candidate) -> dict[str, Any]:
    spread = [found.quality, found.latency]
    quality, latency = ([one.value, one.low, one.high] if one else None for one in spread)
    return {
        "spec": found.spec,
        "quality": quality,
        "terms": _terms(found.terms) if found.terms else None,
        "latency": {"value": latency[0], "low": latency[1], "high": latency[2]} if latency else None,
        "broken": found.broken,
        "excluded": found.excluded,
        "open": found.open,
        "doubts": found.doubts,
    }


def _terms(found: CostTerms) -> dict[str, Any]:
    names = ("fit", "per_query", "per_hour", "queries_per_hour", "error")
    return {
        **{name: getattr(found.spent, name) for name in names},
        "upkeep": found.upkeep,
        "stretch_fit": found.stretch_fit,
        "stretch_query": found.stretch_query,
    }


def _bits(line: tuple[bool, ...]) -> str:
    return "".join("1" if one else "0" for one in line)


def _selection(found: Selection) -> dict[str, Any]:
    """Arrays of 32-bit floats, row by row, little-endian, in base64."""
    inside, beyond = (
        base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")
        for values in (found.repeats.inside, found.repeats.beyond)
    )
    return {"inside": inside, "beyond": beyond, "half": found.half.tolist(), "field": found.field}
