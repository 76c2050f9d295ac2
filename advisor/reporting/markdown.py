"""Reports in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from advisor.cleaning import plain
from advisor.reporting.blocks import (
    Block,
    Bullets,
    Code,
    Conclusion,
    Detail,
    Details,
    Heading,
    Issue,
    Item,
    Link,
    Numbered,
    Paragraph,
    Remarks,
    Report,
    Table,
    TableRow,
    Words,
)
from advisor.reporting.interactive import CostExplorer
from advisor.reporting.pictures import Figure, Forest, Lines, Scatter
from advisor.reporting.plot import plot

_FOLDED = ("How it was trained", "Costs", "Notes", "Method", "Setup")
"""Sections that are folded where Markdown is shown as GitHub and GitLab do."""
_ACTIVE = re.compile(r"([\\`*\[\]<>|~$&#@!])|(?<![^\W_])_|_(?![^\W_])")
"""Marks with a meaning; an underscore inside a word has none."""
_ACTIVE_IN_FIGURES = re.compile(r"[\\`*|&#@!]|\](?=[\[(:])|<(?=[A-Za-z/!?])|\$(?!\d)|~(?!$)|(?<![^\W_])_|_(?![^\W_])")
"""Those of them that act in a cell of a table: `[0.51, 0.71]`, `$0.0042`, `<0.001` and a last `~` stand as they are."""


def markdown(report: Report, /, *, width: int, color: bool) -> str:
    """The report with its conclusion first; all text from the user is shown literally.

    Args:
        width, color: properties of a screen, ignored here.
    """
    blocks = sorted(report.shown_on("page"), key=lambda block: not isinstance(block, Conclusion))
    parts = [f"# {text(report.title)}", *_under_headings(blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _under_headings(blocks: Iterable[Block]) -> Iterator[str]:
    """The blocks in order; a heading below which nothing stands is left out, and what few read is folded."""
    title, inside = "", list[str]()
    for block in blocks:
        if isinstance(block, Heading):
            yield from _section(title, inside)
            title, inside = block.title, []
        else:
            inside += filter(None, _parts(block))
    yield from _section(title, inside)


def _section(title: str, inside: list[str]) -> Iterator[str]:
    if title and inside:
        yield f"## {text(title)}"
    folded = bool(inside) and title in _FOLDED
    yield from ["<details><summary>show</summary>", *inside, "</details>"] if folded else inside


def text(words: str) -> str:
    """The words with all Markdown and HTML markup escaped."""
    return _ACTIVE.sub(lambda found: "\\" + found[0], plain(words))


def code(words: str) -> str:
    """The words as inline code that is also safe in a table."""
    words = plain(words)
    if not words:
        return ""
    if "|" in words or "<" in words:
        return text(words)
    fence = "`" * (max(map(len, re.findall("`+", words)), default=0) + 1)
    space = " " if "`" in words else ""
    return f"{fence}{space}{words}{space}{fence}"


def _parts(block: Block) -> Iterator[str]:
    """The block as paragraphs, lists and tables of Markdown."""
    match block:
        case Paragraph():
            yield _paragraph(block)
        case Bullets():
            yield _list(map(text, block.statements))
        case Numbered():
            yield "\n".join(f"{number}. {_item(item)}" for number, item in enumerate(block.items, start=1))
        case Details():
            yield _list(map(_detail, block.details))
        case Remarks():
            yield _list(f"{_words(remark.name)}: {' '.join(map(_ended, remark.notes))}" for remark in block.remarks)
        case Conclusion():
            yield from _conclusion(block)
        case Issue():
            yield _issue(block)
        case Table():
            yield from _table(block)
        case Scatter() | Forest():
            yield text(block.instead)
        case Figure():
            yield _plotted(block)
        case Lines(plain=Figure() as plain):
            yield _plotted(plain)
        case CostExplorer() if block.points:
            yield _list(map(text, block.points))


def _plotted(figure: Figure) -> str:
    return "\n".join(["```text", *plot(figure), "```"])


def _words(words: Words) -> str:
    if isinstance(words, Link):
        return f"[{text(words.text)}](<{quote(words.target)}>)"
    return code(words.text) if isinstance(words, Code) else text(words)


def _figures(words: str) -> str:
    return _ACTIVE_IN_FIGURES.sub(lambda found: "\\" + found[0], plain(words))


def _paragraph(block: Paragraph) -> str:
    """The paragraph; several sentences each end with a full stop, so that they do not run together."""
    many = len(block.sentences) > 1
    words = " ".join(map(_ended, block.sentences)) if many else "".join(map(text, block.sentences))
    return f"**{words}**" if words and block.tone in ("strong", "good") else words


def _ended(sentence: str) -> str:
    return text(sentence) + ("" if sentence.endswith((".", "!", "?", ":")) else ".")


def _item(item: Item) -> str:
    if not isinstance(item.below, str):
        return f"{text(item.text)} {_words(item.below)}".rstrip()
    return f"{text(item.text)} ({text(item.below)})" if item.below else text(item.text)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _detail(detail: Detail) -> str:
    figure = f"{_figures(detail.figure)}. " if detail.figure else ""
    return f"{_words(detail.label)}: {figure}{text(detail.text)}" if detail.label else figure + text(detail.text)


def _conclusion(block: Conclusion) -> Iterator[str]:
    """The statement, what is added to it, and its reasons as a list, which is read in a pull request at a glance."""
    yield f"**{text(block.statement)}**"
    yield text(block.addition)
    for argument in block.arguments:
        if argument.sentences:
            title = f"{text(argument.title)}:\n\n" if argument.title else ""
            yield title + _list(map(text, argument.sentences))


def _issue(block: Issue) -> str:
    more = [f"and {block.more:,} more"] if block.more else []
    below = [f"try: {text(block.fix)}", *(": ".join(filter(None, map(text, place))) for place in block.places), *more]
    head = f"- **{text(block.grade)}**: {_ended(block.what)} {text(block.meaning)}"
    return "\n".join([head, *(f"  - {line}" for line in below)])


def _table(table: Table) -> Iterator[str]:
    """The table; rows without figures stand below it with the reason, and so do remarks on others."""
    columns = [column for column in table.columns if column.on != "screen" and any(map(_joined, column.cells))]
    keyed = [""] if any(row.key for row in table.rows) else []
    rows = []
    for place, row in enumerate(table.rows):
        cells = [_joined(column.cells[place]) for column in columns]
        if any(cells):
            rows.append([*([row.key or ""] if keyed else []), _named(row), *map(_figures, cells)])
    titles = [" ".join(column.title).strip() if column.heading is None else column.heading for column in columns]
    left = [True] * (len(keyed) + 1) + [column.left for column in columns]
    if rows:
        rule = [":--" if aligned else "--:" for aligned in left]
        found = [[*keyed, text(table.names.title), *map(_figures, titles)], rule, *rows]
        yield "\n".join(f"| {' | '.join(cells)} |" for cells in found)
        yield from (text(column.note) for column in columns if column.note)
    yield from (text(f"{sign.meaning}.") for sign in table.legend if sign.on != "screen")
    below = [f"{_words(row.name)} {text(row.remark)}" for row in table.rows if row.remark]
    below += [f"{_words(row.name)} {text(row.instead)}" for row in table.rows if row.instead]
    yield _list(below)


def _joined(cell: str | tuple[str, ...]) -> str:
    return cell if isinstance(cell, str) else " ".join(filter(None, cell))


def _named(row: TableRow) -> str:
    status = text(row.status)
    return _words(row.name) + (f" ({f'**{status}**' if row.tone == 'good' else status})" if status else "")
