"""What is wrong with the answers of each row, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from advisor.cleaning import plain
from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Code, Column, Detail, Details, Only, Paragraph, Table, TableRow, section
from advisor.reporting.characters import shorten
from advisor.verdict.decision import Decision, Row
from advisor.verdict.errors import (
    ABSTAINED,
    FORMAT,
    KINDS,
    LABEL,
    MISS,
    NO_ANSWER,
    PARTLY,
    READER,
    RIGHT,
    UNANSWERABLE,
    WRONG,
    ErrorKind,
)

_ON_SCREEN = 6
"""Rows on a screen: the best ones, the chosen one among them."""
_CONFUSED = 3
"""Rows whose confusions a screen tells where there is nothing else to tell."""
_LABEL = 30  # columns
_TITLES = {
    NO_ANSWER: ("no", "answer"),
    FORMAT: ("bad", "format"),
    UNANSWERABLE: ("answered the", "unanswerable"),
    MISS: ("retrieval", "miss"),
    ABSTAINED: ("abstained", "wrongly"),
    LABEL: ("wrong", "label"),
    READER: ("wrong despite", "the passage"),
    WRONG: ("wrong", "answer"),
    PARTLY: ("partly", "right"),
}
_RANKS = {NO_ANSWER: 1, FORMAT: 1, PARTLY: 2}


def errors(decision: Decision) -> tuple[Block, ...]:
    """The section on errors; nothing where every answer is right."""
    rows = [row for row in decision.rows if row.quality and row.errors]
    if not rows:
        return ()
    few, kinds = _few(rows, decision), {one.name for row in rows for one in row.errors}
    more = [f"The other {len(rows) - len(few)} rows are on a page (--format html)."] if len(few) < len(rows) else []
    if len(kinds) > 1:
        screen: tuple[Block, ...] = (
            _table(few, decision, _count),
            Paragraph((*_meaning(rows), *_confused(few[:1]), *more)),
        )
    else:  # its number is what quality says already
        screen = (
            Paragraph((f"All answers that are not right are of one kind: {kinds.pop()}.", *_confused(few[:_CONFUSED]))),
        )
    page = (_table(rows, decision, _share), Paragraph((*_meaning(rows), _ORDER)), *_all_confused(rows))
    return section("Errors", Only("screen", screen), Only("page", page))


def _few(rows: Sequence[Row], decision: Decision) -> list[Row]:
    """The rows that a screen shows: the chosen one first, then the best ones that can be chosen."""
    chosen = decision.recommendation.approach
    ranked = sorted(rows, key=lambda row: (row.spec != chosen, row.control))
    return ranked[:_ON_SCREEN]


def _table(rows: Sequence[Row], decision: Decision, cell: Callable[[ErrorKind], str]) -> Table:
    keys = statements.numbers(decision)
    kinds = [kind for kind in KINDS if any(one.name == kind for row in rows for one in row.errors)]
    by_name = [{one.name: one for one in row.errors} for row in rows]
    columns = []
    for kind in kinds:
        nothing = ["-" if kind in (MISS, READER) and not row.retrieval else "0" for row in rows]
        cells = [cell(known[kind]) if kind in known else none for known, none in zip(by_name, nothing, strict=True)]
        columns.append(Column(_TITLES[kind], cells, kind, rank=_RANKS.get(kind, 0)))
    return Table(tuple(TableRow(Code(row.spec), keys.get(row.spec, "")) for row in rows), tuple(columns))


def _count(kind: ErrorKind) -> str:
    """How many, the mean over seeds."""
    return _amount(kind.count)


def _share(kind: ErrorKind) -> str:
    return figures.quality(kind.share)


def _meaning(rows: Sequence[Row]) -> Iterator[str]:
    n = figures.count(rows[0].n)
    partly = any(one.name == PARTLY for row in rows for one in row.errors)
    yield f"Of {n} test examples the answers that are not fully right, each under the first kind that applies."
    if partly:
        yield f"Partly right: the answer scores {RIGHT:g} or more, but not 1; what scores less is an error."


_ORDER = (
    "Shares of all test examples with 95 % intervals. A retrieval miss is a question with known evidence of which "
    "nothing reached the prompt; a format failure an answer that is empty, no label, no JSON or a loop of words, as "
    "the task has it."
)


def _confused(rows: Sequence[Row]) -> Iterator[str]:
    """The labels that a row confuses most, in a sentence."""
    for row in rows:
        pairs = [pair for one in row.errors for pair in one.pairs]
        if pairs:
            yield f"{row.spec} most often gives {_pairs(pairs)}."


def _all_confused(rows: Sequence[Row]) -> Iterator[Block]:
    found = [(row.spec, [pair for one in row.errors for pair in one.pairs]) for row in rows]
    details = tuple(Detail(Code(spec), f"gives {_pairs(pairs)}") for spec, pairs in found if pairs)
    if details:
        yield Paragraph(("Labels most often confused:",))
        yield Details(details)


def _pairs(pairs: Sequence[tuple[str, str, float]]) -> str:
    return ", ".join(f"{_label(given)} for {_label(true)} ({_amount(count)})" for true, given, count in pairs)


def _amount(count: float) -> str:
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


def _label(text: str) -> str:
    return shorten(plain(text), _LABEL) or '""'
