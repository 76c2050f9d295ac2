"""The tables of a decision: results and costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from advisor.measuring.attempt import LATENCY, PREDICT
from advisor.reporting import figures, statements
from advisor.reporting.blocks import Code, Column, Sign, Table, TableRow, Tone
from advisor.tasks.power import LEVEL
from advisor.verdict.cells import Abstention, Interval
from advisor.verdict.decision import Decision, Row

RECOMMENDED, PROVISIONAL, CONTROL, BREAKS = ">", "?", "c", "!"
_SIGNS = {
    RECOMMENDED: "> recommended",
    PROVISIONAL: "? provisional choice, not decided",
    CONTROL: "c control: for the diagnosis, never chosen",
}
_STATUSES = {RECOMMENDED: "recommended", PROVISIONAL: "provisional", CONTROL: "control", BREAKS: "cannot be chosen"}


_Costs = tuple[str, Callable[[Row], str], Callable[[Row], float | None]]
"""A column of costs: its title, its cells and their values."""


def results(decision: Decision) -> Table:
    """Every approach, measured or not, with quality, differences, latency and costs."""
    keys = statements.numbers(decision)
    rows = []
    for row in decision.rows:
        sign = _sign(row, decision)
        if row.quality is None:
            tone: Tone = "bad" if row.status == "failed" else "doubtful"
            rows.append(TableRow(Code(row.spec), "", sign, tone=tone, instead=statements.trouble(row)))
        else:
            remark = f"cannot be chosen: {'; '.join(row.violations)}" if row.violations else ""
            words = _STATUSES.get(sign, "")
            rows.append(TableRow(Code(row.spec), keys[row.spec], sign, words, _tone(row, decision), remark=remark))
    return Table(tuple(rows), tuple(_results(decision)), legend=tuple(_legend(decision)))


def costs(decision: Decision) -> Table:
    """Every measured approach with its costs, resources and artefacts; for a page."""
    days = decision.limits.horizon_days
    measured = [row for row in decision.rows if row.quality is not None]
    found: list[_Costs] = [
        ("cost of fitting", lambda r: figures.money(r.cost.fit), lambda r: r.cost.fit),
        (
            f"cost over {figures.amount(days)} days" if days else "cost over the horizon",
            statements.over_horizon,
            lambda r: r.cost.over_horizon,
        ),
        (
            "machines kept on",
            lambda r: "by the token" if r.cost.by_tokens else figures.money(r.cost.always_on_over_horizon),
            lambda r: r.cost.always_on_over_horizon,
        ),
        (
            "cost of 1,000, 95 %",
            lambda r: _span(r.cost.per_1k_low, r.cost.per_1k_high, figures.money),
            lambda r: r.cost.per_1k_low,
        ),
        *_in_batches(measured),
        ("p95 between, ms", _p95, lambda r: r.latency.p95_low if r.latency else None),
        ("prompt tokens", lambda r: figures.count(r.prompt_tokens), lambda r: r.prompt_tokens),
        ("answer tokens", lambda r: figures.count(r.completion_tokens), lambda r: r.completion_tokens),
        *_reasoned(measured),
        ("first token, p50 ms", _first_token, lambda r: r.latency.ttft_p50 if r.latency else None),
        ("queries per second", _throughput, lambda r: r.throughput_qps),
        ("index", lambda r: _where_any(r.index_seconds, figures.duration), lambda r: r.index_seconds),
        (PEAK, lambda r: figures.size(r.peak_memory_bytes), lambda r: r.peak_memory_bytes),
        ("left behind", lambda r: _where_any(r.artifact_bytes, figures.size), lambda r: r.artifact_bytes),
        (
            "trained parameters",
            lambda r: _where_any(r.trainable_parameters or None, figures.parameters),
            lambda r: r.trainable_parameters,
        ),
    ]
    columns = [
        Column((title,), [cell(row) for row in measured], values=[value(row) for row in measured])
        for title, cell, value in found
    ]
    at = [title for title, *_ in found].index(PEAK)
    columns[at] = replace(columns[at], note=_of_memory(decision))
    return Table(tuple(TableRow(Code(row.spec)) for row in measured), tuple(columns))


def _of_memory(decision: Decision) -> str:
    """What peak memory is, where that is not what a device has allocated."""
    here = [member.facts for member in decision.comparison.models if member.facts.place == "process"]
    return _RESIDENT if any(facts.device == "cpu" for facts in here) else ""


def _where_any(value: float | None, show: Callable[[float | None], str]) -> str:
    return "" if value is None else show(value)


def abstention(decision: Decision) -> Table | None:
    """How well each row tells what cannot be answered; None where the test set holds no such question."""
    keys = statements.numbers(decision)
    found = [(row, row.abstention) for row in decision.rows if row.abstention is not None]
    if not found:
        return None
    number = found[0][1].unanswerable
    measures: list[tuple[tuple[str, ...], Callable[[Abstention], Interval | None], int]] = [
        (("quality on", "answerable"), lambda one: one.quality_answerable, 0),
        (("right", "abstentions"), lambda one: one.recall, 0),
        (("false", "abstentions"), lambda one: one.false, 1),
        (("F1 of", "abstaining"), lambda one: one.f1, 3),
        (("", "precision"), lambda one: one.precision, 3),
        (("share", "abstained"), lambda one: one.share, 4),
    ]
    columns = []
    for title, measure, rank in measures:
        intervals = [measure(one) for _, one in found]
        cells = [figures.quality(one) if one else "" for one in intervals]
        short = [figures.decimals(one.value) if one else "" for one in intervals]
        columns.append(Column(title, cells, " ".join(title).strip(), short, rank, left=True, values=intervals))
    columns[0] = replace(
        columns[0],
        note=f'{number} of the test questions cannot be answered; abstaining is to answer "unanswerable". Abstentions '
        "are right or false as shares of the questions that cannot be answered, and of those that can.",
    )
    columns.insert(3, _of_what_is_answered([row for row, _ in found]))
    return Table(tuple(TableRow(Code(row.spec), keys.get(row.spec, "")) for row, _ in found), tuple(columns))


def _of_what_is_answered(rows: Sequence[Row]) -> Column:
    """The quality of answers where only a share of the questions is answered, or how many a row answers at most."""
    found = [row.coverage for row in rows]
    share = next((figures.percent(one.at) for one in found if one), "")
    cells = [
        "" if one is None else figures.quality(one.quality) if one.quality else f"answers {figures.percent(one.most)}"
        for one in found
    ]
    short = [figures.decimals(one.quality.value) if one and one.quality else "-" for one in found]
    return Column(
        ("quality at", f"{share} answered"),
        cells,
        short=short,
        rank=2,
        left=True,
        note=f"Quality at {share} answered is that of a row's answers to {share} of the questions, the ones it is "
        "surest of; without confidences, of any of its answers. To answer a question that has no answer is wrong. Of a "
        "row that answers fewer, how many it answers stands there.",
        values=[one.quality if one else None for one in found],
    )


def training(decision: Decision) -> Table | None:
    """What was learned by gradient, from how much, and in which form it answers; None where nothing was."""
    keys = statements.numbers(decision)
    found = [row for row in decision.rows if row.tokens_seen]
    if not found:
        return None
    cells: list[tuple[tuple[str, str], Callable[[Row], str], int]] = [
        (("trained", "parameters"), lambda r: figures.parameters(r.trainable_parameters), 0),
        (("tokens", "seen"), lambda r: figures.count(r.tokens_seen), 0),
        (("peak", "memory"), lambda r: figures.size(r.peak_memory_bytes), 2),
        (("left", "behind"), lambda r: figures.size(r.artifact_bytes), 1),
        (("", "served"), lambda r: r.served, 0),
    ]
    if any(row.perplexity for row in found):
        cells.insert(2, (("perplexity", "of text"), _perplexity, 1))
    columns = [Column(title, [cell(row) for row in found], " ".join(title).strip(), rank=r) for title, cell, r in cells]
    notes = [_BY_GRADIENT, _OF_TEXT if any(row.perplexity for row in found) else "", _of_memory(decision)]
    note = " ".join(filter(None, notes))
    columns[-1] = replace(columns[-1], left=True, note=note)
    return Table(tuple(TableRow(Code(row.spec), keys.get(row.spec, "")) for row in found), tuple(columns))


def _perplexity(row: Row) -> str:
    """Of raw text that was learned, before and after."""
    return " > ".join(f"{one:.1f}" for one in row.perplexity or ())


_BY_GRADIENT = (
    "Tokens seen are those of training examples, prompts and answers, each as often as it was seen; latency was "
    "measured in the form that is served, merged into the model's weights or attached to them."
)
PEAK = "peak memory"
_RESIDENT = (
    "Peak memory on a processor is the most that the whole process held while a row was measured: the model, the "
    "embedder, libraries, and what rows before it have loaded and not given back. It says what a machine needs, and by "
    "small differences nothing of a row."
)
_OF_TEXT = (
    "Perplexity is that of a sample of the raw text that was learned (the documents, or what cpt read), per token, "
    "before and after."
)


def _in_batches(rows: Sequence[Row]) -> list[_Costs]:
    """What 1,000 queries cost that may wait for a day, where that has a price of its own."""
    if all(row.cost.per_1k_in_batches is None for row in rows):
        return []
    return [
        (
            "cost of 1,000 in batches",
            lambda r: figures.money(r.cost.per_1k_in_batches) if r.cost.by_tokens else "",
            lambda r: r.cost.per_1k_in_batches if r.cost.by_tokens else None,
        )
    ]


def _reasoned(rows: Sequence[Row]) -> list[_Costs]:
    """The tokens of reasoning, where any row has some."""
    if not any(row.reasoning_tokens for row in rows):
        return []
    return [
        (
            "reasoning tokens",
            lambda r: figures.count(r.reasoning_tokens) if r.reasoning_tokens else "",
            lambda r: r.reasoning_tokens,
        )
    ]


def _results(decision: Decision) -> Iterator[Column]:
    def cells(cell: Callable[[Row], str]) -> list[str]:
        return ["" if row.quality is None else cell(row) for row in decision.rows]

    def values(value: Callable[[Row], Interval | float | None]) -> list[Interval | float | None]:
        return [None if row.quality is None else value(row) for row in decision.rows]

    quality = cells(lambda r: figures.quality(r.quality))
    heading = f"{decision.comparison.task.metric} [95 % interval]"
    yield Column(("quality", "[95 % interval]"), quality, heading, left=True, values=values(lambda r: r.quality))
    groups = statements.groups(decision)
    yield Column(("", "group"), cells(lambda r: r.group), rank=3, left=True, note=groups)
    yield Column(("to the", "best "), cells(lambda r: _difference(r, decision)), on="screen")
    to_best, p = values(_versus), values(lambda r: r.versus_best.p if r.versus_best else None)
    yield Column(("difference to the best",), cells(lambda r: _interval(r, decision)), on="page", values=to_best)
    shown = cells(lambda r: figures.p_value(r.versus_best.p) if r.versus_best else "")
    yield Column(("", "p"), shown, rank=4, values=p)
    if any(row.after for row in decision.rows):
        after = cells(lambda r: figures.quality(r.after.quality) if r.after else figures.UNKNOWN)
        known = values(lambda r: r.after.quality if r.after else None)
        yield Column(("after the change",), after, on="page", values=known)
        yield Column(("by the", "change"), cells(_by_the_change), on="screen", rank=2)
        yield Column(("after", "change"), cells(_after_the_change), on="screen", rank=2)
        yield Column(("", "[95 % interval]"), cells(_its_interval), on="screen", rank=6, left=True)
        lost, changed = (
            cells(lambda r: _by_the_change(r, whole=True)),
            values(lambda r: r.after.difference if r.after else None),
        )
        yield Column(("difference by the change",), lost, on="page", values=changed)
    wide, short = cells(_latency), cells(lambda r: _latency(r, compact=True))
    alone = values(lambda r: r.latency.p50 if r.latency else None)
    yield Column(("p50/p95", "ms"), wide, "p50 / p95 ms", short, rank=1, values=alone)
    per_1k = cells(lambda r: figures.marked(figures.money(r.cost.per_1k_queries), r.cost_is_busy))
    spent = values(lambda r: r.cost.per_1k_queries)
    yield Column(("cost per", "1,000"), per_1k, "cost of 1,000 queries", values=spent)
    days = decision.limits.horizon_days
    if days is not None:
        yield Column(("cost of", f"{figures.amount(days)} days"), cells(statements.over_horizon), rank=5, on="screen")
    wide, short = cells(_fitting), cells(lambda r: _fitting(r, compact=True))
    fitted = values(lambda r: figures.total(r.fit_seconds, r.index_seconds))
    yield Column(("fit and", "index"), wide, short=short, rank=2, values=fitted)
    yield Column(("tokens", "in / out"), cells(_tokens), rank=7, on="screen")
    yield Column(("queries", "per s"), cells(_throughput), rank=8, on="screen")


def _sign(row: Row, decision: Decision) -> str:
    """One letter before a row: recommended, provisional, control, cannot be chosen, or nothing."""
    if row.spec == decision.recommendation.approach:
        return RECOMMENDED if decision.recommendation.decided else PROVISIONAL
    if row.control:
        return CONTROL
    return BREAKS if row.violations else ""


def _tone(row: Row, decision: Decision) -> Tone:
    if row.spec == decision.recommendation.approach:
        return "good" if decision.recommendation.decided else "strong"
    return "quiet" if row.control or row.violations else ""


def _legend(decision: Decision) -> Iterator[Sign]:
    """The marks that occur."""
    signs = {_sign(row, decision) for row in decision.rows}
    yield from (Sign(meaning, "screen") for sign, meaning in _SIGNS.items() if sign in signs)
    if any(row.versus_best and row.versus_best.shown for row in decision.rows):
        yield Sign(f"* difference shown (p < {LEVEL:g}, corrected for all pairs)", "screen")
    if any(row.after and row.after.difference and row.after.difference.high < 0 for row in decision.rows):
        yield Sign(f"* by the change: a loss shown (p < {LEVEL:g}, for the one row alone)", "screen")
    if busy := statements.busy(decision):
        yield Sign(busy)


def _difference(row: Row, decision: Decision) -> str:
    """The difference to the best approach; a star where it is shown, "best" for the best itself."""
    if row is statements.best_row(decision):
        return "best"
    if row.versus_best is None:
        return ""
    star = "*" if row.versus_best.shown else " "
    return figures.decimals(row.versus_best.difference, signed=True) + star


def _interval(row: Row, decision: Decision) -> str:
    """The difference to the best approach, with its interval."""
    versus = row.versus_best
    if versus is None:
        return _difference(row, decision)
    low, high = (figures.decimals(end, 2, signed=True) for end in (versus.low, versus.high))
    return f"{figures.decimals(versus.difference, signed=True)} [{low}, {high}]"


def _versus(row: Row) -> Interval | None:
    found = row.versus_best
    return Interval(found.difference, found.low, found.high) if found else None


def _after_the_change(row: Row) -> str:
    return figures.decimals(row.after.quality.value) if row.after else figures.UNKNOWN


def _its_interval(row: Row) -> str:
    """The interval of quality after the change."""
    if row.after is None:
        return ""
    low, high = (figures.decimals(end, 2) for end in (row.after.quality.low, row.after.quality.high))
    return f"[{low}, {high}]"


def _by_the_change(row: Row, whole: bool = False) -> str:
    """What the change did to quality: with its interval, or with a star where a loss is shown."""
    found = row.after.difference if row.after else None
    if found is None:
        return figures.UNKNOWN
    shown = figures.decimals(found.value, signed=True)
    low, high = (figures.decimals(end, 2, signed=True) for end in (found.low, found.high))
    return f"{shown} [{low}, {high}]" if whole else shown + ("*" if found.high < 0 else " ")


def _latency(row: Row, compact: bool = False) -> str:
    return figures.marked(figures.latency(row.latency, compact), row.is_busy(LATENCY))


def _fitting(row: Row, compact: bool = False) -> str:
    return figures.marked(statements.fitting(row, compact), row.fit_is_busy)


def _tokens(row: Row) -> str:
    """Tokens read and written; those of reasoning are among the written ones, as they are paid."""
    if row.prompt_tokens is None and row.completion_tokens is None:
        return figures.UNKNOWN if row.uses_model else ""
    written = None if row.completion_tokens is None else row.completion_tokens + row.reasoning_tokens
    return f"{figures.count(row.prompt_tokens)} / {figures.count(written)}"


def _throughput(row: Row) -> str:
    return figures.marked(figures.milliseconds(row.throughput_qps), row.is_busy(PREDICT))


def _first_token(row: Row) -> str:
    found = figures.milliseconds(row.latency.ttft_p50 if row.latency else None)
    return figures.marked(found, row.is_busy(LATENCY))


def _p95(row: Row) -> str:
    found = row.latency
    return _span(found.p95_low, found.p95_high, figures.milliseconds) if found else ""


def _span(low: float | None, high: float | None, show: Callable[[float | None], str]) -> str:
    """Both ends of an interval; empty where neither is known, and open where one is not."""
    if low is None and high is None:
        return ""
    return f"{show(low)} to {show(high)}" if high is not None else f"{show(low)} or more"
