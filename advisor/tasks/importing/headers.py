"""Where a table begins: the row that names its columns, below titles and above the data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from advisor.tasks.columns import ALIASES

_LONGEST_NAME = 60  # characters of a column's name
DATA = re.compile(r"[-+]?[\d.,:/ %-]+|true|false|https?://\S+|\S+@\S+\.\S+", re.IGNORECASE)
"""Numbers, dates, truth values and addresses: what is neither a column's name nor a text."""
_SENTENCE = re.compile(r"\S+\s.*[.!?…]$", re.DOTALL)
KNOWN = frozenset(("input", "target", "id", *ALIASES["input"], *ALIASES["target"]))
"""Names by which columns are known."""


def header_of(rows: Sequence[Sequence[object]], expected: Sequence[str]) -> int:
    """The header among the first rows of a table, from 0: the first row that holds the names that are expected, else
    the first that is about as wide as most rows; what stands above are titles.
    """
    texts = [[str(cell).strip() if cell is not None else "" for cell in row] for row in rows]
    named = (number for number, row in enumerate(texts) if expected and set(expected) <= set(row))
    widths = Counter(width for row in texts if (width := filled(row)) > 1)
    usual = widths.most_common(1)[0][0] if widths else 1
    wide = (number for number, row in enumerate(texts) if filled(row) >= min(usual, max(2.0, 0.75 * usual)))
    return next(named, next(wide, 0))


def filled(row: Sequence[object]) -> int:
    """How many cells of a row hold something."""
    return sum(cell is not None and cell != "" for cell in row)


def looks_like_data(names: Sequence[str]) -> bool:
    """Whether what stands in place of names is data: sentences, numbers, addresses, or nothing."""
    if any(name.casefold() in KNOWN for name in names):
        return False
    data = [name for name in names if not name or DATA.fullmatch(name) or _is_text(name)]
    return any(map(_is_text, names)) or len(data) * 2 > len(names)


def _is_text(name: str) -> bool:
    return len(name) > _LONGEST_NAME or bool(_SENTENCE.fullmatch(name))


def numbered(width: int) -> tuple[str, ...]:
    """Names for columns that have none: their numbers, from 1."""
    return tuple(str(number) for number in range(1, width + 1))
