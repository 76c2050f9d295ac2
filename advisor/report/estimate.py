"""Advice before anything is spent, for a terminal, in Markdown and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from advisor.advise.estimate import Estimate, Option
from advisor.advise.readings import Reading
from advisor.decide import Interval, words
from advisor.report import figures, statements
from advisor.report.document import SCHEMA, clean
from advisor.report.markdown import code, table, text
from advisor.report.page import INDENT, Page, encodable, fold_spec, pad, plain, shorten
from advisor.report.render import WIDTH, Format, surface

_LEAD = 10
_BASES = {"measured": "probe", "learned": "learned", "rule": "rule"}
_LEGEND = (
    "probe: measured on your examples; learned: from comparisons on other tasks; rule: of thumb, from the literature. "
    "Times and costs are extrapolated."
)

_Cell = tuple[str, str, Callable[[Option], str]]


def render_estimate(
    estimate: Estimate,
    format: Format = "terminal",
    *,
    width: int = WIDTH,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """The estimate as a string that ends with a line break; the same input gives the same bytes.

    Args:
        width: columns of the terminal's form.
        color: whether that holds ANSI codes.
        encoding: what the string will be written in; what it cannot write is replaced.
    """
    if format == "json":
        return encodable(json.dumps(estimate_document(estimate), indent=1, ensure_ascii=False) + "\n", encoding)
    if format == "markdown":
        return encodable(_markdown(estimate), encoding)
    return _terminal(estimate, width).render(color, encoding)


def show_estimate(estimate: Estimate, stream: TextIO, format: Format = "terminal") -> None:
    """Writes the estimate to a stream, in its width, with colour only on a terminal that wants it."""
    width, color, encoding = surface(stream)
    stream.write(render_estimate(estimate, format, width=width, color=color, encoding=encoding))


def estimate_document(estimate: Estimate) -> dict[str, Any]:
    """The estimate as plain JSON values. What is not known is null, never 0."""
    profile = estimate.profile
    task = profile.task if profile else None
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "task": {
            "name": estimate.name,
            "fingerprint": task.fingerprint if task else None,
            "kind": task.kind if task else None,
            "metric": estimate.metric,
        },
        "model": dataclasses.asdict(estimate.model) if estimate.model else None,
        "limits": {k: v for k, v in dataclasses.asdict(estimate.limits).items() if v is not None},
        "probes": dataclasses.asdict(estimate.probes) if estimate.probes else None,
        "approaches": [_option(option) for option in estimate.options],
        "advice": {
            "approach": estimate.advised,
            "open": estimate.open,
            "reasons": [dataclasses.asdict(reason) for reason in estimate.reasons],
            "changes": [dataclasses.asdict(change) for change in estimate.changes],
            "steps": [dataclasses.asdict(step) for step in estimate.steps],
            "caveats": estimate.caveats,
        },
    }
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def _option(option: Option) -> dict[str, object]:
    expected, foreseen = option.expected, option.foreseen
    latency = foreseen.latency if foreseen else None
    return {
        "spec": option.spec,
        "control": option.control,
        "quality": {name: getattr(expected, name) for name in ("value", "low", "high", "basis", "why")},
        "latency_ms": {"p50": latency.p50, "p95": latency.p95, "ttft_p50": latency.ttft_p50} if latency else None,
        "throughput_qps": foreseen.throughput_qps if foreseen else None,
        "tokens_per_query": {"prompt": foreseen.prompt_tokens, "completion": foreseen.completion_tokens}
        if foreseen
        else None,
        "fit_seconds": foreseen.fit_seconds if foreseen else None,
        "index_seconds": foreseen.index_seconds if foreseen else None,
        "memory_bytes": foreseen.memory_bytes if foreseen else None,
        "cost_usd": dataclasses.asdict(option.cost),
        "violations": option.violations,
    }


def _terminal(estimate: Estimate, width: int) -> Page:
    page = Page(width)
    page.add(shorten(f"Advisor: what to expect of {plain(estimate.name)}", page.width), style="bold")
    for lead, line in _head(estimate):
        page.item(line, lead, _LEAD)
    page.heading(f"Expected quality ({plain(words.metric(estimate.metric))}), times and costs, before anything is run")
    _table(page, estimate)
    page.item(_LEGEND, style="dim")
    page.heading("Advice")
    page.item(_advice(estimate), style="bold")
    for number, reason in enumerate(estimate.reasons, start=1):
        page.item(f"{reason.claim} ({reason.fact})", "why" if number == 1 else "", _LEAD)
    page.heading("What would change it")
    for change in estimate.changes:
        page.item(f"{change.circumstance}: {change.outcome}")
    page.heading("What to do first")
    for number, step in enumerate(estimate.steps, start=1):
        page.item(step.what, f"{number}.", 4)
        if step.command:
            page.item(step.command, "", 4, style="dim")
    if estimate.probes:
        page.heading(f"What was probed, on examples of {estimate.probes.split}")
        for line in _readings(estimate):
            page.item(line)
    page.heading("Caveats")
    for caveat in estimate.caveats:
        page.item(caveat, "-", 2)
    return page


def _head(estimate: Estimate) -> Iterator[tuple[str, str]]:
    profile = estimate.profile
    if profile:
        task, found = profile.task, profile.description
        documents = f"; {found.documents:,} documents" if found.documents else ""
        yield "task", f"{task.kind}, {found.train:,} train, {found.test:,} test examples{documents}"
        grave = sum(finding.severity == "high" for finding in profile.findings)
        if grave:
            yield "data", f"{grave} grave finding{'s' * (grave > 1)}: see advisor profile"
    if estimate.model:
        yield "model", statements.model(estimate.model, 12)
        yield "", statements.device(estimate.model)
    limits = {k: v for k, v in dataclasses.asdict(estimate.limits).items() if v is not None}
    if limits:
        yield "limits", "; ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in limits.items())


def _advice(estimate: Estimate) -> str:
    if estimate.advised is None:
        return "Nothing is expected to respect the limits."
    expected = estimate.option(estimate.advised).expected
    interval = f"{expected.value:.2f}, between {expected.low:.2f} and {expected.high:.2f}"
    said = f"Begin with {estimate.advised}: expected at {interval}."
    if estimate.open:
        said += f" It is not settled: {words.listed(estimate.open)} may turn out better."
    return said


def _cells(estimate: Estimate) -> list[_Cell]:
    found: list[_Cell] = [
        ("expected", "[95 %]", lambda o: figures.quality(_interval(o))),
        ("", "from", lambda o: _BASES[o.expected.basis]),
    ]
    if any(option.foreseen for option in estimate.options):
        found += [
            ("p50/p95", "ms", lambda o: figures.latency(o.foreseen.latency if o.foreseen else None, True)),
            ("cost per", "1,000", lambda o: figures.money(o.cost.per_1k_queries)),
            ("to set", "up", lambda o: figures.money(o.cost.fit)),
            ("time", "to fit", lambda o: figures.duration(_fitting(o), True)),
            ("", "memory", lambda o: figures.size(o.foreseen.memory_bytes if o.foreseen else None)),
        ]
    return found


def _interval(option: Option) -> Interval:
    expected = option.expected
    return Interval(expected.value, expected.low, expected.high)


def _fitting(option: Option) -> float | None:
    foreseen = option.foreseen
    return figures.total(foreseen.fit_seconds, foreseen.index_seconds) if foreseen else None


def _table(page: Page, estimate: Estimate) -> None:
    cells = _cells(estimate)
    rows = [[cell(option) for _, _, cell in cells] for option in estimate.options]
    widths = [max(len(above), len(below), *(len(row[i]) for row in rows)) for i, (above, below, _) in enumerate(cells)]
    room = max(12, page.width - INDENT - 2 - sum(width + 2 for width in widths))
    name = max(8, min(room, max(len(plain(option.spec)) for option in estimate.options)))
    for line in (0, 1):
        titles = "  ".join(
            pad((above, below)[line], width, right=True) for (above, below, _), width in zip(cells, widths, strict=True)
        )
        page.add(" " * INDENT + "  " + pad("approach" if line else "", name) + "  " + titles, style="bold")
    page.add(" " * INDENT + "─" * min(page.width - INDENT, 2 + name + sum(width + 2 for width in widths)), style="dim")
    for option, row in zip(estimate.options, rows, strict=True):
        first, *rest = fold_spec(plain(option.spec), name)
        figures_ = "  ".join(pad(text_, width, right=True) for text_, width in zip(row, widths, strict=True))
        style = "bold" if option.spec == estimate.advised else "dim" if option.control or option.violations else ""
        page.add(" " * INDENT + f"{_mark(option, estimate)} {pad(first, name)}  {figures_}", style=style)
        for more in rest:
            page.add(" " * INDENT + f"  {more}", style=style)
    for option in estimate.options:
        if option.violations:
            page.item(f"! {option.spec}: {'; '.join(option.violations)}")


def _mark(option: Option, estimate: Estimate) -> str:
    if option.spec == estimate.advised:
        return ">"
    if option.violations:
        return "!"
    return "c" if option.control else "?" if option.spec in estimate.open else " "


def _readings(estimate: Estimate) -> Iterator[str]:
    probes = estimate.probes
    if probes is None:
        return
    for reading in probes.readings:
        yield _reading(reading)
    by_name: dict[str, list[str]] = {}
    for reading in probes.curve:
        by_name.setdefault(reading.name, []).append(f"{reading.value:.2f} with {reading.train}")
    for name, points in by_name.items():
        yield f"{name} by training examples: {', '.join(points)}"
    yield f"all of it took {figures.duration(probes.seconds)}"


def _reading(reading: Reading) -> str:
    digits = 0 if reading.name.startswith("perplexity") else 2
    value, low, high = (f"{one:,.{digits}f}" for one in (reading.value, reading.low, reading.high))
    learned = f", from {reading.train} training examples" if reading.train else ""
    return f"{reading.name}: {value} ({low} to {high}) on {reading.n}{learned}"


def _markdown(estimate: Estimate) -> str:
    cells = _cells(estimate)
    titles = ["approach", *(f"{above} {below}".strip() for above, below, _ in cells)]
    rows = [[code(option.spec), *(text(cell(option)) for _, _, cell in cells)] for option in estimate.options]
    parts = [
        f"# What to expect of {text(estimate.name)}",
        "\n".join(f"- {lead or 'machine'}: {text(line)}" for lead, line in _head(estimate)),
        "\n".join(table(titles, rows)),
        text(_LEGEND),
        f"## Advice\n\n{text(_advice(estimate))}",
        "\n".join(f"- {text(reason.claim)} ({text(reason.fact)})" for reason in estimate.reasons),
        "## What would change it",
        "\n".join(f"- {text(change.circumstance)}: {text(change.outcome)}" for change in estimate.changes),
        "## What to do first",
        "\n".join(
            f"{number}. {text(step.what)}" + (f" `{step.command}`" if step.command else "")
            for number, step in enumerate(estimate.steps, start=1)
        ),
        "## Caveats",
        "\n".join(f"- {text(caveat)}" for caveat in estimate.caveats),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
