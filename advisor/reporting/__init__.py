"""Pure functions of decisions, curves and profiles: for a terminal, in Markdown and in JSON; and live progress."""

from advisor.reporting.curves import curves_document, render_curves, show_curves
from advisor.reporting.document import document, render_json
from advisor.reporting.estimate import estimate_document, render_estimate, show_estimate
from advisor.reporting.markdown import render_markdown
from advisor.reporting.profile import profile_document, render_profile, show_profile
from advisor.reporting.progress import LiveProgress
from advisor.reporting.render import FORMATS, Format, render, show
from advisor.reporting.render import render as report
from advisor.reporting.terminal import render_terminal

__all__ = [
    "FORMATS",
    "Format",
    "LiveProgress",
    "curves_document",
    "document",
    "estimate_document",
    "profile_document",
    "render",
    "render_curves",
    "render_estimate",
    "render_json",
    "render_markdown",
    "render_profile",
    "render_terminal",
    "report",
    "show",
    "show_curves",
    "show_estimate",
    "show_profile",
]
