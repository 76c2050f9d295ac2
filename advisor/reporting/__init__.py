"""Decisions, curves, estimates and profiles as blocks, and blocks for a terminal, in Markdown and in whatever format
is installed; all of them as JSON; and live progress."""

from advisor.reporting.formats import Format, Subject, check_format, report, show
from advisor.reporting.progress import LiveProgress

__all__ = ["Format", "LiveProgress", "Subject", "check_format", "report", "show"]
