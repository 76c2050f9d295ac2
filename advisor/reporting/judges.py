"""How far judges can be trusted, and what they make of each row, as blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from advisor.reporting import figures, statements
from advisor.reporting.blocks import (
    Block,
    Code,
    Column,
    Detail,
    Details,
    Only,
    Paragraph,
    Table,
    TableRow,
    Tone,
    section,
)
from advisor.tasks.power import LEVEL
from advisor.verdict import words
from advisor.verdict.agreement import Agreement
from advisor.verdict.cells import Interval
from advisor.verdict.correction import FEWEST, Corrected
from advisor.verdict.decision import Decision
from advisor.verdict.judge_cells import GRADES, JudgeReport

_HOW = (
    "A judge's grade is the mean of its scale under the probabilities that it gives the grades, where it tells "
    "likelihoods. Kappa is Cohen's, weighted quadratically; alpha is Krippendorff's for intervals. What was judged is "
    f"resampled by test example; intervals hold {1 - LEVEL:.0%}.",
    "Corrected means and differences are by prediction-powered inference (PPI++): the judge's grades of all answers, "
    "moved by how wrong they were where people graded, for each approach by itself. They rest on people having graded "
    "a random choice of the test examples.",
)


def judges(decision: Decision) -> tuple[Block, ...]:
    """The section on the judges; nothing without any."""
    found: list[Block] = []
    for one in decision.judges:
        found.append(Details(tuple(_details(one))))
        if one.rows:
            found.append(_pairs(decision, one) if _is_of_pairs(one) else _table(decision, one))
    return section("Judge", *found, Only("page", (Paragraph(_HOW),))) if found else ()


def _is_of_pairs(one: JudgeReport) -> bool:
    return all(row.difference is None for row in one.rows) and any(row.versus for row in one.rows)


def _details(one: JudgeReport) -> Iterator[Detail]:
    label = Code(one.metric)
    bad: Tone = "bad" if one.distrusted else ""
    trust = one.distrusted.removeprefix(f"{one.metric} ").rstrip(".")
    yield Detail(label, trust or f"judges better than chance, held against {_against(one)}", tone=bad)
    if one.agreement:
        yield Detail("agreement", _agreement(one.agreement), follows=True)
    if one.length:
        yield Detail("length", _length(one.length), follows=True)
    if one.position:
        share = _share(one.position)
        said = f"prefers what stands first in {share} of the pairs, 0.50 if it does not matter"
        yield Detail("position", said, follows=True)
    yield Detail("failures", f"{one.failures:,} of {words.many(one.answers, 'answer')} got no grade", follows=True)
    yield Detail("took", _took(one), follows=True)


def _against(one: JudgeReport) -> str:
    return one.against if one.against == GRADES else words.metric(one.against)


def _agreement(found: Agreement) -> str:
    parts = [
        f"{name} {_share(value)}"
        for name, value in (
            ("kappa", found.kappa),
            ("alpha", found.alpha),
            ("correlation", found.pearson),
            ("of ranks", found.spearman),
        )
    ]
    of = f"{words.many(found.n, 'answer')} to {words.many(found.examples, 'example')}"
    return f"{', '.join(parts)}; bias {_signed(found.bias)}; {of}"


def _length(found: Interval) -> str:
    shown = "likes long answers" if found.low > 0 else "likes short answers" if found.high < 0 else "no bias shown"
    return f"{shown}: its error correlates with length by {_share(found)}"


def _took(one: JudgeReport) -> str:
    """What the judge took, which no row is charged."""
    if one.asked is None:
        return "not recorded"
    calls = one.asked.calls.get("requests")
    parts = [
        f"{words.many(int(calls), 'call')}" if calls else "",
        f"{figures.count(one.asked.tokens)} tokens read here" if one.asked.tokens else "",
        figures.duration(one.asked.seconds) if one.asked.seconds is not None else "",
        figures.money(one.usd) if one.usd is not None else "cost unknown",
    ]
    return f"{one.asked.id}: {', '.join(filter(None, parts))}; no row is charged for it"


def _table(decision: Decision, one: JudgeReport) -> Table:
    """Each row as the judge has it, and corrected."""
    keys = statements.numbers(decision)
    columns = [_column(("", "judged"), [figures.quality(row.judged) for row in one.rows])]
    if one.grades:
        columns += [
            _column(("corrected", "by grades"), [_corrected(row.corrected) for row in one.rows]),
            _column(("judge less", "people"), [_signed(row.bias) for row in one.rows], 2),
            _column(("", "graded"), [str(row.corrected.graded) if row.corrected else "" for row in one.rows], 3),
        ]
    if any(row.share for row in one.rows):
        columns.append(_column(("share good", "corrected"), [_quality(row.share) for row in one.rows], 3))
    columns.append(_column(("to the best", "by the judge"), [_signed(row.difference) for row in one.rows], 1))
    if one.grades:
        cells = [_signed(row.corrected_difference.estimate) if row.corrected_difference else "" for row in one.rows]
        columns.append(_column(("the same", "corrected"), cells, note=_missing(one)))
    if any(row.failures for row in one.rows):
        columns.append(_column(("not", "graded"), [str(row.failures) for row in one.rows], 2))
    return Table(tuple(TableRow(Code(row.spec), keys.get(row.spec, "")) for row in one.rows), tuple(columns))


def _pairs(decision: Decision, one: JudgeReport) -> Table:
    """Win rates against the best rival."""
    keys = statements.numbers(decision)
    columns = (
        _column(
            ("", "win rate"),
            [figures.quality(row.judged) for row in one.rows],
            note="A pair on which the two orders disagree is a tie and counts a half.",
        ),
        _column(("", "against"), [row.versus for row in one.rows]),
        _column(("not", "judged"), [str(row.failures) for row in one.rows], 2),
    )
    return Table(tuple(TableRow(Code(row.spec), keys.get(row.spec, "")) for row in one.rows), columns)


def _column(title: tuple[str, str], cells: list[str], rank: int = 0, note: str = "") -> Column:
    return Column(title, cells, " ".join(title).strip(), rank=rank, left=True, note=note)


def _missing(one: JudgeReport) -> str:
    """Why cells are empty."""
    lacks = [row for row in one.rows if row.corrected is None or (row.versus and row.corrected_difference is None)]
    if not lacks:
        return ""
    return (
        f"Nothing is corrected by fewer than {FEWEST} grades, or where a row's answers are left out to questions of "
        "which others were graded; advisor grade writes those that are missing, but for controls."
    )


def _corrected(found: Corrected | None) -> str:
    return figures.quality(found.estimate) if found else ""


def _quality(found: Interval | None) -> str:
    return figures.quality(found) if found else ""


def _signed(found: Interval | None) -> str:
    if found is None:
        return ""
    low, high = (figures.decimals(end, 2, signed=True) for end in (found.low, found.high))
    return f"{figures.decimals(found.value, signed=True)} [{low}, {high}]"


def _share(found: Interval) -> str:
    value, low, high = (figures.decimals(each, 2) for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def as_json(one: JudgeReport) -> dict[str, object]:
    """A judge in `results.json`."""
    found = dataclasses.asdict(one)
    asked = found.pop("asked") or {}
    kept = {name: asked.get(name) for name in ("alias", "id", "revision", "seconds", "tokens", "calls")}
    trust = {"trusted": not one.distrusted, "why": one.distrusted or None}
    return {**found, "model": kept if asked else None, **trust}
