"""The blocks of a report: plain data that one renderer for each format turns into text.

A subject (a decision, curves, an estimate, a profile) becomes a `Report`; every text in it is as the user or a
library wrote it, and each renderer escapes what its format would act on. A block without anything in it is left out by
whoever makes the report. Some blocks serve one medium only: a *screen*
is narrow and read at once, a *page* (Markdown, for one) is kept and handed on, and names the whole setup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.reporting.interactive import Interactive
from advisor.reporting.pictures import Picture
from advisor.verdict.cells import Interval

Medium = Literal["screen", "page"]
Tone = Literal["", "strong", "good", "bad", "grave", "doubtful", "warning", "quiet"]
"""How a text is to be taken; colours and weights are the renderer's."""


@dataclass(frozen=True, slots=True)
class Code:
    """A text shown verbatim: an approach's spec, a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads to a file beside the report, by its relative address; on a screen the text alone."""

    text: str
    target: str


Words = str | Code | Link


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading that begins a section."""

    title: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The end of a section where the next one has no heading; shown on a screen only."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences that belong together; on a screen each begins a line."""

    sentences: tuple[str, ...]
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of statements.

    Attributes:
        dashed: whether a dash stands before each on a screen too.
    """

    statements: Sequence[str]
    dashed: bool = True


@dataclass(frozen=True, slots=True)
class Item:
    """One of several items in order, with a quiet line below it: a fact, or a command to type."""

    text: str
    below: Words = ""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A numbered list, from 1."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Detail:
    """A labelled text.

    Attributes:
        figure: stands between both.
        follows: whether it goes on from the detail before, so that a screen leaves its label out.
    """

    label: Words
    text: str
    figure: str = ""
    tone: Tone = ""
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Details:
    """A list of labelled texts.

    Attributes:
        columns: the width of the labels on a screen; None: as wide as the longest, within bounds.
    """

    details: tuple[Detail, ...]
    columns: int | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Notes on one thing, which may have a key in a table or a figure."""

    name: Code
    notes: Sequence[str]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Remarks:
    """Notes on several things."""

    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """Sentences for or against a conclusion.

    Attributes:
        label: its label, one word.
        title: its title, a phrase; empty for the reasons, which follow the conclusion itself.
    """

    label: str
    title: str
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The conclusion: first on a page, near the end on a screen.

    Attributes:
        statement: the conclusion itself, of tone `good` where it is settled, else `strong`.
        addition: a sentence or two; may be empty.
    """

    title: str
    statement: str
    tone: Tone
    addition: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Issue:
    """A problem to fix.

    Attributes:
        grade: its severity, one word.
        places: a few of those where it shows, each with what stands there, which may be empty.
        more: the number of further places.
    """

    grade: str
    tone: Tone
    what: str
    meaning: str
    fix: str
    places: Sequence[tuple[str, str]]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """One column of figures in a table.

    Attributes:
        title: the title for a screen, on one line or two.
        cells: one for each row; a cell of several parts stands in one line, or its parts below each other, or the first
            alone, as there is room.
        heading: the title for a page; None: the same.
        short: cells for a screen that is narrow.
        rank: where room is short, columns of the highest rank go first, the last of them before the others; those above
            4 appear only where there is ample room; those of 0 stay unless not even the least of a name had any.
        least: columns of characters that it takes at least.
        left: aligned left.
        note: explains its figures, below the table.
        on: the one medium that shows it.
        values: the cells as numbers, by which a reader can sort where a page allows it; None for what has none. A page
            draws intervals.
    """

    title: tuple[str, ...]
    cells: Sequence[str | tuple[str, ...]]
    heading: str | None = None
    short: Sequence[str] | None = None
    rank: int = 0
    least: int = 0
    left: bool = False
    note: str = ""
    on: Medium | None = None
    values: Sequence[Interval | float | None] = ()


@dataclass(frozen=True, slots=True)
class TableRow:
    """The name of a table row and what is said about it.

    Attributes:
        key: one or two letters that stand for it elsewhere, in a figure for one; None where the table has no keys.
        mark: one letter before it, on a screen; None where the table has no marks.
        status: the mark in words, on a page.
        instead: the reason why there are no figures; stands in their place.
        remark: a caveat about it; stands below the table.
    """

    name: Words
    key: str | None = None
    mark: str | None = None
    status: str = ""
    tone: Tone = ""
    instead: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """The meaning of a mark in a table.

    Attributes:
        on: "screen" where a page says it in place of the mark.
    """

    meaning: str
    on: Medium | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """The column with the rows' names.

    Attributes:
        least, most: columns of characters that it takes.
        wanted: the width up to which columns of figures give way to long names.
        narrow: the same on a narrow screen, of a table with short cells.
    """

    title: str = "approach"
    least: int = 8
    most: int = 1_000
    wanted: int = 20
    narrow: int = 12


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures, with one row for each thing compared.

    Attributes:
        legend: the meaning of the marks that occur.
        ruled: whether a line stands below the titles on a screen.
    """

    rows: tuple[TableRow, ...]
    columns: tuple[Column, ...]
    names: Names = Names()
    legend: tuple[Sign, ...] = ()
    ruled: bool = True


@dataclass(frozen=True, slots=True)
class Only:
    """Blocks for one medium only."""

    medium: Medium
    blocks: tuple[Block, ...]


Block = (
    Heading
    | Gap
    | Paragraph
    | Bullets
    | Numbered
    | Details
    | Remarks
    | Conclusion
    | Issue
    | Table
    | Picture
    | Interactive
    | Only
)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    title: str
    blocks: tuple[Block, ...]

    def shown_on(self, medium: Medium) -> Iterator[Block]:
        """The blocks that a medium shows, in order, none of them an `Only`."""
        return _shown(self.blocks, medium)


def _shown(blocks: tuple[Block, ...], medium: Medium) -> Iterator[Block]:
    for block in blocks:
        if not isinstance(block, Only):
            yield block
        elif block.medium == medium:
            yield from _shown(block.blocks, medium)


def section(title: str, *blocks: Block | None) -> tuple[Block, ...]:
    """A heading and its blocks; nothing where there is none."""
    found = tuple(block for block in blocks if block is not None)
    return (Heading(title), *found) if found else ()


def listed(title: str, statements: Iterable[str], dashed: bool = True) -> tuple[Block, ...]:
    """A heading and statements below it; nothing where there is none."""
    found = tuple(statements)
    return section(title, Bullets(found, dashed) if found else None)
