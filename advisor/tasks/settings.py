"""A task's settings: `task.toml`, or the same values given from Python."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from advisor.errors import UserError
from advisor.intake import finite, there, toml_of
from advisor.tasks.faults import FaultLog, listed, nearest, quoted, suggestion
from advisor.tasks.forms import unicode_form
from advisor.tasks.metric_list import BUILT_IN
from advisor.tasks.metrics import check_metric, facts_of, metric_names, name_of
from advisor.tasks.store_table import StoreTable, read_stores
from advisor.tasks.task import DEFAULT_METRIC, KINDS, Defaults, Kind, Limits
from advisor.tasks.textfile import near_path, read_text

_TASK_KEYS = ("name", "kind", "instruction", "metric", "metrics", "labels")
_LONGEST_NAME = 200  # bytes; file systems take 255
_REQUIRED = ("name", "kind", "instruction")
_KNOWN = {
    "task": _TASK_KEYS,
    "limits": tuple(item.name for item in fields(Limits)),
    "compare": ("model", *(item.name for item in fields(Defaults))),
    "judge": ("rubric",),
}
SHARES = {"min_quality": "metrics run from 0 to 1", "utilisation": "a share of the time is at most 1"}
"""Limits that are shares, with why they are at most 1."""
SWITCHES = ("local_only",)
"""Limits that are on or off."""
_SAMPLE = {
    "name": 'name = "helpdesk"',
    "kind": 'kind = "qa"',
    "instruction": 'instruction = "Answer the question in a few words."',
}


@dataclass(frozen=True)
class TaskSettings:
    """A task without its examples and documents; `labels` is empty, and `metric` None, where none were given."""

    name: str = ""
    kind: Kind | None = None
    instruction: str = ""
    metric: str | None = None
    metrics: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    defaults: Defaults = field(default_factory=Defaults)
    caveats: tuple[str, ...] = ()
    stores: StoreTable = field(default_factory=StoreTable)
    rubric: str = ""


def read_settings(path: Path, log: FaultLog) -> TaskSettings:
    """Read the settings in a `task.toml`; faulty ones are logged and keep their defaults."""
    if not there(path):
        sample = "; ".join(_SAMPLE.values())
        log.add(
            path,
            None,
            "no such file",
            lambda: near_path(path) or f"write one: [task] and below it, each on its own line, {sample}",
        )
        return TaskSettings()
    text = read_text(path, log)
    if text is None:
        return TaskSettings()
    try:
        content = toml_of(text)
    except ValueError as error:
        _log_bad_toml(path, text, error, log)
        return TaskSettings()
    return _Checker(str(path), text, log).settings(content)


def check_settings(values: Mapping[str, object], file: str, log: FaultLog) -> TaskSettings:
    """Check the settings in `values`, keyed as in `[task]`; faults are logged under the name `file`."""
    return _Checker(file, "", log).settings({"task": dict(values)})


class _Checker:
    """Checks parsed settings and finds the lines of faults in their text."""

    def __init__(self, file: str, text: str, log: FaultLog) -> None:
        self._file = file
        self._text = text
        self._log = log

    def settings(self, content: Mapping[str, object]) -> TaskSettings:
        """The settings in a parsed file."""
        task = self._table(content, "task")
        limits = self._table(content, "limits") or {}
        compare = self._table(content, "compare") or {}
        judge = self._table(content, "judge") or {}
        stores = read_stores(content.get("stores"), str(Path(self._file).parent), self._add_store)
        caveats = (*self._stray_tables(content), *_imported(content))
        if task is None:
            loose = [key for key in _TASK_KEYS if key in content]
            hint = f"add [task] with {listed(_REQUIRED)}"
            if loose:
                hint = f"write [task] on a line above {loose[0]}"
            if "task" not in content:
                self._log.add(self._file, None, "the table [task] is missing", hint)
            return TaskSettings()
        self._missing(task)
        kind = self._kind(task)
        return TaskSettings(
            name=self._name(task),
            kind=kind,
            instruction=self._text_of(task, "task", "instruction") or "",
            metric=self._metric(task, kind),
            metrics=self._metrics(task, kind),
            labels=self._labels(task, kind),
            limits=Limits(**{key: self._limit(limits, key) for key in _KNOWN["limits"] if key in limits}),
            defaults=self._defaults(compare),
            caveats=caveats,
            stores=stores,
            rubric=self._text_of(judge, "judge", "rubric") or "",
        )

    def _add_store(self, name: str, what: str, hint: str) -> None:
        line = line_of(self._text, "stores", name) or line_of(self._text, f"stores.{name}", "")
        self._log.add(self._file, line, what, hint)

    def _add(self, table: str, key: str, what: str, hint: str | Callable[[], str]) -> None:
        self._log.add(self._file, line_of(self._text, table, key), what, hint)

    def _table(self, content: Mapping[str, object], name: str) -> dict[str, object] | None:
        table = content.get(name)
        if table is None:
            return None
        if not isinstance(table, dict):
            self._add("", name, f'"{name}" is not a table', f"write [{name}] on a line of its own")
            return None
        known = _KNOWN[name]
        for key in table:
            if key not in known:
                hint = suggestion(key, known, f"the keys of [{name}]")
                self._add(name, key, f'unknown key "{key}" in [{name}]', hint)
        return table

    def _stray_tables(self, content: Mapping[str, object]) -> tuple[str, ...]:
        near = {key: nearest(key, _KNOWN) for key in content if key not in (*_KNOWN, "stores")}
        return tuple(
            f"the table [{key}] of {Path(self._file).name} is not read; [{known}] would be"
            for key, known in near.items()
            if known and known not in content
        )

    def _missing(self, task: Mapping[str, object]) -> None:
        misspelt = {nearest(key, _TASK_KEYS) for key in task if key not in _TASK_KEYS}
        for key in _REQUIRED:
            if key not in task and key not in misspelt:
                self._log.add(
                    self._file,
                    line_of(self._text, "task", ""),
                    f'"{key}" is missing in [task]',
                    f"add a line such as {_SAMPLE[key]}",
                )

    def _text_of(self, table: Mapping[str, object], name: str, key: str) -> str | None:
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            what = f'"{key}" is {quoted(value)}, not a text'
            self._add(name, key, what, f'write it in quotes: {key} = "..."')
        elif not value.strip():
            self._add(name, key, f'"{key}" is empty', f"write the {key} between the quotes")
        else:
            return value
        return None

    def _name(self, task: Mapping[str, object]) -> str:
        name = self._text_of(task, "task", "name") or ""
        if name in (".", "..") or re.search(r'[/\\:*?"<>|\x00-\x1f]', name):
            hint = "use letters, digits, spaces, - and _; results are kept in a folder of this name"
            self._add("task", "name", f"the name {quoted(name)} cannot be a folder's name", hint)
        elif len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
            hint = f"use at most {_LONGEST_NAME} letters; results are kept in a folder of this name"
            self._add("task", "name", f"the name {quoted(name)} is too long for a folder's name", hint)
        return name

    def _kind(self, task: Mapping[str, object]) -> Kind | None:
        given = self._text_of(task, "task", "kind")
        for kind in KINDS:
            if kind == given:
                return kind
        if given is not None:
            hint = suggestion(given, KINDS, "the kinds")
            hint = hint if hint.startswith("the kinds") else f"{hint} The kinds: {listed(KINDS)}"
            self._add("task", "kind", f'unknown kind "{given}"', hint)
        return None

    def _metric(self, task: Mapping[str, object], kind: Kind | None) -> str | None:
        given = self._text_of(task, "task", "metric")
        return None if given is None else self._checked(given, kind, "metric")

    def _metrics(self, task: Mapping[str, object], kind: Kind | None) -> tuple[str, ...]:
        given = task.get("metrics", [])
        if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
            self._add("task", "metrics", '"metrics" is not a list of texts', 'write metrics = ["chrf", "rouge_l"]')
            return ()
        return tuple(filter(None, dict.fromkeys(self._checked(name, kind, "metrics") for name in given)))

    def _checked(self, given: str, kind: Kind | None, key: str) -> str | None:
        """The canonical text of a metric; a fault where it is none for such a task."""
        name = name_of(given)
        if name not in BUILT_IN and name not in (names := metric_names()):
            near = nearest(name, names)
            hint = (f'did you mean "{near}"? ' if near else "") + f"The metrics: {listed(names, len(names))}"
            self._add("task", key, f'unknown metric "{given}"', hint)
            return None
        try:
            kinds = facts_of(given).kinds
            if kind and kind not in kinds and key == "metric":
                needed = " or ".join(f'"{known}"' for known in kinds)
                hint = f'for {kind} use "{DEFAULT_METRIC[kind]}", or leave the metric out'
                self._add("task", key, f'the metric "{given}" needs kind {needed}, not "{kind}"', hint)
                return given
            return check_metric(given, kind, beside=key == "metrics")
        except UserError as error:
            self._add("task", key, error.what, error.hint)
            return None

    def _labels(self, task: Mapping[str, object], kind: Kind | None) -> tuple[str, ...]:
        given = task.get("labels")
        if given is None:
            return ()
        if kind not in (None, "classification"):
            hint = 'take the labels out, or use kind = "classification"'
            self._add("task", "labels", f'labels are given, but the kind is "{kind}"', hint)
            return ()
        if not isinstance(given, list | tuple) or not all(isinstance(label, str) for label in given):
            self._add("task", "labels", '"labels" is not a list of texts', 'write labels = ["yes", "no"]')
            return ()
        labels = tuple(map(unicode_form, given))
        twice = [label for label, count in Counter(labels).items() if count > 1 and label]
        if not labels:
            self._add("task", "labels", '"labels" is empty', "leave labels out to take those in train")
        if "" in labels:
            self._add("task", "labels", "a label is empty", 'name every label, as in labels = ["yes", "no"]')
        if twice:
            hint = "name every label once"
            same = "" if len(set(map(str.strip, given))) < len(given) else " (in two Unicode forms)"
            self._add("task", "labels", f"labels given twice: {listed(map(quoted, twice))}{same}", hint)
        return labels

    def _limit(self, limits: Mapping[str, object], key: str) -> Any:
        value = limits[key]
        if key in SWITCHES:
            if isinstance(value, bool):
                return value or None
            self._add("limits", key, f'"{key}" is {quoted(value)}, not true or false', f"write {key} = true")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            what = f'"{key}" is {quoted(value)}, not a number'
            self._add("limits", key, what, f"write a number without quotes: {key} = 1")
        elif not value > 0:
            hint = "give a number above 0, or leave the line out where there is no limit"
            self._add("limits", key, f'"{key}" is {value}, not above 0', hint)
        elif not finite(value):
            self._add("limits", key, f'"{key}" is {quoted(value)}, too large to go by', "leave out what is no limit")
        elif key in SHARES and value > 1:
            self._add("limits", key, f'"{key}" is {value}, above 1', f"{SHARES[key]}: {key} = {value / 100:g}")
        else:
            return value
        return None

    def _defaults(self, compare: Mapping[str, object]) -> Defaults:
        model = self._text_of(compare, "compare", "model")
        models = self._texts_of(compare, "models", 'models = ["small=embedded", "big=openai:gpt-5-mini"]')
        if model and models:
            self._add("compare", "models", '"model" and "models" are both given', "leave one of them out")
        approaches = self._texts_of(compare, "approaches", 'approaches = ["zero-shot", "few-shot"]')
        return Defaults(models or ((model,) if model else ()), approaches)

    def _texts_of(self, compare: Mapping[str, object], key: str, sample: str) -> tuple[str, ...]:
        given = compare.get(key, [])
        if isinstance(given, list) and all(isinstance(text, str) and text.strip() for text in given):
            return tuple(given)
        self._add("compare", key, f'"{key}" is not a list of texts', f"write {sample}")
        return ()


def _imported(content: Mapping[str, object]) -> Iterator[str]:
    """What an import left to say, if the folder is one's."""
    table = content.get("import")
    said = table.get("caveats") if isinstance(table, dict) else None
    return (text for text in said if isinstance(text, str)) if isinstance(said, list) else iter(())


def line_of(text: str, table: str, key: str) -> int | None:
    """The 1-based line of `key` in `[table]` of a TOML text, or of the table's header if the key is empty."""
    current = ""
    for number, line in enumerate(text.split("\n"), 1):
        head = re.match(r"\s*+\[\[?([^\[\]]++)\]", line)
        if head:
            current = head[1].strip().strip("\"'")
            if current == table and not key:
                return number
        elif current == table and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return None


def _log_bad_toml(path: Path, text: str, error: ValueError, log: FaultLog) -> None:
    message = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if place is None:
        told = isinstance(error, tomllib.TOMLDecodeError)
        hint = "close the last bracket or quote" if told else "settings are texts, short numbers and lists of texts"
        log.add(path, None, f"not valid TOML: {message}", hint)
        return
    number = int(place[1])
    line = text.split("\n")[number - 1].strip()
    shown = "" if _may_be_secret(text, number) else f": {line[:80]}"
    what = f"not valid TOML: {message[: place.start()]} at column {place[2]}{shown}"
    log.add(path, number, what, 'write key = "text", key = 1 or key = ["a", "b"]; texts need double quotes')


def _may_be_secret(text: str, number: int) -> bool:
    """Whether a line holds an address, or stands in `[stores]`."""
    lines = text.split("\n")[:number]
    heads = [line.strip() for line in lines if re.match(r"\s*\[", line)]
    return "://" in lines[-1] or "stores" in lines[-1] or bool(heads and re.match(r"\[+\s*[\"']?stores", heads[-1]))
