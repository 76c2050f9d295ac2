"""Rows with several labels each: a list of them, a cell that joins them, or a column of 0 and 1 for each label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from advisor.tasks.answers import listed_in_a_cell
from advisor.tasks.columns import ALIASES, Columns
from advisor.tasks.examples import compact
from advisor.tasks.faults import listed
from advisor.tasks.forms import unicode_form
from advisor.tasks.importing.contract import ImportChoices, Record
from advisor.tasks.importing.rows import RowSource, SourceRow, first_rows
from advisor.tasks.importing.rowwise import NoRecord, RowFormat, text_of
from advisor.tasks.jsonfile import type_name
from advisor.tasks.values import plain

_LOOKED_AT = 100  # rows by which the layout is told
_SHARE = 0.9  # of values that are 0 or 1, from which a column stands for a label
_COLUMNS = ("labels", "label", "tags", "categories", "topics", "genres", "emotions", "intents", "classes", "keywords")
_SIGNS = (";", "|", ",")
_TRUTH = {"0": False, "1": True, "false": False, "true": True, "0.0": False, "1.0": True}
_LONGEST_LABEL = 60  # characters


@dataclass(frozen=True)
class LabelLayout:
    """Where the labels of a row stand.

    Attributes:
        inputs: the columns of the text.
        column: holds the labels, as a list, or joined by `sign`; empty where each label has a column.
        truths: the columns of 0 and 1, one for each label.
    """

    inputs: tuple[str, ...]
    column: str = ""
    sign: str = ""
    truths: tuple[str, ...] = ()

    def labels(self, values: Mapping[str, object]) -> list[str]:
        """The labels of a row.

        Raises:
            NoRecord: they are missing, or of another type than those of the first rows.
        """
        if not self.column:
            return [name for name in self.truths if _truth(values, name)]
        value = values.get(self.column)
        value = _unpacked(value)
        if isinstance(value, str) and self.sign:
            value = value.split(self.sign)
        if value is None:
            raise NoRecord(f'"{self.column}" is null or missing', "write the labels; an empty list where none applies")
        found = [plain(item) for item in (value if isinstance(value, list) else [value])]
        if not all(isinstance(item, str) for item in found):
            odd = type_name(next(item for item in found if not isinstance(item, str)))
            raise NoRecord(f'"{self.column}" holds {odd}, not a label', "write labels as texts")
        return list(dict.fromkeys(text for item in found if (text := unicode_form(str(item)))))


class MultiLabel(RowFormat):
    """Texts with several labels: the target is a JSON object `{"labels": [...]}`; with one label each, the label."""

    name = "multilabel"
    called = "a set with several labels a row"
    examples_of = '{"text": "...", "labels": ["a", "b"]}; a cell a;b; or one column of 0 and 1 for each label'

    def __init__(self, rows: RowSource, asked: ImportChoices, name: str) -> None:
        super().__init__(rows, asked, name)
        first = [row.values for row in first_rows(rows, _LOOKED_AT)]
        self._layout = _layout(first, asked) or LabelLayout(())
        self._known: set[str] = set(self._layout.truths)

    @classmethod
    def fits(cls, first: Sequence[Mapping[str, object]], asked: ImportChoices) -> bool:
        """Whether rows have a text and labels."""
        return _layout(first, asked) is not None

    def look(self) -> None:
        """Learn whether any row has several labels; else, or as asked, it is a plain classification."""
        self.kind = "classification"
        if self.asked.kind == self.kind:
            return
        for row in self.peeked():
            try:
                count = len(self._layout.labels(row.values))
            except NoRecord:
                continue
            if count > 1 or (count == 0 and self._layout.truths):
                self.kind = "extraction"
                return

    def records(self, row: SourceRow) -> Iterator[Record]:
        """One example."""
        parts = {
            name: text_of(row.values, name, "write the text, or leave the row out") for name in self._layout.inputs
        }
        text = Columns(self._layout.inputs).joined(parts)
        labels = self._layout.labels(row.values)
        self._known.update(labels)
        if self.kind == "extraction":
            yield self.example(row, text, [compact({"labels": labels})])
        elif labels:
            yield self.example(row, text, labels)
        else:
            raise NoRecord("the row has no label", "write one, or leave the row out")

    def finish(self) -> None:
        """Say what the task is."""
        layout = self._layout
        self.columns = {"input": ", ".join(layout.inputs), "target": layout.column or ", ".join(layout.truths)}
        names = listed(sorted(self._known), 100)
        if self.kind == "extraction":
            self.notes.append(
                'rows have several labels: the target is {"labels": [...]}, measured label by label (json_f1)'
            )
            self.instruction = (
                f'Answer with a JSON object {{"labels": [...]}} of all labels that apply, among: {names}.'
            )
        else:
            self.notes.append("each row that is taken has one label: it is a classification")
            self.instruction = f"Answer with the one label that applies, among: {names}."


def _layout(first: Sequence[Mapping[str, object]], asked: ImportChoices) -> LabelLayout | None:
    """Where text and labels stand, by the first rows; None where they do not look like it."""
    names = list(dict.fromkeys(name for row in first for name in row))
    told = bool(asked.format)
    column = asked.target or next((name for name in _COLUMNS for own in names if own.casefold() == name), "")
    column = next((own for own in names if own.casefold() == column.casefold()), "") if column else ""
    if asked.target and not column:
        return None
    values = [row.get(column) for row in first] if column else []
    if not told and not asked.target and _has_answers(names, (column,)):
        return None
    is_list = sum(_is_labels(value) for value in values) > len(values) / 2
    sign = "" if is_list else _joined_by([value for value in values if isinstance(value, str)])
    if column and (is_list or sign or told):
        inputs = asked.inputs or _text_column(first, names, {column})
        return LabelLayout(inputs, column, sign) if inputs else None
    if asked.target:
        return None
    truths = tuple(name for name in names if _is_truths([row.get(name) for row in first]) and name not in asked.inputs)
    if not told and _has_answers(names, truths):
        return None
    inputs = asked.inputs or _text_column(first, names, set(truths))
    return LabelLayout(inputs, truths=truths) if len(truths) > 1 and inputs and (len(first) > 1 or told) else None


def _has_answers(names: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether a column with the name of an answer stands beside the labels, which then say something else of rows."""
    answers = {"target", *ALIASES["target"]}
    return any(name.casefold() in answers and name not in labels for name in names)


def _is_labels(value: object) -> bool:
    """Whether a value is a list of short texts; an empty one may be."""
    value = _unpacked(value)
    items = value if isinstance(value, list) else None
    return items is not None and all(isinstance(item, str | int) and len(str(item)) <= _LONGEST_LABEL for item in items)


def _unpacked(value: object) -> object:
    """The list that a cell holds as text; any other value as it is."""
    if not isinstance(value, str):
        return value
    return [] if value.strip() == "[]" else listed_in_a_cell(value) or value


def _joined_by(cells: Sequence[str]) -> str:
    """The sign that joins labels in cells: some hold several, and the pieces come back; empty without one."""
    for sign in _SIGNS:
        pieces = [piece.strip() for cell in cells for piece in cell.split(sign)]
        joined = sum(sign in cell for cell in cells)
        if joined and all(len(piece) <= _LONGEST_LABEL for piece in pieces) and 2 * len(set(pieces)) <= len(pieces):
            return sign
    return ""


def _is_truths(values: Sequence[object]) -> bool:
    good = sum(str(plain(value)).strip().casefold() in _TRUTH for value in values)
    return good > 0 and good >= _SHARE * len(values)


def _truth(values: Mapping[str, object], name: str) -> bool:
    found = str(plain(values.get(name))).strip().casefold()
    if found not in _TRUTH:
        seen = "empty" if found in ("", "none") else "neither 0 nor 1"
        raise NoRecord(f'"{name}" is {seen}', "write 1 where the label applies, else 0")
    return _TRUTH[found]


def _text_column(first: Sequence[Mapping[str, object]], names: Sequence[str], taken: set[str]) -> tuple[str, ...]:
    """The column of the text: one of the usual names, else the one with the longest texts."""
    lengths = {
        name: sum(len(str(row.get(name) or "")) for row in first)
        for name in names
        if name not in taken and name != "id" and all(isinstance(row.get(name), str | None) for row in first)
    }
    usual = [name for alias in ("input", *ALIASES["input"]) for name in lengths if name.casefold() == alias]
    found = usual[:1] or sorted(lengths, key=lambda name: -lengths[name])[:1]
    return tuple(found)
