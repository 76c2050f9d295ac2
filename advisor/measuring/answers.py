"""Answers as the metrics take them apart: by SQuAD's official rules, as ROUGE's words, as a program's tokens."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import regex

from advisor.tasks.forms import unicode_form
from advisor.tasks.words import UNSPACED

if TYPE_CHECKING:
    from nltk.stem.porter import PorterStemmer

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)


def squad_form(text: str) -> str:
    """Lower-cased, without ASCII punctuation, English articles and surplus white space.

    Source: `normalize_answer` of SQuAD's official evaluation script, version 2.0, in the same order of steps.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def overlap(found: Sequence[Hashable], wanted: Sequence[Hashable]) -> float:
    """F1 of two bags of tokens, 1 for two empty ones."""
    if not found or not wanted:
        return float(not found and not wanted)
    shared = (Counter(found) & Counter(wanted)).total()
    return 2 * shared / (len(found) + len(wanted))


_PICTURE = r"\p{RI}{2}|\p{Emoji_Presentation}\p{Sk}*|\p{Extended_Pictographic}"
_WORD = regex.compile(rf"{UNSPACED}\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}]--{UNSPACED}]+|{_PICTURE}", regex.VERSION1)
_ASCII_WORD = re.compile(r"[a-z0-9]+")


@lru_cache(maxsize=8192)
def rouge_words(text: str) -> tuple[str, ...]:
    """The words that ROUGE compares: those of any script, stemmed where they are English.

    On ASCII text they are those of `rouge_score` with its stemmer, which knows no others: letters and digits. Elsewhere
    words of all scripts count, with their accents and vowel signs; where a script writes no spaces, single characters;
    and emoji. A text of other signs alone is compared by these.
    """
    plain = unicode_form(text).lower()
    stem = _stemmer().stem
    words = (_ASCII_WORD if plain.isascii() else _WORD).findall(plain)
    stemmed = tuple(stem(word) if len(word) > 3 and word.isascii() else word for word in words)
    return stemmed or tuple("".join(plain.split()))


def longest_common(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence.

    Source: the bit-parallel form of Hyyrö 2004, "Bit-parallel LCS-length computation revisited": a row of the table is
    one integer, so that answers of a thousand characters take a millisecond.
    """
    places: dict[Hashable, int] = {}
    for at, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << at
    full = (1 << len(first)) - 1
    row = full
    for token in second:
        met = row & places.get(token, 0)
        row = (row + met | row - met) & full
    return len(first) - row.bit_count()


_FENCE = re.compile(r"\s*```[^\n`]*\n(.*?)\n?\s*```\s*", re.DOTALL)
_SQL = re.compile(r"\s*\(?\s*(?:select|insert|update|delete|create|drop|alter|with)\b", re.IGNORECASE)
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_CODE_TOKEN = regex.compile(
    r"\d\w*(?:\.\d\w*)*|\w+"  # numbers with their points, names
    r"|===|!==|<=>|\*\*=|//=|<<=|>>=|\.\.\.|->|=>|[-+*/%&|^=!<>:]=|<>|&&|\|\||\+\+|--|\*\*|//|<<|>>|::|\.\."
    r"|[^\s\w]"
)


@lru_cache(maxsize=8192)
def code_tokens(text: str) -> tuple[str, ...]:
    """The tokens of a program, a query or a command: names, numbers, operators and brackets, with their case.

    White space parts tokens and counts no further (so indentation is not seen), a final semicolon and a fence of
    backticks around the whole do not count, and SQL is read without regard to case but for what stands in quotes.
    """
    fenced = _FENCE.fullmatch(text)
    code = unicode_form(fenced[1] if fenced else text)
    if _SQL.match(code):
        code = "".join(part if at % 2 else part.lower() for at, part in enumerate(_split(code)))
    found = _CODE_TOKEN.findall(code)
    while len(found) > 1 and found[-1] == ";":
        found.pop()
    return tuple(found)


def _split(code: str) -> list[str]:
    """What stands outside of quotes and what stands in them, in turn."""
    parts, end = [], 0
    for match in _QUOTED.finditer(code):
        parts += [code[end : match.start()], match[0]]
        end = match.end()
    return [*parts, code[end:]]


@cache
def _stemmer() -> PorterStemmer:
    # Imported on first use: nltk takes more than a second.
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()
