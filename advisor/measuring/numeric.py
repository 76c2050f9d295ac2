"""Numbers in answers: the last one counts, as where a model reasons before it says the result."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import regex

from advisor.tasks.forms import answer_tokens, unicode_form

_MARKED = "####"  # behind which GSM8K's answers stand
_LATEX = regex.compile(r"\\[dt]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_MONEY = r"\p{Sc}"
_WHOLE = r"\d{1,3}(?:[,'’]\d{3})+(?!\d)|\d{1,3}(?:\ \d{3}){2,}(?!\d)|\d+"
_NUMBER = regex.compile(
    rf"""
    (?<![\p{{L}}\d_.,]) (?P<sign>(?<![\p{{L}}\d)\]%]\s?)[-+−])? \s? {_MONEY}? \s? (?P<inner>[-−])?
    (?:
        (?:(?P<units>\d+)\s+)? (?P<top>\d+)\s?[/⁄]\s?(?P<bottom>\d+)(?![\d/])      # 1/2, 1 1/2
      | (?P<number>\d{{1,3}}(?:\.\d{{3}})+,\d+ | (?:{_WHOLE})(?:[.,]\d+)? | \.\d+) (?:[eE](?P<power>[-+]?\d{{1,3}}))?
    )
    \s?(?P<percent>%|percent\b|per\ cent\b)?
    """,
    regex.VERBOSE | regex.VERSION1 | regex.IGNORECASE,
)
_GROUPS = re.compile(r"[\s'’]")
_CLOSE = 1e-9  # relative: what a decimal loses when it is read


def numeric(text: str, targets: Sequence[str], tolerance: float = 0.0, relative: float = 0.0) -> float:
    """Whether the last number of an answer is that of an acceptable one, up to a tolerance.

    Of what stands behind `####` the first counts, as by GSM8K's own script. Thousands separators, currencies, units
    and signs are read; of `5 %` both 5 and 0.05 are right. A target without a number is compared as `exact_match` does.
    """
    return float(any(_is(text, target, tolerance, relative) for target in targets))


def _is(text: str, target: str, tolerance: float, relative: float) -> bool:
    wanted = last_number(target)
    if wanted is None:
        return answer_tokens(text) == answer_tokens(target)
    found = last_number(text)
    if found is None:
        return False
    most = max(tolerance, relative * abs(wanted[0]))
    return any(_near(one, other, most) for one in _readings(*found) for other in _readings(*wanted))


def _near(one: float, other: float, most: float) -> bool:
    return abs(one - other) <= most or math.isclose(one, other, rel_tol=_CLOSE)


def _readings(value: float, percent: bool) -> tuple[float, ...]:
    """What a number may stand for: of a percentage the share too."""
    return (value, value / 100) if percent else (value,)


def last_number(text: str) -> tuple[float, bool] | None:
    """The last number of a text, or the first behind the first mark, and whether it is a percentage; None where there
    is none."""
    plain = _LATEX.sub(r" \1/\2", unicode_form(text))
    if _MARKED in plain:
        return next(_numbers(plain.partition(_MARKED)[2]), None)
    found = None
    for found in _numbers(plain):  # noqa: B007 - the last
        pass
    return found


def _numbers(text: str) -> Iterator[tuple[float, bool]]:
    for match in _NUMBER.finditer(text):
        value = _value(match)
        if value is not None and math.isfinite(value):
            yield (-value if match["sign"] in ("-", "−") or match["inner"] else value), bool(match["percent"])


def _value(match: regex.Match[str]) -> float | None:
    if match["top"]:
        bottom = float(match["bottom"])
        return float(match["units"] or 0) + float(match["top"]) / bottom if bottom else None
    return float(f"{_decimal(match['number'])}e{match['power'] or 0}")


def _decimal(written: str) -> str:
    """A number with a decimal point and no other separator: 1,234.5 and 1.234,5 and 3,5 and 1 234."""
    bare = _GROUPS.sub("", written)
    comma, point = bare.rfind(","), bare.rfind(".")
    if comma > point and point >= 0:  # 1.234,5
        return bare.replace(".", "").replace(",", ".")
    if point < 0 and bare.count(",") == 1 and len(bare) - comma != 4:  # 3,5
        return bare.replace(",", ".")
    return bare.replace(",", "")
