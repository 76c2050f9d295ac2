"""Checks for personal data; everything shown is masked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from advisor.tasks.findings import SHOWN, Finding, sights
from advisor.tasks.material import Material
from advisor.tasks.personal import Datum, Sort, can_find_names, mask, masked, names, personal_data
from advisor.tasks.task import Place

_REACH = 25  # characters shown on either side
_MANY = 0.01
_NAMED = 500  # texts that are searched for names, which takes ten milliseconds each
_NOUNS: dict[Sort, str] = {
    "email": "e-mail addresses",
    "phone": "telephone numbers",
    "card": "payment card numbers",
    "iban": "bank account numbers",
    "name": "names of persons",
}


def privacy(material: Material) -> Iterator[Finding]:
    """Find personal data in inputs, answers and documents: one finding for each kind."""
    texts = [(entry.place, f"{entry.example.input}\n{entry.example.target}") for entry in material.entries]
    texts += [(page.place, page.document.text) for page in material.pages]
    found: dict[Sort, list[tuple[list[Place], str]]] = defaultdict(list)
    for place, text in texts:
        _note(found, place, text, personal_data(text, material.language))
    yield from (_finding(sort, seen, len(texts)) for sort, seen in found.items())
    if material.language != "en" or not can_find_names():
        return
    searched = texts[:: max(1, -(-len(texts) // _NAMED))]
    with_names: dict[Sort, list[tuple[list[Place], str]]] = defaultdict(list)
    for (place, text), persons in zip(searched, names([text for _, text in searched]), strict=True):
        _note(with_names, place, text, persons)
    yield from (_finding(sort, seen, len(searched)) for sort, seen in with_names.items())


def _note(found: dict[Sort, list[tuple[list[Place], str]]], place: Place, text: str, data: Sequence[Datum]) -> None:
    """Record the first occurrence of each kind in a text."""
    for datum in {datum.sort: datum for datum in reversed(data)}.values():
        seen = found[datum.sort]
        seen.append(([place], _around(text, datum) if len(seen) < SHOWN else ""))


def _around(text: str, datum: Datum) -> str:
    """The masked value with its surrounding text, which is masked before it is cut."""
    left, right = masked(text[: datum.start]), masked(text[datum.end :])
    before = left if len(left) <= _REACH else f"...{left[-_REACH:]}"
    after = right if len(right) <= _REACH else f"{right[:_REACH]}..."
    return before + mask(datum.sort, text[datum.start : datum.end]) + after


def _finding(sort: Sort, seen: Sequence[tuple[list[Place], str]], total: int) -> Finding:
    return Finding(
        code=f"personal-{sort}",
        severity="medium" if sort in ("card", "iban") or len(seen) >= _MANY * total else "low",
        count=len(seen),
        total=total,
        what=f"{len(seen):,} of {total:,} texts {'holds' if len(seen) == 1 else 'hold'} {_NOUNS[sort]}.",
        meaning="An adapter may learn them by heart, few-shot shows them to others, and a remote model is sent them.",
        hint="Replace them by made-up ones in all files alike, unless they are public or what the task is about.",
        sights=sights(seen),
    )
