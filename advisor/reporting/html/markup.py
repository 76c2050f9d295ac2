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
_LONG = 60
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z](?: [0-9]+)?")
_IN_SCRIPTS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def text(words: str) -> str:
    """The words on one line, with nothing in them that is markup or turns the direction of what stands around."""
    return escape(plain(words), quote=True)


def prose(words: str) -> str:
    """The same in sentences, where options of the command line stay on one line."""
    return _OPTION.sub(r'<span class="option">\g<0></span>', text(words))


def code(words: str) -> str:
    """A text shown verbatim, in its own direction, which may be broken at its joints; whole under a pointer if long."""
    shown = plain(words)
    parts = "<wbr>".join(map(text, _JOINTS.split(shown)))
    title = f' title="{text(shown)}"' if len(shown) > _LONG else ""
    return f'<code dir="auto"{title}>{parts}</code>'


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
    """JSON for a script of the page, found by its id; nothing in it ends the element, and all of it is ASCII."""
    found = json.dumps(values, allow_nan=False, separators=(",", ":")).translate(_IN_SCRIPTS)
    return f'<script type="application/json" id="{text(name)}">{found}</script>'
