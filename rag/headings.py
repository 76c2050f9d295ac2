"""Headings in documents, as Markdown writes them, and where a stretch of a document stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from advisor.tasks import Document

BETWEEN = " > "
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Headline:
    """A heading of a document.

    Attributes:
        start, end: of its line in the document's text, in characters.
        path: its title behind those of the headings above it.
    """

    start: int
    end: int
    path: tuple[str, ...]


def headings(text: str) -> list[Headline]:
    """The headings of a text, in their order; lines in blocks of code are none."""
    if "#" not in text:
        return []
    fences = [fence.start() for fence in _FENCE.finditer(text)]
    found: list[Headline] = []
    above: list[tuple[int, str]] = []
    for line in _HEADING.finditer(text):
        if bisect_right(fences, line.start()) % 2:
            continue
        level = len(line[1])
        above = [*((n, title) for n, title in above if n < level), (level, line[2].strip())]
        found.append(Headline(line.start(), line.end(), tuple(title for _, title in above)))
    return found


class Places:
    """Tells where stretches of a document stand."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def of(self, start: int, end: int) -> str:
        """The pages and the path of headings of a stretch, in characters of the document's text; empty without both."""
        return ", ".join(filter(None, (self._pages(start, end), BETWEEN.join(self._path(start, end)))))

    def _pages(self, start: int, end: int) -> str:
        pages = self._document.pages
        if not pages:
            return ""
        first, last = (max(bisect_right(pages, at), 1) for at in (start, max(start, end - 1)))
        return f"page {first}" if first == last else f"pages {first}-{last}"

    def _path(self, start: int, end: int) -> Sequence[str]:
        """Of the first words that are no heading."""
        number = bisect_right(self._starts, start)
        while number < len(self._starts) and self._starts[number] < end:
            above = self._headings[number - 1].end if number else start
            if self._document.text[max(above, start) : self._starts[number]].strip():
                break
            number += 1
        return self._headings[number - 1].path if number else ()

    @cached_property
    def _headings(self) -> list[Headline]:
        return headings(self._document.text)

    @cached_property
    def _starts(self) -> list[int]:
        return [heading.start for heading in self._headings]
