"""A report as one HTML page: opens from disk and from mail, asks nothing of any network, prints."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from advisor.reporting.blocks import Report
from advisor.reporting.html.markup import text
from advisor.reporting.html.palette import variables
from advisor.reporting.html.parts import rendered
from advisor.reporting.html.sections import PagePart, sections

_BRAND = "Advisor"
_MOST_LINKS = 40


def html(report: Report, /, *, width: int, color: bool) -> str:
    """The report as a page with its style and scripts inside.

    Args:
        width, color: properties of a screen, ignored here.
    """
    found = sections(report.shown_on("page"))
    title = report.title.removeprefix(f"{_BRAND}: ")
    style, script = variables() + _assets(".css"), _assets(".js")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{text(report.title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#main">Skip to the report</a>',
            '<header class="top"><div class="head">',
            f'<p class="brand">{_BRAND}</p>',
            '<button type="button" id="theme" class="quiet-button" hidden>Theme: auto</button>',
            f'</div><h1 dir="auto">{text(title)}</h1></header>',
            '<div class="frame">',
            *_contents(found),
            '<main id="main" tabindex="-1">',
            *map(_section, found),
            "</main>",
            "</div>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def in_any_encoding(page: str, encoding: str) -> str:
    """A page that says it is UTF-8, in ASCII where it is written in something else; it shows the same."""
    if encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig"):
        return page
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _section(section: PagePart) -> str:
    inside = "\n".join(
        rendered(block, section.title, f"{section.name}-{number}") for number, block in enumerate(section.blocks, 1)
    )
    if not section.title:
        return f'<section class="lead" aria-label="Overview">\n{inside}\n</section>'
    heading = f'<h2 id="{section.name}">{text(section.title)}</h2>'
    return f'<section aria-labelledby="{section.name}">\n{heading}\n{inside}\n</section>'


def _contents(found: list[PagePart]) -> list[str]:
    """Links to the sections, where there are some."""
    titled = [section for section in found if section.title]
    if not 2 < len(titled) <= _MOST_LINKS:
        return []
    links = "".join(f'<li><a href="#{section.name}">{text(section.title)}</a></li>' for section in titled)
    return [f'<nav aria-label="Contents"><ol>{links}</ol></nav>']


def _assets(ending: str) -> str:
    """All files of the page with this ending, in the order of their names."""
    folder = files("advisor.reporting.html")
    found = sorted((file for file in folder.iterdir() if file.name.endswith(ending)), key=lambda file: file.name)
    return "\n".join(file.read_text(encoding="utf-8") for file in found)


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded or sent, and nothing runs but the page's own script."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")
