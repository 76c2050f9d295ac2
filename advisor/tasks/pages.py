"""The text of what is printed on pages, made fit for reading: forms of characters, hyphens, running lines, headings."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import regex

_KEPT = regex.compile(r"[²³¹ªº¼-¾⁰-⁹⁺-⁾℠™⅐-⅟↉①-⓿]+")
"""Compatibility forms that say another thing than what NFKC writes for them: 10² is not 102, 1½ is not 11/2."""
_UNSEEN = regex.compile(r"[\p{Cc}\u00ad\u200b\u2060\ufeff\ufffe\uffff--\n\t]", regex.VERSION1)
_SOFT = "\x02"  # what PDFium writes for a hyphen at the end of a line, and for a soft hyphen
_BROKEN = regex.compile(r"(\p{L}[\p{L}\p{M}]*)(?:\x02\n?|-\n)(\p{L}[\p{L}\p{M}]*)")
_NUMBER = regex.compile(r"\d+|\b[ivxlc]+\b")
_SIGNS = regex.compile(r"^#{1,6} ")  # of a comment in a program, which is no heading
_EDGE = 2  # lines at the top and at the bottom of a page that may be running ones
_FEWEST, _SHARE = 3, 0.3  # pages that a running line stands on; left and right pages have their own
_HEADING_LINES = 3  # over which one heading may run
_LOOKED = 400  # lines behind the last heading that the next one is looked for in

_LONGEST_HEADING = 200  # characters


@dataclass(frozen=True)
class PageHeading:
    """A heading that a reader of PDFs found, by its text; it is looked for in the lines of the pages."""

    level: int
    text: str


@dataclass(frozen=True)
class Pages:
    """The text of a document with pages.

    Attributes:
        starts: where in the text each page begins, in characters.
        running: the lines that stood on many pages and are left out, one form of each.
    """

    text: str
    starts: tuple[int, ...]
    running: tuple[str, ...] = ()


def tidy(text: str) -> str:
    """A text in Unicode's form NFKC, without control characters, soft hyphens and `\\r`.

    Ligatures become letters and wide forms narrow. Superscripts, circled numbers and fractions stay, since what NFKC
    writes for them says another thing. Spaces at the ends of lines go, and so do more than two line breaks in a row.
    """
    if not text.isascii():
        text = "".join(_normalised(text))
    text = _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n"))
    text = regex.sub(r"[ \t]+$", "", text, flags=regex.MULTILINE)
    return str(regex.sub(r"\n{3,}", "\n\n", text))


def _normalised(text: str) -> Iterator[str]:
    at = 0
    for found in _KEPT.finditer(text):
        yield unicodedata.normalize("NFKC", text[at : found.start()])
        yield found[0]
        at = found.end()
    yield unicodedata.normalize("NFKC", text[at:])


def joined(pages: Sequence[str], headings: Sequence[PageHeading] = (), *, printed: bool = True) -> Pages:
    """The pages as one text, with headings as lines of Markdown.

    Args:
        pages: the text of each page as it was extracted.
        headings: in order; those that are not found in the pages are left out.
        printed: whether pages have running lines and words that are broken at line ends; slides have none.
    """
    lines = [[line.strip() for line in page.replace("\r", "").split("\n")] for page in pages]
    running: tuple[str, ...] = ()
    if printed:
        lines, running = _without_running(lines, headings)
    lines = [[_SIGNS.sub(r"\\\g<0>", line) for line in page] for page in lines]
    lines = _headed(lines, headings)
    texts = ["\n".join(page) for page in lines]
    if printed:
        known = frozenset(regex.findall(r"[\p{L}\p{M}]+(?:-[\p{L}\p{M}]+)*", "\n".join(texts).casefold()))
        texts = [_unbroken(text, known) for text in texts]
    text, starts = "", []
    for page in (tidy(text).strip() for text in texts):
        text += "\n\n" if text and page else ""
        starts.append(len(text))
        text += page
    return Pages(text, tuple(starts), running)


def _unbroken(text: str, known: frozenset[str]) -> str:
    """A text without hyphens at line ends, except where the word has one elsewhere too, or is a name."""

    def whole(found: regex.Match[str]) -> str:
        first, second = found[1], found[2]
        one, two = f"{first}{second}".casefold(), f"{first}-{second}".casefold()
        hyphened = one not in known and (two in known or second[0].isupper())
        return f"{first}-{second}" if hyphened else first + second

    return str(_BROKEN.sub(whole, text)).replace(f"{_SOFT}\n", "-").replace(_SOFT, "-")


def _without_running(
    pages: list[list[str]], headings: Sequence[PageHeading]
) -> tuple[list[list[str]], tuple[str, ...]]:
    """The lines of the pages without headers, footers and page numbers, and one form of each that was left out."""
    filled = [[line for line in page if line] for page in pages]
    seen: dict[str, list[tuple[int, str]]] = {}
    for number, page in enumerate(filled):
        for line in dict.fromkeys([*page[:_EDGE], *page[-_EDGE:]]):
            seen.setdefault(_masked(line), []).append((number, line))
    needed = max(_FEWEST, _SHARE * len(pages))
    named = {_key(heading.text) for heading in headings}
    repeated = {form for form, lines in seen.items() if len(lines) >= needed and _is_running(form, lines, named)}
    if not repeated:
        return pages, ()
    shown: dict[str, str] = {}
    for page in filled:
        for side in (-1, 0):
            for _ in range(_EDGE):
                if page and (form := _masked(page[side])) in repeated:
                    shown.setdefault(form, page.pop(side))
    return filled, tuple(shown.values())


def _is_running(form: str, lines: list[tuple[int, str]], headings: set[str]) -> bool:
    """Whether lines of one form are a running one: the same, a bare number, or with a number that counts the pages.

    `Step 1`, `Step 2` and `Step 3` at the top of pages are headings.
    """
    if len({line for _, line in lines}) == 1 or not any(map(str.isalpha, form)):
        return True
    if any(_key(line) in headings for _, line in lines):
        return False
    offsets = Counter(
        offset for page, line in lines for offset in {int(n) - page for n in regex.findall(r"\d{1,9}", line)}
    )
    return bool(offsets) and max(offsets.values()) > len(lines) / 2


def _masked(line: str) -> str:
    """A line by which running lines are known again: without the number of the page."""
    return str(_NUMBER.sub("#", line.casefold()))


def _headed(pages: list[list[str]], headings: Iterable[PageHeading]) -> list[list[str]]:
    """The lines with `## ` before each heading that is found, in order; a heading over several lines becomes one."""
    places = [(page, line) for page, lines in enumerate(pages) for line in range(len(lines))]
    keys = [_key(pages[page][line]) for page, line in places]
    marked: dict[tuple[int, int], str] = {}
    gone: set[tuple[int, int]] = set()
    at = 0
    for heading in headings:
        wanted = _key(heading.text)
        if not wanted or len(heading.text) > _LONGEST_HEADING:
            continue
        found = _find(keys, wanted, at)
        if found is None:
            continue
        first, end = found
        words = " ".join(pages[page][line] for page, line in places[first:end])
        marked[places[first]] = f"\n{'#' * min(6, heading.level)} {words}\n"
        gone.update(places[first + 1 : end])
        at = end
    return [
        [marked.get((p, n), line) for n, line in enumerate(lines) if (p, n) not in gone]
        for p, lines in enumerate(pages)
    ]


def _find(keys: Sequence[str], wanted: str, at: int) -> tuple[int, int] | None:
    """The first lines from `at` on that together are the heading."""
    for first in range(at, min(len(keys), at + _LOOKED)):
        if keys[first] and wanted.startswith(keys[first]):
            whole = ""
            for end in range(first, min(len(keys), first + _HEADING_LINES)):
                whole += keys[end]
                if whole == wanted:
                    return first, end + 1
    return None


def _key(line: str) -> str:
    """The letters and digits of a line."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", line).casefold()))
