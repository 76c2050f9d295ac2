"""Advice before anything is spent, for a terminal, in Markdown and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from advisor.advice.estimate import Estimate, Option, Step
from advisor.cleaning import plain
from advisor.disk import put
from advisor.forecast.foresight import FACTOR
from advisor.forecast.learning import COVERAGE, ENOUGH
from advisor.pilot.readings import Reading
from advisor.reporting import figures, statements
from advisor.reporting.document import SCHEMA, as_json, clean
from advisor.reporting.markdown import code, table, text
from advisor.reporting.page import INDENT, Page, encodable, fold_spec, pad, shorten
from advisor.reporting.render import WIDTH, Format, surface
from advisor.verdict import Interval, words

_LEAD = 10
_LEAST_NAME = 12
_LEGEND = {
    "measured": "measured: on your own examples",
    "learned": "learned: from comparisons on other tasks",
    "rule": "rule: of thumb, from the literature",
}
_MARKS = {
    ">": "> to begin with",
    "?": "? may turn out better",
    "!": "! breaks a limit",
    "c": "c control: for the diagnosis, never advised",
}
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
        return as_json(estimate_document(estimate), encoding)
    if format == "markdown":
        return encodable(_markdown(estimate), encoding)
    return _terminal(estimate, width).render(color, encoding)


def show_estimate(estimate: Estimate, stream: TextIO, format: Format = "terminal") -> None:
    """Writes the estimate to a stream, in its width, with colour only on a terminal that wants it."""
    width, color, encoding = surface(stream)
    put(stream, render_estimate(estimate, format, width=width, color=color, encoding=encoding))


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
        "approaches": [_option(option, estimate) for option in estimate.options],
        "advice": {
            "approach": estimate.advised,
            "decided": estimate.advised is not None and not estimate.open,
            "open": estimate.open,
            "at_stake": estimate.at_stake if estimate.advised else None,
            "passed_over": estimate.passed_over or None,
            "settling": estimate.settling or None,
            "nearest_to_limits": estimate.nearest,
            "reasons": [dataclasses.asdict(reason) for reason in estimate.reasons],
            "changes": [dataclasses.asdict(change) for change in estimate.changes],
            "steps": [dataclasses.asdict(step) for step in estimate.steps],
            "caveats": estimate.caveats,
        },
        "prices": estimate.prices or None,
        "answers": [{"question": question, "answer": answer} for question, answer in estimate.told] or None,
    }
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def _option(option: Option, estimate: Estimate) -> dict[str, object]:
    expected, foreseen = option.expected, option.foreseen
    latency = foreseen.latency if foreseen else None
    tokens = {"prompt": foreseen.prompt_tokens, "completion": foreseen.completion_tokens} if foreseen else None
    return {
        "spec": option.spec,
        "control": option.control,
        "quality": {name: getattr(expected, name) for name in ("value", "low", "high", "basis", "why", "tasks")},
        "chance_to_be_better": estimate.chances.get(option.spec),
        "latency_ms": {"p50": latency.p50, "p95": latency.p95, "ttft_p50": latency.ttft_p50} if latency else None,
        "throughput_qps": foreseen.throughput_qps if foreseen else None,
        "tokens_per_query": tokens,
        "fit_seconds": foreseen.fit_seconds if foreseen else None,
        "index_seconds": foreseen.index_seconds if foreseen else None,
        "memory_bytes": foreseen.memory_bytes if foreseen else None,
        "cost_usd": dataclasses.asdict(option.cost),
        "extrapolated": _ranges(option),
        "violations": option.violations,
    }


def _ranges(option: Option) -> dict[str, object]:
    """Between what each figure that was worked out is likely to lie, and what it rests on; quality has its own."""
    found = dict(option.foreseen.ranges) if option.foreseen else {}
    costs = {f"cost_{name}": value for name, value in dataclasses.asdict(option.cost).items() if value is not None}
    return {
        **{name: dataclasses.asdict(one) for name, one in found.items()},
        **{
            name: {"low": value / FACTOR, "high": value * FACTOR, "basis": "times as above, and the price list"}
            for name, value in costs.items()
        },
    }


def _terminal(estimate: Estimate, width: int) -> Page:
    page = Page(width)
    page.add(shorten(f"Advisor: what to expect of {plain(estimate.name)}", page.width), style="bold")
    for lead, line in _head(estimate):
        page.item(line, lead, _LEAD)
    page.heading(_title(estimate))
    _table(page, estimate)
    for line in _legend(estimate):
        page.item(line, style="dim")
    page.heading("Advice")
    first, *rest = _advice(estimate)
    page.item(first, style="bold")
    for sentence in rest:
        page.item(sentence)
    if estimate.reasons:
        page.heading("Why")
    for number, reason in enumerate(estimate.reasons, start=1):
        page.item(reason.claim, f"{number}.", 4)
        page.item(reason.fact, "", 4, style="dim")
    page.heading("What would change it")
    for change in estimate.changes:
        page.item(f"{change.circumstance}: {change.outcome}.", "-", 2)
    page.heading("What to do first")
    for number, step in enumerate(estimate.steps, start=1):
        page.item(_step(step), f"{number}.", 4)
        if step.command:
            page.item(step.command, "", 4, style="dim")
    if estimate.probes:
        page.heading(f"What was probed, on examples of {estimate.probes.split}")
        for line in _readings(estimate):
            page.item(line)
    if estimate.told:
        page.heading("What you said")
        for question, answer in estimate.told:
            page.item(f"{question} {answer}", "-", 2)
    page.heading("Caveats")
    for caveat in estimate.caveats:
        page.item(caveat, "-", 2)
    if estimate.prices:
        page.blank()
        page.item(estimate.prices, "costs", _LEAD)
    return page


def _title(estimate: Estimate) -> str:
    beside = ", times and costs" if estimate.model else " and tokens per query"
    return f"Expected quality ({plain(words.metric(estimate.metric))}){beside}, before anything is run"


def _legend(estimate: Estimate) -> Iterator[str]:
    marks = {_mark(option, estimate) for option in estimate.options}
    bases = {option.expected.basis for option in estimate.options}
    yield "; ".join(text for mark, text in _MARKS.items() if mark in marks) or "no approach stands out"
    yield "; ".join(text for basis, text in _LEGEND.items() if basis in bases)
    if any(map(_few, estimate.options)):
        yield f"* from fewer than {ENOUGH} tasks: no interval is sure to hold {100 * COVERAGE:.0f} %, see the caveats"
    if estimate.model:
        yield f"Times, memory and costs are worked out from the probe: rough, often off by up to {FACTOR:g} times."
    else:
        yield "Times, memory and costs are unknown until a model is named."


def _few(option: Option) -> bool:
    """Whether it was learned from too few tasks for its interval to be sure."""
    return option.expected.tasks is not None and option.expected.tasks < ENOUGH


def _step(step: Step) -> str:
    if step.seconds is None:
        return step.what
    return f"{step.what} About {figures.duration(max(step.seconds, 1.0), compact=True)}."


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
    if limits := statements.limits(estimate.limits):
        yield "limits", "; ".join(limits)


def _advice(estimate: Estimate) -> list[str]:
    """What to begin with, and how sure that is; each sentence or two a paragraph."""
    if estimate.advised is None:
        said = ["Nothing is expected to respect the limits."]
        if estimate.nearest:
            expected = estimate.option(estimate.nearest).expected
            at = f"{expected.value:.2f}, between {expected.low:.2f} and {expected.high:.2f}"
            said.append(f"Nearest to them comes {estimate.nearest}, expected at {at}.")
        return [*said, *filter(None, [estimate.settling])]
    expected = estimate.option(estimate.advised).expected
    at = f"expected at {expected.value:.2f}, between {expected.low:.2f} and {expected.high:.2f}"
    if not estimate.open:
        return [f"Begin with {estimate.advised}: {at}.", *filter(None, [estimate.passed_over, estimate.settling])]
    # Taken from intervals that are wide: on tasks left out it was rarer (benchmarks/results/decisions.md).
    chances = words.listed([f"{spec} {100 * estimate.chances[spec]:.0f} %" for spec in estimate.open])
    return [
        f"Undecided between {words.listed([estimate.advised, *estimate.open])}. Begin with {estimate.advised}: {at}.",
        f"Chance of each, taken alone, to be better than {estimate.advised}: at most about {chances}. "
        f"Taking {estimate.advised} without measuring would cost {estimate.at_stake:.2f} of quality on average.",
        *filter(None, [estimate.passed_over, estimate.settling]),
    ]


def _cells(estimate: Estimate) -> list[_Cell]:
    found: list[_Cell] = [
        ("expected", "[95 %]", lambda o: figures.quality(_interval(o))),
        ("", "from", lambda o: o.expected.basis + ("*" if _few(o) else "")),
    ]
    if estimate.model:
        return [
            *found,
            ("p50/p95", "ms", lambda o: figures.latency(o.foreseen.latency if o.foreseen else None, True)),
            ("cost per", "1,000", lambda o: figures.money(o.cost.per_1k_queries)),
            ("to set", "up", lambda o: figures.money(o.cost.fit)),
            ("time", "to fit", lambda o: figures.duration(_fitting(o), True)),
            ("", "memory", lambda o: figures.size(o.foreseen.memory_bytes if o.foreseen else None)),
        ]
    if any(option.foreseen for option in estimate.options):
        found += [
            ("tokens", "read", lambda o: figures.count(o.foreseen.prompt_tokens if o.foreseen else None)),
            ("and", "written", lambda o: figures.count(o.foreseen.completion_tokens if o.foreseen else None)),
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
    while True:  # the columns at the right go first where there is no room for all
        rows = [[cell(option) for _, _, cell in cells] for option in estimate.options]
        widths = [
            max(len(above), len(below), *(len(row[i]) for row in rows)) for i, (above, below, _) in enumerate(cells)
        ]
        room = page.width - INDENT - 2 - sum(width + 2 for width in widths)
        if room >= _LEAST_NAME or len(cells) == 1:
            break
        cells = cells[:-1]
    name = max(_LEAST_NAME, min(room, max(len(plain(option.spec)) for option in estimate.options)))
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
    for broken, specs in _broken(estimate).items():
        page.item(f"! {words.listed(specs)}: {broken}")


def _broken(estimate: Estimate) -> dict[str, list[str]]:
    """What breaks limits, by how; all that are only too bad, together."""
    found: dict[str, list[str]] = {}
    least = estimate.limits.min_quality
    for option in estimate.options:
        if option.violations:
            too_bad = least is not None and len(option.violations) == 1 and option.expected.value < least
            found.setdefault(f"below {least:g}" if too_bad else "; ".join(option.violations), []).append(option.spec)
    return found


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
        f"## {text(_title(estimate))}",
        table(titles, rows),
        text(" ".join(f"{line.rstrip('.')}." for line in list(_legend(estimate))[1:])),
        "## Advice",
        *(f"**{text(said)}**" if number == 0 else text(said) for number, said in enumerate(_advice(estimate))),
        *_section("Why", [f"{text(reason.claim)} ({text(reason.fact)})" for reason in estimate.reasons]),
        *_section(
            "What would change it",
            [f"{text(change.circumstance)}: {text(change.outcome)}." for change in estimate.changes],
        ),
        "## What to do first",
        "\n".join(
            f"{number}. {text(_step(step))}" + (f" {code(step.command)}" if step.command else "")
            for number, step in enumerate(estimate.steps, start=1)
        ),
        *_section("What was probed", [text(line) for line in _readings(estimate)]),
        *_section("What you said", [f"{text(question)} {text(answer)}" for question, answer in estimate.told]),
        *_section("Caveats", [text(caveat) for caveat in estimate.caveats]),
        *([f"Costs: {text(estimate.prices)}"] if estimate.prices else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {line}" for line in lines)] if lines else []
