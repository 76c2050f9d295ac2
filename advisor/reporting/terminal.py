"""Reports for a terminal: plain lines that read well without colour and in a file. No rich markup is interpreted."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from advisor.cleaning import plain
from advisor.reporting.blocks import (
    Block,
    Bullets,
    Conclusion,
    Details,
    Gap,
    Heading,
    Issue,
    Numbered,
    Paragraph,
    Remarks,
    Report,
    Table,
    Tone,
)
from advisor.reporting.characters import pad, shorten, visible
from advisor.reporting.grid import fit, text_of
from advisor.reporting.pictures import Figure, Lines
from advisor.reporting.plot import MARGIN, WIDTH, plot

_INDENT = 2
_LABELS, _MOST_LABELS = 10, 32
"""Columns of the labels in a conclusion, and the most that those of details take of themselves."""
_ISSUES = 8
_STYLES: dict[Tone, str] = {
    "": "",
    "strong": "bold",
    "good": "bold green",
    "bad": "red",
    "grave": "bold red",
    "doubtful": "yellow",
    "warning": "bold yellow",
    "quiet": "dim",
}


def terminal(report: Report, /, *, width: int, color: bool) -> str:
    """The report as lines of at most `width` columns; fewer than 40 count as 40.

    Args:
        color: whether to write ANSI codes.
    """
    lines = _Lines(max(40, width))
    lines.add(plain(report.title), "strong")
    for block in report.shown_on("screen"):
        _set(block, lines)
    return lines.written(color)


class _Lines:
    """Lines of at most `width` columns."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._lines: list[Text] = []
        self._console = Console(file=StringIO(), width=width, legacy_windows=False, _environ={})

    def add(self, line: str, tone: Tone = "") -> None:
        """One line, cut where it does not fit."""
        self._lines.append(Text(shorten(line.rstrip(), self.width), style=_STYLES[tone]))

    def blank(self) -> None:
        """An empty line, unless there is one already."""
        if self._lines and self._lines[-1].plain:
            self.add("")

    def heading(self, title: str) -> None:
        """The heading that begins a section."""
        self.blank()
        self.add(plain(title), "strong")

    def item(self, text: str, lead: str = "", hang: int = 0, tone: Tone = "") -> None:
        """A paragraph, indented; `lead` stands before its first line, and further lines are aligned behind it.

        Args:
            hang: the least width of the lead, so that several items stand in one column.
        """
        lead = pad(lead, hang)
        indent = _INDENT + cell_len(lead)
        if indent > self.width // 2:
            self.add(" " * _INDENT + shorten(lead.rstrip(), self.width - _INDENT))
            lead, indent = " " * _INDENT, 2 * _INDENT
        for number, part in enumerate(self._wrapped(text, indent) or [""]):
            before = " " * _INDENT + lead if number == 0 else " " * indent
            self._lines.append(Text.assemble(before, (part, _STYLES[tone])))

    def paragraph(self, text: str) -> None:
        """A paragraph, indented, with a deeper indent from the second line on."""
        for number, part in enumerate(self._wrapped(text, 2 * _INDENT)):
            self.add(" " * (_INDENT if number == 0 else 2 * _INDENT) + part)

    def beside(self, words: Sequence[str], gap: int = 3) -> None:
        """Short texts side by side, as many on a line as fit, none broken."""
        lines: list[str] = []
        for word in words:
            if lines and _INDENT + cell_len(lines[-1]) + gap + cell_len(word) <= self.width:
                lines[-1] += " " * gap + word
            else:
                lines.append(word)
        for line in lines:
            self.add(" " * _INDENT + line)

    def _wrapped(self, text: str, indent: int) -> list[str]:
        return [part.plain.rstrip() for part in Text(plain(text)).wrap(self._console, self.width - indent)]

    def written(self, color: bool) -> str:
        """All lines as one string, with ANSI codes if `color`."""
        file = StringIO()
        console = Console(
            file=file,
            width=self.width,
            color_system="standard" if color else None,
            force_terminal=color,
            legacy_windows=False,
            _environ={},
        )
        for line in self._lines:
            line.rstrip()
            console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)
        return file.getvalue()


def _set(block: Block, lines: _Lines) -> None:
    match block:
        case Heading():
            lines.heading(block.title)
        case Gap():
            lines.blank()
        case Paragraph():
            for sentence in block.sentences:
                lines.item(sentence, tone=block.tone)
        case Bullets():
            for statement in block.statements:
                lines.item(statement, "- " if block.dashed else "")
        case Numbered():
            _numbered(block, lines)
        case Details():
            _details(block, lines)
        case Remarks():
            for remark in block.remarks:
                lines.item(f"{remark.key} {remark.name.text}")
                for note in remark.notes:
                    lines.item(note, " " * _INDENT)
        case Conclusion():
            _conclusion(block, lines)
        case Issue():
            _issue(block, lines)
        case Table():
            _table(block, lines)
        case Figure():
            _plot(block, lines)
        case Lines(plain=Figure() as plain):
            _plot(plain, lines)


def _plot(figure: Figure, lines: _Lines) -> None:
    for line in plot(figure, min(WIDTH, lines.width - MARGIN - _INDENT)):
        lines.add(" " * _INDENT + line)


def _numbered(block: Numbered, lines: _Lines) -> None:
    for number, item in enumerate(block.items, start=1):
        lines.item(item.text, f"{number}.", 4)
        if below := text_of(item.below):
            lines.item(below, "", 4, "quiet")


def _details(block: Details, lines: _Lines) -> None:
    labels = ["" if detail.follows else text_of(detail.label) for detail in block.details]
    columns = block.columns or min(max(map(cell_len, labels)), _MOST_LABELS) + 2
    figured = max(cell_len(visible(detail.figure)) for detail in block.details)
    for detail, label in zip(block.details, labels, strict=True):
        if figured and cell_len(label) > columns - 2:  # its figure would stand where no other does, or be cut
            lines.paragraph(label)
            label = ""
        lead = pad(label, columns - 2) + "  " + pad(visible(detail.figure), figured + 2) if figured else label
        lines.item(detail.text, lead, columns, detail.tone)


def _conclusion(block: Conclusion, lines: _Lines) -> None:
    lines.heading(block.title)
    lines.item(block.statement, tone=block.tone)
    if block.addition:
        lines.item(block.addition)
    for argument in block.arguments:
        for number, sentence in enumerate(argument.sentences):
            lines.item(sentence, plain(argument.label) if number == 0 else "", _LABELS)


def _issue(block: Issue, lines: _Lines) -> None:
    indent = " " * _ISSUES
    lines.item(block.what, plain(block.grade), _ISSUES, block.tone)
    lines.item(block.meaning, indent)
    lines.item(block.fix, f"{indent}try: ")
    for place, text in block.places:
        lines.add(" " * _INDENT + indent + "  ".join(filter(None, [plain(place), plain(text)])))
    if block.more:
        lines.item(f"and {block.more:,} more (--json lists all)", indent)
    lines.blank()


def _table(table: Table, lines: _Lines) -> None:
    grid = fit(table, lines.width - _INDENT)
    for line, tone in grid.lines():
        lines.add(" " * _INDENT + line, tone)
    signs = [plain(sign.meaning) for sign in table.legend]
    notes = [column.note for column in grid.columns if column.note]
    against = [row for row in table.rows if row.remark]
    if signs or notes or against:
        lines.blank()
    lines.beside(signs)
    for note in notes:
        lines.item(note)
    for row in against:
        lines.paragraph(f"! {row.key or ''} {text_of(row.name)} {row.remark}")
    cut = [row for row in table.rows if row.instead and grid.instead(row) != plain(row.instead)]
    if cut:
        lines.heading("Without a result")
    for row in cut:
        lines.paragraph(f"{text_of(row.name)} {row.instead}")
