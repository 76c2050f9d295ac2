"""What every picture is drawn with: a place for each value, words that fit, labels that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rich.cells import cell_len

from advisor.cleaning import plain
from advisor.reporting.html.markup import tag, text
from advisor.reporting.pictures import Axis

WIDE, NARROW = 760, 340
"""Pixels across of a picture for a screen, and for a phone: each is drawn twice, and the page shows one."""
LETTER = 7.3
"""Pixels of a letter at the size of labels (12 px), as wide fonts have them."""
LINE = 16


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the values of an axis lie, in pixels."""

    axis: Axis
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value, within the axis."""
        axis = self.axis
        low, high = (math.log10(axis.low), math.log10(axis.high)) if axis.log else (axis.low, axis.high)
        value = min(max(value, axis.low), axis.high)
        share = ((math.log10(value) if axis.log else value) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its edges."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether they have a point in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def inside(self, other: Box) -> bool:
        """Whether it lies within another."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


@dataclass
class Labels:
    """Places labels beside their points so that none covers another label or a point.

    Attributes:
        frame: no label leaves it.
        taken: points and labels.
        lines: what labels avoid where they can.
    """

    frame: Box
    taken: list[Box] = field(default_factory=list)
    lines: list[Box] = field(default_factory=list)

    def block(self, x: float, y: float, radius: float) -> None:
        """Keep a point free."""
        self.taken.append(Box(x - radius, y - radius, x + radius, y + radius))

    def avoid(self, points: Sequence[tuple[float, float]]) -> None:
        """Keep level and upright lines free from point to point, where that can be."""
        for (a, b), (c, d) in pairwise(points):
            self.lines.append(Box(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1))

    def place(self, x: float, y: float, name: str, key: str) -> tuple[str, float, float, str] | None:
        """What fits beside a point: its name, else its key, which may stand farther off; where lines strike neither, if
        there is such a place.

        Returns the words, where their base line begins, and their anchor; None where neither fits.
        """
        free = [*self.taken, *self.lines]
        tries = (name, _NEAR, free), (key, _ANYWHERE, free), (name, _NEAREST, self.taken), (key, _ANYWHERE, self.taken)
        for word, places, others in tries:
            for dx, dy, anchor in _BESIDE[:places]:
                box = _box(x + dx, y + dy, word, anchor)
                if box.inside(self.frame) and not any(box.meets(other) for other in others):
                    self.taken.append(box)
                    return word, round(x + dx, 1), round(y + dy, 1), anchor
        return None


def _box(x: float, y: float, word: str, anchor: str) -> Box:
    """About what a text takes whose base line begins, ends or is centred there."""
    width = length(word)
    left = x - {"start": 0.0, "end": width}.get(anchor, width / 2)
    return Box(left, y - 11, left + width, y + 3)


_NEAREST, _NEAR, _ANYWHERE = 8, 12, 18
_BESIDE = (
    *((11, 4, "start"), (-11, 4, "end"), (8, -6, "start"), (8, 15, "start"), (-8, -6, "end"), (-8, 15, "end")),
    *(
        (0, -10, "middle"),
        (0, 20, "middle"),
        (10, -18, "start"),
        (10, 27, "start"),
        (-10, -18, "end"),
        (-10, 27, "end"),
    ),
    *(
        (0, -24, "middle"),
        (0, 34, "middle"),
        (12, -32, "start"),
        (12, 41, "start"),
        (-12, -32, "end"),
        (-12, 41, "end"),
    ),
)
"""Places beside a point in the order in which they are tried: steps to the right and down, and the anchor there."""


def length(words: str) -> float:
    """About the pixels that words take at the size of labels."""
    return cell_len(plain(words)) * LETTER


def cut(words: str, pixels: float) -> str:
    """The words, cut in the middle of what is too long, so that both ends can be told."""
    words = plain(words)
    room = int(pixels / LETTER)
    if cell_len(words) <= room:
        return words
    end = max(1, room // 3)
    return words[: max(1, room - end - 1)] + "…" + words[-end:]


def words(x: float, y: float, inside: str, kind: str = "", anchor: str = "start") -> str:
    """A text at its base line."""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{place}{named}>{text(inside)}</text>'


def line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}"/>'


def path(points: Iterable[tuple[float, float]], kind: str) -> str:
    """Straight lines from point to point."""
    return f'<polyline class="{kind}" points="{" ".join(f"{x:g},{y:g}" for x, y in points)}"/>'


def titled(inside: str, title: str) -> str:
    """Shapes that say what they are where a pointer rests on them."""
    return f"<g><title>{text(title)}</title>{inside}</g>"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished picture of one width."""

    width: float
    height: float
    inside: str


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands around a picture, and what it says for those who do not see it.

    Attributes:
        said: the figures in it as sentences.
        notes: stand below it.
        above: whether its title stands above it, where the heading of its section is another.
    """

    title: str
    said: str
    notes: Sequence[str] = ()
    above: bool = False


def figure(name: str, drawings: Sequence[Drawing], caption: Caption) -> str:
    """The picture as a figure.

    Args:
        name: an id that no other picture of the page has.
        drawings: the wide one and the narrow one; or one that serves both.
    """
    shown = []
    for kind, one in zip(("wide", "narrow") if len(drawings) > 1 else ("",), drawings, strict=True):
        at = f"{name}-{kind}" if kind else name
        shown.append(
            f'<svg class="picture {kind}" role="img" aria-labelledby="{at}-title" aria-describedby="{at}-desc" '
            f'viewBox="0 0 {one.width:g} {one.height:g}" width="{one.width:g}" height="{one.height:g}">'
            f'<title id="{at}-title">{text(caption.title)}</title><desc id="{at}-desc">{text(caption.said)}</desc>'
            f"{one.inside}</svg>"
        )
    title = tag("p", text(caption.title), "entitled") if caption.above else ""
    notes = "".join(tag("p", text(note), "note") for note in caption.notes)
    below = tag("figcaption", notes) if notes else ""
    return tag("figure", title + "".join(shown) + below, "" if len(drawings) > 1 else "small")


def across(scale: Scale, top: float, bottom: float) -> str:
    """A horizontal axis below a picture: grid lines, ticks that do not touch, its title."""
    parts, free = [], -math.inf
    for value, label in scale.axis.ticks:
        x, half = scale.at(value), length(label) / 2
        parts.append(line((x, top), (x, bottom), "grid"))
        if x - half > free:
            parts.append(words(x, bottom + 18, label, "tick", "middle"))
            free = x + half + LETTER
    middle = (scale.start + scale.end) / 2
    title = cut(scale.axis.title, scale.end - scale.start + 40)
    return "".join(parts) + words(middle, bottom + 38, title, "axis", "middle")


def upright(scale: Scale, left: float, right: float) -> str:
    """A vertical axis left of a picture: grid lines and ticks; its title stands above, where it can be read."""
    parts = []
    for value, label in scale.axis.ticks:
        y = scale.at(value)
        parts.append(line((left, y), (right, y), "grid"))
        parts.append(words(left - 8, y + 4, label, "tick", "end"))
    return "".join(parts) + words(0, 12, scale.axis.title, "axis")
