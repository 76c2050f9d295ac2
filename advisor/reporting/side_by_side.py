"""The report of several runs of the same task, as blocks and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from advisor.measuring.attempt import LATENCY
from advisor.reporting import figures, statements
from advisor.reporting.blocks import (
    Block,
    Code,
    Column,
    Conclusion,
    Detail,
    Details,
    Gap,
    Heading,
    Names,
    Only,
    Paragraph,
    Report,
    Sign,
    Table,
    TableRow,
    section,
)
from advisor.reporting.decision import measured
from advisor.reporting.document import SCHEMA, clean
from advisor.tasks.power import LEVEL
from advisor.verdict import words
from advisor.verdict.between_runs import AlignedRow, Shift, SideBySide
from advisor.verdict.decision import Decision, Row
from advisor.verdict.rows import NOT_DONE, unfinished
from advisor.verdict.run_facts import Differing

_LABELS = 3  # columns of what runs are called


def side_by_side_report(found: SideBySide) -> Report:
    """The report: what each run recommends, how rows differ, what else does."""
    task = found.runs[0].comparison.task
    return Report(
        f"Advisor: {len(found.runs)} runs of {statements.named(task.name)}, side by side",
        (
            Only("page", (measured(task),)),
            Heading("Runs"),
            Details(tuple(map(_run, found.labels, found.runs)), _LABELS),
            _conclusion(found),
            Heading(f"Quality ({task.metric}) and how it differs from {found.labels[0]}"),
            _qualities(found),
            *section("Costs and latency", _costs(found)),
            *_differing(found),
            Only("screen", (Gap(),)),
            Paragraph(tuple(_method(found)), "quiet"),
        ),
    )


def _run(label: str, run: Decision) -> Detail:
    comparison = run.comparison
    models = words.listed([member.facts.id for member in comparison.models])
    when = f"{comparison.called[:10]}, " if comparison.called else ""
    tested = words.many(len(comparison.answers), "test example")
    state = "" if not (left := unfinished(comparison)) else f" Not finished: {words.listed(left)}."
    state = f" A run is at work in it.{state}" if comparison.at_work else state
    verdict = statements.verdict(run.recommendation)
    return Detail(
        label, f"{comparison.folder}: {when}{models}, {tested}.{state} {verdict}", tone="bad" if state else ""
    )


def _conclusion(found: SideBySide) -> Conclusion:
    first, *others = (_choice(found, place) for place in range(1, len(found.runs)))
    others += [
        f"{label} is not finished, and may choose otherwise when it is."
        for label, run in zip(found.labels, found.runs, strict=True)
        if unfinished(run.comparison)
    ]
    shown = any(shift and shift.shown for shift in found.choices)
    return Conclusion("What changed", first, "good" if shown else "strong", " ".join(others), ())


def _choice(found: SideBySide, place: int) -> str:
    """The choice of a run beside that of the first."""
    one, other = found.runs[0].recommendation, found.runs[place].recommendation
    first, label = found.labels[0], found.labels[place]
    for called, r in ((first, one), (label, other)):
        if r.approach is None:
            return f"{called} recommends nothing, so that its choice cannot be held against another."
    shift = found.choices[place]
    same = any(row.name == one.approach and _called(row, place) == other.approach for row in found.aligned)
    what = f"{first} chooses {one.approach}, {label} {other.approach}"
    if same:
        what = f"{first} and {label} choose {other.approach}"
    if shift is None:
        return f"{what}."
    between = f"{' '.join(_signed(shift))}, {words.probability(shift.p)}, on {_examples(found)}"
    if not shift.shown:
        return f"{what}: no difference in quality is shown ({between})."
    better = "better" if shift.difference.value > 0 else "worse"
    return f"{what}, which is {better} in {label} ({between})." if same else f"{what}, which is {better} ({between})."


def _called(row: AlignedRow, place: int) -> str:
    found = row.rows[place]
    return found.spec if found else ""


def _examples(found: SideBySide) -> str:
    return words.many(len(found.shared.ids), "common test example")


def _signed(shift: Shift) -> tuple[str, str]:
    """`+0.038` and `[-0.01, +0.09]`."""
    low, high = (figures.decimals(end, 2, signed=True) for end in (shift.difference.low, shift.difference.high))
    return figures.decimals(shift.difference.value, signed=True), f"[{low}, {high}]"


def _qualities(found: SideBySide) -> Table:
    """Each row's quality in every run, and its difference to the first."""
    columns = []
    for place, label in enumerate(found.labels):
        rows = [line.rows[place] for line in found.aligned]
        values = [row.quality if row else None for row in rows]
        columns.append(
            Column((label,), list(map(_quality, rows)), f"{label} [95 % interval]", left=True, values=values)
        )
    for place, label in enumerate(found.labels[1:], start=1):
        title = f"{label} - {found.labels[0]}"
        shifts = [line.shifts[place] for line in found.aligned]
        values = [one.difference if one else None for one in shifts]
        columns.append(Column((title,), list(map(_difference, shifts)), left=True, values=values))
        columns.append(Column(("", "p"), [figures.p_value(one.p) if one else "" for one in shifts], rank=2))
        sides = [f"{one.better} / {one.worse}" if one else "" for one in shifts]
        columns.append(Column(("better", "/ worse"), sides, "examples better / worse", rank=3))
    shown = any(shift and shift.shown for line in found.aligned for shift in line.shifts)
    legend = (Sign(f"* difference shown (p < {LEVEL:g}, corrected for all pairs of this report)"),) if shown else ()
    return Table(_rows(found), tuple(columns), Names(least=12), legend)


def _quality(row: Row | None) -> tuple[str, ...]:
    """A quality and its interval, or why there is none, in a word."""
    if row is None:
        return ("-",)
    if row.quality:
        return tuple(figures.quality(row.quality).split(" ", 1))
    return (NOT_DONE if row.error == NOT_DONE else row.status,)


def _difference(shift: Shift | None) -> tuple[str, ...]:
    """A difference and its interval, with a star where it is shown."""
    if shift is None:
        return ("",)
    value, span = _signed(shift)
    return value + ("*" if shift.shown else ""), span


def _rows(found: SideBySide) -> tuple[TableRow, ...]:
    chosen = {(place, run.recommendation.approach) for place, run in enumerate(found.runs)}
    rows = []
    for line in found.aligned:
        by = [
            label
            for place, (label, row) in enumerate(zip(found.labels, line.rows, strict=True))
            if row and (place, row.spec) in chosen
        ]
        status = f"chosen in {words.listed(by)}" if by else ""
        rows.append(TableRow(Code(line.name), status=status, tone="strong" if by else ""))
    return tuple(rows)


def _costs(found: SideBySide) -> Table | None:
    """What each row costs and how quickly it answers, in every run."""
    lines = [line for line in found.aligned if sum(bool(row and row.quality) for row in line.rows) > 1]
    columns = []
    for rank, (title, cell) in enumerate(_COSTS):
        each = [[cell(row) if row and row.quality else "-" for row in line.rows] for line in lines]
        together = [" / ".join(cells) for cells in each]
        columns.append(Column((title, " / ".join(found.labels)), together, rank=rank, on="screen"))
        for place, label in enumerate(found.labels):
            columns.append(Column((f"{title}, {label}",), [cells[place] for cells in each], on="page"))
    return Table(tuple(TableRow(Code(line.name)) for line in lines), tuple(columns)) if lines else None


_COSTS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("cost of 1,000", lambda row: figures.marked(figures.money(row.cost.per_1k_queries), row.cost_is_busy)),
    ("p50 ms", lambda row: figures.marked(_p50(row), row.is_busy(LATENCY))),
    ("fit and index", lambda row: figures.marked(statements.fitting(row, True), row.fit_is_busy)),
)


def _p50(row: Row) -> str:
    return figures.milliseconds(row.latency.p50 if row.latency else None)


def _differing(found: SideBySide) -> Iterator[Block]:
    """What else differs: facts of the runs, and parameters of rows."""
    facts = [(one.name, one.values) for one in found.facts]
    facts += [(f"{line.name}, {one.name}", one.values) for line in found.aligned for one in line.settings]
    yield Heading("What else differs")
    if not facts:
        yield Paragraph(("Nothing that records tell: task, models, settings, versions and hardware are the same.",))
        return
    yield Details(tuple(Detail(name, _each(found.labels, values)) for name, values in facts))


def _each(labels: Sequence[str], values: Sequence[str]) -> str:
    """The value of each run: `A 8, B 96`, or with semicolons between what has commas of its own."""
    between = "; " if any("," in value for value in values) else ", "
    return between.join(f"{label} {value or 'none'}" for label, value in zip(labels, values, strict=True))


def _method(found: SideBySide) -> Iterator[str]:
    tested = [f"{label} {len(run.comparison.answers):,}" for label, run in zip(found.labels, found.runs, strict=True)]
    by = "input and answers" if found.shared.by == "content" else "id and answers, since not all records hold inputs"
    yield f"{_examples(found)} of those that each run has ({', '.join(tested)}), matched by {by}."
    if found.shared.otherwise:
        number = words.many(found.shared.otherwise, "example")
        yield f"{number} of the same id have another content, and are not among them."
    yield (
        f"Differences are to {found.labels[0]}, paired by example: their intervals hold together, their p-values are "
        "corrected for all pairs of this report, and both allow for the seed of each training."
    )
    yield "Qualities are of all test examples of a run. Costs are those of today's list of prices in every run."


def side_by_side_document(found: SideBySide) -> dict[str, Any]:
    """The same as plain JSON values, runs in the order asked for."""
    document = {
        "schema": SCHEMA,
        "runs": [_run_facts(*each) for each in zip(found.labels, found.runs, found.choices, strict=True)],
        "common_examples": len(found.shared.ids),
        "matched_by": found.shared.by,
        "same_id_other_content": found.shared.otherwise,
        "approaches": [
            {
                "row": line.name,
                "runs": [_row_facts(*each) for each in zip(found.labels, line.rows, line.shifts, strict=True)],
                "settings": [_named(one) for one in line.settings],
            }
            for line in found.aligned
        ],
        "differs": [_named(one) for one in found.facts],
    }
    cleaned = clean(document)
    assert isinstance(cleaned, dict)
    return cleaned


def _run_facts(label: str, run: Decision, shift: Shift | None) -> dict[str, object]:
    comparison, r = run.comparison, run.recommendation
    return {
        "run": label,
        "folder": comparison.folder,
        "called": comparison.called or None,
        "task": comparison.task.name,
        "fingerprint": comparison.task.fingerprint,
        "metric": comparison.task.metric,
        "test": len(comparison.answers),
        "models": [member.facts.id for member in comparison.models],
        "at_work": comparison.at_work,
        "unfinished": unfinished(comparison),
        "recommendation": {"row": r.approach, "decided": r.decided},
        "versus_first": shift and dataclasses.asdict(shift),
    }


def _row_facts(label: str, row: Row | None, shift: Shift | None) -> dict[str, object]:
    if row is None:
        return {"run": label, "row": None, "status": "absent"}
    return {
        "run": label,
        "row": row.spec,
        "status": row.status,
        "quality": row.quality and {**dataclasses.asdict(row.quality), "n": row.n},
        "versus_first": shift and dataclasses.asdict(shift),
        "latency_ms": row.latency and {"p50": row.latency.p50, "p95": row.latency.p95},
        "cost_usd": {"per_1k_queries": row.cost.per_1k_queries, "over_horizon": row.cost.over_horizon},
        "fit_seconds": row.fit_seconds,
    }


def _named(one: Differing) -> dict[str, object]:
    return {"name": one.name, "values": one.values}
