"""Whether an answer is a text of a formal language, and the same as another but for how it is written."""

from __future__ import annotations

import ast
import json
import logging
import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from advisor.errors import UserError
from advisor.extras import needed
from advisor.intake import json_of
from advisor.measuring.sql_gaps import has_gap, is_whole
from advisor.tasks.faults import quoted, suggestion

LONGEST = 50_000
"""Characters beyond which a text is not parsed and counts as invalid: it would take long, and nobody asked for it."""
_FENCE = re.compile(r"\s*```[^\n`]*\n(.*?)\n?\s*```\s*", re.DOTALL)
_BROKEN = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
_NOTHING = object()


def bare(text: str) -> str:
    """A text without the fence of backticks around the whole."""
    fenced = _FENCE.fullmatch(text)
    return fenced[1] if fenced else text.strip()


def json_valid(text: str, targets: Sequence[str]) -> float:
    """Whether the whole answer is one JSON value (RFC 8259): NaN and Infinity are none, and of a key that stands twice,
    which it lets pass, the last counts."""
    return float(_json(text) is not _NOTHING)


def json_exact(text: str, targets: Sequence[str]) -> float:
    """Whether the answer is the JSON value of a target: the order of keys and the form of numbers do not count."""
    own = _json_text(text)
    return float(own is not None and own in map(_json_text, targets))


def _json(text: str) -> Any:
    try:
        return json_of(bare(text), strict=True) if len(text) <= LONGEST else _NOTHING
    except ValueError:
        return _NOTHING


@lru_cache(maxsize=8192)
def _json_text(text: str) -> str | None:
    value = _json(text)
    return None if value is _NOTHING else json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def python_valid(text: str, targets: Sequence[str]) -> float:
    """Whether the answer parses as Python of this version; nothing is compiled or run."""
    return float(bool(bare(text).strip()) and _python(text) is not None)


def python_exact(text: str, targets: Sequence[str]) -> float:
    """Whether the answer has the syntax tree of a target: comments, blanks, quotes and brackets do not count."""
    own = _python(text)
    return float(own is not None and own in map(_python, targets))


@lru_cache(maxsize=8192)
def _python(text: str) -> str | None:
    """The syntax tree in words; None where the text does not parse."""
    if len(text) > LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(bare(text)))
    except _BROKEN:
        return None


def sql_valid(text: str, targets: Sequence[str], dialect: str = "any") -> float:
    """Whether the answer parses as one or several statements of SQL in which nothing is missing (`sql_gaps`)."""
    return float(bool(_sql(text, dialect)))


def sql_exact(text: str, targets: Sequence[str], dialect: str = "any") -> float:
    """Whether the answer has the syntax tree of a target, whatever the case of what is not quoted, and its comments."""
    own = _sql(text, dialect)
    return float(bool(own) and own in [_sql(target, dialect) for target in targets])


@lru_cache(maxsize=8192)
def _sql(text: str, dialect: str) -> tuple[str, ...]:
    """The statements in one way of writing; empty where the text does not parse, or is none."""
    with needed("the metrics of SQL: reading it", "sql"):
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError
        from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it says of what it only half knows that it does
    dialects = sorted(name for name in sqlglot.Dialects.__members__.values() if name)
    if dialect != "any" and dialect.lower() not in dialects:
        raise UserError(f"the SQL dialect {quoted(dialect)} is unknown", suggestion(dialect, dialects, "the dialects"))
    if len(text) > LONGEST:
        return ()
    known = (exp.Query, exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.TruncateTable, exp.Merge)
    read = None if dialect == "any" else dialect
    try:
        found = [one for one in sqlglot.parse(bare(text), read=read) if one is not None]
        if not found or not all(isinstance(one, known) and is_whole(one, read) for one in found):
            return ()
        if has_gap(bare(text), read):
            return ()
        return tuple(
            normalize_identifiers(one, dialect=read).sql(comments=False, normalize_functions="upper") for one in found
        )
    except (SqlglotError, *_BROKEN):
        return ()
