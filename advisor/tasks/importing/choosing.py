"""Which columns of a table are the input, the answer and the group: as named, else guessed from names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import NoReturn

from advisor.tasks.columns import ALIASES, OPTIONAL, Columns, each_once, likely_group, of_table
from advisor.tasks.faults import FaultLog, listed, quoted
from advisor.tasks.importing.contract import ImportChoices, Unclear
from advisor.tasks.importing.headers import DATA, looks_like_data
from advisor.tasks.importing.naming import SPLITS
from advisor.tasks.importing.streams import refuse
from advisor.tasks.values import plain

_SPLIT_COLUMNS = ("split", "set", "subset", "partition", "fold")
_TIME_COLUMNS = ("time", "date", "timestamp", "created", "created_at", "datetime")
_REPEATED = 3  # rows of a value from which it is a label
_SHORT = 60  # characters

Row = Mapping[str, object]


@dataclass(frozen=True)
class ChosenColumns:
    """The columns of one table.

    Attributes:
        split: the column that says which split a row is of; empty without one.
        guessed: what was guessed, in sentences.
    """

    columns: Columns
    time: str = ""
    split: str = ""
    guessed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def named(self) -> dict[str, str]:
        """The columns by what they are, as they are recorded."""
        found = {
            "input": ", ".join(self.columns.inputs),
            "target": self.columns.target,
            "group": self.columns.group,
            "time": self.time,
            "split": self.split,
        }
        return {role: name for role, name in found.items() if name}


def choose(asked: ImportChoices, names: Sequence[str], sample: Sequence[Row], path: Path) -> ChosenColumns:
    """Choose the columns of a table.

    Args:
        names: of all columns.
        sample: the first rows.
        path: the file, for messages.

    Raises:
        Unclear: it cannot be told which column is which.
        Faults: a column that was named is not there, or is there twice.
    """
    guess = _Guess(asked, names, sample, path)
    columns = guess.columns()
    log = FaultLog()
    found = of_table(replace(columns, group=asked.group or Columns.group), names, path, log)
    if asked.time:
        each_once([asked.time], names, path, log)
    log.raise_if_any()
    assert found  # else a fault was raised
    if not asked.group and Columns.group not in names:
        found = replace(found, group=guess.group(found))
    used = {*found.inputs, found.target, found.group, asked.time, *OPTIONAL}
    split = guess.split(used)
    left = [name for name in names if name and name not in used and name != split]
    notes = [note for note in log.notes if " is not read" not in note or "belongs to the input" in note]
    if left:
        notes.append(f"columns that are not read: {listed(map(quoted, left), 12)}")
    return ChosenColumns(found, asked.time, split, tuple(guess.said), tuple(notes))


class _Guess:
    """Guesses from names and from the first rows."""

    def __init__(self, asked: ImportChoices, names: Sequence[str], sample: Sequence[Row], path: Path) -> None:
        self._asked = asked
        self._names = [name for name in dict.fromkeys(names) if name]
        self._sample = sample
        self._path = path
        self.said: list[str] = []

    def columns(self) -> Columns:
        """The columns of input and answer."""
        inputs, target = self._asked.inputs, self._asked.target
        if inputs and target:
            return Columns(inputs, target)
        if not inputs and not target:
            if {"input", "target"} <= set(self._names):
                return Columns()
            if self._is_known():
                return Columns((), "")  # which `of_table` knows by itself
            if self._asked.header and looks_like_data(self._names):
                self._no_header()
        given_any = bool(inputs or target)
        taken = {*inputs, target}
        found_target = target or self._named("target", taken)
        found_input = inputs or tuple(filter(None, (self._named("input", {*taken, found_target}),)))
        if not (found_input and found_target):
            found_input, found_target = self._by_values(found_input, found_target)
            if not given_any and self._asked.header and self._is_value((*found_input, found_target)):
                self._no_header()
        for role, named, given in (("input", found_input[0], inputs), ("target", found_target, target)):
            if not given and named != role:
                what = "input" if role == "input" else "answer"
                self.said.append(f'the {what} is the column "{named}" (--{role} names another)')
        return Columns(found_input, found_target)

    def _is_known(self) -> bool:
        log = FaultLog()
        return of_table(Columns((), ""), self._names, self._path, log) is not None

    def _is_value(self, names: Sequence[str]) -> bool:
        """Whether a column is called like one of its own values, as where the first row of data is taken for names."""
        return any(name in self._texts(name) for name in names)

    def _no_header(self) -> NoReturn:
        first = listed([quoted(name, 30) for name in self._names], 4)
        what = f"the first row looks like data, not like names of columns: {first}"
        hint = "write a line of names above it (question,answer), or say --no-header --input 1 --target 2"
        refuse(self._path, 1, what, hint)

    def _named(self, role: str, taken: set[str]) -> str:
        """The column that is called like a role; empty without one."""
        folded: dict[str, str] = {}
        for name in self._names:
            if name not in taken and not self._is_empty(name):
                folded.setdefault(name.casefold().replace(" ", "_").replace("-", "_"), name)
        return next((folded[alias] for alias in (role, *ALIASES[role]) if alias in folded), "")

    def _by_values(self, inputs: tuple[str, ...], target: str) -> tuple[tuple[str, ...], str]:
        """Input and answer where names do not tell: of two columns of text the one that repeats, or the shorter one."""
        left = [name for name in self._names if name not in (*inputs, target) and self._is_text(name)]
        if inputs or target:
            if len(left) == 1:
                return inputs or (left[0],), target or left[0]
        elif len(left) == 2:
            labels = [name for name in left if self._is_label(name)]
            if len(labels) == 1:
                (text,) = set(left) - set(labels)
                return (text,), labels[0]
        role, field = ("answer", "target") if inputs else ("input", "inputs")
        known = tuple(name for name in self._names if name not in (*inputs, target))
        if not known:
            hint = "a table needs two columns, such as question and answer"
            refuse(self._path, None, f"there is no column left for the {role}", hint)
        what = f"{self._path}: which column is the {role}?"
        raise Unclear(what, field, "--target" if inputs else "--input", known)

    def group(self, columns: Columns) -> str:
        """A column that looks like a group; empty without one."""
        name, _ = likely_group(columns, self._sample) or ("", ())
        if name:
            self.said.append(f'rows of one "{name}" stay in one split (--group names another column)')
        return name

    def split(self, used: set[str]) -> str:
        """A column whose values are names of splits; empty without one."""
        for name in self._names:
            if name.casefold() in _SPLIT_COLUMNS and name not in used:
                values = {str(value).strip().casefold() for value in self._values(name)}
                if values and values <= SPLITS.keys():
                    self.said.append(f'the column "{name}" says which split a row is of')
                    return name
        return ""

    def _values(self, name: str) -> Iterator[object]:
        return (plain(row.get(name)) for row in self._sample)

    def _texts(self, name: str) -> list[str]:
        return [value for value in self._values(name) if isinstance(value, str) and value.strip()]

    def _is_empty(self, name: str) -> bool:
        return bool(self._sample) and not any(value not in (None, "") for value in self._values(name))

    def _is_text(self, name: str) -> bool:
        folded = name.casefold()
        if folded in (*OPTIONAL, *_SPLIT_COLUMNS, *_TIME_COLUMNS, "index", "url", "uuid") or folded.endswith("_id"):
            return False
        texts = self._texts(name)
        return bool(texts) and not all(DATA.fullmatch(text.strip()) for text in texts[:50])

    def _is_label(self, name: str) -> bool:
        texts = self._texts(name)
        return len(set(texts)) * _REPEATED <= len(texts) and fmean(map(len, texts)) <= _SHORT
