"""Tables that can be sorted, with intervals drawn in their cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.reporting.blocks import Column, Table, TableRow
from advisor.reporting.html.markup import listed, tag, text, written
from advisor.verdict.cells import Interval

_WIDE, _HIGH, _EDGE = 72, 14, 4
"""The picture of an interval, in pixels, and what stays free at its ends."""
_SORTED_FROM = 3
"""Rows from which sorting is of use."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where the intervals of one column lie in its pictures."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Pixels from the left."""
        share = (value - self.low) / (self.high - self.low)
        return round(_EDGE + share * (_WIDE - 2 * _EDGE), 1)


def table(block: Table, title: str) -> str:
    """The table in a frame that scrolls where it is too wide, with its notes below.

    Args:
        title: its caption, for who cannot see where it stands.
    """
    columns = [column for column in block.columns if column.on != "screen" and any(map(_parts, column.cells))]
    scales = [_scale(column) for column in columns]
    keyed = any(row.key for row in block.rows)
    sortable = len(block.rows) >= _SORTED_FROM
    heads = "".join(_head(_title(column), sortable and bool(column.values), column.left) for column in columns)
    key = '<th scope="col"><span class="unseen">number</span></th>' if keyed else ""
    name = f'<th scope="col" class="left">{text(block.names.title)}</th>'
    rows = "".join(
        _row(block, place, keyed, list(zip(columns, scales, strict=True))) for place in range(len(block.rows))
    )
    return (
        f'<div class="scroll" role="region" aria-label="{text(title)}, table" tabindex="0"><table>'
        f'<caption class="unseen">{text(title)}</caption>'
        f"<thead><tr>{key}{name}{heads}</tr></thead><tbody>{rows}</tbody></table></div>{_notes(block, columns)}"
    )


def _title(column: Column) -> str:
    return " ".join(column.title).strip() if column.heading is None else column.heading


def _head(title: str, sortable: bool, left: bool) -> str:
    kind = ' class="left"' if left else ""
    if not sortable:
        return f'<th scope="col"{kind}>{text(title)}</th>'
    return f'<th scope="col"{kind} data-sort><button type="button">{text(title)}</button></th>'


def _row(block: Table, place: int, keyed: bool, columns: Sequence[tuple[Column, _Scale | None]]) -> str:
    row = block.rows[place]
    key = f'<td class="key">{text(row.key or "")}</td>' if keyed else ""
    name = f'<th scope="row">{_name(row)}</th>'
    if row.instead:
        reason = f'<td class="instead left" colspan="{max(1, len(columns))}">{text(row.instead)}</td>'
        return f'<tr class="{row.tone or "quiet"}" data-last>{key}{name}{reason}</tr>'
    cells = "".join(_cell(column, place, scale) for column, scale in columns)
    return tag("tr", key + name + cells, row.tone)


def _name(row: TableRow) -> str:
    return written(row.name) + (" " + tag("span", text(row.status), f"badge {row.tone}") if row.status else "")


def _cell(column: Column, place: int, scale: _Scale | None) -> str:
    parts = _parts(column.cells[place])
    value = column.values[place] if column.values else None
    number = value.value if isinstance(value, Interval) else value
    sort = f' data-value="{number:.6g}"' if number is not None and math.isfinite(number) else ""
    kind = ' class="left"' if column.left else ""
    first, rest = (parts[0], " ".join(parts[1:])) if parts else ("", "")
    if scale is None or not isinstance(value, Interval):
        return f"<td{kind}{sort}>{text(' '.join(parts))}</td>"
    if not rest:
        first, _, rest = first.partition(" ")
    shown = tag("span", text(first), "value") + _drawn(value, scale) + tag("small", text(rest))
    return f'<td class="drawn"{sort}>{shown}</td>'


def _parts(cell: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (cell,) if isinstance(cell, str) else cell))


def _scale(column: Column) -> _Scale | None:
    """One scale for all intervals of a column; None where it has none."""
    found = [value for value in column.values if isinstance(value, Interval)]
    ends = [end for one in found for end in (one.value, one.low, one.high) if math.isfinite(end)]
    if not ends:
        return None
    low, high = min(ends), max(ends)
    if low < 0.0:  # differences: where there is none has a place too
        high = max(high, 0.0)
    return _Scale(low, high) if high > low else _Scale(low - 0.5, high + 0.5)


def _drawn(found: Interval, scale: _Scale) -> str:
    """The interval as a bar with its value as a point; the words beside it say the same."""
    if not all(map(math.isfinite, (found.value, found.low, found.high))):
        return ""
    middle = _HIGH / 2
    low, at, high = (scale.place(value) for value in (found.low, found.value, found.high))
    zero = ""
    if scale.low < 0 <= scale.high:
        x = scale.place(0.0)
        zero = f'<line class="zero" x1="{x}" x2="{x}" y1="0" y2="{_HIGH}"/>'
    return (
        f'<svg class="bar" aria-hidden="true" width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}">{zero}'
        f'<line class="whisker" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
        f'<circle class="dot" cx="{at}" cy="{middle}" r="3"/></svg>'
    )


def _notes(block: Table, columns: Sequence[Column]) -> str:
    """What stands below: explanations of columns and marks, and remarks on rows."""
    notes = [text(column.note) for column in columns if column.note]
    notes += [text(f"{sign.meaning}.") for sign in block.legend if sign.on != "screen"]
    remarks = [f"{written(row.name)} {text(row.remark)}" for row in block.rows if row.remark]
    return "".join(tag("p", note, "note") for note in notes) + (listed(remarks, "note") if remarks else "")
