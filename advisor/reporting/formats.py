"""Report formats: choosing the subject's blocks and rendering them in a built-in or installed format.

A format is a function that takes a report of blocks and gives text. `terminal`, `markdown` and `html` are
built in; other packages add theirs through the entry point group `advisor.reports`, each under the name that `--format`
takes:

    [project.entry-points."advisor.reports"]
    latex = "their_package:render"

`json` holds the facts themselves instead of blocks, and cannot be replaced; nor can the three others.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import Any, Protocol, TextIO

from advisor import plugins
from advisor.advice.estimate import Estimate
from advisor.disk import put
from advisor.errors import UserError
from advisor.forecast.planned import WorkPlan
from advisor.profiling import CleanedTask, Profile
from advisor.reporting.blocks import Report
from advisor.reporting.characters import encodable
from advisor.reporting.cleaned import cleaned_document, cleaned_report
from advisor.reporting.curves import curves_document, curves_report
from advisor.reporting.decision import decision_report
from advisor.reporting.document import as_json, document
from advisor.reporting.estimate import estimate_document, estimate_report
from advisor.reporting.html.page import html, in_any_encoding
from advisor.reporting.importing import import_document, import_report
from advisor.reporting.markdown import markdown
from advisor.reporting.places import named
from advisor.reporting.plan import plan_document, plan_report
from advisor.reporting.profile import profile_document, profile_report
from advisor.reporting.run_index import RunIndex, index_document, index_report
from advisor.reporting.side_by_side import side_by_side_document, side_by_side_report
from advisor.reporting.terminal import terminal
from advisor.tasks.faults import short
from advisor.tasks.importing.result import Imported
from advisor.verdict.between_runs import SideBySide
from advisor.verdict.curves import Curves
from advisor.verdict.decision import Decision

GROUP = "advisor.reports"
WIDTH = 100
_WIDEST = 160

Subject = Decision | SideBySide | RunIndex | Curves | Estimate | Profile | WorkPlan | Imported | CleanedTask


class Format(Protocol):
    """A function that renders a report as text; the same report gives the same text.

    Texts in blocks are as users and libraries wrote them: a format escapes whatever it would act on.
    """

    def __call__(self, report: Report, /, *, width: int, color: bool) -> str:
        """The whole text, with a final line break.

        Args:
            width: the width of the screen it may be shown on, in columns.
            color: whether that takes ANSI codes.
        """


# Not among the entry points: looking through all that is installed takes longer than a report.
_BUILT_IN: dict[str, Format] = {"terminal": terminal, "markdown": markdown, "html": html}
_PAGE = "html"
_SCREEN = "terminal"  # of whoever measured
_JSON = "json"
_HINT = "update or uninstall the package it comes with"


def report(
    subject: Subject,
    format: str = "terminal",
    *,
    width: int | None = None,
    color: bool | None = None,
    encoding: str = "utf-8",
) -> str:
    """Render the report of any subject; the same input gives the same text.

    Args:
        format: terminal, markdown, html, json, or one that another package brings.
        width: columns of a terminal; default 100.
        color: whether it may hold ANSI codes; default no.
        encoding: the encoding of the output; what it cannot write is replaced or escaped.

    Raises:
        UserError: there is no such format, or another package's fails.
    """
    if format == _JSON:
        return as_json(_facts(subject), encoding)  # for programs, which find by it what was measured
    blocks = named(_blocks(subject), subject, folders=format != _SCREEN)
    text = _format(format)(blocks, width=width or WIDTH, color=bool(color))
    return in_any_encoding(text, encoding) if format == _PAGE else encodable(text, encoding)


def show(subject: Subject, stream: TextIO, format: str = "terminal") -> None:
    """Write the report to a stream, in its width, with colour only on a terminal that wants it."""
    terminal = stream.isatty()
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, _WIDEST) if terminal else WIDTH
    color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    encoding = getattr(stream, "encoding", None) or "utf-8"
    put(stream, report(subject, format, width=width, color=color, encoding=encoding))


def check_format(name: str) -> None:
    """Check that a format is available, before the report's content is computed.

    Raises:
        UserError: there is no such format, or it cannot be loaded.
    """
    if name != _JSON:
        _format(name)


def _format(name: str) -> Format:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    brought = plugins.installed(GROUP)
    if name not in brought or name == _JSON:
        known = [*_BUILT_IN, _JSON]
        raise plugins.unknown("report format", name, [*known, *(other for other in brought if other not in known)])
    return _guarded(brought[name])


def _guarded(point: EntryPoint) -> Format:
    """Another package's format, with its errors turned into a UserError."""
    with _told(point):
        render = point.load()
    if not callable(render):
        raise UserError(f"{point.value} is registered as report format {point.name!r} but cannot be called", _HINT)

    def guarded(found: Report, /, *, width: int, color: bool) -> str:
        with _told(point):
            text = render(found, width=width, color=color)
        if not isinstance(text, str):
            raise UserError(f"report format {point.name!r} ({point.value}) gives no text", _HINT)
        return text

    return guarded


@contextmanager
def _told(point: EntryPoint) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever another package raises
        reason = f"{type(error).__name__}: {error}"
        what = f"report format {point.name!r} ({point.value}) fails: {short(reason, 300)}"
        raise UserError(what, _HINT) from error


def _blocks(subject: Subject) -> Report:
    match subject:
        case Decision():
            return decision_report(subject)
        case SideBySide():
            return side_by_side_report(subject)
        case RunIndex():
            return index_report(subject)
        case Curves():
            return curves_report(subject)
        case Estimate():
            return estimate_report(subject)
        case Profile():
            return profile_report(subject)
        case WorkPlan():
            return plan_report(subject)
        case Imported():
            return import_report(subject)
        case CleanedTask():
            return cleaned_report(subject)


def _facts(subject: Subject) -> dict[str, Any]:
    match subject:
        case Decision():
            return document(subject)
        case SideBySide():
            return side_by_side_document(subject)
        case RunIndex():
            return index_document(subject)
        case Curves():
            return curves_document(subject)
        case Estimate():
            return estimate_document(subject)
        case Profile():
            return profile_document(subject)
        case WorkPlan():
            return plan_document(subject)
        case Imported():
            return import_document(subject)
        case CleanedTask():
            return cleaned_document(subject)
