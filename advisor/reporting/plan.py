"""The report of a plan: what a comparison is going to take, as blocks and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from advisor.forecast.planned import Planned, PlannedRow, WorkPlan
from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Code, Column, Paragraph, Report, Table, TableRow, listed
from advisor.reporting.document import SCHEMA, clean
from advisor.verdict import words

TOTAL = "all together"


def plan_report(plan: WorkPlan) -> Report:
    """The report of a plan: a row for each approach and model, their sum, and what it rests on."""
    unknown = [_name(row, plan) for row in plan.rows if not row.instead and row.total.usd is None]
    late = [_name(row, plan) for row in plan.rows if not row.instead and row.total.seconds is None]
    missing = [
        f"{what} of {words.listed(names)} cannot be told and are not in the sum."
        for what, names in (("Dollars", unknown), ("Seconds", late))
        if names
    ]
    if plan.wants_a_cap:
        missing.append(
            f"{figures.money(plan.paid_usd)} of it are for models paid by the token: --max-spend USD caps that."
        )
    blocks: tuple[Block, ...] = (
        _table(plan),
        *((Paragraph(tuple(missing)),) if missing else ()),
        *listed("What this rests on", (*plan.assumptions, *(f"Prices: {said}." for said in plan.prices))),
        Paragraph(("Nothing was sent and nothing was measured. Without --plan the comparison begins.",)),
    )
    return Report(f"Plan: {statements.named(plan.task)}", blocks)


def plan_document(plan: WorkPlan) -> dict[str, Any]:
    """The plan as plain JSON values; what cannot be told is null."""
    found = {
        "schema": SCHEMA,
        "task": plan.task,
        "rows": [_row(row) for row in plan.rows],
        "total": _planned(plan.total),
        "paid_usd": plan.paid_usd,
        "paid": plan.paid,
        "assumptions": plan.assumptions,
        "prices": plan.prices,
    }
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def _row(row: PlannedRow) -> dict[str, object]:
    named: dict[str, object] = {"spec": row.spec, "model": row.model or None, "instead": row.instead or None}
    if row.instead:
        return named
    return {**named, **{step: _planned(getattr(row, step)) for step in ("fit", "test", "alone", "after", "total")}}


def _planned(step: Planned) -> dict[str, object]:
    return dataclasses.asdict(step)


def _table(plan: WorkPlan) -> Table:
    shown: list[tuple[str, Planned | None, str]] = [
        (_name(row, plan), None if row.instead else row.total, row.instead) for row in plan.rows
    ]
    shown.append((TOTAL, plan.total, ""))
    rows = tuple(
        TableRow(name if name == TOTAL else Code(name), tone="strong" if name == TOTAL else "", instead=instead)
        for name, _, instead in shown
    )

    def column(title: tuple[str, ...], cell: Callable[[Planned], str], **more: Any) -> Column:
        return Column(title, ["" if step is None else cell(step) for _, step, _ in shown], **more)

    return Table(
        rows,
        (
            column(("", "calls"), lambda s: figures.count(s.calls)),
            column(("tokens", "in"), lambda s: figures.count(s.tokens.prompt)),
            column(("tokens", "out"), lambda s: figures.count(s.tokens.completion + s.tokens.reasoning)),
            column(("", "dollars"), lambda s: figures.money(s.usd)),
            column(("", "time"), lambda s: figures.duration(s.seconds)),
            Column(("to", "fit"), [_share(row) for row in plan.rows] + [""], "of this, to fit", rank=3),
        ),
    )


def _share(row: PlannedRow) -> str:
    return "" if row.instead else figures.duration(row.fit.seconds, compact=True)


def _name(row: PlannedRow, plan: WorkPlan) -> str:
    """The spec, with the model where there are several."""
    several = len({one.model for one in plan.rows if one.model}) > 1
    return f"{row.spec}@{row.model}" if several and row.model else row.spec
