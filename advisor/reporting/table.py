"""The table of the terminal report: one row an approach, as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from advisor.cleaning import plain
from advisor.measuring.attempt import LATENCY, PREDICT
from advisor.reporting import figures, statements
from advisor.reporting.page import INDENT, Page, fold_spec, pad, shorten
from advisor.verdict.decision import Decision, Row

RECOMMENDED, PROVISIONAL, CONTROL, BREAKS = ">", "?", "c", "!"
_NARROW = 90
_APPROACH = "approach"


@dataclass(frozen=True)
class Column:
    """One column: its title in two lines, its cell, and how long it stays when room is short.

    Attributes:
        rank: the column of the highest rank is left out first; 0 always stays.
        left: aligned left.
    """

    title: tuple[str, str]
    cell: Callable[[Row], str]
    rank: int = 0
    left: bool = False

    def line(self, text: str, width: int) -> str:
        """A text in this column's width and alignment."""
        return pad(text, width, right=not self.left)


@dataclass(frozen=True)
class Layout:
    """The columns that fit, with their widths, after `approach` columns for the spec."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    approach: int
    gap: int

    def has(self, title: str) -> bool:
        """Whether the column with this second line of its title is there."""
        return any(c.title[1] == title for c in self.columns)


def mark(row: Row, decision: Decision) -> str:
    """One letter before a row: recommended, provisional, control, cannot be chosen, or nothing."""
    if row.spec == decision.recommendation.approach:
        return RECOMMENDED if decision.recommendation.decided else PROVISIONAL
    if row.control:
        return CONTROL
    return BREAKS if row.violations else ""


def difference(row: Row, decision: Decision) -> str:
    """The difference to the best approach; a star where it is shown, "best" at the best itself."""
    if row is statements.best_row(decision):
        return "best"
    if row.versus_best is None:
        return ""
    star = "*" if row.versus_best.shown else " "
    return figures.decimals(row.versus_best.difference, signed=True) + star


def add_table(page: Page, decision: Decision, layout: Layout) -> list[Row]:
    """Sets the table on the page; returns the rows without a result whose reason was shortened."""
    gap, keys = " " * layout.gap, statements.numbers(decision)
    margin = " " * INDENT
    for line in (0, 1):
        name = _APPROACH if line else ""
        cells = [c.line(c.title[line], w) for c, w in zip(layout.columns, layout.widths, strict=True)]
        page.add(margin + gap.join(["    " + pad(name, layout.approach), *cells]), style="bold")
    length = 4 + layout.approach + sum(w + layout.gap for w in layout.widths)
    page.add(margin + "─" * length, style="dim")
    shortened = []
    for row in decision.rows:
        head = f"{mark(row, decision) or ' '}{keys.get(row.spec, ''):>2} "
        figures_or_reason = _right_of_spec(row, layout)
        if row.quality is None and figures_or_reason != plain(statements.trouble(row)):
            shortened.append(row)
        folded = fold_spec(plain(row.spec), layout.approach)
        style = _style(row, decision)
        page.add(Text(margin + head + pad(folded[0], layout.approach) + gap + figures_or_reason, style=style))
        for rest in folded[1:]:
            page.add(Text(margin + " " * len(head) + rest, style=style))
    return shortened


def _right_of_spec(row: Row, layout: Layout) -> str:
    """All that stands right of the spec: the figures, or why there are none."""
    if row.quality is None:
        room = sum(layout.widths) + layout.gap * (len(layout.widths) - 1)
        return shorten(plain(statements.trouble(row)), room)
    cells = zip(layout.columns, layout.widths, strict=True)
    return (" " * layout.gap).join(column.line(column.cell(row), width) for column, width in cells)


def _style(row: Row, decision: Decision) -> str:
    if row.quality is None:
        return "red" if row.status == "failed" else "yellow"
    if row.spec == decision.recommendation.approach:
        return "bold green" if decision.recommendation.decided else "bold"
    return "dim" if row.control or row.violations else ""


def fit_columns(width: int, decision: Decision) -> Layout:
    """As many columns as a page of this width has room for beside the specs."""
    gap = 1 if width < _NARROW else 2
    measured = [r for r in decision.rows if r.quality is not None]
    columns = [
        c for c in _columns(decision, compact=width < _NARROW) if c.rank == 0 or any(c.cell(r) for r in measured)
    ]
    least = 12 if width < _NARROW else 20
    longest = max([cell_len(_APPROACH), *(cell_len(plain(r.spec)) for r in decision.rows)])
    while True:
        widths = [max([*map(len, c.title), *(cell_len(c.cell(r)) for r in measured)]) for c in columns]
        room = width - INDENT - 4 - sum(w + gap for w in widths)
        wide = any(c.rank > _ALWAYS_TRIED for c in columns)
        last = max(columns, key=lambda c: c.rank)
        if room >= min(longest, 28 if wide else least) or last.rank == 0:
            return Layout(tuple(columns), tuple(widths), max(8, min(longest, room)), gap)
        columns.remove(last)


_ALWAYS_TRIED = 4
"""Columns of a higher rank appear only where the specs have ample room too."""


def _columns(decision: Decision, compact: bool) -> list[Column]:
    days = decision.limits.horizon_days
    found = [
        Column(("quality", "[95 % interval]"), lambda r: figures.quality(r.quality), left=True),
        Column(("", "group"), lambda r: r.group, 3, left=True),
        Column(("to the", "best "), lambda r: difference(r, decision)),
        Column(("", "p"), _p, 4),
        Column(("p50/p95", "ms"), lambda r: figures.marked(figures.latency(r.latency, compact), r.is_busy(LATENCY)), 1),
        Column(
            ("cost per", "1,000"), lambda r: figures.marked(figures.money(r.cost.per_1k_queries), r.is_busy(PREDICT))
        ),
        Column(("fit and", "index"), lambda r: figures.marked(statements.fitting(r, compact), r.fit_is_busy), 2),
        Column(("tokens", "in / out"), _tokens, 7),
        Column(
            ("queries", "per s"),
            lambda r: figures.marked(figures.milliseconds(r.throughput_qps), r.is_busy(PREDICT)),
            8,
        ),
    ]
    if days is not None:
        title = ("cost of", f"{figures.amount(days)} days")
        found.insert(6, Column(title, statements.over_horizon, 5))
    return found


def _p(row: Row) -> str:
    return figures.p_value(row.versus_best.p) if row.versus_best else ""


def _tokens(row: Row) -> str:
    if row.prompt_tokens is None and row.completion_tokens is None:
        return figures.UNKNOWN if row.uses_model else ""
    return f"{figures.count(row.prompt_tokens)} / {figures.count(row.completion_tokens)}"
