"""The blocks of a report as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from advisor.reporting.blocks import (
    Argument,
    Block,
    Bullets,
    Conclusion,
    Detail,
    Details,
    Issue,
    Item,
    Numbered,
    Paragraph,
    Remark,
    Remarks,
    Table,
    Tone,
)
from advisor.reporting.html.forest_chart import forest_chart, stays_chart
from advisor.reporting.html.lines_chart import lines_chart
from advisor.reporting.html.markup import code, listed, prose, tag, text, written
from advisor.reporting.html.scatter_chart import scatter_chart
from advisor.reporting.html.table import table
from advisor.reporting.pictures import Figure, Forest, Lines, Scatter, Stays
from advisor.reporting.plot import plot

_REASONS = 3
"""Reasons that are shown at once."""
_LONG = 140
"""Characters of a statement from which it is set smaller."""
_SIGNS: dict[Tone, str] = {"good": "✓", "bad": "✗", "grave": "✗", "doubtful": "?", "warning": "!"}
"""What says the same as the colour of a tone."""


def rendered(block: Block, title: str, name: str) -> str:
    """The block as HTML.

    Args:
        title: that of its section, for what has none of its own.
        name: an id that no other block of the page has.
    """
    match block:
        case Paragraph():
            return _paragraph(block)
        case Bullets():
            return listed(map(prose, block.statements))
        case Numbered():
            return tag("ol", "".join(map(_item, block.items)))
        case Details():
            return _details(block)
        case Remarks():
            return tag("dl", "".join(map(_remark, block.remarks)), "remarks")
        case Conclusion():
            return "\n".join(_conclusion(block))
        case Issue():
            return _issue(block)
        case Table():
            return table(block, title)
        case Scatter():
            return scatter_chart(block, name)
        case Forest():
            return forest_chart(block, name)
        case Lines():
            return lines_chart(block, name)
        case Stays():
            return stays_chart(block, name)
        case Figure():
            return tag("pre", escape("\n".join(plot(block))), "plot")
    return ""


def _ended(sentence: str) -> str:
    return prose(sentence) + ("" if sentence.endswith((".", "!", "?", ":")) else ".")


def _paragraph(block: Paragraph) -> str:
    """The paragraph; several sentences each end with a full stop, so that they do not run together."""
    sentences = [sentence for sentence in block.sentences if sentence]
    words = " ".join(map(_ended, sentences)) if len(sentences) > 1 else "".join(map(prose, sentences))
    return tag("p", words, block.tone) if words else ""


def _item(item: Item) -> str:
    below = tag("div", written(item.below), "below") if item.below else ""
    return tag("li", prose(item.text) + below)


def _details(block: Details) -> str:
    """Labels with what belongs to them; details that go on stand below each other."""
    groups: list[list[Detail]] = []
    for detail in block.details:
        if groups and (detail.follows or not detail.label):
            groups[-1].append(detail)
        else:
            groups.append([detail])
    return tag("dl", "".join(map(_group, groups)), "facts")


def _group(details: Sequence[Detail]) -> str:
    return tag("div", tag("dt", written(details[0].label)) + "".join(map(_detail, details)))


def _detail(detail: Detail) -> str:
    figure = tag("span", text(detail.figure), "figure") if detail.figure else ""
    return tag("dd", f"{figure} <span>{_sign(detail.tone)}{prose(detail.text)}</span>".strip(), detail.tone)


def _sign(tone: Tone) -> str:
    return f'<span aria-hidden="true">{_SIGNS[tone]}</span> ' if tone in _SIGNS else ""


def _remark(remark: Remark) -> str:
    key = tag("span", text(remark.key), "key") + " " if remark.key else ""
    notes = "".join(tag("dd", prose(note)) for note in remark.notes)
    return tag("div", tag("dt", key + code(remark.name.text)) + notes)


def _conclusion(block: Conclusion) -> Iterator[str]:
    """The statement large, and below it its reasons beside what speaks against it."""
    settled = block.tone == "good"
    sign, word = ("✓", "Decided") if settled else ("?", "Open")
    certainty = tag("p", f'<span aria-hidden="true">{sign}</span> {word}', "certainty")
    addition = tag("p", prose(block.addition)) if block.addition else ""
    long = " long" if len(block.statement) > _LONG else ""
    statement = tag("p", prose(block.statement), "statement" + long)
    yield tag("div", certainty + statement + addition, f"verdict {'settled' if settled else 'open'}")
    yield tag("div", "".join(_argument(one) for one in block.arguments if one.sentences), "arguments")


def _argument(argument: Argument) -> str:
    """Its sentences; of many the first few, and the others behind a button."""
    title = argument.title or argument.label.capitalize()
    shown, more = argument.sentences[:_REASONS], argument.sentences[_REASONS:]
    rest = tag("details", tag("summary", f"{len(more)} more") + listed(map(prose, more))) if more else ""
    return tag("div", tag("h3", text(title)) + listed(map(prose, shown)) + rest, "argument")


def _issue(block: Issue) -> str:
    grade = tag("span", _sign(block.tone) + text(block.grade), f"badge {block.tone}")
    places = [code(place) + (f' <span dir="auto">{text(what)}</span>' if what else "") for place, what in block.places]
    if block.more:
        places.append(f"and {block.more:,} more")
    fix = f"<p><b>Try:</b> {prose(block.fix)}</p>"
    below = listed(places, "places") if places else ""
    return tag("div", tag("h3", f"{grade} {text(block.what)}") + tag("p", prose(block.meaning)) + fix + below, "issue")
