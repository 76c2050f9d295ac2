"""The report of an estimate (advice before measuring), as blocks and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from advisor.advice.estimate import Estimate, Option, Step
from advisor.forecast.foresight import FACTOR
from advisor.forecast.learning import COVERAGE, ENOUGH
from advisor.pilot.readings import ProbeReading, Probes
from advisor.reporting import figures, statements
from advisor.reporting.blocks import (
    Block,
    Code,
    Column,
    Detail,
    Details,
    Gap,
    Heading,
    Item,
    Names,
    Numbered,
    Only,
    Paragraph,
    Report,
    Table,
    TableRow,
    Tone,
    listed,
    section,
)
from advisor.reporting.decision import LABELS
from advisor.reporting.document import SCHEMA, clean
from advisor.verdict import Interval, words

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
_NAMES = Names(least=12, wanted=12)


def estimate_report(estimate: Estimate) -> Report:
    """The report of an estimate: expectations, what to begin with and why, and what would change that."""
    first, *rest = _advice(estimate)
    return Report(
        f"Advisor: what to expect of {estimate.name}",
        (
            *((Details(found, LABELS),) if (found := tuple(_head(estimate))) else ()),
            *_expected(estimate),
            Heading("Advice"),
            Paragraph((first,), "strong"),
            *(Paragraph((sentence,)) for sentence in rest),
            *section("Why", _reasons(estimate)),
            *listed("What would change it", (f"{c.circumstance}: {c.outcome}." for c in estimate.changes)),
            Heading("What to do first"),
            Numbered(tuple(Item(_step(step), Code(step.command)) for step in estimate.steps)),
            *_probed(estimate),
            *listed("What you said", (f"{question} {answer}" for question, answer in estimate.told)),
            *listed("Caveats", estimate.caveats),
            *((Gap(), Details((Detail("costs", estimate.prices),), LABELS)) if estimate.prices else ()),
        ),
    )


def _reasons(estimate: Estimate) -> Numbered | None:
    return Numbered(tuple(Item(reason.claim, reason.fact) for reason in estimate.reasons)) if estimate.reasons else None


def _expected(estimate: Estimate) -> Iterator[Block]:
    """The table of all approaches, with the legend of its marks and figures."""
    marks = {_mark(option, estimate) for option in estimate.options}
    broken = tuple(f"! {words.listed(specs)}: {how}" for how, specs in _broken(estimate).items())
    marked = "; ".join(text for mark, text in _MARKS.items() if mark in marks) or "no approach stands out"
    yield Heading(_title(estimate))
    yield _table(estimate)
    yield Only("screen", (Paragraph(broken), Paragraph((marked,), "quiet")))
    yield Paragraph(tuple(_sources(estimate)), "quiet")


def _table(estimate: Estimate) -> Table:
    rows = tuple(
        TableRow(Code(option.spec), mark=_mark(option, estimate), tone=_tone(option, estimate))
        for option in estimate.options
    )
    return Table(rows, tuple(_columns(estimate)), _NAMES)


def _tone(option: Option, estimate: Estimate) -> Tone:
    if option.spec == estimate.advised:
        return "strong"
    return "quiet" if option.control or option.violations else ""


def _probed(estimate: Estimate) -> tuple[Block, ...]:
    if estimate.probes is None:
        return ()
    title = f"What was probed, on examples of {estimate.probes.split}"
    return listed(title, _readings(estimate.probes), dashed=False)


def _title(estimate: Estimate) -> str:
    beside = ", times and costs" if estimate.model else " and tokens per query"
    return f"Expected quality ({words.metric(estimate.metric)}){beside}, before anything is run"


def _sources(estimate: Estimate) -> Iterator[str]:
    """What the figures rest on."""
    bases = {option.expected.basis for option in estimate.options}
    yield "; ".join(text for basis, text in _LEGEND.items() if basis in bases)
    if any(map(_few, estimate.options)):
        yield f"* from fewer than {ENOUGH} tasks: no interval is sure to hold {100 * COVERAGE:.0f} %, see the caveats"
    if estimate.model:
        yield f"Times, memory and costs are worked out from the probe: rough, often off by up to {FACTOR:g} times."
    else:
        yield "Times, memory and costs are unknown until a model is named."


def _few(option: Option) -> bool:
    """Whether it was learned from too few tasks for its interval to be reliable."""
    return option.expected.tasks is not None and option.expected.tasks < ENOUGH


def _step(step: Step) -> str:
    if step.seconds is None:
        return step.what
    return f"{step.what} About {figures.duration(max(step.seconds, 1.0), compact=True)}."


def _head(estimate: Estimate) -> Iterator[Detail]:
    profile = estimate.profile
    if profile:
        task, found = profile.task, profile.description
        documents = f"; {found.documents:,} documents" if found.documents else ""
        yield Detail("task", f"{task.kind}, {found.train:,} train, {found.test:,} test examples{documents}")
        grave = sum(finding.severity == "high" for finding in profile.findings)
        if grave:
            yield Detail("data", f"{grave} grave finding{'s' * (grave > 1)}: see advisor profile")
    if estimate.model:
        yield Detail("model", statements.model(estimate.model, short=True))
        yield Detail("machine", statements.device(estimate.model), follows=True)
    if limits := statements.limits(estimate.limits):
        yield Detail("limits", "; ".join(limits))


def _advice(estimate: Estimate) -> list[str]:
    """What to begin with and how sure that is; each sentence or two forms a paragraph."""
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


def _columns(estimate: Estimate) -> list[Column]:
    """The columns of the table; on a narrow screen those on the right go first."""

    def column(above: str, below: str, cell: Callable[[Option], str], rank: int = 1) -> Column:
        return Column((above, below), [cell(option) for option in estimate.options], rank=rank)

    expected = [_interval(option) for option in estimate.options]
    found = [
        Column(("expected", "[95 %]"), [figures.quality(one) for one in expected], values=expected),
        column("", "from", lambda o: o.expected.basis + ("*" if _few(o) else "")),
    ]
    if estimate.model:
        return [
            *found,
            column("p50/p95", "ms", lambda o: figures.latency(o.foreseen.latency if o.foreseen else None, True)),
            column("cost per", "1,000", lambda o: figures.money(o.cost.per_1k_queries)),
            column("to set", "up", lambda o: figures.money(o.cost.fit)),
            column("time", "to fit", lambda o: figures.duration(_fitting(o), True)),
            column("", "memory", lambda o: figures.size(o.foreseen.memory_bytes if o.foreseen else None)),
        ]
    if any(option.foreseen for option in estimate.options):
        found += [
            column("tokens", "read", lambda o: figures.count(o.foreseen.prompt_tokens if o.foreseen else None)),
            column("and", "written", lambda o: figures.count(o.foreseen.completion_tokens if o.foreseen else None)),
        ]
    return found


def _interval(option: Option) -> Interval:
    expected = option.expected
    return Interval(expected.value, expected.low, expected.high)


def _fitting(option: Option) -> float | None:
    foreseen = option.foreseen
    return figures.total(foreseen.fit_seconds, foreseen.index_seconds) if foreseen else None


def _broken(estimate: Estimate) -> dict[str, list[str]]:
    """The approaches that are expected to break limits, grouped by violation."""
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


def _readings(probes: Probes) -> Iterator[str]:
    for reading in probes.readings:
        yield _reading(reading)
    by_name: dict[str, list[str]] = {}
    for reading in probes.curve:
        by_name.setdefault(reading.name, []).append(f"{reading.value:.2f} with {reading.train}")
    for name, points in by_name.items():
        yield f"{name} by training examples: {', '.join(points)}"
    yield f"all of it took {figures.duration(probes.seconds)}"


def _reading(reading: ProbeReading) -> str:
    digits = 0 if reading.name.startswith("perplexity") else 2
    value, low, high = (f"{one:,.{digits}f}" for one in (reading.value, reading.low, reading.high))
    learned = f", from {reading.train} training examples" if reading.train else ""
    return f"{reading.name}: {value} ({low} to {high}) on {reading.n}{learned}"


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
    """The likely range of each extrapolated figure, and what it rests on; quality has its own interval."""
    found = dict(option.foreseen.ranges) if option.foreseen else {}
    costs = {
        f"cost_{name}": value
        for name, value in dataclasses.asdict(option.cost).items()
        if value is not None and not isinstance(value, bool)
    }
    return {
        **{name: dataclasses.asdict(one) for name, one in found.items()},
        **{
            name: {"low": value / FACTOR, "high": value * FACTOR, "basis": "times as above, and the price list"}
            for name, value in costs.items()
        },
    }
