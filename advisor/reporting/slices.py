"""Slices of the test set and gaps between groups, as blocks: on a screen what is to be said, on a page all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.cleaning import plain
from advisor.reporting import figures, statements
from advisor.reporting.blocks import (
    Block,
    Code,
    Column,
    Detail,
    Details,
    Names,
    Only,
    Paragraph,
    Table,
    TableRow,
    section,
)
from advisor.reporting.characters import shorten
from advisor.tasks.power import LEVEL, SLICE
from advisor.verdict import words
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Decision
from advisor.verdict.slices import GroupGap, Slice

_NAME = 40
"""Columns of the name of a slice, which may be a group that the user calls as he likes."""
_TOLD = 6
"""Slices, or gaps, that a screen shows at most."""


def slices(decision: Decision) -> tuple[Block, ...]:
    """The sections on slices and on gaps between groups; nothing where the test set has no parts."""
    if not decision.slices:
        return _left_out(decision)
    best = statements.best_row(decision)
    leader = best.spec if best else ""
    better = _better(decision)
    summary = Paragraph((_summary(decision, leader, len(better)),))
    on_screen = Only("screen", (Details(tuple(_detail(one, leader) for one in better[:_TOLD])),)) if better else None
    return (
        *section("Slices", summary, on_screen, Only("page", tuple(_tables(decision, leader)))),
        *section("Gaps between groups", *_gaps(decision)),
    )


def _left_out(decision: Decision) -> tuple[Block, ...]:
    """Why there are no slices, on a page, where that is known."""
    if not decision.slice_notes:
        return ()
    return (Only("page", section("Slices", Paragraph(decision.slice_notes))),)


def _better(decision: Decision) -> list[tuple[Slice, str]]:
    """Slices where a row is shown to be better than the best one of the whole, with the best of such rows there."""
    found = []
    for one in decision.slices:
        ahead = [spec for spec in one.shown if one.versus[spec].value > 0]
        if ahead:
            found.append((one, max(sorted(ahead), key=lambda spec: one.versus[spec].value)))
    return sorted(found, key=lambda pair: -pair[0].versus[pair[1]].value)


def _summary(decision: Decision, leader: str, better: int) -> str:
    kinds = words.listed(list(dict.fromkeys(one.by for one in decision.slices)))
    number = words.many(len(decision.slices), "slice")
    parted = f"{number} of at least {SLICE} test examples, by {kinds}"
    if not any(one.versus for one in decision.slices):
        return f"{parted}."
    if better:
        more = f" The {_TOLD} with the largest differences:" if better > _TOLD else ""
        return f"{parted}: in {better} of them another row is shown to be better than {leader}, the best overall.{more}"
    return f"{parted}: in none of them is another row shown to be better than {leader}, the best overall."


def _detail(found: tuple[Slice, str], leader: str) -> Detail:
    one, spec = found
    reached, others = (figures.decimals(one.quality[row].value) for row in (spec, leader))
    text = f"{spec} {reached}, {leader} {others}"
    return Detail(f"{_called(one)} (n = {one.n})", text, _signed(one.versus[spec]), "bad")


def _tables(decision: Decision, leader: str) -> Iterator[Block]:
    """A table of all slices for each kind, one column for each row."""
    specs = [row.spec for row in decision.rows if row.quality]
    for by in dict.fromkeys(one.by for one in decision.slices):
        alike = [one for one in decision.slices if one.by == by]
        columns = [Column(("n",), [figures.count(one.n) for one in alike])]
        columns += [Column((spec,), [_cell(one, spec) for one in alike]) for spec in specs]
        names = tuple(TableRow(_named(one.name)) for one in alike)
        yield Table(names, tuple(columns), Names(title=by))
    yield Paragraph(tuple(_how(decision, leader)))


def _how(decision: Decision, leader: str) -> Iterator[str]:
    yield "Intervals of qualities hold 95 % each."
    if any(one.versus for one in decision.slices):
        yield (
            f"* shown to differ from {leader}, the best overall, on these examples: paired, corrected for all slices "
            f"and all pairs of rows together (p < {LEVEL:g})."
        )
    if any(row.tuned and row.seeds == 1 for row in decision.rows):
        yield "What is said of a training with one seed is said of that very training."
    yield from decision.slice_notes


def _cell(one: Slice, spec: str) -> str:
    """A row's quality on a slice, with a star where its difference to the best row is shown."""
    return figures.quality(one.quality.get(spec)) + ("*" if spec in one.shown else "")


def _gaps(decision: Decision) -> Iterator[Block]:
    found = decision.gaps
    if not found:
        return
    shown = [gap for gap in found if gap.shown]
    count = f"{len(shown)} of {words.many(len(found), 'row')}"
    if shown:
        yield Paragraph((f"A gap between groups is shown for {count}, corrected for all rows and pairs of groups.",))
    else:
        yield Paragraph(("No gap between groups is shown for any row, corrected for all rows and pairs of groups.",))
    largest = sorted(shown, key=lambda gap: -gap.difference.value) or [max(found, key=lambda gap: gap.difference.value)]
    sizes = {one.name: one for one in decision.slices if one.by == "group"}
    yield Only("screen", (Details(tuple(_gap(gap, sizes) for gap in largest[:_TOLD])),))
    yield Only("page", (_gap_table(found), Paragraph(_ABOUT_GAPS)))


_ABOUT_GAPS = (
    "The largest difference in quality between two groups, of those shown where any is: measured, with its 95 % "
    "interval over all rows and pairs of groups together.",
    "A gap that all rows have alike may lie in the questions of a group rather than in a row.",
)


def _gap(gap: GroupGap, sizes: dict[str, Slice]) -> Detail:
    best, worst = (sizes[name] for name in (gap.best, gap.worst))
    high, low = (figures.decimals(one.quality[gap.row].value) for one in (best, worst))
    told = "" if gap.shown else "the largest measured: "
    text = f"{told}{_named(gap.best)} {high} (n = {best.n}), {_named(gap.worst)} {low} (n = {worst.n})"
    return Detail(Code(gap.row), text, _signed(gap.difference), "bad" if gap.shown else "")


def _gap_table(found: Sequence[GroupGap]) -> Table:
    columns = (
        Column(("largest gap",), [_signed(gap.difference) + ("*" if gap.shown else "") for gap in found]),
        Column(("best in",), [_named(gap.best) for gap in found], left=True),
        Column(("worst in",), [_named(gap.worst) for gap in found], left=True),
    )
    return Table(tuple(TableRow(Code(gap.row)) for gap in found), columns)


def _called(one: Slice) -> str:
    name = _named(one.name)
    return name if one.pooled or one.by in ("input length", "evidence found") else f"{one.by} {name}"


def _named(name: str) -> str:
    """The name of a slice on one line of bounded length."""
    return shorten(plain(name), _NAME) or "(no visible name)"


def _signed(found: Interval) -> str:
    low, high = (figures.decimals(end, 2, signed=True) for end in (found.low, found.high))
    return f"{figures.decimals(found.value, signed=True)} [{low}, {high}]"
