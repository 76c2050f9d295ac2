"""How far confidences can be believed, and what the surest answers are worth: tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Code, Column, Gap, Names, Paragraph, Table, TableRow, section
from advisor.verdict import words
from advisor.verdict.calibration import Calibration
from advisor.verdict.cells import Interval
from advisor.verdict.coverage import Coverage
from advisor.verdict.decision import Decision, Row


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
    return section(
        "Calibration",
        _table(decision, found),
        Paragraph((_errors(found),)),
        Gap(),
        Paragraph((f"Reliability of {chosen.row.spec}, in bins of as many answers each:",)),
        _reliability(chosen.calibration),
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
        (("mean", "risk"), lambda one: one.coverage.area, 4),
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
    metric = words.metric_of_answers(decision.comparison.task.metric)
    surest = (
        f"The quality of the surest {share} is the {metric} of the answers to {share} of the questions, those with the "
        "highest confidence."
    )
    columns[-2], columns[-1] = replace(columns[-2], note=surest), replace(columns[-1], note=_RISK)
    return Table(tuple(TableRow(Code(one.row.spec), keys.get(one.row.spec, "")) for one in found), tuple(columns))


_NOTE = (
    "The calibration error is the mean distance of confidence and share right, in bins of as many answers each, "
    "corrected for what chance alone makes of it; its interval begins at 0 where no error is shown."
)
_RISK = (
    "Risk is 1 - quality; its mean is over all shares of the questions that may be answered, the surest first (the "
    "area under the risk-coverage curve): less is better."
)


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


def _signed(found: Interval | None) -> str:
    if found is None:
        return ""
    low, high = (figures.decimals(end, 2, signed=True) for end in (found.low, found.high))
    return f"{figures.decimals(found.value, signed=True)} [{low}, {high}]"
