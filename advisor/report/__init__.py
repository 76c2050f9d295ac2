"""Pure functions of decisions and profiles: the report for a terminal, in Markdown and in JSON; and live progress."""

from advisor.report.document import document, render_json
from advisor.report.markdown import render_markdown
from advisor.report.profile import profile_document, render_profile, show_profile
from advisor.report.progress import LiveProgress
from advisor.report.render import FORMATS, Format, render, show
from advisor.report.terminal import render_terminal

__all__ = [
    "FORMATS",
    "Format",
    "LiveProgress",
    "document",
    "profile_document",
    "render",
    "render_json",
    "render_markdown",
    "render_profile",
    "render_terminal",
    "show",
    "show_profile",
]
