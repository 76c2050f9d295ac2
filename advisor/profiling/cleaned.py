"""A copy of a task folder whose training set is cleaned, with a list of what was changed and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.approaches.curation import Noise, without_noise
from advisor.disk import writing
from advisor.errors import UserError
from advisor.intake import json_of
from advisor.models import Embedder
from advisor.tasks import Example, Task, load_task
from advisor.tasks.importing.writing import check_out, folder_writer
from advisor.tasks.repeats import ExampleChange, without_repeats

TRAIN, CHANGES = "train.jsonl", "changes.jsonl"


@dataclass(frozen=True)
class Cleaning:
    """What is done to a training set, as `advisor.approaches.curation.Curation` has it.

    Attributes:
        duplicates: whether what repeats or contradicts other examples is dropped.
        noise: what is done about labels that are probably wrong.
        embedder: by which labels are judged; None where they are not.
    """

    duplicates: bool = True
    noise: Noise = "keep"
    embedder: Embedder | None = None


@dataclass(frozen=True)
class CleanedTask:
    """What cleaning a task folder came to.

    Attributes:
        source, folder: the task folder, and the copy.
        before, after: training examples.
        changes: in the order of the file.
        notes: what a reader must know, in full sentences.
    """

    source: Path
    folder: Path
    before: int
    after: int
    changes: tuple[ExampleChange, ...]
    notes: tuple[str, ...]

    @property
    def dropped(self) -> tuple[ExampleChange, ...]:
        """The examples that are in the copy no more."""
        return tuple(change for change in self.changes if change.target is None)

    @property
    def relabelled(self) -> tuple[ExampleChange, ...]:
        """The examples that have another label there."""
        return tuple(change for change in self.changes if change.target is not None)


def clean(source: Path, out: Path, cleaning: Cleaning, *, overwrite: bool = False) -> CleanedTask:
    """Write a copy of a task folder with a cleaned `train.jsonl`, and what was changed to `changes.jsonl` beside it.

    Lines of train that stay are copied as they are; so is all else in the folder.

    Raises:
        UserError: the folder is none, something is in the way, or nothing would be left to train on.
    """
    task = load_task(source)
    check_out(out, overwrite)
    if source.resolve() in (out.resolve(), *out.resolve().parents):
        raise UserError(f"{out}: lies in the task folder that is copied", "name a folder beside it with --out")
    done, changes, notes = _cleaned(task, cleaning)
    if not done.train:
        raise UserError(f"{source}: all {len(task.train)} training examples would be dropped", "look at them first")
    gone = sorted({e.target for e in task.train} - {e.target for e in done.train})
    if task.kind == "classification" and gone:
        notes = (*notes, f"No training example is left with the label {', '.join(map(repr, gone))}.")
    with folder_writer(out) as folder:
        work = folder.close()
        with writing(work):
            _copy(source, work)
            rows = _rows(source / TRAIN, task, done)
            _write(work / TRAIN, rows)
            _write(work / CHANGES, map(_line, changes))
    return CleanedTask(source, out, len(task.train), len(done.train), changes, notes)


def _cleaned(task: Task, cleaning: Cleaning) -> tuple[Task, tuple[ExampleChange, ...], tuple[str, ...]]:
    done, changes = without_repeats(task) if cleaning.duplicates else (task, ())
    notes: tuple[str, ...] = ()
    if task.kind != "classification":
        notes = ("Labels were not judged: the task has none.",)
    elif cleaning.embedder is None or cleaning.noise == "keep":
        notes = ("Labels were not judged: --noise drop or --noise relabel does.",)
    else:
        done, more, note = without_noise(done, cleaning.embedder, cleaning.noise)
        changes, notes = tuple(sorted((*changes, *more), key=lambda change: change.place)), (note,)
    return done, changes, notes


def _copy(source: Path, work: Path) -> None:
    for path in source.iterdir():
        if path.name not in (TRAIN, CHANGES):
            if path.is_dir():
                shutil.copytree(path, work / path.name)
            else:
                shutil.copy2(path, work / path.name)


def _rows(path: Path, task: Task, done: Task) -> list[str]:
    """The lines of the cleaned file: those of the file where it has one for each example, else written anew."""
    before = {example.id: example for example in task.train}
    of = _lines_of(path, task)
    rows = []
    for example in done.train:
        line, was = of.get(example.id), before[example.id]
        if line is None:
            rows.append(json.dumps(_as_row(example), ensure_ascii=False))
        elif example.target == was.target:
            rows.append(line)
        else:
            rows.append(json.dumps(_relabelled(json_of(line), example), ensure_ascii=False))
    return rows


def _lines_of(path: Path, task: Task) -> Mapping[str, str]:
    """The line of each example by its id; none where the file is not one object a line."""
    lines = [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    try:
        plain = len(lines) == len(task.train) and all(isinstance(json_of(line), dict) for line in lines)
    except ValueError:
        plain = False
    return dict(zip((example.id for example in task.train), lines, strict=True)) if plain else {}


def _relabelled(values: Mapping[str, Any], now: Example) -> Mapping[str, Any]:
    """The row with another label; of a conversation, which has no column for it, a row of the usual form."""
    if "target" not in values:
        return _as_row(now)
    return {name: now.target if name == "target" else value for name, value in values.items() if name != "targets"}


def _as_row(example: Example) -> Mapping[str, Any]:
    more = {"targets": list(example.targets), "evidence": list(example.evidence), "group": example.group}
    row = {"id": example.id, "input": example.input, "target": example.target}
    return row | {name: value for name, value in more.items() if value}


def _line(change: ExampleChange) -> str:
    example = change.example
    row = {
        "file": change.place.file,
        "line": change.place.line,
        "id": example.id,
        "what": "dropped" if change.target is None else "relabelled",
        "why": change.why,
        "before": {"input": example.input, "target": example.target},
        "after": None if change.target is None else {"input": example.input, "target": change.target},
    }
    return json.dumps(row, ensure_ascii=False)


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8", newline="\n")
