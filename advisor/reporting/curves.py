"""The report of learning curves, as blocks and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from advisor.reporting import curve_statements as say
from advisor.reporting import figures, statements
from advisor.reporting.axes import linear_axis
from advisor.reporting.blocks import (
    Block,
    Bullets,
    Code,
    Column,
    Detail,
    Details,
    Gap,
    Heading,
    Names,
    Only,
    Paragraph,
    Report,
    Table,
    TableRow,
    listed,
    section,
)
from advisor.reporting.decision import LABELS, head, measured
from advisor.reporting.document import SCHEMA, clean
from advisor.reporting.pictures import Axis, Figure, Lines, Mark, Trace
from advisor.verdict import words
from advisor.verdict.curves import Curve, Curves, Gain, Point

_NAMES = Names(wanted=32, most=32)


def curves_report(curves: Curves) -> Report:
    """The report of learning curves: quality by size, crossings, and the value of more labels."""
    growth = curves.growth
    troubles, drawn = say.troubles(curves), _drawn(curves)
    setup = [statements.model(growth.model), statements.device(growth.model), growth.folder]
    foot = Details((Detail("method", say.method(curves)), Detail("records", growth.folder)), LABELS)
    return Report(
        f"Advisor: learning curves of {statements.named(growth.task.name)}",
        (
            Only("screen", (Details(tuple(head(growth.task, growth.model)), LABELS),)),
            Only("page", (measured(growth.task),)),
            Heading(f"Quality ({growth.task.metric}) by training examples, with 95 % intervals"),
            _qualities(curves),
            *((Gap(), Bullets(troubles)) if troubles else ()),
            *((Gap(), drawn) if drawn else ()),
            *listed("Where one overtakes another", filter(None, [say.leaders(curves), *say.crossings(curves)])),
            *_gains(curves),
            *listed("Caveats", say.caveats(curves)),
            Only("page", (Heading("Method"), Paragraph((say.method(curves),)))),
            Only("page", listed("Setup", filter(None, setup))),
            Only("screen", (Gap(), foot)),
        ),
    )


def _qualities(curves: Curves) -> Table:
    """The table of qualities, approaches by sizes."""
    columns = [
        Column((figures.count(size),), [_quality(curve.points[number]) for curve in curves.curves])
        for number, size in enumerate(curves.growth.sizes)
    ]
    return Table(_rows(curves), tuple(columns), _NAMES)


def _gains(curves: Curves) -> tuple[Block, ...]:
    if not any(curve.families for curve in curves.curves):
        return ()
    columns = (
        Column(("next labels",), [_gain(curve.more) for curve in curves.curves]),
        Column(("twice as many",), [_gain(curve.doubling) for curve in curves.curves]),
        Column(("flat",), [say.flat(curve) for curve in curves.curves]),
    )
    title = f"What more labels would buy: {say.next_labels(curves)}, and twice as many"
    return section(title, Table(_rows(curves), columns, _NAMES), Paragraph((say.flatness(),)))


def _rows(curves: Curves) -> tuple[TableRow, ...]:
    return tuple(TableRow(Code(spec), key) for spec, key in _keys(curves).items())


def _keys(curves: Curves) -> dict[str, str]:
    """The key of each approach in tables and figure: `1`, `2`, ... in the order asked for."""
    return {curve.spec: str(number) for number, curve in enumerate(curves.curves, start=1)}


def _quality(point: Point) -> tuple[str, ...]:
    """A value and its interval, or the reason why there is none."""
    if point.quality is None:
        word, reason, _ = point.trouble.partition(":")
        return (word if reason else "-",)
    value, _, span = figures.quality(point.quality).partition(" ")
    return value, span


def _gain(gain: Gain | None) -> str:
    """A gain with its interval: `+0.038 [+0.010, +0.090]`."""
    if gain is None:
        return ""
    value, low, high = (figures.decimals(v, 3, signed=True) for v in dataclasses.astuple(gain.gain))
    return f"{value} [{low}, {high}]"


def _figure(curves: Curves) -> Figure | None:
    """The measured qualities by key with the fitted curves; None with fewer than two sizes."""
    names = _keys(curves)
    marks = [
        Mark(point.size, point.quality.value, names[curve.spec])
        for curve in curves.curves
        for point in curve.points
        if point.quality
    ]
    sizes = sorted({mark.x for mark in marks})
    if len(sizes) < 2:
        return None
    ticks = tuple((size, figures.count(size)) for size in sizes)
    lines = tuple(_line(curve, sizes[-1]) for curve in curves.curves)
    return Figure("training examples, log scale", (sizes[0], sizes[-1]), ticks, tuple(marks), lines)


def _drawn(curves: Curves) -> Lines | None:
    """The measured qualities with their intervals and the fitted curves; None with fewer than two sizes."""
    plain = _figure(curves)
    if plain is None:
        return None
    keys = _keys(curves)
    largest = plain.reach[1]
    last = {c.spec: c.points[-1].quality.value for c in curves.curves if c.points[-1].quality and not c.control}
    leader = max(last, key=lambda spec: last[spec], default="")
    traces = tuple(
        Trace(
            curve.spec,
            keys[curve.spec],
            tuple((float(point.size), point.quality) for point in curve.points if point.quality),
            _line(curve, largest),
            curve.spec == leader,
        )
        for curve in curves.curves
        if any(point.quality for point in curve.points)
    )
    ends = [end for trace in traces for _, found in trace.points for end in (found.low, found.high)]
    x = Axis("training examples, log scale", *plain.reach, plain.ticks, log=True)
    y = linear_axis(words.metric(curves.growth.task.metric), ends)
    return Lines("Quality by training examples", x, y, traces, plain=plain, notes=(_HOW_DRAWN,))


_HOW_DRAWN = (
    "Points were measured, with 95 % intervals; lines are the fitted curves. The best at the largest size is bold."
)


def _line(curve: Curve, largest: float) -> tuple[tuple[float, float], ...]:
    """The fitted curve over the measured sizes."""
    last = max((point.size for point in curve.points if point.quality), default=largest)
    return tuple((size, quality.value) for size, quality in curve.line if size <= last)


def curves_document(curves: Curves) -> dict[str, Any]:
    """The curves as plain JSON values. What is not known is null, never 0."""
    growth = curves.growth
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "task": dataclasses.asdict(growth.task),
        "model": dataclasses.asdict(growth.model),
        "sizes": growth.sizes,
        "asked": growth.asked,
        "draws": growth.draws,
        "test": curves.test,
        "curves": [_curve(curve) for curve in curves.curves],
        "leaders": [dataclasses.asdict(leader) for leader in curves.leaders],
        "crossings": [{**dataclasses.asdict(c), "meaning": say.crossing(c)} for c in curves.crossings],
        "farthest": curves.farthest,
        "caveats": say.caveats(curves),
        "method": say.method(curves),
        "folder": growth.folder,
    }
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def _curve(curve: Curve) -> dict[str, object]:
    return {
        "spec": curve.spec,
        "control": curve.control,
        "points": [dataclasses.asdict(point) for point in curve.points],
        "families": curve.families or None,
        "line": [{"size": size, **dataclasses.asdict(quality)} for size, quality in curve.line],
        "more": dataclasses.asdict(curve.more) if curve.more else None,
        "doubling": dataclasses.asdict(curve.doubling) if curve.doubling else None,
        "flat_from": curve.flat_from,
        "falls": curve.falls,
        "misses": curve.misses,
    }
