"""Turning rows of files into examples; every fault of a row is logged."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advisor.tasks import dialogue
from advisor.tasks.answers import acceptable, listed_in_a_cell
from advisor.tasks.columns import ALIASES, OPTIONAL, Columns
from advisor.tasks.delimited import DELIMITED
from advisor.tasks.faults import FaultLog, nearest, quoted, suggestion
from advisor.tasks.forms import code_points, is_blank, look, unicode_form
from advisor.tasks.jsonfile import FileRow, parse_json, type_name
from advisor.tasks.task import UNANSWERABLE, Example, Kind, Place
from advisor.tasks.values import one_form, plain

LINE = '{"input": "...", "target": "..."}'


@dataclass(frozen=True)
class ExampleRules:
    """The constraints that the examples of a task must satisfy.

    Attributes:
        kind: the task's kind; None if unknown, which leaves the checks that depend on it out.
        labels: the labels that the user gave; empty allows any.
        documents: ids that evidence may name; None leaves evidence unchecked.
        numbered: the document ids that are line numbers, which are never suggested.
        columns: the columns of inputs and targets.
    """

    kind: Kind | None = None
    labels: tuple[str, ...] = ()
    documents: Collection[str] | None = None
    numbered: Collection[str] = ()
    columns: Columns = field(default_factory=Columns)


def default_labels(examples: Iterable[Example]) -> tuple[str, ...]:
    """The distinct targets of the examples, sorted: the labels of a classification that declares none."""
    return tuple(sorted({example.target for example in examples}))


def examples_from(rows: Sequence[FileRow], path: Path, rules: ExampleRules, log: FaultLog) -> tuple[Example, ...]:
    """Build the examples of one split from rows, in order.

    Args:
        rows: records with the columns that `rules` names and, optionally, `id`, `targets`, `evidence` and a group.
        path: the file that the rows came from, for messages.
        rules: constraints on the rows.
        log: where faults go; a row with a fault gives no example.
    """
    reader = _Reader(str(path), rules, log)
    return tuple(example for example in map(reader.example, rows) if example is not None)


def text_in(value: object) -> str | None:
    """The text of an input cell; a conversation becomes its transcript, and other values None."""
    if isinstance(value, str):
        return value
    conversation = dialogue.turns(value)
    return dialogue.transcript(conversation) if conversation else None


class _Reader:
    """Reads the rows of one file and remembers the ids seen."""

    def __init__(self, file: str, rules: ExampleRules, log: FaultLog) -> None:
        self._file = file
        self._name = Path(file).name
        self._rules = rules
        self._columns = rules.columns
        self._log = log
        self._labels = frozenset(rules.labels)
        self._lines: dict[str, int] = {}
        taken = (*self._columns.inputs, self._columns.target)  # a column chosen as one of them has no second meaning
        self._optional = {*OPTIONAL, self._columns.group}.difference(taken)
        self._nan: list[str] = []
        self._delimited = Path(file).suffix.lower() in DELIMITED

    def example(self, row: FileRow) -> Example | None:
        """The example in a row; None after a fault was logged."""
        before = len(self._log)
        self._nan = [name for name, value in row.values.items() if isinstance(value, float) and value != value]
        row = FileRow(row.line, {name: plain(value) for name, value in row.values.items()})
        identity = self._id(row)
        if self._columns.in_turns:
            text, answers = self._turns(row)
        else:
            text, answers = self._input(row), self._target(row)
        if "targets" in self._optional and row.values.get("targets") is not None:
            answers = self._targets(row, answers)
        evidence = self._evidence(row) if "evidence" in self._optional else ()
        group = self._group(row)
        if len(self._log) > before:
            return None
        several = answers if len(answers) > 1 or row.values.get("targets") is not None else ()
        place = Place(self._name, row.line)
        return Example(identity, text, answers[0], several, evidence, group, place)

    def _add(self, row: FileRow, what: str, hint: str) -> None:
        self._log.add(self._file, row.line, what, hint)

    def _id(self, row: FileRow) -> str:
        value = row.values.get("id") if "id" in self._optional else None
        if value is None or value == "":
            identity = str(row.line)
        elif isinstance(value, str):
            identity = value
        else:
            self._add(row, f'"id" is {type_name(value)}', 'write it as text ("id": "q1") or leave it out')
            return ""
        first = self._lines.setdefault(identity, row.line)
        if first != row.line:
            what = f"the id {quoted(identity)} is already used on line {first}"
            self._add(row, what, 'give every example of a file its own id, or leave "id" out')
        return identity

    def _input(self, row: FileRow) -> str:
        parts = {key: text_in(row.values.get(key)) for key in self._columns.inputs}
        found = {key: text for key, text in parts.items() if text and not is_blank(text)}
        bad = next((key for key, part in parts.items() if part is None and row.values.get(key) is not None), None)
        if bad or not found:
            key = bad or self._columns.input
            self._bad(row, key, "input", row.values.get(key), "write what the model is given, or take the line away")
            return ""
        return self._columns.joined(found)

    def _turns(self, row: FileRow) -> tuple[str, tuple[str, ...]]:
        """Input and answer of a conversation: the text before the assistant's last turn, and that turn."""
        key = self._columns.target
        value = row.values.get(key)
        conversation = dialogue.turns(value)
        if conversation is None:
            what = f'"{key}" is missing'
            if key in row.values:
                what = f'input and target are both "{key}", which is no conversation'
            hint = f'name two columns, or write turns: "{key}": [{{"role": "user", "content": "..."}}, ...]'
            self._add(row, what, hint)
            return "", ("",)
        found = dialogue.exchange(conversation)
        if found is None or any(map(is_blank, found)):
            lacking = "turn of the assistant" if found is None else "text before it" if found[1] else "text in it"
            where = "the conversation has no" if found is None else "the assistant's last turn has no"
            self._add(row, f"{where} {lacking}", "write the missing turn, or take the line away")
            return "", ("",)
        return found[0], (self._answer(row, key, found[1]),)

    def _target(self, row: FileRow) -> tuple[str, ...]:
        """The acceptable answers, the target first; empty after a fault was logged."""
        key, kind = self._columns.target, self._rules.kind
        value = row.values.get(key)
        if kind == "extraction" and isinstance(value, dict | list):
            return (compact(value),)
        if kind == "qa" and self._delimited and isinstance(value, str):
            value = listed_in_a_cell(value) or value
        if isinstance(value, str) and not is_blank(value):
            return (self._answer(row, key, value),)
        if isinstance(value, dict | list):
            return self._several(row, key, value)
        hint = {
            "qa": 'write the answer, or "unanswerable" where there is none',
            "extraction": 'write the JSON object as text, "{}" where there is nothing to extract',
        }.get(kind or "", "write the answer, or take the line away")
        self._bad(row, key, "target", value, hint)
        return ("",)

    def _several(self, row: FileRow, key: str, value: object) -> tuple[str, ...]:
        """The acceptable answers in a target that is a list or SQuAD's object."""
        found = acceptable(value)
        if found is None:
            self._add(row, f'"{key}" is {type_name(value)}, not a text', f'write one text: "{key}": "..."')
            return ("",)
        if not found:
            if self._rules.kind == "qa" and isinstance(value, dict):
                self._log.note(f'questions without an answer are read as "{UNANSWERABLE}"')
                return (UNANSWERABLE,)
            self._add(row, f'"{key}" is an empty list', f'write the answer: "{key}": "..."')
            return ("",)
        if len(found) > 1 and self._rules.kind == "classification":
            what = f'"{key}" holds {len(found)} labels; a classification takes one'
            self._add(row, what, 'write one label, or use kind = "extraction" for lists of labels')
            return ("",)
        if len(found) > 1:
            self._log.note("targets that are lists: the first answer is the target, and each of them counts as right")
        return tuple(dict.fromkeys(self._answer(row, key, text) for text in found))

    def _bad(self, row: FileRow, key: str, role: str, value: object, empty_hint: str) -> None:
        if key not in row.values:
            self._add(row, f'"{key}" is missing', self._missing_hint(row, key, role))
        elif value is None or isinstance(value, str):
            state = "NaN" if key in self._nan else "null" if value is None else "empty"
            self._add(row, f'"{key}" is {state}', empty_hint)
        else:
            self._add(row, f'"{key}" is {type_name(value)}, not a text', f'write one text: "{key}": "..."')

    def _missing_hint(self, row: FileRow, key: str, role: str) -> str:
        columns = self._columns
        others = [name for name in row.values if name not in (*columns.inputs, columns.target)]
        near = next((name for name in others if name.casefold() in ALIASES[role]), None)
        near = near or nearest(key, others)
        if near:
            return f'rename "{near}" to "{key}"'
        return f'every line needs "{columns.input}" and "{columns.target}", e.g. {columns.line}'

    def _answer(self, row: FileRow, key: str, value: str) -> str:
        if self._rules.kind == "classification":
            return self._label(row, key, unicode_form(value))
        if self._rules.kind == "extraction":
            self._check_json(row, key, value)
        return value

    def _label(self, row: FileRow, key: str, value: str) -> str:
        labels = self._rules.labels
        if self._labels and value not in self._labels:
            value = one_form([value], labels).get(value, value)
        if value.casefold() == "nan" and value not in self._labels:
            self._add(row, f'"{key}" is {value}, which stands for no value', "write the label, or take the line away")
        elif self._labels and value not in self._labels:
            self._unknown_label(row, key, value)
        return value

    def _unknown_label(self, row: FileRow, key: str, value: str) -> None:
        labels = self._rules.labels
        what = f"the {key} {quoted(value)} is not among the labels"
        lookalike = next((label for label in labels if look(label) == look(value)), None)
        if lookalike is None:
            self._log.add(self._file, row.line, what, lambda: suggestion(value, labels, "the labels"))
        else:
            odd, usual = code_points(value, lookalike), code_points(lookalike, value)
            self._add(row, f"{what}: it looks like one, but has {odd} for {usual}", "copy the label from there")

    def _check_json(self, row: FileRow, key: str, value: str) -> None:
        try:
            parsed = parse_json(value)
        except ValueError as error:
            what = f"the {key} {quoted(value)} is not valid JSON: {error}"
        else:
            if isinstance(parsed, dict | list):
                return
            what = f"the {key} {quoted(value)} is {type_name(parsed)}, not a JSON object or list"
        example = '"{\\"name\\": \\"Ada\\"}"'
        self._add(row, what, f'write a JSON object as text, e.g. "{key}": {example}')

    def _targets(self, row: FileRow, answers: tuple[str, ...]) -> tuple[str, ...]:
        value = row.values["targets"]
        found = list(answers)
        for item in map(plain, value if isinstance(value, list) else [value]):
            if isinstance(item, str) and not is_blank(item):
                found.append(self._answer(row, "targets", item))
            elif isinstance(item, dict | list) and self._rules.kind == "extraction":
                found.append(compact(item))
            else:
                hint = 'write the acceptable answers as texts: "targets": ["...", "..."]'
                self._add(row, f'"targets" holds {quoted(item)}, not a text with an answer', hint)
        return tuple(dict.fromkeys(found))

    def _evidence(self, row: FileRow) -> tuple[str, ...]:
        value = row.values.get("evidence")
        known = self._rules.documents
        found = []
        for item in map(plain, value if isinstance(value, list) else [value] if value is not None else []):
            if not isinstance(item, str):
                hint = 'name document ids: "evidence": ["d1", "d2"]'
                self._add(row, f'"evidence" holds {quoted(item)}, not a document id', hint)
                continue
            if known is not None and item not in known:
                self._unknown_document(row, item, known)
            found.append(item)
        return tuple(dict.fromkeys(found))

    def _group(self, row: FileRow) -> str:
        key = self._columns.group
        value = row.values.get(key) if key in self._optional else None
        if value is None or isinstance(value, str):
            return value or ""
        self._add(row, f'"{key}" is {type_name(value)}', f'write the group as text: "{key}": "..."')
        return ""

    def _unknown_document(self, row: FileRow, name: str, known: Collection[str]) -> None:
        def hint() -> str:
            named = sorted(set(known).difference(self._rules.numbered))
            if named:
                return suggestion(name, named, f"the ids of the {len(known)} documents")
            return f'the {len(known)} documents have no ids but their line numbers: give each its "id"'

        self._log.add(self._file, row.line, f"the evidence {quoted(name)} is not the id of a document", hint)


def compact(value: object) -> str:
    """A JSON value as text, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
