"""Where rows differ: the three test examples that tell most about them, with what each row answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from advisor.cleaning import plain
from advisor.reporting import figures, statements
from advisor.reporting.blocks import Block, Detail, Details, Gap, Paragraph, section
from advisor.reporting.characters import shorten
from advisor.verdict import words
from advisor.verdict.cards import Card, CardAnswer
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


def differences(decision: Decision, found: Sequence[Card]) -> tuple[Block, ...]:
    """The section on them; nothing where no two rows are judged or all score alike everywhere.

    Args:
        found: all cards of the decision.
    """
    if len(decision.scores) < 2:
        return ()
    if not decision.comparison.texts:
        return section("Where rows differ", Paragraph((_NO_TEXTS,)))
    best = statements.best_row(decision)
    order = [*([best.spec] if best else []), *(row.spec for row in decision.rows)]
    told = telling(found, order[0])
    blocks: list[Block] = []
    for number, card in enumerate(told, start=1):
        asked = Paragraph((f"{number}. {_cut(card.input, _INPUT)}",), "strong")
        blocks += [*([Gap()] if number > 1 else []), asked, Details(_details(card, order), _COLUMNS)]
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


def _details(card: Card, order: Sequence[str]) -> tuple[Detail, ...]:
    """What is known of an example.

    Args:
        order: the best row, and all rows, best quality first.
    """
    given = {spec: card.answers[spec] for spec in order if spec in card.answers}
    wanted = words.listed([_cut(target, _TEXT) for target in card.targets[:_ROWS]])
    group = (Detail("group", _cut(card.group, _TEXT)),) if card.group else ()
    return (Detail("right", wanted), *group, *_answers(given), *_retrieved(given))


def _answers(given: Mapping[str, CardAnswer]) -> Iterator[Detail]:
    """The different answers, best first, with the rows that gave each; that of the best row is always among them."""
    by_text: dict[tuple[float, str], list[str]] = {}
    for spec, answer in given.items():
        by_text.setdefault((answer.score or 0.0, _said(answer)), []).append(spec)
    first, *others = by_text
    others.sort(key=lambda key: -key[0])
    if len(others) >= _ANSWERS:  # the best and the worst
        others = [*others[: (_ANSWERS - 1) // 2], *others[(_ANSWERS - 1) // 2 - _ANSWERS + 1 :]]
    shown = sorted([first, *others], key=lambda key: -key[0])
    for score, text in shown:
        yield Detail(figures.decimals(score), f"{text} - {_listed(by_text[score, text])}")
    if (rest := len(by_text) - len(shown)) > 0:
        yield Detail("", f"and {words.many(rest, 'other answer')}")


def _said(answer: CardAnswer) -> str:
    if answer.failure:
        return f"no answer ({_cut(answer.failure, _TEXT)})"
    return _cut(answer.text, _TEXT) or '""'


def _retrieved(given: Mapping[str, CardAnswer]) -> Iterator[Detail]:
    """The documents that were retrieved, the right ones marked."""
    by_found: dict[str, list[str]] = {}
    for spec, answer in given.items():
        every = [_cut(one.document, _DOCUMENT) + " (right)" * one.right for one in answer.passages]
        names = list(dict.fromkeys(every))
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
