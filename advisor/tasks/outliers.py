"""Checks for outliers: examples and documents of unusual length or language."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from advisor.tasks.findings import HAS, Finding, counted, sights
from advisor.tasks.language import UNKNOWN, Guess, foreign, main_language
from advisor.tasks.material import Entry, Material
from advisor.tasks.task import Place
from advisor.tasks.words import count_words

_FENCE = 3.0  # times the range between the quartiles of log lengths: Tukey's "far out"
_LONGER, _SHORTER = 5.0, 15.0  # times the nearer quartile at least: a single word is not much
_RARE = 0.01  # share up to which unlike examples are outliers, not a kind of their own
_FEW = 3  # unlike examples that are outliers, however few there are in all
_FEWEST = 20  # examples that show what is usual
_FIELD = {"input": "input", "answer": "target"}


def length_outliers(material: Material) -> Iterator[Finding]:
    """Find inputs and free-text answers of unusual length."""
    entries = material.entries
    yield from _lengths("input", entries, [count_words(entry.example.input) for entry in entries])
    if material.task.kind in ("qa", "generation"):
        yield from _lengths("answer", entries, [count_words(entry.example.target) for entry in entries])


def _lengths(noun: str, entries: Sequence[Entry], words: Sequence[int]) -> Iterator[Finding]:
    if len(entries) < _FEWEST:
        return
    logs = sorted(math.log(max(count, 1)) for count in words)
    low, high = logs[len(logs) // 4], logs[3 * len(logs) // 4]
    fence = _FENCE * (high - low)
    least = low - max(fence, math.log(_SHORTER))
    most = high + max(fence, math.log(_LONGER))
    found = [
        (entry, count)
        for entry, count in zip(entries, words, strict=True)
        if not least <= math.log(max(count, 1)) <= most
    ]
    if not found or len(found) > max(_FEW, _RARE * len(entries)):
        return
    yield Finding(
        code=f"{noun}-of-unusual-length",
        severity="low",
        count=len(found),
        total=len(entries),
        what=f"{counted(len(found), len(entries), f'{noun}s', HAS)} quite another length "
        f"than the others, of which half have {math.exp(low):.0f} to {math.exp(high):.0f} words.",
        meaning="Often two examples in one, a cut text or a wrong column; long ones also set latency and memory.",
        hint="Look at them.",
        sights=sights(
            ([entry.place], f"{count} word{'' if count == 1 else 's'}: {getattr(entry.example, _FIELD[noun])}")
            for entry, count in found
        ),
    )


def language_outliers(material: Material) -> Iterator[Finding]:
    """Find inputs and documents in another language than the others."""
    main, documents = material.language, material.page_languages
    written, _ = main_language(documents)
    texts = [(entry.place, entry.example.input) for entry in material.entries]
    yield from _foreign("input", texts, material.input_languages, main)
    pages = [(page.place, page.document.text) for page in material.pages]
    yield from _foreign("document", pages, documents, written)
    if UNKNOWN not in (main, written) and main != written:
        count = sum(found.language == written for found in documents)
        yield Finding(
            code="documents-in-another-language",
            severity="medium",
            count=count,
            total=len(documents),
            what=f"Most inputs are in {main!r}, most documents in {written!r} (ISO 639 codes).",
            meaning="Retrieval by words finds nothing across languages, and an embedder of one language little: rag "
            "looks worse than it could be.",
            hint="Give an embedder of both languages with --embedder, or translate the documents.",
            sights=(),
        )


def _foreign(noun: str, texts: Sequence[tuple[Place, str]], guesses: Sequence[Guess], main: str) -> Iterator[Finding]:
    found = [
        ([place], f"{one.language}: {text}")
        for (place, text), one in zip(texts, guesses, strict=True)
        if main != UNKNOWN and foreign(one, main)
    ]
    if not found:
        return
    yield Finding(
        code=f"{noun}-in-another-language",
        severity="low" if len(found) <= _RARE * len(texts) else "medium",
        count=len(found),
        total=len(texts),
        what=f"{counted(len(found), len(texts), f'{noun}s')} not in {main!r} (ISO 639 code) like the others.",
        meaning="A model or embedder that knows one language only is judged by the other one too.",
        hint="Leave them out, or test on enough of them to judge them apart.",
        sights=sights(found),
    )
