"""What tuning made the language model forget, in words."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.reporting import figures
from advisor.reporting.blocks import Block, Code, Detail, Details, Only, Paragraph, Tone, section
from advisor.tasks.power import LEVEL
from advisor.verdict import words
from advisor.verdict.cells import Forgotten, Interval, OtherScore
from advisor.verdict.decision import Decision

_HOW = (
    "Perplexity is per token of a general text that comes with Advisor, by the weights alone, without a prompt; beside "
    "it stands the tuned model's over the untuned one's, above 1 where the text became harder to predict. Other tasks "
    "are asked zero-shot, with the same prompts and decoding before and after; beside them stands the difference.",
    f"Intervals hold {1 - LEVEL:.0%}, over passages and over test examples, and are of these very trainings.",
)


def forgetting(decision: Decision) -> tuple[Block, ...]:
    """The section on it; nothing where it was not measured."""
    found = [detail for row in decision.rows if row.forgotten for detail in _details(row.spec, row.forgotten)]
    if not found:
        return ()
    return section("Forgetting: tuned against untuned weights", Details(tuple(found)), Only("page", (Paragraph(_HOW),)))


def _details(spec: str, known: Forgotten) -> Iterator[Detail]:
    label = Code(spec)
    if known.ratio:
        worse: Tone = "bad" if known.ratio.low > 1 and not _is_nothing(known.ratio.value - 1) else ""
        yield Detail(label, _of_text(known), _times(known.ratio), worse)
    for number, other in enumerate(known.others):
        tone: Tone = "bad" if other.difference.high < 0 and not _is_nothing(other.difference.value) else ""
        follows = bool(known.ratio) or number > 0
        yield Detail(label, _of_task(other), _signed(other.difference), tone, follows=follows)


def _of_text(known: Forgotten) -> str:
    ratio = known.ratio
    assert ratio is not None
    shown = "harder to predict" if ratio.low > 1 else "easier to predict" if ratio.high < 1 else "no change shown"
    if _is_nothing(ratio.value - 1):
        shown = "no easier, no harder to predict"
    before, after = (figures.decimals(value, 1) for value in (known.perplexity_before, known.perplexity_after))
    return f"general text {shown}: perplexity {before} untuned, {after} tuned"


def _of_task(other: OtherScore) -> str:
    low, high = other.difference.low, other.difference.high
    shown = "lost" if high < 0 else "gained" if low > 0 else "no change shown"
    if _is_nothing(other.difference.value):
        shown = "neither lost nor gained"
    before, after = (figures.decimals(value) for value in (other.before, other.after))
    examples = words.many(other.n, "example")
    return f"{other.name} {shown}: {words.metric(other.metric)} {before} untuned, {after} tuned, {examples}"


def _is_nothing(change: float) -> bool:
    """Whether a change is none as it is written, however sure its direction is."""
    return float(figures.decimals(change)) == 0


def _times(found: Interval) -> str:
    """A ratio, near 1 where little changed."""
    low, high = (figures.decimals(end) for end in (found.low, found.high))
    return f"x{figures.decimals(found.value)} [{low}, {high}]"


def _signed(found: Interval) -> str:
    low, high = (figures.decimals(end, 2, signed=True) for end in (found.low, found.high))
    return f"{figures.decimals(found.value, signed=True)} [{low}, {high}]"
