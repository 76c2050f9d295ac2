"""Pure functions of decisions, curves and profiles: for a terminal, in Markdown and in JSON; and live progress."""

from advisor.report.curves import curves_document, render_curves, show_curves
from advisor.report.document import document, render_json
from advisor.report.estimate import estimate_document, render_estimate, show_estimate
from advisor.report.markdown import render_markdown
from advisor.report.profile import profile_document, render_profile, show_profile
from advisor.report.progress import LiveProgress
from advisor.report.render import FORMATS, Format, render, show
from advisor.report.terminal import render_terminal

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
    "show",
    "show_curves",
    "show_estimate",
    "show_profile",
]
