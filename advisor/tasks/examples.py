"""From rows to examples, with every fault of a row noted."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.tasks.faults import FaultLog, nearest, quoted, suggestion
from advisor.tasks.task import Example, Kind, Place
from advisor.tasks.textfile import Row, parse_json, type_name

LINE = '{"input": "...", "target": "..."}'
_ALIASES = {
    "input": ("question", "text", "query", "prompt", "sentence", "message", "utterance"),
    "target": ("answer", "label", "output", "response", "completion", "summary", "category", "class"),
}


@dataclass(frozen=True)
class Rules:
    """What the examples of a task must obey.

    Attributes:
        kind: the task's kind; None if unknown, which leaves the checks that depend on it out.
        labels: the labels that the user gave; empty allows any.
        documents: ids that evidence may name; None leaves evidence unchecked.
        input: the column of the inputs.
        target: the column of the targets.
    """

    kind: Kind | None = None
    labels: tuple[str, ...] = ()
    documents: Collection[str] | None = None
    input: str = "input"
    target: str = "target"

    @property
    def line(self) -> str:
        """A line as it should be, for mends."""
        return json.dumps({self.input: "...", self.target: "..."}, ensure_ascii=False)


def default_labels(examples: Iterable[Example]) -> tuple[str, ...]:
    """The distinct targets of the examples, sorted: the labels of a classification that names none."""
    return tuple(sorted({example.target for example in examples}))


def examples_from(rows: Sequence[Row], path: Path, rules: Rules, log: FaultLog) -> tuple[Example, ...]:
    """The examples in the rows of one split, in order.

    Args:
        rows: records with the columns that `rules` names and, optionally, `id`, `targets` and `evidence`.
        path: the file that the rows came from, for messages.
        rules: what the rows must obey.
        log: where faults go; a row with a fault gives no example.
    """
    reader = _Reader(str(path), rules, log)
    return tuple(example for example in map(reader.example, rows) if example is not None)


class _Reader:
    """Reads the rows of one file and remembers the ids seen."""

    def __init__(self, file: str, rules: Rules, log: FaultLog) -> None:
        self._file = file
        self._name = Path(file).name
        self._rules = rules
        self._log = log
        self._labels = frozenset(rules.labels)
        self._lines: dict[str, int] = {}
        taken = (rules.input, rules.target)  # a column chosen as input or target has no second meaning
        self._optional = {"id", "targets", "evidence"}.difference(taken)

    def example(self, row: Row) -> Example | None:
        before = len(self._log)
        values = row.values
        identity = self._id(row)
        text = self._input(row)
        target = self._target(row)
        targets: tuple[str, ...] = ()
        evidence: tuple[str, ...] = ()
        if "targets" in self._optional and values.get("targets") is not None:
            targets = self._targets(row, target)
        if "evidence" in self._optional and values.get("evidence") is not None:
            evidence = self._evidence(row)
        if len(self._log) > before:
            return None
        return Example(identity, text, target, targets, evidence, Place(self._name, row.line))

    def _add(self, row: Row, what: str, mend: str) -> None:
        self._log.add(self._file, row.line, what, mend)

    def _id(self, row: Row) -> str:
        value = row.values.get("id") if "id" in self._optional else None
        if value is None or value == "":
            identity = str(row.line)
        elif isinstance(value, str):
            identity = value
        elif isinstance(value, int) and not isinstance(value, bool):
            identity = str(value)
        else:
            self._add(row, f'"id" is {type_name(value)}', 'write it as text ("id": "q1") or leave it out')
            return ""
        first = self._lines.setdefault(identity, row.line)
        if first != row.line:
            what = f"the id {quoted(identity)} is already used on line {first}"
            self._add(row, what, 'give every example of a file its own id, or leave "id" out')
        return identity

    def _input(self, row: Row) -> str:
        key = self._rules.input
        value = row.values.get(key)
        if isinstance(value, str) and value and not value.isspace():
            return value
        self._bad(row, key, "input", value, "write what the model is given, or take the line away")
        return ""

    def _target(self, row: Row) -> str:
        key, kind = self._rules.target, self._rules.kind
        value = row.values.get(key)
        if isinstance(value, str) and value and not value.isspace():
            return self._answer(row, key, value)
        if isinstance(value, dict) and kind == "extraction":
            return _compact(value)
        mend = {
            "qa": 'write the answer, or "unanswerable" where there is none',
            "extraction": 'write the JSON object as text, "{}" where there is nothing to extract',
        }.get(kind or "", "write the answer, or take the line away")
        self._bad(row, key, "target", value, mend)
        return ""

    def _bad(self, row: Row, key: str, role: str, value: object, empty_mend: str) -> None:
        if key not in row.values:
            self._add(row, f'"{key}" is missing', self._missing_mend(row, key, role))
        elif value is None or isinstance(value, str):
            self._add(row, f'"{key}" is {"null" if value is None else "empty"}', empty_mend)
        elif isinstance(value, dict | list):
            mend = f'write one text: "{key}": "..."'
            if isinstance(value, list) and role == "target":
                mend += '; all acceptable answers go in a list in "targets"'
            self._add(row, f'"{key}" is {type_name(value)}, not a text', mend)
        else:
            shown = quoted(value)
            self._add(row, f'"{key}" is {shown}, not a text', f'put it in quotes: "{key}": {quoted(shown)}')

    def _missing_mend(self, row: Row, key: str, role: str) -> str:
        others = [name for name in row.values if name not in (self._rules.input, self._rules.target)]
        near = next((name for name in others if name.casefold() in _ALIASES[role]), None)
        near = near or nearest(key, others)
        if near:
            return f'rename "{near}" to "{key}"'
        rules = self._rules
        return f'every line needs "{rules.input}" and "{rules.target}", e.g. {rules.line}'

    def _answer(self, row: Row, key: str, value: str) -> str:
        if self._rules.kind == "classification":
            value = value.strip()
            if self._labels and value not in self._labels:
                labels = self._rules.labels
                self._log.add(
                    self._file,
                    row.line,
                    f"the {key} {quoted(value)} is not among the labels",
                    lambda: suggestion(value, labels, "the labels"),
                )
        elif self._rules.kind == "extraction":
            self._check_object(row, key, value)
        return value

    def _check_object(self, row: Row, key: str, value: str) -> None:
        try:
            parsed = parse_json(value)
        except ValueError as error:
            what = f"the {key} {quoted(value)} is not valid JSON: {error}"
        else:
            if isinstance(parsed, dict):
                return
            what = f"the {key} {quoted(value)} is {type_name(parsed)}, not a JSON object"
        example = '"{\\"name\\": \\"Ada\\"}"'
        self._add(row, what, f'write a JSON object as text, e.g. "{key}": {example}')

    def _targets(self, row: Row, target: str) -> tuple[str, ...]:
        value = row.values["targets"]
        items = value if isinstance(value, list) else [value]
        answers = [target]
        for item in items:
            if isinstance(item, str) and item and not item.isspace():
                answers.append(self._answer(row, "targets", item))
            elif isinstance(item, dict) and self._rules.kind == "extraction":
                answers.append(_compact(item))
            else:
                mend = 'write the acceptable answers as texts: "targets": ["...", "..."]'
                self._add(row, f'"targets" holds {quoted(item)}, not a text with an answer', mend)
        return tuple(dict.fromkeys(answers))

    def _evidence(self, row: Row) -> tuple[str, ...]:
        value = row.values["evidence"]
        items = value if isinstance(value, list) else [value]
        known = self._rules.documents
        found = []
        for item in items:
            if isinstance(item, bool) or not isinstance(item, str | int):
                mend = 'name document ids: "evidence": ["d1", "d2"]'
                self._add(row, f'"evidence" holds {quoted(item)}, not a document id', mend)
                continue
            name = str(item)
            if known is not None and name not in known:
                self._unknown_document(row, name, known)
            found.append(name)
        return tuple(dict.fromkeys(found))

    def _unknown_document(self, row: Row, name: str, known: Collection[str]) -> None:
        self._log.add(
            self._file,
            row.line,
            f"the evidence {quoted(name)} is not the id of a document",
            lambda: suggestion(name, known, f"the ids of the {len(known)} documents"),
        )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
