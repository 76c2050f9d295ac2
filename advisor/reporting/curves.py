"""Learning curves for a terminal, in Markdown and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any, TextIO

from rich.cells import cell_len

from advisor.cleaning import plain
from advisor.disk import put
from advisor.reporting import curve_statements as say
from advisor.reporting import figures, statements
from advisor.reporting.curve_picture import curve_picture, keys
from advisor.reporting.document import SCHEMA, as_json, clean
from advisor.reporting.markdown import code, table, text
from advisor.reporting.page import INDENT, Page, encodable, fold_spec, pad, shorten
from advisor.reporting.picture import MARGIN
from advisor.reporting.picture import WIDTH as PICTURE
from advisor.reporting.render import WIDTH, Format, surface
from advisor.verdict.curves import Curve, Curves, Gain, Point

_LABELS = 10
_GAP = 2
_LEAST, _MOST = 14, 32
"""Columns that the names of approaches get at least and at most."""


def render_curves(
    curves: Curves,
    format: Format = "terminal",
    *,
    width: int = WIDTH,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """The curves as a string that ends with a line break; the same input gives the same bytes.

    Args:
        width: columns of the terminal's form.
        color: whether that holds ANSI codes.
        encoding: what the string will be written in; what it cannot write is replaced.
    """
    match format:
        case "json":
            return as_json(curves_document(curves), encoding)
        case "markdown":
            return encodable(_markdown(curves), encoding)
        case "terminal":
            return _terminal(curves, width).render(color, encoding)
    raise ValueError(f"unknown format {format!r}")


def show_curves(curves: Curves, stream: TextIO, format: Format = "terminal") -> None:
    """Writes the curves to a stream, in its width, with colour only on a terminal that wants it."""
    width, color, encoding = surface(stream)
    put(stream, render_curves(curves, format, width=width, color=color, encoding=encoding))


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


def _terminal(curves: Curves, width: int) -> Page:
    page = Page(width)
    growth = curves.growth
    page.add(shorten(f"Advisor: learning curves of {plain(growth.task.name) or 'unnamed task'}", page.width), "bold")
    task = growth.task
    page.item(f"{task.kind}, measured by {task.metric}; {statements.sizes(task)}", "task", _LABELS)
    page.item(statements.model(growth.model, 12), "model", _LABELS)
    page.item(statements.device(growth.model), "", _LABELS)
    page.heading(f"Quality ({plain(task.metric)}) by training examples, with 95 % intervals")
    _qualities(page, curves)
    if troubles := say.troubles(curves):
        page.blank()
        for trouble in troubles:
            page.item(trouble, "- ")
    if lines := curve_picture(curves, min(PICTURE, page.width - MARGIN - INDENT)):
        page.blank()
        for line in lines:
            page.add(shorten(" " * INDENT + line, page.width))
    if sentences := [s for s in (say.leaders(curves), *say.crossings(curves)) if s]:
        page.heading("Where one overtakes another")
        for sentence in sentences:
            page.item(sentence, "- ")
    _gains(page, curves)
    page.heading("Caveats")
    for caveat in say.caveats(curves):
        page.item(caveat, "- ")
    page.blank()
    page.item(say.method(curves), "method", _LABELS)
    page.item(growth.folder, "records", _LABELS)
    return page


def _qualities(page: Page, curves: Curves) -> None:
    """Approaches by sizes: value and interval beside each other, else below each other, else the value alone."""
    titles = [figures.count(size) for size in curves.growth.sizes]
    rows = {curve.spec: [_cell(point) for point in curve.points] for curve in curves.curves}
    longest = max(cell_len(plain(spec)) for spec in rows)
    beside = {spec: [[" ".join(filter(None, cell)) for cell in cells]] for spec, cells in rows.items()}
    below = {spec: [[value for value, _ in cells], [span for _, span in cells]] for spec, cells in rows.items()}
    alone = {spec: lines[:1] for spec, lines in below.items()}
    for layout, least in ((beside, min(longest, _MOST)), (below, _LEAST), (alone, 0)):
        widths = [
            max([len(title), *(len(line[i]) for lines in layout.values() for line in lines)])
            for i, title in enumerate(titles)
        ]
        room = page.width - INDENT - 3 - sum(w + _GAP for w in widths)
        if room >= least:
            break
    _table(page, curves, layout, (titles, widths, max(8, min(longest, _MOST, room))))


def _table(
    page: Page,
    curves: Curves,
    layout: dict[str, list[list[str]]],
    columns: tuple[list[str], list[int], int],
) -> None:
    """Rows of one or several lines each, after the key and the name of the approach."""
    titles, widths, names = columns
    margin, gap = " " * INDENT, " " * _GAP

    def line(head: str, cells: list[str]) -> str:
        words = gap.join([head, *(pad(cell, w, right=True) for cell, w in zip(cells, widths, strict=True))])
        return shorten(margin + words, page.width)

    page.add(line(pad("   approach", names + 3), titles), style="bold")
    page.add(shorten(margin + "─" * (names + 3 + sum(w + _GAP for w in widths)), page.width), style="dim")
    empty = [""] * len(widths)
    for spec, key in keys(curves).items():
        folded, lines = fold_spec(plain(spec), names), layout[spec]
        for number in range(max(len(folded), len(lines))):
            head = f"{key:>2} " if number == 0 else "   "
            name = folded[number] if number < len(folded) else ""
            page.add(line(head + pad(name, names), lines[number] if number < len(lines) else empty))


def _cell(point: Point) -> tuple[str, str]:
    if point.quality is None:
        word, reason, _ = point.trouble.partition(":")
        return word if reason else "-", ""
    value, _, span = figures.quality(point.quality).partition(" ")
    return value, span


def _gains(page: Page, curves: Curves) -> None:
    rows = {curve.spec: [_gain_cells(curve)] for curve in curves.curves}
    if not any(curve.families for curve in curves.curves):
        return
    page.heading(f"What more labels would buy: {say.next_labels(curves)}, and twice as many")
    titles = ["next labels", "twice as many", "flat"]
    widths = [max(len(title), *(len(cells[0][i]) for cells in rows.values())) for i, title in enumerate(titles)]
    room = page.width - INDENT - 3 - sum(w + _GAP for w in widths)
    longest = max(cell_len(plain(spec)) for spec in rows)
    _table(page, curves, rows, (titles, widths, max(8, min(longest, _MOST, room))))
    page.item(say.flatness())


def _gain_cells(curve: Curve) -> list[str]:
    return [_gain(curve.more), _gain(curve.doubling), say.flat(curve)]


def _gain(gain: Gain | None) -> str:
    """`+0.038 [+0.010, +0.090]`."""
    if gain is None:
        return ""
    value, low, high = (figures.decimals(v, 3, signed=True) for v in dataclasses.astuple(gain.gain))
    return f"{value} [{low}, {high}]"


def _markdown(curves: Curves) -> str:
    growth, names = curves.growth, keys(curves)
    sizes = [figures.count(size) for size in growth.sizes]
    qualities = [
        [names[c.spec], code(c.spec), *(" ".join(filter(None, _cell(point))) for point in c.points)]
        for c in curves.curves
    ]
    gains = [[code(c.spec), *map(text, _gain_cells(c))] for c in curves.curves if c.families]
    picture = curve_picture(curves)
    blocks = [
        f"# Advisor: learning curves of {text(growth.task.name) or 'unnamed task'}",
        f"{text(growth.task.kind)}; {text(statements.sizes(growth.task))}.",
        f"## Quality ({text(growth.task.metric)}) by number of training examples",
        table(["", "approach", *sizes], qualities, left=2),
        *_bullets(say.troubles(curves)),
        *(["```text\n" + "\n".join(picture) + "\n```"] if picture else []),
        *_section("Where one overtakes another", [s for s in (say.leaders(curves), *say.crossings(curves)) if s]),
    ]
    if gains:
        titles = ["approach", text(say.next_labels(curves)), "twice as many", "flat"]
        blocks += ["## What more labels would buy", table(titles, gains), text(say.flatness())]
    blocks += _section("Caveats", say.caveats(curves))
    blocks += ["## Method", text(say.method(curves))]
    setup = [statements.model(growth.model), statements.device(growth.model), growth.folder]
    blocks += _section("Setup", [words for words in setup if words])
    return "\n\n".join(blocks) + "\n"


def _section(title: str, sentences: list[str]) -> list[str]:
    return [f"## {title}", *_bullets(sentences)] if sentences else []


def _bullets(sentences: list[str]) -> list[str]:
    return ["\n".join(f"- {text(sentence)}" for sentence in sentences)] if sentences else []
