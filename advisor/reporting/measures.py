"""Further metrics that were asked for, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Code, Column, Detail, Details, Table, TableRow, section
from advisor.tasks import facts_of
from advisor.tasks.power import LEVEL
from advisor.verdict import words
from advisor.verdict.cells import Measured
from advisor.verdict.decision import Decision, Row

_DIRECTION = {"higher": "", "lower": "lower is better", "neither": "neither is better"}


def measures(decision: Decision) -> tuple[Block, ...]:
    """The section on them; nothing where none was asked for."""
    own = decision.comparison.task.metric
    names = [name for name in dict.fromkeys(decision.comparison.task.metrics) if name != own]
    rows = [row for row in decision.rows if row.quality is not None]
    known = [name for name in names if any(name in row.metrics for row in rows)]
    if not known or not rows:
        return ()
    keys = statements.numbers(decision)
    columns = tuple(_column(name, rows) for name in known)
    table = Table(tuple(TableRow(Code(row.spec), keys.get(row.spec, "")) for row in rows), columns)
    return section("Further metrics", table, _beside(rows, known), _about(known))


def _column(name: str, rows: Sequence[Row]) -> Column:
    found = [row.metrics.get(name) for row in rows]
    title = (words.metric(name), _DIRECTION[facts_of(name).better])
    cells = [_cell(one) if one else figures.UNKNOWN for one in found]
    short = [figures.decimals(one.value) if one else figures.UNKNOWN for one in found]
    return Column(title, cells, ", ".join(filter(None, title)), short, left=True)


def _cell(found: Measured) -> str:
    missing = f", {found.missing:,} missing" if found.missing else ""
    return f"{_span(found.value, found.low, found.high)}{missing}"


def _span(value: float, low: float, high: float) -> str:
    return f"{figures.decimals(value)} [{figures.decimals(low)}, {figures.decimals(high)}]"


def _beside(rows: Sequence[Row], known: Sequence[str]) -> Details | None:
    """Figures of all answers together of metrics that are means over examples."""
    found = [
        Detail(Code(row.spec), f"{words.metric(name)} of all answers together {_span(c.value, c.low, c.high)}")
        for row in rows
        for name in known
        if (one := row.metrics.get(name)) and (c := one.corpus)
    ]
    return Details(tuple(found)) if found else None


def _about(known: Sequence[str]) -> Details:
    """What each of them measures."""
    intervals = f"Intervals hold {1 - LEVEL:.0%}; these metrics decide nothing."
    about = [Detail(words.metric(name), facts_of(name).measures) for name in known]
    return Details((*about, Detail("intervals", intervals)))
