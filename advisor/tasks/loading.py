"""Loading a task from a task folder or from tables, through the same checks."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.errors import UserError
from advisor.intake import link_out, there
from advisor.tasks.columns import Columns, group_advice, of_lines
from advisor.tasks.documents import read_documents
from advisor.tasks.examples import LINE, ExampleRules, default_labels, examples_from
from advisor.tasks.faults import FaultLog, listed
from advisor.tasks.grades import FILE as GRADES
from advisor.tasks.grades import check_ids, read_grades
from advisor.tasks.jsonfile import read_json
from advisor.tasks.preferences import FILE as PREFERENCES
from advisor.tasks.preferences import read_preferences, with_preferences
from advisor.tasks.settings import TaskSettings, check_settings, read_settings
from advisor.tasks.shapes import CODE, code_share
from advisor.tasks.splits import check_split, split_test
from advisor.tasks.tables import ENDINGS, Table, TableSource, read_table
from advisor.tasks.task import DEFAULT_METRIC, Document, Example, Task
from advisor.tasks.textfile import BOUNDS, FileBounds, near_path
from advisor.tasks.values import one_form, two_ways

OPEN = "test_after_open.jsonl"
"""The questions of a change whose answers nobody has given yet."""

RowReader = Callable[[Path, FaultLog], Table | None]
_TABLES = tuple(ending for ending in ENDINGS if ending != ".jsonl")


@dataclass(frozen=True)
class _Source:
    """The locations of a task's parts, how its rows are read, and its settings.

    Attributes:
        keep_groups: whether a split keeps groups on one side that may be slices, since their column was named for that.
    """

    settings: TaskSettings
    train: Path | None
    test: Path | None
    dev: Path | None
    documents: Path | None
    rows: RowReader
    rules: ExampleRules
    origin: str
    bounds: FileBounds
    home: Path | None = None
    keep_groups: bool = False
    documents_after: Path | None = None
    test_after: Path | None = None
    preferences: Path | None = None
    grades: Path | None = None


def load_task(path: str | Path, *, split: float | None = None, seed: int = 0, bounds: FileBounds = BOUNDS) -> Task:
    """Load a task folder: task.toml, train.jsonl and test.jsonl, and what else there is.

    That may be dev.jsonl, documents, preferences.jsonl and grades.jsonl; of a change documents_after and
    test_after.jsonl.

    Args:
        path: the folder.
        split: share of train to set aside as test where there is no test.jsonl, above 0 and below 1.
        seed: the seed of that split.
        bounds: how large the files may be.

    Returns:
        The task; what a reader of its results should know is in `caveats`.

    Raises:
        UserError: no such folder, or a split that cannot be made.
        Faults: mistakes in the files, all of them (a UserError too).
    """
    folder = Path(path)
    check_split(split)
    _check_folder(folder)
    log = FaultLog()
    settings = read_settings(folder / "task.toml", log)
    train, test = _present(folder / "train.jsonl"), _present(folder / "test.jsonl")
    if train is None:
        log.add(folder / "train.jsonl", None, "no such file", _train_hint(folder))
    if _test_wanted(test, split, log):
        hint = "add it, or set a part of train.jsonl aside with --split 0.3"
        log.add(folder / "test.jsonl", None, "no such file", hint)
    source = _Source(
        settings=settings,
        train=train,
        test=test,
        dev=_present(folder / "dev.jsonl"),
        documents=_folder_documents(folder, "documents", log),
        rows=lambda file, log: _read_lines(file, log, bounds),
        rules=ExampleRules(settings.kind, settings.labels),
        origin=str(folder),
        bounds=bounds,
        home=folder,
        documents_after=_folder_documents(folder, "documents_after", log),
        test_after=_present(folder / "test_after.jsonl"),
        preferences=_present(folder / PREFERENCES),
        grades=_present(folder / GRADES),
    )
    _check_change(source, folder, log)
    _note_links(source, log)
    return _load(source, split, seed, log)


def load_table(source: TableSource, *, split: float | None = None, seed: int = 0, bounds: FileBounds = BOUNDS) -> Task:
    """Load a task from tables: CSV, TSV, JSON, Parquet or CoNLL, told apart by their endings.

    Args:
        source: the files, the columns, and what task.toml would say.
        split: share of train to set aside as test where no test table is given, above 0 and below 1.
        seed: the seed of that split.
        bounds: how large the files may be.

    Returns:
        The task; what a reader of its results should know is in `caveats`.

    Raises:
        UserError: a split that cannot be made, or a Parquet file without pyarrow installed.
        Faults: mistakes in the files or in `source`, all of them (a UserError too).
    """
    check_split(split)
    log = FaultLog()
    told = ("kind", "instruction", "metric", "labels")
    values = {"name": source.task_name} | {key: getattr(source, key) for key in told}
    settings = check_settings(values, "TableSource", log)
    train, test = Path(source.train), _path(source.test)
    if _test_wanted(test, split, log):
        hint = "give a test table, or set a part of this one aside with --split 0.3"
        log.add(train, None, "there are no test examples", hint)
    parts = _Source(
        settings=settings,
        train=train,
        test=test,
        dev=_path(source.dev),
        documents=_path(source.documents),
        rows=lambda file, log: read_table(file, source.columns, log, bounds.table),
        rules=ExampleRules(settings.kind, settings.labels),
        origin=str(train),
        bounds=bounds,
        keep_groups=bool(source.group),
    )
    return _load(parts, split, seed, log)


def _load(source: _Source, split: float | None, seed: int, log: FaultLog) -> Task:
    """Read documents and examples, raise all faults logged so far, and build the task."""
    documents, knowing = _documents(source.documents, source, log)
    documents_after, knowing_after = _documents(source.documents_after, source, log)
    train = _examples(source.train, knowing, log, split is not None)
    dev, test = (_examples(file, knowing, log) for file in (source.dev, source.test))
    test_after = _examples(source.test_after, knowing_after if source.documents_after else knowing, log)
    pairs = read_preferences(source.preferences, log, source.bounds) if source.preferences else ()
    grades = read_grades(source.grades, log, source.bounds) if source.grades else ()
    if source.grades and test:
        check_ids(grades, source.grades, {example.id for example in test}, log)
    log.raise_if_any()
    settings = source.settings
    assert settings.kind  # else a fault was raised
    if settings.kind == "classification":
        train, dev, test, test_after = _in_one_form((train, dev, test, test_after), settings.labels, log)
    labels = settings.labels
    if settings.kind == "classification" and not labels:
        labels = default_labels(train)
    task = Task(
        name=settings.name,
        kind=settings.kind,
        instruction=settings.instruction,
        metric=settings.metric or DEFAULT_METRIC[settings.kind],
        metrics=settings.metrics,
        labels=labels,
        train=train,
        dev=dev,
        test=test,
        documents=documents,
        limits=settings.limits,
        defaults=settings.defaults,
        caveats=(*settings.caveats, *log.notes),
        origin=source.origin,
        documents_after=documents_after,
        test_after=test_after,
        stores=settings.stores.declare(),
        grades=grades,
        rubric=settings.rubric,
    )
    if not settings.metric:
        task = _judged_as_code(task)
    if missing := unasked(task):
        where = OPEN if source.home and there(source.home / OPEN) else "test_after.jsonl lacks them"
        what = "1 test question is" if missing == 1 else f"{missing:,} test questions are"
        caveat = f"{what} not asked after the change ({where}): fill in their answers"
        task = replace(task, caveats=(*task.caveats, caveat))
    if not documents:
        task = _without_evidence(task)
    if split is not None and source.train:
        task = split_test(task, split, seed, source.train, source.keep_groups)
    return with_preferences(task, pairs) if pairs else task


def unasked(task: Task) -> int:
    """How many test questions are not asked after the change; 0 where none is known."""
    after = {example.input for example in task.test_after}
    return sum(example.input not in after for example in task.test) if after else 0


def _documents(path: Path | None, source: _Source, log: FaultLog) -> tuple[tuple[Document, ...], _Source]:
    """The documents at a path, and the source with rules that know their ids; as it was where there are none."""
    before = len(log)
    documents = read_documents(path, log, source.bounds, source.home) if path else ()
    if not documents or len(log) > before:
        return documents, source
    return documents, replace(source, rules=_knowing(source.rules, documents))


def _check_change(source: _Source, folder: Path, log: FaultLog) -> None:
    """Log what a change lacks: without new answers nothing of it can be measured."""
    if source.documents_after is None:
        return
    if source.test_after is None:
        what = f"no such file, but there is {source.documents_after.name}"
        hint = "write the test questions with the answers that are right after the change, also those that stay right"
        log.add(folder / "test_after.jsonl", None, what, hint)
    if source.documents is None:
        log.add(source.documents_after, None, "there are no documents that change into these", "add documents/")


def _knowing(rules: ExampleRules, documents: Sequence[Document]) -> ExampleRules:
    """The rules with the documents' ids added; ids that are line numbers are never suggested."""
    numbered = {d.id for d in documents if d.place and d.id == str(d.place.line)}
    return replace(rules, documents=frozenset(d.id for d in documents), numbered=frozenset(numbered))


def _note_links(source: _Source, log: FaultLog) -> None:
    """Log which tables of a folder are links to elsewhere; folders of documents are checked when they are read."""
    others = (source.documents_after, source.test_after, source.preferences, source.grades)
    for path in (source.train, source.dev, source.test, source.documents, *others):
        if path and source.home and not path.is_dir() and link_out(path, os.path.realpath(source.home)):
            log.note(f"{path.name} is a link to a file outside of the task's folder, which was read")


def _read_lines(path: Path, log: FaultLog, bounds: FileBounds) -> Table | None:
    rows = read_json(path, log, LINE, bounds.table)
    if rows is None:
        return None
    return of_lines(tuple(dict.fromkeys(name for row in rows for name in row.values)), log), rows


def _examples(path: Path | None, source: _Source, log: FaultLog, is_split: bool = False) -> tuple[Example, ...]:
    if path is None:
        return ()
    before = len(log)
    columns, rows = source.rows(path, log) or (Columns(), None)
    if rows == [] and len(log) == before:
        log.add(path, None, "the file holds no examples", f"write one example a line: {columns.line}")
    if is_split and rows and (advice := group_advice(columns, [row.values for row in rows], source.home is not None)):
        log.note(advice)
    return examples_from(rows or (), path, replace(source.rules, columns=columns), log)


def _in_one_form(
    splits: tuple[tuple[Example, ...], ...], labels: tuple[str, ...], log: FaultLog
) -> tuple[tuple[Example, ...], ...]:
    """The splits with every label in one spelling, and a remark where a label had two."""
    forms = one_form((answer for split in splits for e in split for answer in (e.target, *e.targets)), labels)
    if not forms:
        return splits
    log.note(two_ways(forms))
    return tuple(tuple(_rewritten(example, forms) for example in split) for split in splits)


def _rewritten(example: Example, forms: Mapping[str, str]) -> Example:
    targets = tuple(dict.fromkeys(forms.get(answer, answer) for answer in example.targets))
    return replace(example, target=forms.get(example.target, example.target), targets=targets)


def _test_wanted(test: Path | None, split: float | None, log: FaultLog) -> bool:
    """Whether there is neither a test file nor a split, which is a fault; having both is logged."""
    if test is not None and split is not None:
        what = f"there is a test file, but --split {split:g} was given too"
        log.add(test, None, what, "leave --split out, or move the test file away")
    return test is None and split is None


def _check_folder(folder: Path) -> None:
    """Raise UserError unless the folder exists and looks like a task folder."""
    if not there(folder):
        raise UserError(f"{folder}: no such folder", near_path(folder) or "check the path")
    if not folder.is_dir():
        if folder.suffix.lower() in ENDINGS and folder.name not in ("train.jsonl", "test.jsonl", "dev.jsonl"):
            raise UserError(f"{folder}: a table, not a task folder", _table_call(folder))
        raise UserError(f"{folder}: a file, not a task folder", f"give the folder: {folder.parent}")
    if there(folder / "task.toml") or there(folder / "train.jsonl"):
        return
    inner = sorted(str(path.parent) for path in folder.glob("*/task.toml"))
    if inner:
        raise UserError(f"{folder}: not a task folder, but it holds some", f"give one: {listed(inner)}")
    tables = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _TABLES)
    if tables:
        what = f"{folder}: tables, but no task.toml and no train.jsonl"
        raise UserError(what, _table_call(folder / tables[0]))


def _table_call(path: Path) -> str:
    return f'--train {shlex.quote(str(path))} --split 0.3 --input COLUMN --target COLUMN --kind qa --instruction "..."'


def _train_hint(folder: Path) -> str:
    """The hint for a missing train.jsonl."""
    others = sorted(path.name for path in folder.glob("train.*"))
    if others:
        call = _table_call(folder / others[0])
        return f"write {others[0]} as JSON lines, one example a line: {LINE}; or pass it as a table: {call}"
    return near_path(folder / "train.jsonl") or f"add it, one example a line: {LINE}"


def _present(path: Path) -> Path | None:
    """The path if something exists there, even a broken link, which reading reports; else None."""
    return path if path.is_symlink() or there(path) else None


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _folder_documents(folder: Path, name: str, log: FaultLog) -> Path | None:
    file, below = _present(folder / f"{name}.jsonl"), _present(folder / name)
    if file and below:
        log.add(folder, None, f"there are both {name}.jsonl and {name}/", "move one of them away")
    return file or below


def _judged_as_code(task: Task) -> Task:
    """The task with a metric that compares operators, and a caveat, if its answers look like code."""
    share = code_share(task.train)
    if task.kind != "generation" or share < CODE:
        return task
    caveat = (
        f"{100 * share:.0f} % of the training answers look like code, so answers are judged by code_f1: "
        f"{task.metric}, the "
        'default of other texts, compares words and sees no operators (metric = "..." or --metric names another)'
    )
    return replace(task, metric="code_f1", caveats=(*task.caveats, caveat))


def _without_evidence(task: Task) -> Task:
    """The task without evidence that names missing documents, with a caveat if there was some."""
    splits = (task.train, task.dev, task.test, task.test_after)
    named = sum(bool(example.evidence) for split in splits for example in split)
    if not named:
        return task
    train, dev, test, after = (tuple(replace(example, evidence=()) for example in split) for split in splits)
    caveat = f"there are no documents, so the evidence that examples name ({named}) is left out"
    return replace(task, train=train, dev=dev, test=test, test_after=after, caveats=(*task.caveats, caveat))
