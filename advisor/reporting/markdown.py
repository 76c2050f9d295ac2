"""The report in Markdown: to paste into a pull request or to hand to the person who decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from advisor.cleaning import plain
from advisor.measuring.attempt import LATENCY, PREDICT
from advisor.reporting import figures, race, statements
from advisor.reporting.page import encodable
from advisor.reporting.table import mark
from advisor.tasks.power import LEVEL
from advisor.verdict.decision import Decision, Row

_ACTIVE = re.compile(r"([\\`*\[\]<>|~$&#@!])|(?<![^\W_])_|_(?![^\W_])")
"""Marks with a meaning; an underscore inside a word has none."""


def render_markdown(decision: Decision, *, encoding: str = "utf-8") -> str:
    """The whole report in GitHub's Markdown; whatever comes from the user is shown literally."""
    blocks = [
        f"# Advisor: {text(decision.comparison.task.name) or 'unnamed task'}",
        *_verdict(decision),
        *_results(decision),
        *_section("Diagnosis", _diagnosis(decision)),
        *_costs(decision),
        *_race(decision),
        *_section("Notes", _notes(decision)),
        *_section("Caveats", [text(c) for c in statements.caveats(decision)]),
        "## Method",
        _method(decision),
        *_section("Setup", _setup(decision)),
    ]
    return encodable("\n\n".join(blocks) + "\n", encoding)


def text(words: str) -> str:
    """The words with every mark escaped that Markdown or HTML would act on."""
    return _ACTIVE.sub(lambda found: "\\" + found[0], plain(words))


def code(words: str) -> str:
    """The words as inline code that is safe in a table too."""
    words = plain(words)
    if not words:
        return ""
    if "|" in words or "<" in words:
        return text(words)
    fence = "`" * (max(map(len, re.findall("`+", words)), default=0) + 1)
    space = " " if "`" in words else ""
    return f"{fence}{space}{words}{space}{fence}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table; the first `left` columns are aligned left, the others right. Cells are written as they are."""
    rule = [":--" if i < left else "--:" for i in range(len(titles))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))


def _section(title: str, bullets: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {b}" for b in bullets)] if bullets else []


def _verdict(decision: Decision) -> list[str]:
    r = decision.recommendation
    parts = [f"**{text(statements.verdict(r))}**", text(statements.still_needed(decision))]
    parts += [text(reason) for reason in r.reasons]
    blocks = [" ".join(part for part in parts if part)]
    for title, sentences in (("Against it", r.against), ("It would flip", r.flips_when)):
        if sentences:
            blocks.append(f"{title}:\n\n" + "\n".join(f"- {text(s)}" for s in sentences))
    return blocks


def _results(decision: Decision) -> list[str]:
    task, numbers = decision.comparison.task, statements.numbers(decision)
    titles = ["", "approach", f"{text(task.metric)} [95 % interval]", "group", "difference to the best", "p"]
    titles += ["p50 / p95 ms", "cost of 1,000 queries", "fit and index"]
    measured = [r for r in decision.rows if r.quality is not None]
    rows = [[numbers[r.spec], _named(r, decision), *_cells(r, decision)] for r in measured]
    blocks = ["## Results", statements.sizes(task).join((f"{text(task.kind)}; ", "."))]
    if rows:
        blocks.append(table(titles, rows, left=2))
    if groups := statements.groups(decision):
        blocks.append(text(groups))
    if busy := statements.busy(decision):
        blocks.append(text(f"{busy}."))
    below = [f"- {code(r.spec)} cannot be chosen: {text('; '.join(r.violations))}" for r in measured if r.violations]
    below += [f"- {code(r.spec)} {text(statements.trouble(r))}" for r in decision.rows if r.quality is None]
    return [*blocks, *(["\n".join(below)] if below else [])]


def _named(row: Row, decision: Decision) -> str:
    words = {">": "**recommended**", "?": "provisional", "c": "control", "!": "cannot be chosen"}
    note = words.get(mark(row, decision))
    return code(row.spec) + (f" ({note})" if note else "")


def _cells(row: Row, decision: Decision) -> list[str]:
    versus = row.versus_best
    if row is statements.best_row(decision):
        difference, p = "best", ""
    elif versus is None:
        difference, p = "", ""
    else:
        low, high = (figures.decimals(v, 2, signed=True) for v in (versus.low, versus.high))
        difference = f"{figures.decimals(versus.difference, signed=True)} [{low}, {high}]"
        p = figures.p_value(versus.p)
    return [
        figures.quality(row.quality),
        row.group,
        difference,
        p,
        figures.marked(figures.latency(row.latency), row.is_busy(LATENCY)),
        figures.marked(figures.money(row.cost.per_1k_queries), row.is_busy(PREDICT)),
        figures.marked(statements.fitting(row), row.fit_is_busy),
    ]


def _diagnosis(decision: Decision) -> list[str]:
    return [f"{text(f.name)}: {figures.quality(f.estimate)}. {text(f.meaning)}" for f in decision.diagnosis]


def _costs(decision: Decision) -> list[str]:
    measured = [r for r in decision.rows if r.quality is not None]
    if not measured:
        return []
    days = decision.limits.horizon_days
    columns: list[tuple[str, Callable[[Row], str]]] = [
        ("approach", lambda r: code(r.spec)),
        ("cost of fitting", lambda r: figures.money(r.cost.fit)),
        (
            f"cost over {figures.amount(days)} days" if days else "cost over the horizon",
            statements.over_horizon,
        ),
        ("machines kept on", lambda r: figures.money(r.cost.always_on_over_horizon)),
        ("cost of 1,000, 95 %", lambda r: _span(r.cost.per_1k_low, r.cost.per_1k_high, figures.money)),
        ("p95 between, ms", _p95),
        ("prompt tokens", lambda r: figures.count(r.prompt_tokens)),
        ("answer tokens", lambda r: figures.count(r.completion_tokens)),
        (
            "first token, p50 ms",
            lambda r: figures.marked(
                figures.milliseconds(r.latency.ttft_p50 if r.latency else None), r.is_busy(LATENCY)
            ),
        ),
        (
            "queries per second",
            lambda r: figures.marked(figures.milliseconds(r.throughput_qps), r.is_busy(PREDICT)),
        ),
        ("index", lambda r: figures.duration(r.index_seconds) if r.index_seconds is not None else ""),
        ("peak memory", lambda r: figures.size(r.peak_memory_bytes)),
        ("left behind", lambda r: figures.size(r.artifact_bytes) if r.artifact_bytes is not None else ""),
        ("trained parameters", lambda r: _trained(r.trainable_parameters)),
    ]
    cells = [[cell(row) for _, cell in columns] for row in measured]
    blocks = ["## Costs", table([title for title, _ in columns], cells)]
    if decision.break_even:
        blocks.append("\n".join(f"- {text(statements.break_even(b))}" for b in decision.break_even))
    return blocks


def _span(low: float | None, high: float | None, show: Callable[[float | None], str]) -> str:
    """Both ends; empty where neither is known, and open where one is not."""
    if low is None and high is None:
        return ""
    return f"{show(low)} to {show(high)}" if high is not None else f"{show(low)} or more"


def _p95(row: Row) -> str:
    found = row.latency
    return _span(found.p95_low, found.p95_high, figures.milliseconds) if found else ""


def _trained(number: int | None) -> str:
    return figures.parameters(number) if number else ""


def _race(decision: Decision) -> list[str]:
    if decision.race is None:
        return []
    fates = "\n".join(f"- {code(spec)}: {text(fate)}" for spec, fate in race.entrants(decision.race))
    around = [text(" ".join(found)) for found in (race.summary(decision.race), race.guarantee(decision.race))]
    return [block for block in ("## Race", around[0], fates, around[1]) if block]


def _notes(decision: Decision) -> list[str]:
    noted = [(row, statements.notes(row)) for row in decision.rows]
    return [f"{code(row.spec)}: {text('; '.join(found))}" for row, found in noted if found]


def _method(decision: Decision) -> str:
    comparison = decision.comparison
    seeds = "one seed" if comparison.seeds == 1 else f"{comparison.seeds} seeds, taken together"
    counts = sorted({r.latency.n for r in decision.rows if r.latency})
    span = " to ".join(str(n) for n in dict.fromkeys(counts[:1] + counts[-1:]))
    requests = f" ({span} each)" if counts else ""
    sentences = [
        "Every approach ran with the same base model, the same precision, the same prompt renderer and the "
        f"same decoding on the same test examples, with {seeds}.",
        "Intervals of qualities hold 95 %: the Wilson score interval of a share of right answers, else a bootstrap "
        "over the test examples, wider where macro F1 has labels with few of them; with several seeds a t interval "
        "over examples and seeds.",
        "Differences to the best approach are paired by example. Their intervals hold together, their p-values are "
        "corrected for all pairs (single-step maximum), and both allow for the seed of a training; p below "
        f"{LEVEL:g} counts as shown, and a difference in {decision.comparison.task.metric} within "
        f"{figures.decimals(decision.margin)} as too small to matter. The choice itself is tested against each "
        "rival alone.",
        f"Latency is measured end to end on requests sent one at a time, after warm-up{requests}; the bounds of its "
        "percentiles are order statistics, which hold with 95 % each whatever the distribution.",
        "Costs are computed from the measured times and tokens and from the prices"
        + (f" ({decision.prices.rstrip('.')})" if decision.prices else "")
        + "; where a price is not known, the cost is unknown, not nought. The interval of a cost says what timing the "
        "same work again would give, by batches that were timed again, and not which queries come.",
        "Controls serve the diagnosis and are never chosen; a failed approach has no quality, rather than 0.",
    ]
    return text(" ".join(sentences))


def _setup(decision: Decision) -> list[str]:
    comparison = decision.comparison
    model = comparison.model
    rows = [
        ("task fingerprint", comparison.task.fingerprint),
        ("model", statements.model(model)),
        ("device", statements.device(model)),
        ("embedder", model.embedder),
        ("limits", "; ".join(statements.limits(decision.limits))),
        ("seeds", str(comparison.seeds)),
        ("settings", statements.settings(comparison.settings.items())),
        ("hardware", statements.settings(comparison.hardware.items())),
        ("versions", statements.settings(comparison.versions.items())),
        ("reused", statements.reused(decision)),
        ("time", statements.time_spent(decision)),
        ("share of ceiling", statements.share_of_ceiling(decision)),
        ("records", comparison.folder),
    ]
    return [f"{name}: {text(value)}" for name, value in rows if value]
