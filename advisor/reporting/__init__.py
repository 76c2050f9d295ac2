"""Reports as blocks of data, rendered for the terminal, in Markdown, or by an installed format; JSON; live progress."""

from advisor.reporting.formats import Format, Subject, check_format, report, show
from advisor.reporting.progress import LiveProgress

__all__ = ["Format", "LiveProgress", "Subject", "check_format", "report", "show"]
