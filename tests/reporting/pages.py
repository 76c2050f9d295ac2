"""Decisions for pages: hostile texts, twelve rows; and what a parser finds in a page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

from advisor.verdict.cells import Interval
from advisor.verdict.decision import Cost, Decision, LatencySummary, Recommendation, Row, Versus
from advisor.verdict.race import Entrant, Race

VOID = {"meta", "link", "br", "hr", "wbr", "img", "input"}
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
LONG_WORD = "donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 4
TURNED = "שלום \u202eevil\u202c مرحبا"
SPECS = (
    "few-shot:k=8,select=nearest+lora:rank=16,lr=0.0002,targets=all-linear",
    "rag:k=3,chunk=120,search=hybrid+lora:rank=16",
    *("rag:k=3", "rag:k=10", "lora", "lora:dora=true", "prefix", "few-shot:k=4", "few-shot:k=16", "zero-shot"),
    *("oracle", "majority"),
)


def twelve(decision: Decision) -> Decision:
    """Twelve rows close to each other, a control among them, and a race of five."""
    like = next(row for row in decision.rows if row.quality and row.versus_best)
    rows = tuple(_row(like, number, spec) for number, spec in enumerate(SPECS))
    choice = replace(decision.recommendation, approach=SPECS[0], decided=False, alternatives=SPECS[1:4])
    return replace(decision, rows=rows, recommendation=choice, race=race())


def _row(like: Row, number: int, spec: str) -> Row:
    value = 0.81 - 0.012 * number - (0.3 if number > 8 else 0)
    versus = (
        Versus(value - 0.81, value - 0.9, value - 0.74, 0.01 if number > 5 else 0.4, number > 5) if number else None
    )
    per_1k = 0.004 * (1 + (number * 7 % 12) / 6)
    return replace(
        like,
        spec=spec,
        control=spec in ("oracle", "majority"),
        uses_model=spec != "majority",
        violations=(),
        quality=Interval(value, value - 0.04, value + 0.035),
        n=500,
        group="ab" if number < 6 else "c",
        versus_best=versus,
        cost=Cost(0.01 * number, per_1k, 12.0 + number, 1.0, 300.0, 1, per_1k * 0.95, per_1k * 1.08),
        latency=LatencySummary(
            80 + 12 * number, 140 + 20 * number, 30, 40, 70 + 12 * number, 99 + 12 * number, 120, 300
        ),
    )


def race() -> Race:
    """A race of five, of which two left before its end."""
    entrants = (
        Entrant(SPECS[0], "winner", 120, 0.81, seconds=40.0),
        Entrant(SPECS[2], "finalist", 120, 0.79, seconds=31.0),
        Entrant("lora", "beaten", 80, 0.7, None, None, SPECS[0], 60.0, -0.1, 64, 55.0, 90.0),
        Entrant("zero-shot", "beaten", 32, 0.5, None, None, SPECS[0], 90.0, -0.3, 32, 12.0, 31.0),
        Entrant("prefix", "no time", expected=0.6),
    )
    return Race(
        *(180.0, None, 120.0, 40.0, "certain", "train", 120, 240, 0.05, 0.02, 4, "mean score", 0.05, SPECS[0], entrants)
    )


def with_reasons(decision: Decision, reasons: tuple[str, ...]) -> Decision:
    """The same for other reasons."""
    return replace(decision, recommendation=replace(decision.recommendation, reasons=reasons))


def hostile(decision: Decision) -> Decision:
    """Every text that comes from outside holds markup, a very long word, or turns its direction."""
    comparison = decision.comparison
    evil = f"{MARKUP} </script> {TURNED}"
    task = replace(comparison.task, name=f"{evil} \x1b[31mred", caveats=(evil, LONG_WORD))
    model = replace(comparison.model, id=f"org/{LONG_WORD}", caveats=(evil,))
    specs = [f"rag:note={MARKUP}", f"lora:name={LONG_WORD}", f'few-shot:x="{TURNED}"']
    rows = [replace(row, spec=spec, notes=(evil, LONG_WORD)) for row, spec in zip(decision.rows, specs, strict=False)]
    failed = [replace(row, error=f"{evil} {LONG_WORD}") for row in decision.rows if row.status == "failed"]
    choice = Recommendation(specs[1], False, (specs[0],), None, (evil, LONG_WORD), (evil,), (evil,), (TURNED,))
    found = replace(comparison, task=task, model=model, versions={"x": evil})
    return replace(decision, comparison=found, rows=(*rows, *failed), recommendation=choice, break_even=(), prices=evil)


@dataclass
class Element:
    """One element of a page, with the names of those around it."""

    name: str
    attributes: dict[str, str]
    around: tuple[str, ...]
    text: str = ""
    children: list[str] = field(default_factory=list)


class Parsed(HTMLParser):
    """All elements of a page in order; an element that is closed wrongly is an error."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(page)
        self.close()
        assert not self._open, [element.name for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs}, tuple(one.name for one in self._open))
        assert len(element.attributes) == len(attrs), f"an attribute of {tag} is given twice"
        if self._open:
            self._open[-1].children.append(tag)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].name == tag, f"</{tag}> closes {[one.name for one in self._open]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, *names: str) -> list[Element]:
        """The elements of these names, in order."""
        return [element for element in self.elements if element.name in names]
