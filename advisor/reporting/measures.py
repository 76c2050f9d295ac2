"""Further metrics that were asked for, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Code, Column, Detail, Details, Only, Table, TableRow, section
from advisor.reporting.characters import shorten
from advisor.tasks import facts_of
from advisor.tasks.power import LEVEL
from advisor.verdict import words
from advisor.verdict.cells import Measured
from advisor.verdict.decision import Decision, Row

_LINE = 66  # characters of what a metric measures, which stands in one line beside its name
AT_ONCE = 3
"""Metrics of a table on a screen."""
_DIRECTION = {"higher": "", "lower": "lower is better", "neither": "neither is better"}


def measures(decision: Decision) -> tuple[Block, ...]:
    """The section on them; nothing where none was asked for."""
    own = decision.comparison.task.metric
    names = [name for name in dict.fromkeys(decision.comparison.task.metrics) if name != own]
    rows = [row for row in decision.rows if row.quality is not None]
    known = [name for name in names if any(name in row.metrics for row in rows)]
    if not known or not rows:
        return ()
    columns = [column for name in known for column in _columns(name, rows)]
    heads = tuple(TableRow(Code(row.spec), statements.numbers(decision).get(row.spec, "")) for row in rows)
    several = range(0, len(columns), AT_ONCE)
    narrow = tuple(Table(heads, tuple(columns[start : start + AT_ONCE])) for start in several)
    shown = (Only("screen", narrow), Only("page", (Table(heads, tuple(columns)),)))
    return section("Further metrics", *shown, _about(known))


def _columns(name: str, rows: Sequence[Row]) -> Iterator[Column]:
    """The metric, and where there is one its figure of all answers together."""
    found = [row.metrics.get(name) for row in rows]
    title = (words.metric(name), _DIRECTION[facts_of(name).better])
    yield _column(title, [_cell(one) if one else figures.UNKNOWN for one in found])
    if any(one and one.corpus for one in found):
        whole = [one.corpus if one else None for one in found]
        cells = [_span(one.value, one.low, one.high) if one else figures.UNKNOWN for one in whole]
        yield _column((words.metric(name), "of all together"), cells)


def _column(title: tuple[str, str], cells: Sequence[str]) -> Column:
    return Column(title, cells, ", ".join(filter(None, title)), left=True)


def _cell(found: Measured) -> str:
    missing = f", {found.missing:,} missing" if found.missing else ""
    return f"{_span(found.value, found.low, found.high)}{missing}"


def _span(value: float, low: float, high: float) -> str:
    return f"{figures.decimals(value)} [{figures.decimals(low)}, {figures.decimals(high)}]"


def _about(known: Sequence[str]) -> Details:
    """What each of them measures."""
    intervals = f"Intervals hold {1 - LEVEL:.0%}; these metrics decide nothing."
    about = [Detail(words.metric(name), shorten(facts_of(name).measures, _LINE)) for name in known]
    return Details((*about, Detail("intervals", intervals)))
