"""A page of plain lines: what the terminal report is set on. Nothing here reads rich markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.text import Text

from advisor.cleaning import plain

INDENT = 2

_BETWEEN_PARTS = re.compile(r"(?<=,)|(?=\+)")
_INSIDE_PART = re.compile(r"(?<=[:=-])")
_ASCII = str.maketrans("─│└┬┤", "-|++|")


def shorten(text: str, width: int) -> str:
    """The text cut to so many columns, with three dots where something is missing."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 3)).rstrip() + "..."[:width]


def pad(text: str, width: int, right: bool = False) -> str:
    """The text filled up to so many columns."""
    gap = " " * max(0, width - cell_len(text))
    return gap + text if right else text + gap


def fold_spec(spec: str, width: int) -> list[str]:
    """An approach's spec in lines of so many columns, broken after a comma or before a plus if possible."""
    rows: list[str] = []
    for piece in _BETWEEN_PARTS.split(spec):
        if rows and cell_len(rows[-1]) + cell_len(piece) <= width:
            rows[-1] += piece
        elif cell_len(piece) <= width:
            rows.append(piece)
        else:
            rows += _fold_part(piece, width)
    return rows or [""]


def _fold_part(part: str, width: int) -> list[str]:
    rows: list[str] = []
    for piece in _INSIDE_PART.split(part):
        if rows and cell_len(rows[-1]) + cell_len(piece) <= width:
            rows[-1] += piece
        else:
            rows += chop_cells(piece, width)
    return rows


class Page:
    """Lines of at most `width` columns.

    Args:
        width: in columns, at least 40.
    """

    def __init__(self, width: int) -> None:
        self.width = max(40, width)
        self._lines: list[Text] = []
        self._console = Console(file=StringIO(), width=self.width, legacy_windows=False, _environ={})

    def add(self, line: str | Text, style: str = "") -> None:
        """One line as it stands; it is the caller's duty that it fits."""
        self._lines.append(line if isinstance(line, Text) else Text(line, style=style))

    def blank(self) -> None:
        """An empty line, unless there is one already."""
        if self._lines and self._lines[-1].plain:
            self.add("")

    def heading(self, title: str) -> None:
        """Begins a section."""
        self.blank()
        self.add(Text(shorten(title, self.width), style="bold"))

    def item(self, text: str, lead: str = "", hang: int = 0, style: str = "") -> None:
        """A paragraph, indented; `lead` stands before its first line, the others hang below its end.

        Args:
            hang: the least width of the lead, so that several items stand in one column.
        """
        lead = pad(lead, hang)
        indent = INDENT + cell_len(lead)
        if indent > self.width // 2:
            self.add(" " * INDENT + shorten(lead.rstrip(), self.width - INDENT))
            lead, indent = " " * INDENT, 2 * INDENT
        wrapped = Text(plain(text)).wrap(self._console, self.width - indent)
        for number, part in enumerate(wrapped or [Text("")]):
            part.rstrip()
            before = " " * INDENT + lead if number == 0 else " " * indent
            self.add(Text.assemble(before, (part.plain, style)))

    def paragraph(self, text: str, style: str = "") -> None:
        """A paragraph, indented, its second and further lines a little more."""
        wrapped = Text(plain(text)).wrap(self._console, self.width - 2 * INDENT)
        for number, part in enumerate(wrapped):
            self.add(Text(" " * (INDENT if number == 0 else 2 * INDENT) + part.plain.rstrip(), style=style))

    def row(self, words: Sequence[str], gap: int = 3) -> None:
        """Short texts beside each other, as many to a line as fit, none broken."""
        lines: list[str] = []
        for word in words:
            if lines and INDENT + cell_len(lines[-1]) + gap + cell_len(word) <= self.width:
                lines[-1] += " " * gap + word
            else:
                lines.append(word)
        for line in lines:
            self.add(" " * INDENT + shorten(line, self.width - INDENT))

    def render(self, color: bool, encoding: str) -> str:
        """All lines as one string; with ANSI codes if `color`, and only with what `encoding` can write."""
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
            line = line.copy()
            line.rstrip()
            console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)
        return encodable(file.getvalue(), encoding)


def encodable(text: str, encoding: str) -> str:
    """The text with what `encoding` cannot write replaced: lines by ASCII lines, the rest by `?`."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    return text
