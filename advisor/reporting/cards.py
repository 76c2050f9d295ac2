"""Where rows differ: the three test examples that tell most about them, with what each row answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.cleaning import plain
from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Detail, Details, Gap, Paragraph, section
from advisor.reporting.characters import shorten
from advisor.verdict import words
from advisor.verdict.cards import Card, CardAnswer, cards
from advisor.verdict.decision import Decision

_CARDS = 3
_ANSWERS = 4
"""Different answers to an example."""
_ROWS = 3
"""Rows named beside an answer."""
_INPUT, _TEXT, _DOCUMENT = 240, 120, 30  # columns
_PASSAGES = 5
_NO_TEXTS = (
    "Inputs and passages were left out of the records (--no-texts), so that the examples on which rows differ cannot "
    "be shown."
)
_COLUMNS = 11  # of the labels


def differences(decision: Decision) -> tuple[Block, ...]:
    """The section on them; nothing where no two rows are judged or all score alike everywhere."""
    if len(decision.scores) < 2:
        return ()
    if not decision.comparison.texts:
        return section("Where rows differ", Paragraph((_NO_TEXTS,)))
    best = statements.best_row(decision)
    told = telling(cards(decision.comparison, decision.scores), best.spec if best else "")
    blocks: list[Block] = []
    for number, card in enumerate(told, start=1):
        blocks += [Gap()] if number > 1 else []
        blocks += [Paragraph((f"{number}. {_cut(card.input, _INPUT)}",), "strong"), Details(_details(card), _COLUMNS)]
    return section("Where rows differ", *blocks)


def telling(found: Sequence[Card], best: str) -> list[Card]:
    """The cards that tell most: on which rows differ most, one where the best row fails and one where it alone does not
    among them, if there are such.

    Args:
        found: all cards, those on which rows differ most first.
    """
    differing = [card for card in found if card.spread > 0]
    above = [(card, _above(card, best)) for card in differing if best in card.answers]
    picked = [max(above, key=lambda pair: sign * pair[1])[0] for sign in (-1, 1)] if above else []
    every = {card.id: card for card in (*picked, *differing[:_CARDS])}
    return list(every.values())[:_CARDS]


def _above(card: Card, best: str) -> float:
    """How much higher the best row scores than the others on average."""
    others = [answer.score or 0.0 for spec, answer in card.answers.items() if spec != best]
    return (card.answers[best].score or 0.0) - sum(others) / max(1, len(others))


def _details(card: Card) -> tuple[Detail, ...]:
    wanted = words.listed([_cut(target, _TEXT) for target in card.targets[:_ROWS]])
    found = [Detail("right", wanted)]
    if card.group:
        found.append(Detail("group", _cut(card.group, _TEXT)))
    return (*found, *_answers(card), *_retrieved(card))


def _answers(card: Card) -> Iterator[Detail]:
    """The different answers, best first, with the rows that gave each."""
    by_text: dict[tuple[float, str], list[str]] = {}
    for spec, answer in card.answers.items():
        by_text.setdefault((answer.score or 0.0, _said(answer)), []).append(spec)
    ranked = sorted(by_text.items(), key=lambda item: -item[0][0])
    if len(ranked) > _ANSWERS:  # the best and the worst
        ranked = [*ranked[: _ANSWERS // 2], *ranked[-(_ANSWERS - _ANSWERS // 2) :]]
    for (score, text), specs in ranked:
        yield Detail(figures.decimals(score), f"{text} - {_listed(specs)}")
    if (rest := len(by_text) - len(ranked)) > 0:
        yield Detail("", f"and {words.many(rest, 'other answer')}")


def _said(answer: CardAnswer) -> str:
    if answer.failure:
        return f"no answer ({_cut(answer.failure, _TEXT)})"
    return _cut(answer.text, _TEXT) or '""'


def _retrieved(card: Card) -> Iterator[Detail]:
    """The documents that were retrieved, the right ones marked."""
    by_found: dict[str, list[str]] = {}
    for spec, answer in card.answers.items():
        names = [
            f"{_cut(one.document, 30)} (right)" if one.right else _cut(one.document, 30) for one in answer.passages
        ]
        names = list(dict.fromkeys(names))
        more = [f"{len(names) - _PASSAGES} more"] if len(names) > _PASSAGES else []
        if names:
            by_found.setdefault(words.listed([*names[:_PASSAGES], *more]), []).append(spec)
    for text, specs in list(by_found.items())[:2]:
        yield Detail("retrieved", f"{text} - by {_listed(specs)}")


def _listed(specs: Sequence[str]) -> str:
    more = [f"{len(specs) - _ROWS} more"] if len(specs) > _ROWS else []
    return words.listed([*specs[:_ROWS], *more])


def _cut(text: str, width: int) -> str:
    return shorten(plain(text), width)
