"""Widths of texts on a terminal (cutting, padding, folding), and characters that an encoding can write."""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells, set_cell_size

from advisor.cleaning import plain

_BETWEEN_PARTS = re.compile(r"(?<=,)|(?=\+)")
_INSIDE_PART = re.compile(r"(?<=[:=-])")
_ASCII = str.maketrans("─│└┬┤", "-|++|")


def shorten(text: str, width: int) -> str:
    """Cut a text to `width` columns, with three dots where something is missing."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 3)).rstrip() + "..."[:width]


def visible(text: str) -> str:
    """The text unchanged where all of it is printable, else its printable part on one line."""
    return text if text.isprintable() else plain(text)


def pad(text: str, width: int, right: bool = False) -> str:
    """Pad a text to `width` columns."""
    gap = " " * max(0, width - cell_len(text))
    return gap + text if right else text + gap


def fold_spec(spec: str, width: int) -> list[str]:
    """Fold a spec into lines of at most `width` columns, after a comma or before a plus if possible."""
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


def encodable(text: str, encoding: str) -> str:
    """Replace what `encoding` cannot write: box lines by ASCII lines, the rest by `?`."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    return text
