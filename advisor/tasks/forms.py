"""Normalised forms in which answers are compared, shared by metrics, profile and advice: equal forms are equal answers.

Whether inputs are nearly the same is another, looser question: `advisor.tasks.minhash`.
"""

from __future__ import annotations

import json
import unicodedata
from functools import lru_cache
from typing import Any

import regex

from advisor.intake import json_of
from advisor.tasks.task import Kind
from advisor.tasks.words import UNSPACED

_FOLDED = frozenset(
    f"<{tag}>"
    for tag in ("compat", "final", "font", "initial", "isolated", "medial", "narrow", "noBreak", "small", "square")
) | {"<sub>", "<vertical>", "<wide>"}
"""Compatibility forms that say the same as what they stand for; superscripts, circles and fractions do not: 10² is not
102. The names are those of Unicode's character database."""
_QUOTES = {"'": "‘’‚‛‹›′ʼʹ´׳", '"': "“”„‟«»″ʺ״「」『』〝〞〟", "-": "‐‒–−־", "": "ـ"}
_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}--[\U000e0020-\U000e007f]]", regex.VERSION1)  # not flags'
_LOOKALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧοων",
    "ABESIJKMHOPCTYXaesijopcyxdhqwABEZHIKMNOPTYXowv",
)
"""Letters of Cyrillic and Greek that look like Latin ones."""


class _Folds(dict[int, str]):
    """A lazy table from each code point to its normalised form."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        tag, *parts = unicodedata.decomposition(char).split() or [""]
        if code < 128:
            found = char
        elif _INVISIBLE.match(char):
            found = ""
        elif tag in _FOLDED and parts[0] != "0020":  # else an accent that stands alone, or white space
            found = "".join(self[int(part, 16)] for part in parts)
        else:
            found = char
        self[code] = found
        return found


_FOLDS = _Folds({ord(char): plain for plain, chars in _QUOTES.items() for char in chars})


def unicode_form(text: str) -> str:
    """Normalise a text's Unicode form: characters that differ only in typography or encoding become equal.

    NFC; full-width, presentation and other compatibility forms as what they stand for; typographic quotes and dashes as
    those of the keyboard; without invisible marks (zero width, direction, variation, soft hyphens); any white space as
    one blank, none at the ends. Case, punctuation, accents and signs stay. It is the form of labels.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).translate(_FOLDS))
    return " ".join(text.split())


def normalised(text: str) -> str:
    """The text in one Unicode form, without case and extra spacing, as inputs are compared."""
    return unicode_form(text).casefold()


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it is empty, or white space and invisible characters only."""
    return not text or text.isspace() or not (text.isascii() or unicode_form(text))


def look(text: str) -> str:
    """A form that is equal for texts that look alike: confusable letters of other scripts are mapped to Latin ones."""
    return unicode_form(text).translate(_LOOKALIKES)


def code_points(text: str, other: str) -> str:
    """The characters of a text that the other lacks, as `U+0430 U+0435`, for two texts that look alike."""
    return " ".join(f"U+{ord(char):04X}" for char in dict.fromkeys(text) if char not in other)


def answer_form(kind: Kind, text: str) -> str:
    """The normalised form of an answer; equal for two texts if and only if they are the same answer."""
    if kind == "classification":
        return unicode_form(text)
    if kind == "extraction":
        try:
            return json_form(json_of(text))
        except ValueError:
            pass
    return " ".join(answer_tokens(text))


def leaf_form(value: object) -> str:
    """The normalised form of a JSON scalar: 5 equals 5.0, and strings ignore case."""
    if isinstance(value, str):
        return unicode_form(value).casefold()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _text(value)


def json_form(value: Any) -> str:
    """The normalised form of a JSON value: leaves as in `leaf_form`, without the order of keys and elements."""
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(sorted(f"{_text(unicode_form(key))}:{json_form(inner)}" for key, inner in value.items()))
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(sorted(map(json_form, value))) + "]"
    return _text(leaf_form(value))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def is_sign(token: str) -> bool:
    """Whether a token of `answer_tokens` is a sign: an operator, a currency, a per cent sign."""
    return _IS_SIGN.fullmatch(token) is not None


# An article goes with the word that follows it. An option's letter is none: `A, C`, `A C`, `A and C`, `vitamin A`.
_ARTICLE = regex.compile(
    r"(?<![^\s\"'(\[])(?:(?:an|the)\s+(?=[^\w\s]?\w)|a\s+(?=[^\w\s]?(?:\w\w|\d)))(?!(?:and|or|is|are|was|because)\b)"
)
_DROPPED = regex.compile(
    r"[\"'`·・‧]"  # quotes are no part of a word, nor do they part words
    r"|(?<=\p{L})-(?=\p{L})"  # well-known is wellknown, as in SQuAD's rules
    r"|(?<=\w)\.(?=[^\W\d])|(?<=[^\W\d])\.(?=\w)"  # U.S.A. is USA; 3.14 is not 314
)
_THOUSANDS = regex.compile(r"(?<![\d.,])\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d|,\d)")
_SIGN = r"(?:!=|[\p{Sm}\p{Sc}%‰])"
_LINK = r"""
    (?: (?<=\d)[.:](?=\d) | -(?=\d) | (?<=\d)- | (?<=\d|\b\p{L})\ -\ (?=\d)
    | /|\ /\  | \*\*?|\ \*\*?\  | \^|\ \^\  | [&@] )"""
"""What makes one of two: 3.14, 4:30, 1990 - 1995, x - 1 (not a dash), 1/2, 2 * 3 (not Markdown's stars), AT&T."""
_TOKEN = regex.compile(
    rf"""
      (?<!\S)[a-z]{{2,}}(?=[,.;:]?(?:\s[^-*/^]|$))  # what most words are: twice as fast
    | {UNSPACED}\p{{M}}*
    | (?:(?<![\w)\]%])[-+](?=\.?\d))?          # a number's sign
      (?:(?<![\w.])\.(?=\w))?                  # .5, .NET
      [[\w\p{{N}}]--{UNSPACED}]+ (?:{_LINK}[[\w\p{{N}}]--{UNSPACED}]+)*
      (?:(?:\++|(?<=\p{{L}})\#)(?!\w)|-+(?![^\s.,;:!?)]))?  # C++, C#, A+, A-
    | \p{{RI}}{{2}}
    | \p{{So}}\p{{Sk}}*
    | {_SIGN}
    | (?<=\))\s?[-*^/]\s?(?=[\w(]) | (?<=\w)\s?[-*^/]\s?(?=\()
    """,
    regex.VERSION1 | regex.VERBOSE,
)
_IS_SIGN = regex.compile(_SIGN)
_DIGIT = regex.compile(r"[^\P{Nd}0-9]")


@lru_cache(maxsize=8192)
def answer_tokens(text: str) -> tuple[str, ...]:
    """The tokens by which answers are compared: words, numbers, and signs that distinguish answers.

    After SQuAD's rules case, English articles and punctuation do not count, but no more than that is dropped: signs and
    decimal points of numbers, operators, currencies, the signs in `C++`, `C#` and `A-`, and an `A` or `the` that is the
    whole answer stay. In scripts without spaces each character is a token. Digits of all scripts are the same. An
    answer of punctuation alone is that. Empty only for an empty text.
    """
    plain = unicode_form(text)
    folded = plain.lower()
    if not plain.isascii():
        folded = unicodedata.normalize("NFC", plain.casefold()).translate({0x66B: ".", 0x66C: ","})
        folded = _DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0])), folded)
    bare = _ARTICLE.sub("", folded)
    bare = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), bare)
    found = (token.replace(" ", "") for token in _TOKEN.findall(_DROPPED.sub("", bare)))
    tokens = tuple((token[1:] if token[0] == "+" else token).strip("_") or token for token in found)
    return tokens or ((folded,) if folded else ())
