"""Documents' titles and texts, by the marks that their format uses: Markdown, reStructuredText, HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure", "footer"),
        *("form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"),
        *("table", "td", "th", "tr", "ul"),
    )
)
_UNSEEN = frozenset(("script", "style", "template", "noscript", "svg", "title"))
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")


def from_markdown(text: str, otherwise: str) -> tuple[str, str]:
    """The first `# ...` heading outside code fences, else `otherwise`, and the text without it."""
    lines = text.split("\n")
    fenced = False
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        heading = None if fenced else re.match(r"#\s+(.*?)(\s+#+)?\s*$", line)
        if heading and heading[1]:
            return heading[1], "\n".join(lines[:number] + lines[number + 1 :])
    return otherwise, text


def from_rst(text: str, otherwise: str) -> tuple[str, str]:
    """The first section's title of reStructuredText, else `otherwise`, and the text without it."""
    lines = text.split("\n")
    for number in range(1, len(lines)):
        title, below = lines[number - 1].strip(), lines[number]
        if title and _ADORNMENT.fullmatch(below) and len(below.rstrip()) >= len(title) and title[0].isalnum():
            above = number >= 2 and lines[number - 2].rstrip() == below.rstrip()
            return title, "\n".join(lines[: number - 1 - above] + lines[number + 1 :])
    return otherwise, text


def from_html(text: str, otherwise: str) -> tuple[str, str]:
    """The `<title>` of HTML, else its first `<h1>`, else `otherwise`; and what a reader sees, one line a block."""
    reader = _Html()
    reader.feed(text)
    reader.close()
    return reader.title or otherwise, reader.text


class _Html(HTMLParser):
    """Collects what is seen, block by block; spaces count in `<pre>` alone."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[str] = [""]
        self._hidden = 0
        self._as_is = 0
        self._caught: dict[str, str] = {}
        self._catching = ""

    @property
    def title(self) -> str:
        titles = (" ".join(self._caught.get(tag, "").split()) for tag in ("title", "h1"))
        return next(filter(None, titles), "")

    @property
    def text(self) -> str:
        return "\n".join(block.rstrip() for block in self._blocks if block.strip())

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("title", "h1") and tag not in self._caught and not self._hidden:
            self._catching, self._caught[tag] = tag, ""
        self._hidden += tag in _UNSEEN
        self._as_is += tag == "pre"
        if tag in _BLOCKS:
            self._blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _UNSEEN))
        self._as_is = max(0, self._as_is - (tag == "pre"))
        if tag == self._catching:
            self._catching = ""
        if tag in _BLOCKS:
            self._blocks.append("")

    def handle_data(self, data: str) -> None:
        if self._catching and self._hidden <= (self._catching == "title"):
            self._caught[self._catching] += data
        if self._hidden:
            return
        if not self._as_is:
            data = re.sub(r"\s+", " ", data)
            if not self._blocks[-1] or self._blocks[-1].endswith(" "):
                data = data.lstrip()
        self._blocks[-1] += data
