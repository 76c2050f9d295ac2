"""Choosing the columns of a table: the ones the user names, else those of a known data format."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.tasks.faults import FaultLog, listed, nearest, short
from advisor.tasks.jsonfile import CONVERSATIONS
from advisor.tasks.values import plain

OPTIONAL = ("id", "targets", "evidence")
ALPACA = ("instruction", "input")
"""Columns that Alpaca's files hold beside `output`; the second may be empty."""
ALIASES = {
    "input": (
        *("question", "text", "query", "prompt", "sentence", "message", "utterance", "instruction", "problem"),
        *("user_input", "source", "review", "tweet", "comment", "email", "body", "content", "post", "headline"),
        *("request", "frage"),
    ),
    "target": (
        *("answer", "label", "output", "response", "completion", "summary", "category", "class", "answers"),
        *("chosen", "labels", "intent", "topic", "gold", "reference", "ground_truth", "generation_gt"),
        *("sentiment", "tag", "reply", "translation", "sql", "emotion", "department", "rating", "stars", "is_spam"),
        *("antwort", "kategorie"),
    ),
}
_FEWEST_GROUPS = 5  # values of a column from which it may be a group; fewer cannot be split either
_PART_OF_INPUT = ("input", "instruction", "context", "history", "system")
_GROUPS = (
    *("conversation", "conv", "dialogue", "dialog", "chat", "thread", "session", "user", "customer", "client"),
    *("patient", "author", "article", "ticket", "document", "doc"),
)


@dataclass(frozen=True)
class Columns:
    """The columns of one table.

    Attributes:
        inputs: the names of the input columns, in the order in which they are joined; empty where none was named.
        target: the name of the answer column; empty where none was named. It equals the input column where both stand
            in a conversation.
        group: the name of the group column: `group` by default, where it exists.
        maybe_groups: other columns that look like a group.
    """

    inputs: tuple[str, ...] = ("input",)
    target: str = "target"
    group: str = "group"
    maybe_groups: tuple[str, ...] = ()

    @property
    def input(self) -> str:
        """The name of the first input column, for messages."""
        return self.inputs[0]

    @property
    def line(self) -> str:
        """An example line in the right form, for hints."""
        return json.dumps(dict.fromkeys((*self.inputs, self.target), "..."), ensure_ascii=False)

    @property
    def in_turns(self) -> bool:
        """Whether input and target stand in one conversation."""
        return self.inputs == (self.target,)

    def joined(self, found: Mapping[str, str]) -> str:
        """The input, of the texts that its columns hold: each with its name, where there are several columns."""
        if len(self.inputs) == 1:
            return next(iter(found.values()))
        if self.inputs == ALPACA:
            return "\n\n".join(found.values())
        return "\n".join(f"{key}: {text}" for key, text in found.items())

    def wanted(self, seen: Sequence[str]) -> tuple[str, ...]:
        """The columns to read among those that are present."""
        names = dict.fromkeys((*OPTIONAL, *self.inputs, self.target, self.group, *self.maybe_groups))
        return tuple(name for name in names if name in seen)


def of_lines(seen: Sequence[str], log: FaultLog) -> Columns:
    """The columns of a file in a task folder: `input` and `target`, else those of a known format. It logs remarks."""
    shape = None if "target" in seen else _shape(seen)
    found = _completed(shape or Columns(), seen)
    if shape:
        _note_reading(found, log)
    _note_unread(found, seen, log, True)
    return found


def of_table(asked: Columns, seen: Sequence[str], path: Path, log: FaultLog) -> Columns | None:
    """The columns of a table, each present exactly once, or None after a fault was logged."""
    found = asked
    if not asked.inputs and not asked.target:
        found = _shape(seen) or Columns(group=asked.group)
    if not found.inputs or not found.target or (not asked.inputs and not {*found.inputs, found.target} <= set(seen)):
        role, option = ("target", "--target") if asked.inputs else ("input", "--input")
        what = f"no column is named as {role}" + ("" if asked.inputs or asked.target else ", and none as target")
        guess = " ".join(filter(None, (_guess("input", seen, asked.inputs), _guess("target", seen, asked.target))))
        log.add(path, None, what, f"name it with {guess or option + ' COLUMN'}. The columns: {_listed(seen)}")
        return None
    named = (*found.inputs, found.target, *([asked.group] if asked.group != Columns.group else []))
    if not each_once(named, seen, path, log):
        return None
    found = _completed(replace(found, group=asked.group), seen)
    _note_reading(found, log)
    _note_unread(found, seen, log, False)
    return found


def group_advice(columns: Columns, rows: Sequence[Mapping[str, object]], in_folder: bool) -> str | None:
    """A caveat where a column looks like a group and none was named, else None.

    In a task folder a group has its name, `group`; of a table the user names the column.
    """
    found = likely_group(columns, rows)
    if found is None:
        return None
    name, values = found
    way = f'"group" in place of "{name}"' if in_folder else f"--group {shlex.quote(name)}"
    return (
        f'the column "{name}" looks like a group ({len(set(values)):,} values in {len(values):,} rows), and its rows '
        f"may stand on both sides of the split: {way} keeps those of one value together"
    )


def likely_group(columns: Columns, rows: Sequence[Mapping[str, object]]) -> tuple[str, list[str]] | None:
    """A column that looks like a group, and its values; None without one.

    It does if its name does and its values repeat, without being so few that they are a property of the rows.
    """
    for name in columns.maybe_groups:
        values = [str(value) for row in rows if (value := plain(row.get(name))) not in (None, "")]
        if _FEWEST_GROUPS <= len(set(values)) <= 0.8 * len(values):
            return name, values
    return None


def _shape(seen: Sequence[str]) -> Columns | None:
    """The columns of the formats in which fine-tuning data usually comes; None for an unknown format."""
    for name in CONVERSATIONS:
        if name in seen:
            return Columns((name,), name)
    if "instruction" in seen and "output" in seen:
        return Columns(("instruction",), "output")
    if {"question", "answers", "context"} <= set(seen):  # SQuAD
        return Columns(("question",), "answers")
    return None


def _completed(columns: Columns, seen: Sequence[str]) -> Columns:
    """The columns with Alpaca's second input column and the candidates for a group added."""
    if columns.inputs == ALPACA[:1] and columns.target == "output" and ALPACA[1] in seen:
        columns = replace(columns, inputs=ALPACA)
    maybe = () if columns.group in seen else tuple(name for name in seen if _is_group(name))
    return replace(columns, maybe_groups=tuple(name for name in maybe if name not in (*columns.inputs, columns.target)))


def _is_group(name: str) -> bool:
    folded = name.casefold().replace("-", "_").replace(" ", "_")
    stem = folded.removesuffix("id").rstrip("_")
    return folded in _GROUPS or (stem != folded and stem in _GROUPS)


def _note_reading(columns: Columns, log: FaultLog) -> None:
    """Log how the columns of a known format are read."""
    if columns.inputs == ALPACA:
        log.note('the columns "instruction" and "input" are joined to one input, as in Alpaca\'s files')
    if columns.in_turns:
        log.note("of each conversation the last turn of the assistant is the answer, and all before it the input")


def _note_unread(columns: Columns, seen: Sequence[str], log: FaultLog, in_folder: bool) -> None:
    """Log the columns that may be part of the input and are not read."""
    read = (*columns.inputs, columns.target)
    for name in (name for name in seen if name.casefold() in _PART_OF_INPUT and name not in read):
        both = " ".join(f"--input {shlex.quote(part)}" for part in (*columns.inputs, name))
        way = f'write its text into "{columns.input}" too' if in_folder else f"join them: {both}"
        how = "" if columns.in_turns else f"; if it belongs to the input, {way}"
        log.note(f'the column "{name}" is not read{how}')


def _guess(role: str, seen: Sequence[str], given: object) -> str:
    if given:
        return ""
    near = next((name for alias in (role, *ALIASES[role]) for name in seen if name.casefold() == alias), None)
    return f"--{role} {shlex.quote(near)}" if near else f"--{role} COLUMN"


def each_once(wanted: Sequence[str], seen: Sequence[str], path: Path, log: FaultLog) -> bool:
    """Whether the table has each wanted column exactly once; faults are logged."""
    good = True
    for column in dict.fromkeys(wanted):
        count = seen.count(column)
        if count == 0:
            near = nearest(column, seen) or next((name for name in seen if name.startswith(column)), None)
            guess = f'did you mean "{short(near)}"? ' if near else ""
            what = f'there is no column "{short(column)}"'
            log.add(path, None, what, f"{guess}The columns: {_listed(seen)}")
        elif count > 1:
            log.add(path, None, f'{count} columns are named "{column}"', "rename all but one")
        good = good and count == 1
    return good


def _listed(seen: Sequence[str]) -> str:
    """The names of the columns; a name with a comma is quoted."""
    return listed([f'"{short(name)}"' if "," in name else short(name) for name in seen], 20)
