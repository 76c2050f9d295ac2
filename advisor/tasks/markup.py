"""Titles and texts of documents in Markdown, reStructuredText and HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure", "footer"),
        *("form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"),
        *("table", "td", "th", "tr", "ul"),
    )
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_IN_HEADINGS = frozenset(("br", "div", "header"))  # other blocks end one that was not closed
_UNSEEN = frozenset(("script", "style", "template", "noscript", "svg", "title"))
_RAW = ("script", "style")  # whose text is no HTML
_BEGINS = re.compile(r"<[/!?A-Za-z]")
_NAME = re.compile(r"<(/?)([A-Za-z][^\s/>]*+)")
_TAG = re.compile(r"""<(?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+|["'])*+>""")
_TILL_END = re.compile(r"<[^>]*+>")
_LONG_REFERENCE = re.compile(r"&#(?:\d{9,}+|[xX][0-9a-fA-F]{9,}+);?")  # beyond any character
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")


def from_markdown(text: str, otherwise: str) -> tuple[str, str]:
    """Title and text: the first `# ...` heading outside code fences, else `otherwise`, and the text without it."""
    lines = text.split("\n")
    fenced = False
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if not fenced and (title := _heading(line)):
            return title, "\n".join(lines[:number] + lines[number + 1 :])
    return otherwise, text


def _heading(line: str) -> str:
    """The text of a line `# ...` without closing signs; empty for any other line."""
    if not line.startswith("#") or not line[1:2].isspace():
        return ""
    title = line[1:].strip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else title


def from_rst(text: str, otherwise: str) -> tuple[str, str]:
    """Title and text of reStructuredText: the first section's title, else `otherwise`, and the text without it.

    The titles of other sections become headings of Markdown, as deep as their adornment says.
    """
    lines = text.split("\n")
    for number in range(1, len(lines)):
        if _is_section(lines, number):
            above = _overlined(lines, number)
            first = (lines[number].strip()[0], above)
            return lines[number - 1].strip(), "\n".join(
                [*lines[: number - 1 - above], *_headed(lines[number + 1 :], first)]
            )
    return otherwise, text


def _is_section(lines: list[str], number: int) -> bool:
    """Whether a line is the adornment below a section's title."""
    title, below = lines[number - 1].strip(), lines[number]
    return bool(title and _ADORNMENT.fullmatch(below) and len(below.rstrip()) >= len(title) and title[0].isalnum())


def _overlined(lines: list[str], number: int) -> bool:
    return number >= 2 and lines[number - 2].rstrip() == lines[number].rstrip()


def _headed(lines: list[str], first: tuple[str, bool]) -> Iterator[str]:
    """Yield the lines with each section's title as a heading; `first` is the adornment of the document's title."""
    styles = [first]
    kept: list[str] = []
    for number, line in enumerate(lines):
        over = _overlined(lines, number)
        before = number - 2 - over
        # A section begins after a blank line, which tells it from the rows of a table.
        if number and _is_section(lines, number) and (before < 0 or not lines[before].strip()):
            style = (line.strip()[0], over)
            styles += [style] if style not in styles else []
            kept[len(kept) - 1 - over :] = [f"{'#' * min(6, 1 + styles.index(style))} {lines[number - 1].strip()}"]
        else:
            kept.append(line)
    yield from kept


def from_html(text: str, otherwise: str) -> tuple[str, str]:
    """Title and text of HTML: `<title>`, else the first `<h1>`, else `otherwise`; and the visible text, one line a
    block, with headings as those of Markdown.
    """
    page = _Page()
    for kind, part in _parts(text):
        if kind == "text":
            page.data(_readable(part))
        elif kind == "open":
            page.opens(part)
        else:
            page.closes(part)
    return page.title or otherwise, page.text


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the texts and tags (`open`, `close`) of HTML in order, without comments and scripts.

    The parser of the standard library takes a time that grows with the square of what is not well formed. Here whatever
    does not end is looked for once: a comment or script hides the rest, as in browsers; a tag is text.
    """
    at = begin = 0  # of what is looked at next, and of the text that was not yet given
    tag = _TAG
    while (at := text.find("<", at)) >= 0:
        if text.startswith("<!--", at):
            yield "text", text[begin:at]
            end = text.find("-->", at + 4)
            at = begin = end + 3 if end >= 0 else len(text)
        elif not _BEGINS.match(text, at):
            at += 1
        elif (end := text.find(">", at)) < 0:
            break
        else:
            yield "text", text[begin:at]
            name = _NAME.match(text, at)
            found = tag.match(text, at) if name else None
            if name and not found:
                tag = _TILL_END  # a quote that stays open: from here on quotes are none
            at = begin = found.end() if found else end + 1
            if name:
                yield "close" if name[1] else "open", name[2].lower()
                if name[2].lower() in _RAW and not name[1]:
                    closing = re.compile(rf"</{name[2]}(?=[\s/>])", re.IGNORECASE).search(text, at)
                    at = begin = closing.start() if closing else len(text)
    yield "text", text[begin:]


def _readable(text: str) -> str:
    return unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text


class _Page:
    """Collects the visible text of HTML block by block; spaces count in `<pre>` alone."""

    def __init__(self) -> None:
        self._blocks: list[list[str]] = [[]]
        self._levels: dict[int, int] = {}
        self._level = 0
        self._hidden = 0
        self._as_is = 0
        self._caught: dict[str, list[str]] = {}
        self._catching = ""

    @property
    def title(self) -> str:
        """The title, from `<title>` or the first `<h1>`."""
        titles = (" ".join("".join(self._caught.get(tag, ())).split()) for tag in ("title", "h1"))
        return next(filter(None, titles), "")

    @property
    def text(self) -> str:
        """The visible text."""
        blocks = ((self._levels.get(at, 0), "".join(parts).rstrip()) for at, parts in enumerate(self._blocks))
        return "\n".join(f"{'#' * level} {block}" if level else block for level, block in blocks if block.strip())

    def opens(self, tag: str) -> None:
        """Handle an opening tag."""
        if tag in ("title", "h1") and tag not in self._caught and not self._hidden:
            self._catching, self._caught[tag] = tag, []
        self._hidden += tag in _UNSEEN
        self._as_is += tag == "pre"
        if tag in _BLOCKS:
            self._begins_block(int(tag[1]) if tag in _HEADINGS else self._level if tag in _IN_HEADINGS else 0)

    def closes(self, tag: str) -> None:
        """Handle a closing tag."""
        self._hidden = max(0, self._hidden - (tag in _UNSEEN))
        self._as_is = max(0, self._as_is - (tag == "pre"))
        if tag == self._catching:
            self._catching = ""
        if tag in _BLOCKS:
            self._begins_block(0 if tag in _HEADINGS else self._level)

    def _begins_block(self, level: int) -> None:
        self._level = level
        if level:
            self._levels[len(self._blocks)] = level
        self._blocks.append([])

    def data(self, data: str) -> None:
        """Handle text."""
        if self._catching and self._hidden <= (self._catching == "title"):
            self._caught[self._catching].append(data)
        if self._hidden:
            return
        block = self._blocks[-1]
        if not self._as_is:
            data = re.sub(r"\s+", " ", data)
            if not block or block[-1].endswith(" "):
                data = data.lstrip()
        if data:
            block.append(data)
