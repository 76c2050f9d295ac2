"""Splitting and counting words in any script.

White space parts words in most scripts, but not in Chinese, Japanese, Thai and their like. There texts are compared by
characters, and lengths are told from characters.
"""

from __future__ import annotations

import math
import re

import regex

# Scripts written without spaces between words, and how many characters make up a word: the factors by which the
# standard for volumes of text (ETSI GS LIS 004, "GMX-V", from LISA) turns characters into words; that of Thai
# stands for the scripts of its kind.
_EAST = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_SOUTH = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u0f40-\u0fbc\u1000-\u103f\u1050-\u109f\u1780-\u17d3"
UNSPACED = f"[{_EAST}{_SOUTH}]"
"""A class of regular expressions: the letters of scripts without spaces between words, each of which counts alone."""
_PER_WORD = ((re.compile(f"[{_EAST}]"), 2.8), (re.compile(f"[{_SOUTH}]"), 6.0))
_UNSPACED = re.compile(UNSPACED)

_PLAIN = re.compile(r"[^\W_]+")
_MARK = regex.compile(r"\p{M}")
# Marks belong to the letter before them: without them an Indic word falls apart at its vowel signs.
_WORD = regex.compile(rf"{UNSPACED}\p{{M}}*+|[[\p{{L}}\p{{M}}\p{{N}}]--{UNSPACED}]++", regex.VERSION1)


def split_words(text: str) -> list[str]:
    """The words of a text without punctuation; a character of a script without spaces is a word."""
    if text.isascii() or not (_MARK.search(text) or unspaced(text)):
        return _PLAIN.findall(text)  # four times as fast
    found: list[str] = _WORD.findall(text)
    return found


def count_words(text: str) -> int:
    """The number of words: runs between white space; in scripts without spaces, estimated from characters."""
    if text.isascii() or not unspaced(text):
        return len(text.split())
    told = sum(len(script.findall(text)) / characters for script, characters in _PER_WORD)
    others = sum(any(map(str.isalnum, word)) for word in _UNSPACED.sub(" ", text).split())
    return math.ceil(told) + others


def first_words(text: str, count: int) -> str:
    """The first words of a text, about `count` of them, joined by single spaces."""
    if not unspaced(text):
        return " ".join(text.split()[:count])
    return text[: len(text) * count // max(count_words(text), count)]


def unspaced(text: str) -> bool:
    """Whether the text contains a script without spaces."""
    return _UNSPACED.search(text) is not None
