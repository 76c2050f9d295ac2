"""The report for a terminal: plain lines that read well without colour and in a file too."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.cleaning import plain
from advisor.reporting import figures, race, statements
from advisor.reporting.page import INDENT, Page, shorten
from advisor.reporting.picture import MARGIN, WIDTH, picture
from advisor.reporting.table import (
    BREAKS,
    CONTROL,
    PROVISIONAL,
    RECOMMENDED,
    Layout,
    add_table,
    difference,
    fit_columns,
    mark,
)
from advisor.tasks.power import LEVEL
from advisor.verdict.decision import Decision, Row

_REVISION_DIGITS = 12
_LABELS = 10
"""Columns of the names at the left of a section."""


def render_terminal(decision: Decision, *, width: int = 100, color: bool = False, encoding: str = "utf-8") -> str:
    """The whole report as lines of at most `width` columns.

    Args:
        width: in columns; below 40 counts as 40.
        color: whether to write ANSI codes.
        encoding: what the lines will be written in; what it lacks is replaced.
    """
    page = Page(width)
    _head(page, decision)
    page.blank()
    if decision.rows:
        layout = fit_columns(page.width, decision)
        shortened = add_table(page, decision, layout)
        _legend(page, decision, layout)
        _did_not_run(page, shortened)
    else:
        page.item("No approach was recorded.")
    _diagnosis(page, decision)
    _costs(page, decision)
    _recommendation(page, decision)
    _race(page, decision)
    _remarks(page, decision)
    return page.render(color, encoding)


def _head(page: Page, decision: Decision) -> None:
    comparison = decision.comparison
    task, model = comparison.task, comparison.model
    page.add(shorten(f"Advisor: {plain(task.name) or 'unnamed task'}", page.width), style="bold")
    page.item(f"{task.kind}, measured by {task.metric}; {statements.sizes(task)}", "task", _LABELS)
    page.item(f"fingerprint {task.fingerprint}", "", _LABELS)
    page.item(statements.model(model, _REVISION_DIGITS), "model", _LABELS)
    page.item(statements.device(model), "", _LABELS)
    if model.embedder:
        page.item(model.embedder, "embedder", _LABELS)
    if limits := statements.limits(decision.limits):
        page.item("; ".join(limits), "limits", _LABELS)


def _legend(page: Page, decision: Decision, layout: Layout) -> None:
    """Explains only the marks that occur."""
    marks = {mark(row, decision) for row in decision.rows}
    named = {
        RECOMMENDED: "> recommended",
        PROVISIONAL: "? provisional choice, not decided",
        CONTROL: "c control: for the diagnosis, never chosen",
    }
    legend = [text for key, text in named.items() if key in marks]
    if any("*" in difference(row, decision) for row in decision.rows):
        legend.append(f"* difference shown (p < {LEVEL:g}, corrected for all pairs)")
    if busy := statements.busy(decision):
        legend.append(busy)
    page.blank()
    page.row(legend)
    if layout.has("group") and (groups := statements.groups(decision)):
        page.item(groups)
    for row in decision.rows:
        if row.violations and row.quality is not None:
            why = "; ".join(row.violations)
            page.paragraph(f"{BREAKS} {_name(row.spec, decision)} cannot be chosen: {why}")


def _did_not_run(page: Page, rows: Sequence[Row]) -> None:
    """In full what the table had no room for."""
    if rows:
        page.heading("Without a result")
    for row in rows:
        page.paragraph(f"{row.spec} {statements.trouble(row)}")


def _diagnosis(page: Page, decision: Decision) -> None:
    if not decision.diagnosis:
        return
    page.heading("Diagnosis")
    names = max(len(plain(f.name)) for f in decision.diagnosis) + 2
    values = max(len(figures.quality(f.estimate)) for f in decision.diagnosis) + 2
    for finding in decision.diagnosis:
        lead = f"{plain(finding.name):<{names}}{figures.quality(finding.estimate):<{values}}"
        page.item(finding.meaning, lead)


def _costs(page: Page, decision: Decision) -> None:
    lines = picture(decision, min(WIDTH, page.width - MARGIN - INDENT))
    if lines:
        page.heading(f"Quality ({plain(decision.comparison.task.metric)}) against cost")
        for line in lines:
            page.add(shorten(" " * INDENT + line, page.width))
    if decision.break_even:
        page.heading("Break-even")
        for point in decision.break_even:
            page.item(statements.break_even(point))


def _recommendation(page: Page, decision: Decision) -> None:
    r = decision.recommendation
    page.heading("Recommendation")
    page.item(statements.verdict(r), style="bold green" if r.decided and r.approach else "bold")
    if needed := statements.still_needed(decision):
        page.item(needed)
    for title, sentences in (("why", r.reasons), ("against", r.against), ("flips", r.flips_when)):
        for number, sentence in enumerate(sentences):
            page.item(sentence, title if number == 0 else "", _LABELS)


def _race(page: Page, decision: Decision) -> None:
    if decision.race is None:
        return
    page.heading("Race")
    for sentence in race.summary(decision.race):
        page.item(sentence)
    told = race.entrants(decision.race)
    names = min(max(len(plain(spec)) for spec, _ in told), 28) + 2
    for spec, fate in told:
        page.item(fate, plain(spec), names)
    for sentence in race.guarantee(decision.race):
        page.item(sentence)


def _remarks(page: Page, decision: Decision) -> None:
    noted = [(row, found) for row in decision.rows if (found := statements.notes(row))]
    if noted:
        page.heading("Notes")
    for row, found in noted:
        page.item(_name(row.spec, decision))
        for note in found:
            page.item(note, "  ")
    if caveats := statements.caveats(decision):
        page.heading("Caveats")
        for caveat in caveats:
            page.item(caveat, "- ")
    page.blank()
    if reused := statements.reused(decision):
        page.item(reused, "reused", _LABELS)
    if spent := statements.time_spent(decision):
        page.item(spent, "time", _LABELS)
    if reached := statements.share_of_ceiling(decision):
        page.item(f"share of ceiling: {reached}", "", _LABELS)
    if decision.prices:
        page.item(decision.prices, "costs", _LABELS)
    page.item(decision.comparison.folder, "records", _LABELS)


def _name(spec: str, decision: Decision) -> str:
    """The spec, after its number where it has one."""
    key = statements.numbers(decision).get(spec)
    return f"{key} {plain(spec)}" if key else plain(spec)
