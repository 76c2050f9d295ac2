"""Texts in sentences, in any script, without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import regex

# Abbreviations behind which a sentence goes on, without their last point, of the languages whose texts use them most;
# those behind which only a number is none of its own.
_SHORT = (
    "approx bzgl bzw ca cf dept dr e.g evtl ggf h.c i.e inkl jr m.e mme mr mrs ms prof resp rev s.o sog sr sra st u.a "
    "usw vgl viz vs z.b zit zzgl"
)
_NUMBERED = "art cap ch eq fig figs kap no nos nr núm p pp s sec sect tab tel vol"
_BEFORE_NUMBERS = frozenset(_NUMBERED.split())
_ABBREVIATED = frozenset(_SHORT.split())
_OF_DATES = regex.compile("(?:Jan|Feb|März|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Jahrhundert)")
_CLOSING = r"[\p{Pe}\p{Pf}\"'”’»*_]*"
# A mark of scripts that put no space behind it; a mark with a space behind it; a line that begins something of its own.
_END = regex.compile(
    rf"[。．！？｡।॥؟۔։።፧။៕།]+{_CLOSING}\s*"
    rf"|[.!?…]+{_CLOSING}\s+"
    r"|\n\s*\n\s*"
    r"|\n(?=\s*(?:#{1,6}\s|[-*+•]\s|\d+[.)]\s|\||>))"
)
_LAST = regex.compile(r"[\p{L}\p{M}\p{N}.]+$")


def sentences(text: str) -> list[str]:
    """The sentences of a text with the space behind them, so that together they are the text, to the letter.

    A full stop ends none behind a known abbreviation, a single letter, the number of an item of a list or a German
    date's; nor does anything where the next word begins with a small letter. Headings, items of lists and rows of
    tables count as sentences.
    """
    found, start = [], 0
    for end in _END.finditer(text):
        if _ends(text, end):
            found.append(text[start : end.end()])
            start = end.end()
    return [*found, text[start:]] if start < len(text) or not found else found


def pack(parts: Sequence[str], size: int, overlap: int, length: Callable[[str], int]) -> Iterator[str]:
    """Neighbouring parts together, as many as are at most `size` long; a longer one comes alone.

    Args:
        overlap: length of what is repeated from the one before, in whole parts, at most.
    """
    lengths = [length(part) for part in parts]
    held: list[int] = []
    for at, own in enumerate(lengths):
        if held and sum(lengths[n] for n in held) + own > size:
            yield "".join(parts[n] for n in held).strip()
            room = min(overlap, size - own)
            while held and sum(lengths[n] for n in held) > room:
                held.pop(0)
        held.append(at)
    if held:
        yield "".join(parts[n] for n in held).strip()


def _ends(text: str, end: regex.Match[str]) -> bool:
    mark, following = end.group(), text[end.end() : end.end() + 1]
    if mark.count("\n") > 1 or mark[0] not in ".!?…":
        return True
    if following.islower():
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    before = _LAST.search(text, max(0, end.start() - 24), end.start())
    word = before.group().casefold() if before else ""
    if word in _BEFORE_NUMBERS and following.isdigit():
        return False
    if word.isdigit() and len(word) <= 2:
        starts_line = not text[text.rfind("\n", 0, end.start()) + 1 : end.start() - len(word)].strip()
        return not (starts_line or _OF_DATES.match(text, end.end()))
    return word not in _ABBREVIATED and not (len(word) == 1 and word.isalpha())
