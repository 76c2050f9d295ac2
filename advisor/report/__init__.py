"""Pure functions of decisions: the report for a terminal, in Markdown and in JSON; and live progress."""

from advisor.report.document import document, render_json
from advisor.report.markdown import render_markdown
from advisor.report.progress import LiveProgress
from advisor.report.render import FORMATS, Format, render, show
from advisor.report.terminal import render_terminal

__all__ = [
    "FORMATS",
    "Format",
    "LiveProgress",
    "document",
    "render",
    "render_json",
    "render_markdown",
    "render_terminal",
    "show",
]
