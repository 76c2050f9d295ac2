"""The examples, through which the script of the page looks: what of their texts the page has room for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from advisor.cleaning import plain, unmarked
from advisor.reporting.html.markup import data, tag, text
from advisor.reporting.interactive import Browser
from advisor.verdict import words
from advisor.verdict.cards import Card, CardAnswer

ROOM = 1_200_000
"""Bytes of a page that its examples may take."""
_CUTS = (20_000, 8_000, 4_000, 2_000, 1_000, 700, 500, 350, 250, 150, 80, 40)
"""Characters of a text that stay, the most for which there is room; passages are cut before other texts are."""
_LEAST = 350  # characters of passages that go before other texts do


class StoredTexts:
    """Every text once, by its place; longer ones without their ends."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, bool], int] = {}
        self._seen: dict[tuple[str, bool], int] = {}  # as they came

    def place(self, whole: str, passage: bool = False) -> int:
        """The place of a text, of which control characters and marks of direction are left out."""
        if (whole, passage) not in self._seen:
            plain = "\n".join(map(unmarked, whole.split("\n")))
            self._seen[whole, passage] = self._places.setdefault((plain, passage), len(self._places))
        return self._seen[whole, passage]

    def stored(self, room: int) -> tuple[list[str | list[Any]], int]:
        """The texts by place, a cut one with the number of characters that are left out; and how many of these."""
        sizes = [(len(whole), _bytes(whole), passage) for whole, passage in self._places]
        passages, others = next(((p, o) for p, o in _ladder() if _taken(sizes, p, o) <= room), (_CUTS[-1], _CUTS[-1]))
        found: list[str | list[Any]] = []
        for whole, passage in self._places:
            most = passages if passage else others
            found.append([whole[:most], len(whole) - most] if len(whole) > most else whole)
        return found, sum(isinstance(one, list) for one in found)


def _ladder() -> Iterable[tuple[int, int]]:
    """How far passages and other texts are cut, the longest first."""
    yield from ((most, _CUTS[0]) for most in _CUTS if most >= _LEAST)
    yield from ((min(most, _LEAST), most) for most in _CUTS[1:])


def _taken(sizes: Sequence[tuple[int, int, bool]], passages: int, others: int) -> int:
    """Bytes of all texts, each cut."""
    return sum(
        size if length <= (most := passages if passage else others) else size * most // length + 8
        for length, size, passage in sizes
    )


def _bytes(whole: str) -> int:
    return len(json.dumps(whole)) + 5 * sum(map(whole.count, "<>&")) + 1


def browser(block: Browser) -> str:
    """What the script fills, and the data."""
    if block.why_not:
        return tag("p", text(block.why_not), "note")
    found, left_out = values(block)
    cut = f" Ends of {words.many(left_out, 'longer text')} are not in this page." if left_out else ""
    return (
        f"{data(found, 'examples-data')}"
        f'<div id="examples-browser" class="browser"><p class="note">All {len(block.cards):,} test examples can be '
        "looked through where this page may run its script.</p></div>"
        f'<p class="note">Answers are those of the first seed; examples on which rows differ most come first.{cut}</p>'
    )


def values(block: Browser) -> tuple[dict[str, Any], int]:
    """The examples as JSON values, and how many of their texts are cut."""
    texts, documents = StoredTexts(), StoredTexts()
    cards = [_card(card, block, texts, documents) for card in block.cards]
    rest = len(json.dumps(cards, separators=(",", ":")))
    stored, left_out = texts.stored(max(0, ROOM - rest))
    found = {
        "rows": block.rows,
        "metric": block.metric,
        "graded": block.graded,
        "right_from": block.right_from,
        "texts": stored,
        "documents": documents.stored(ROOM)[0],
        "cards": cards,
        "parts": _parts(block),
    }
    return found, left_out


def _parts(block: Browser) -> list[dict[str, Any]]:
    places = {card.id: place for place, card in enumerate(block.cards)}
    return [
        {"by": part.by, "name": plain(part.name), "places": sorted(places[one] for one in part.ids if one in places)}
        for part in block.parts
    ]


def _card(card: Card, block: Browser, texts: StoredTexts, documents: StoredTexts) -> list[Any]:
    """Its id, input, right answers, group, and the answers by row."""
    return [
        card.id,
        texts.place(card.input),
        [texts.place(target) for target in card.targets],
        plain(card.group),
        [_answer(card.answers[row], texts, documents) for row in block.rows],
    ]


def _answer(found: CardAnswer, texts: StoredTexts, documents: StoredTexts) -> list[Any]:
    """Its text, score, confidence, failure, and passages: document, text, whether right, whether shown."""
    passages = [
        [documents.place(one.document), texts.place(one.text, True), int(one.right), int(one.shown)]
        for one in found.passages
    ]
    told = [texts.place(found.text), _short(found.score), _short(found.confidence)]
    return [*told, found.failure, passages] if passages else [*told, found.failure] if found.failure else told


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
