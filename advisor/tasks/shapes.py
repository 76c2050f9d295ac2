"""The form of answers: numbers, code, JSON, and how rigid the format is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import regex

from advisor.intake import json_of
from advisor.tasks.task import Example
from advisor.tasks.words import count_words, split_words

_NUMBER = re.compile(r"[^\w\s]{0,2}\d[\d.,:/ ]*\W{0,2}(?:\w{1,8})?\W?")
_CODE = re.compile(
    r"(?i:\bselect\b[^.]+\bfrom\b[^.]+(?:\bwhere\b|;))|\b(?:def|function) \w+\(|\bclass \w+[:({]|^import \w+$"
    r"|[A-Za-z_]\w*(?:\.\w+)+\(|[A-Za-z_]\w*\([^()]*=[^()]*\)|</\w+>|\)\s*[;{]\s*$|[=!]=|=>|\$\{|&&|\|\|",
    re.MULTILINE,
)
_OPERAND = r"(?:[\w.]+(?:\([^()\n]*\)|\[[^\[\]\n]*\])*|\([^()\n]+\))"
_EXPRESSION = re.compile(rf"{_OPERAND}(?:(?:\s*(?:\*\*|//|<<|>>|[<>]=?|[+*%^|=])\s*|\s+[-/]\s+){_OPERAND})+;?")
_TERM = re.compile(r"\b[^\W\d]\b|\d|[_()\[\]]")  # what expressions have and two words with a sign between them have not
CODE = 0.5
"""Share of answers that look like code from which a task's answers are code."""
_LOOKED_AT = 2_000  # characters of an answer
_FRAME = 0.5  # share of answers that hold a word which belongs to their frame
_SIGN = regex.compile(r"[^\p{L}\p{M}\p{N}\s]")
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")


def is_number(text: str) -> bool:
    """Whether a text is a number, optionally with a unit or currency."""
    return not is_json(text) and bool(_NUMBER.fullmatch(text.strip()))


def is_code(text: str) -> bool:
    """Whether a text looks like code: SQL, a call, an assignment, an expression, markup. JSON is not code."""
    beginning = text[:_LOOKED_AT]
    return not is_json(text) and (bool(_CODE.search(beginning)) or _is_expression(beginning.strip()))


def _is_expression(text: str) -> bool:
    names = any(map(str.isalpha, text))  # numbers alone are a range or a calculation
    return names and bool(_TERM.search(text)) and bool(_EXPRESSION.fullmatch(text))


def code_share(examples: Sequence[Example]) -> float:
    """The share of the examples' targets that look like code; 0 without examples."""
    return sum(is_code(example.target) for example in examples) / max(len(examples), 1)


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or list."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json_of(text)
    except ValueError:
        return False
    return True


def rigidity(answers: Sequence[str]) -> float:
    """How uniform the format of the answers is, from 0 (free text) to 1 (one format).

    The largest of three shares: answers that are JSON; answers of the most frequent shape, where letters, digits and
    other signs stand for themselves as kinds (`Jan 5, 1999` is `a 0, 0`); and words and signs of an answer that
    stand in at least half of all answers.
    """
    if not answers:
        return 0.0
    shapes = Counter(map(_shape, answers))
    pieces = [split_words(answer) + _SIGN.findall(answer) for answer in map(str.casefold, answers)]
    held = Counter(piece for answer in pieces for piece in set(answer))
    frame = {piece for piece, count in held.items() if count >= _FRAME * len(answers)}
    shares = [sum(piece in frame for piece in answer) / len(answer) for answer in pieces if answer]
    return max(
        sum(map(is_json, answers)) / len(answers),
        shapes.most_common(1)[0][1] / len(answers),
        sum(shares) / len(answers),
    )


def _shape(text: str) -> str:
    """The character classes of a text in order; each word is an `a`, also in scripts without spaces."""
    words = _LETTERS.sub(lambda letters: " ".join("a" * max(count_words(letters[0]), 1)), text.strip())
    return re.sub(r"\s+", " ", re.sub(r"\d+(?:[.,:]\d+)*", "0", words))
