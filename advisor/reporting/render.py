"""One door to every format of the report."""

from __future__ import annotations

import os
import shutil
from typing import Literal, TextIO, get_args

from advisor.disk import put
from advisor.reporting.document import render_json
from advisor.reporting.markdown import render_markdown
from advisor.reporting.terminal import render_terminal
from advisor.verdict.decision import Decision

Format = Literal["terminal", "markdown", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
WIDTH = 100
_WIDEST = 160


def render(
    decision: Decision,
    format: Format = "terminal",
    *,
    width: int | None = None,
    color: bool | None = None,
    encoding: str = "utf-8",
) -> str:
    """The report as a string that ends with a line break; the same input gives the same bytes.

    Args:
        width: columns of the terminal report; default 100. The other formats have no width.
        color: whether the terminal report holds ANSI codes; default no.
        encoding: what the string will be written in; what it cannot write is replaced or escaped.
    """
    match format:
        case "terminal":
            return render_terminal(decision, width=width or WIDTH, color=bool(color), encoding=encoding)
        case "markdown":
            return render_markdown(decision, encoding=encoding)
        case "json":
            return render_json(decision, encoding=encoding)
    raise ValueError(f"unknown format {format!r}: known are {', '.join(FORMATS)}")


def show(decision: Decision, stream: TextIO, format: Format = "terminal") -> None:
    """Writes the report to a stream, in its width, with colour only on a terminal that wants it."""
    width, color, encoding = surface(stream)
    put(stream, render(decision, format, width=width, color=color, encoding=encoding))


def surface(stream: TextIO) -> tuple[int, bool, str]:
    """Columns of a stream, whether it takes colour, and its encoding."""
    terminal = stream.isatty()
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, _WIDEST) if terminal else WIDTH
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return width, terminal and not plain, getattr(stream, "encoding", None) or "utf-8"
