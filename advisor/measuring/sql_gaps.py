"""What sqlglot reads as SQL although something is missing in it: `SELECT FROM t`, `SELECT a, FROM t`, `INSERT INTO t`.

Some of that leaves an empty part in what was read, and some, such as a comma too many, no trace: that is looked for
among the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import exp

_LISTS_MAY_END_IN_COMMAS = frozenset({"bigquery", "clickhouse", "duckdb", "snowflake"})
_ENDS = frozenset(
    {
        *("SEMICOLON", "R_PAREN", "FROM", "WHERE", "GROUP_BY", "HAVING", "ORDER_BY", "LIMIT", "UNION", "EXCEPT"),
        *("INTERSECT", "COMMA", ""),
    }
)
"""Kinds of tokens with which a part ends; the last is the end of the text."""


def has_gap(text: str, read: str | None) -> bool:
    """Whether a token is missing that others need: `SELECT a, FROM t`, `f(, 1)`, `JOIN b ON`, `1 AS`.

    Args:
        text: what sqlglot could parse.
        read: its dialect; None for plain SQL, where a statement does not begin with FROM either.
    """
    import sqlglot

    kinds = [token.token_type.name for token in sqlglot.tokenize(text, read=read)]
    if read is None and kinds[0] == "FROM":
        return True
    commas = {"COMMA"} if read not in _LISTS_MAY_END_IN_COMMAS else set()
    for kind, following in zip(kinds, [*kinds[1:], ""], strict=True):
        if kind in {"ON", "ALIAS", *commas} and following in _ENDS:
            return True
        if kind == "L_PAREN" and following == "COMMA":
            return True
    return False


def is_whole(statement: exp.Expr, read: str | None) -> bool:
    """Whether no part of a statement is empty.

    Args:
        read: the dialect; None for plain SQL.
    """
    return not any(_is_empty(node, read) for node in statement.walk())


def _is_empty(node: exp.Expr, read: str | None) -> bool:
    from sqlglot import exp

    args = node.args
    match node:
        case exp.Select():
            return not node.expressions
        case exp.Group():
            return not any(args.values())
        case exp.In():
            inside = [args.get(name) for name in ("expressions", "query", "unnest", "field")]
            return read != "sqlite" and not any(inside)
        case exp.Tuple():
            return not node.expressions and not isinstance(node.parent, exp.Group | exp.Values)
        case exp.Distinct():
            return not node.expressions and not isinstance(node.parent, exp.Select | exp.SetOperation)
        case exp.Insert():
            return not args.get("expression") and not args.get("default")
        case exp.Update():
            return not node.expressions or not all(isinstance(one, exp.EQ | exp.PropertyEQ) for one in node.expressions)
        case exp.Delete():
            return read is None and not args.get("this")
        case exp.Drop():
            return not args.get("this") and not args.get("tables")
        case exp.Create():
            return _creates_nothing(args)
    return False


def _creates_nothing(args: Mapping[str, Any]) -> bool:
    """Whether nothing says what is created: no columns, no query, nothing that it is like."""
    from sqlglot import exp

    kind, made = str(args.get("kind")).upper(), args.get("this")
    if kind == "VIEW":
        return not args.get("expression")
    if kind == "INDEX":
        params = made.args.get("params") if isinstance(made, exp.Index) else None
        return not (params and params.args.get("columns"))
    if kind != "TABLE" or args.get("expression") or args.get("clone"):
        return False
    said = args["properties"].expressions if args.get("properties") else ()
    if any(not isinstance(one, exp.TemporaryProperty) for one in said):
        return False
    return not (isinstance(made, exp.Schema) and made.expressions)
