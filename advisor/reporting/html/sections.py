"""The sections of a page, and their order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from advisor.reporting.blocks import Block, Conclusion, Gap, Heading

ORDER = (
    "Recommendation",
    "Results",
    "Further metrics",
    "After the change",
    "Quality against cost",
    "Quality against latency",
    "Differences to the best",
    "Costs",
    "Slices",
    "Gaps between groups",
    "Errors",
    "Unanswerable questions",
    "Examples",
    "Diagnosis",
    "Learning curves",
    "Race",
    "How it was trained",
    "Preferences",
    "Forgetting",
    "Calibration",
    "Judge",
    "Notes",
    "Caveats",
    "Method",
    "Setup",
)
"""Titles, or how they begin, in the order of a page; a section of another title stays behind the one it follows."""
_AMONG = {"Where rows differ": "Examples"}
"""Sections that a page leaves out, since another one of it holds all that they show."""


@dataclass(frozen=True, slots=True)
class PagePart:
    """A part of a page with a heading; without a title it is what stands before the first.

    Attributes:
        name: its id in the page.
    """

    title: str
    name: str
    blocks: tuple[Block, ...]


def sections(blocks: Iterable[Block]) -> list[PagePart]:
    """The blocks by section, in the order of a page; sections of the same title are one."""
    joined: dict[str, list[Block]] = {}
    for title, inside in _split(blocks):
        joined.setdefault(title, []).extend(inside)
    found = [(title, tuple(inside)) for title, inside in joined.items() if inside and _AMONG.get(title) not in joined]
    ranks: list[int] = []
    for title, _ in found:
        ranks.append(_rank(title, ranks[-1] if ranks else -1))
    ordered = [found[place] for place in sorted(range(len(found)), key=lambda place: (ranks[place], place))]
    names: set[str] = set()
    return [PagePart(title, _name(title, names), inside) for title, inside in ordered]


def _split(blocks: Iterable[Block]) -> Iterator[tuple[str, list[Block]]]:
    """Titles and what stands below them; a conclusion is a section by itself."""
    title: str = ""
    inside: list[Block] = []
    for block in blocks:
        match block:
            case Heading():
                yield title, inside
                title, inside = block.title, []
            case Conclusion():
                yield block.title, [block]
            case Gap():
                pass
            case _:
                inside.append(block)
    yield title, inside


def _rank(title: str, before: int) -> int:
    """The place of a title; of one that is not known, that of the title before it."""
    if not title:
        return before
    places = [place for place, known in enumerate(ORDER) if title.startswith(known)]
    return max(places, key=lambda place: len(ORDER[place]), default=before)


def _name(title: str, taken: set[str]) -> str:
    """An id that no other section has."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    base = "-".join(re.findall("[a-z0-9]+", ascii_only.lower()))[:40].strip("-") or "section"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name)
    return name
