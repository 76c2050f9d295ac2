"""How often the better answer is the likelier one, in words."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.reporting import figures
from advisor.reporting.blocks import Block, Code, Detail, Details, Only, Paragraph, Tone, section
from advisor.tasks.power import LEVEL
from advisor.verdict import words
from advisor.verdict.cells import Preferring
from advisor.verdict.decision import Decision

_HOW = (
    "Preference accuracy is the share of the held-out pairs of which a row, with its own prompt and weights, finds the "
    "chosen answer likelier than the rejected one: whole answers, by the sum of their tokens' log-probabilities, "
    "whatever their lengths and without a reference model. No pair about those inputs was trained on.",
    f"Intervals hold {1 - LEVEL:.0%}. Differences are paired, to the row with one tuner fewer.",
)


def preferences(decision: Decision) -> tuple[Block, ...]:
    """The section on it; nothing where it was not measured."""
    found = [detail for row in decision.rows if row.preferring for detail in _details(row.spec, row.preferring)]
    if not found:
        return ()
    return section("Preferences: held-out accuracy", Details(tuple(found)), Only("page", (Paragraph(_HOW),)))


def _details(spec: str, known: Preferring) -> Iterator[Detail]:
    found = known.accuracy
    low, high = figures.decimals(found.low, 2), figures.decimals(found.high, 2)
    of = f"{figures.decimals(found.value, 2)} [{low}, {high}] of {words.many(known.n, 'pair')}"
    if known.difference is None:
        yield Detail(Code(spec), f"prefers the chosen answer in {of}")
        return
    low, high = (figures.decimals(end, 2, signed=True) for end in (known.difference.low, known.difference.high))
    tone: Tone = "bad" if known.difference.high < 0 else ""
    shown = "more" if known.difference.low > 0 else "less" if known.difference.high < 0 else "no change shown"
    value = figures.decimals(known.difference.value, 2, signed=True)
    versus = f"{value} [{low}, {high}] against {known.versus}: {shown}"
    yield Detail(Code(spec), f"prefers the chosen answer in {of}", versus, tone)
