"""How far confidences can be believed, and what the surest answers are worth: tables, sentences and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Code, Column, Gap, Names, Only, Paragraph, Table, TableRow, section
from advisor.reporting.pictures import Axis, Lines, Trace
from advisor.verdict import words
from advisor.verdict.calibration import FEWEST_IN_A_BIN, MOST_BINS, Calibration
from advisor.verdict.cells import Interval
from advisor.verdict.coverage import Coverage
from advisor.verdict.decision import Decision, Row

DRAWN = 4
"""Rows in a picture, at most: the choice and the best of the others."""


@dataclass(frozen=True, slots=True)
class _Sure:
    """A row whose answers have confidences."""

    row: Row
    calibration: Calibration
    coverage: Coverage


def confidences(decision: Decision) -> tuple[Block, ...]:
    """The section on it; nothing where no answer has a confidence."""
    found = [_Sure(row, row.calibration, row.coverage) for row in decision.rows if row.calibration and row.coverage]
    if not found:
        return ()
    chosen = next((one for one in found if one.row.spec == decision.recommendation.approach), found[0])
    drawn = sorted(found, key=lambda one: one is not chosen)[:DRAWN]
    return section(
        "Calibration",
        _table(decision, found),
        Paragraph((_errors(found),)),
        Gap(),
        Paragraph((f"Reliability of {chosen.row.spec}, in bins of as many answers each:",)),
        _reliability(chosen.calibration),
        Only("page", (_reliabilities(decision, drawn), _coverages(decision, drawn))),
    )


def _table(decision: Decision, found: Sequence[_Sure]) -> Table:
    keys = statements.numbers(decision)
    share = figures.percent(found[0].coverage.at)
    measures: list[tuple[tuple[str, str], Callable[[_Sure], Interval | None], int]] = [
        (("calibration", "error"), lambda one: one.calibration.ece, 0),
        (("more sure", "than right"), lambda one: one.calibration.overconfidence, 2),
        (("Brier", "score"), lambda one: one.calibration.brier, 3),
        (("log", "loss"), lambda one: one.calibration.log_loss, 4),
        (("quality of", f"surest {share}"), lambda one: one.coverage.quality, 1),
        (("area of", "risk"), lambda one: one.coverage.area, 4),
    ]
    columns = []
    for title, measure, rank in measures:
        signed = title[0] == "more sure"
        intervals = [measure(one) for one in found]
        cells = [_signed(one) if signed else figures.quality(one) if one else "" for one in intervals]
        short = [figures.decimals(one.value, signed=signed) if one else "" for one in intervals]
        columns.append(Column(title, cells, " ".join(title), short, rank, left=True, values=intervals))
    chance = [one.calibration.by_chance for one in found]
    shown = [figures.decimals(one) for one in chance]
    columns.insert(1, Column(("by", "chance"), shown, "error by chance", rank=4, values=chance))
    columns[0] = replace(columns[0], note=_NOTE)
    metric = _metric(decision)
    surest = (
        f"The surest {share} are the answers with the highest confidence, measured by {metric}; risk is 1 - quality."
    )
    columns[-2] = replace(columns[-2], note=surest)
    return Table(tuple(TableRow(Code(one.row.spec), keys.get(one.row.spec, "")) for one in found), tuple(columns))


_NOTE = (
    "The calibration error is the mean distance of confidence and share right, in bins of as many answers each, "
    "corrected for what chance alone makes of it; its interval begins at 0 where no error is shown."
)


def _metric(decision: Decision) -> str:
    """What single answers are scored by: of macro F1 whether they are right."""
    metric = decision.comparison.task.metric
    return words.metric("accuracy" if metric == "macro_f1" else metric)


def _errors(found: Sequence[_Sure]) -> str:
    """Of which rows an error is shown."""
    wrong = [one.row.spec for one in found if one.calibration.ece.low > 0]
    if not wrong:
        return "Of no row a calibration error is shown."
    others = "" if len(wrong) == len(found) else "; of the others it may be chance"
    return (
        f"A calibration error is shown, of each alone, of {words.listed(wrong)}{others}. Labels' probabilities are "
        "scaled to be right on held-out examples with calibrate=true in a spec."
    )


def _reliability(found: Calibration) -> Table:
    rows = tuple(TableRow(figures.decimals(sure)) for sure, _, _ in found.bins)
    right, count = [share for _, share, _ in found.bins], [float(n) for _, _, n in found.bins]
    apart = [share - sure for sure, share, _ in found.bins]
    columns = (
        Column(("share right",), [figures.decimals(one) for one in right], values=right),
        Column(("difference",), [figures.decimals(one, signed=True) for one in apart], values=apart),
        Column(("answers",), [figures.count(one) for one in count], values=count),
    )
    return Table(rows, columns, Names(title="mean confidence", least=15, wanted=15, narrow=15))


def _reliabilities(decision: Decision, drawn: Sequence[_Sure]) -> Lines:
    """Share right by confidence, each bin a point; on the diagonal confidences are right."""
    traces = _traces(decision, drawn, lambda one: [(sure, right) for sure, right, _ in one.calibration.bins])
    notes = (
        f"Each point is a bin of at least {FEWEST_IN_A_BIN} answers where there are so many, {MOST_BINS} bins at most; "
        "below the diagonal answers are less often right than they are sure.",
    )
    low = min(place for trace in traces for place, share in ((x, y.value) for x, y in trace.points))
    return Lines("Reliability", _shares("confidence", low), _shares("share right"), traces, True, notes)


def _coverages(decision: Decision, drawn: Sequence[_Sure]) -> Lines:
    """Quality by the share of the questions that is answered."""
    traces = _traces(decision, drawn, lambda one: one.coverage.points)
    metric = _metric(decision)
    low = min(y.value for trace in traces for _, y in trace.points)
    title = f"{metric[:1].upper()}{metric[1:]} of the surest answers"
    return Lines(title, _shares("share of the questions answered"), _shares(metric, low), traces)


def _traces(
    decision: Decision, drawn: Sequence[_Sure], points: Callable[[_Sure], Sequence[tuple[float, float]]]
) -> tuple[Trace, ...]:
    keys = statements.numbers(decision)
    return tuple(
        Trace(
            one.row.spec,
            keys.get(one.row.spec, ""),
            tuple((x, Interval(y, y, y)) for x, y in points(one)),
            strong=one is drawn[0],
        )
        for one in drawn
    )


def _shares(title: str, least: float = 0.0) -> Axis:
    """An axis of shares, from a round one up to 1."""
    low = int(10 * min(max(least, 0.0), 0.9)) / 10
    steps = 5 if low < 0.5 else 10
    first = int(low * steps + 1e-9)
    ticks = tuple((number / steps, figures.decimals(number / steps, 1)) for number in range(first, steps + 1))
    return Axis(title, ticks[0][0], 1.0, ticks)


def _signed(found: Interval | None) -> str:
    if found is None:
        return ""
    low, high = (figures.decimals(end, 2, signed=True) for end in (found.low, found.high))
    return f"{figures.decimals(found.value, signed=True)} [{low}, {high}]"
