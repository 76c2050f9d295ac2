"""Text and data inside HTML, so that nothing of them acts as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from advisor.cleaning import plain
from advisor.reporting.blocks import Code, Link, Words

_JOINTS = re.compile(r"(?<=[:,+@/=])(?=[^:,+@/=])")
"""Places where a spec may be broken onto the next line."""
_IN_SCRIPTS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def text(words: str) -> str:
    """The words on one line, with nothing in them that is markup or turns the direction of what stands around."""
    return escape(plain(words), quote=True)


def code(words: str) -> str:
    """A text shown verbatim, in its own direction, which may be broken at its joints."""
    parts = "<wbr>".join(map(text, _JOINTS.split(plain(words))))
    return f'<code dir="auto">{parts}</code>'


def written(words: Words) -> str:
    """A text, a verbatim one, or one that leads to a file beside the page."""
    if isinstance(words, Link):
        return f'<a href="{text(quote(words.target))}">{text(words.text)}</a>'
    return code(words.text) if isinstance(words, Code) else text(words)


def tag(name: str, inside: str, kind: str = "") -> str:
    """An element around markup, with its class if it has one."""
    return f'<{name} class="{kind}">{inside}</{name}>' if kind else f"<{name}>{inside}</{name}>"


def listed(items: Iterable[str], kind: str = "") -> str:
    """Items of markup as a list."""
    return tag("ul", "".join(tag("li", item) for item in items), kind)


def data(values: object, name: str) -> str:
    """JSON for a script of the page, found by its id; nothing in it ends the element."""
    found = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = "".join(_IN_SCRIPTS.get(mark, mark) for mark in found)
    return f'<script type="application/json" id="{text(name)}">{safe}</script>'
