"""Escaping text from outside before it reaches a terminal.

A task file, a table, a path or a price list may hold escape sequences that clear the screen, set a title or hide what
stands before them, and marks that turn the direction of the text around them. This module lies below every room.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from contextlib import suppress

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
_TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])
"""Marks that turn the direction of the text around them."""
_HIDDEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


_BLANK = re.compile(r"\s")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and halves of characters (Unicode's categories Cc and Cs)."""
_UNSEEN = re.compile(f"{_CONTROL.pattern}|{_HIDDEN.pattern}|[^\\S ]")
"""Whatever is not shown as it is: these, marks of direction, and blanks of other kinds."""


def plain(text: str) -> str:
    """The text on one line, without escape sequences, control characters and line breaks."""
    return " ".join(unmarked(text).split())


def cleaned(text: str) -> str:
    """Our own lines with quoted text from outside: breaks and indents stay, invisible characters are spelt out."""
    return "\n".join(_UNSEEN.sub(_shown, line) for line in text.split("\n"))


def say(text: str, end: str = "\n") -> None:
    """Write a text to stderr; a closed stderr is ignored."""
    with suppress(OSError):
        sys.stderr.write(cleaned(text) + end)
        sys.stderr.flush()


def escaped(document: str) -> str:
    """A JSON document with control and direction marks as JSON escapes, which mean the same and do nothing to a
    terminal.
    """
    return _HIDDEN.sub(lambda mark: f"\\u{ord(mark[0]):04x}", document)


def _shown(found: re.Match[str]) -> str:
    mark = found[0]
    if ord(mark) in _TURNS or unicodedata.category(mark) in ("Cc", "Cs"):
        return " " if mark == "\t" else f"\\x{ord(mark):02x}" if ord(mark) < 256 else f"\\u{ord(mark):04x}"
    return " " if mark.isspace() else mark


def unmarked(text: str) -> str:
    """A line without escape sequences, control characters and marks of direction; blanks stay as many."""
    return _CONTROL.sub("", _BLANK.sub(" ", _ESCAPES.sub("", text).translate(_TURNS)))
