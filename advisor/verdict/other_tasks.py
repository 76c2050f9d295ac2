"""Rows that learned from other tasks too, and the same without them beside which they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from advisor.approaches import apart, known, row_name, spec_of, without_others
from advisor.verdict.decision import Row

_NAMES_THEM = "also="
"""In the spec of every approach that learns from other tasks. No other is read: what it names would be imported."""


def alone(spec: str) -> str:
    """What the row of the same approach without other tasks is called; empty where an approach learns from none."""
    approach = known(spec) if _NAMES_THEM in spec else None
    same = without_others(approach) if approach else None
    alias = apart(spec)[1]
    return "" if same is None else row_name(spec_of(same), alias) if alias else spec_of(same)


def beside_alone(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Each row that learned from other tasks too, with that of the same without them, where both were compared."""
    compared = {row.spec: row for row in rows if row.quality is not None}
    found = [(row, compared.get(alone(spec))) for spec, row in compared.items()]
    return [(row, other) for row, other in found if other is not None]


def with_missing_partners(rows: Sequence[Row]) -> list[Row]:
    """The rows, where one cannot be told whether other tasks helped it with a note which row tells that."""
    there = {row.spec for row in rows if row.status == "ok"}
    return [_noted(row, alone(row.spec), there) for row in rows]


def _noted(row: Row, same: str, there: set[str]) -> Row:
    if row.status != "ok" or not same or same in there:
        return row
    spec, _ = apart(same)
    note = f"Whether the other tasks helped is told beside the same without them: add --approach {spec}."
    return replace(row, notes=(*row.notes, note))
