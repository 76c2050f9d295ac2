"""Grades that people gave to answers: reading them, checked, and which answer each is of.

They are what a judge is held against, and what its means are corrected by. Approaches never see them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from advisor.tasks.faults import FaultLog, nearest, quoted, suggestion
from advisor.tasks.forms import normalised
from advisor.tasks.jsonfile import FileRow, read_json, type_name
from advisor.tasks.task import Grade, Place
from advisor.tasks.textfile import BOUNDS, FileBounds

FILE = "grades.jsonl"
LINE = '{"id": "q1", "answer": "...", "grade": 0.5}'
_KEYS = ("id", "answer", "grade")


def read_grades(path: Path, log: FaultLog, bounds: FileBounds = BOUNDS) -> tuple[Grade, ...]:
    """Read grades, one a line; faults are logged, and a row with a fault gives no grade. A line whose grade is null
    was not graded yet and is left out, with a remark."""
    before = len(log)
    rows = read_json(path, log, LINE, bounds.table)
    if rows == [] and len(log) == before:
        log.add(path, None, "the file holds no grades", f"write one a line, {LINE}, or take the file away")
    open_ = [row for row in rows or () if "grade" in row.values and row.values["grade"] is None]
    if open_:
        of = f"{len(open_):,} of {len(rows or ()):,} answers in {path.name}"
        log.note(f"{of} are not graded yet: their grade is null, first on line {open_[0].line:,}")
    found = (_grade(row, path, log) for row in rows or () if row not in open_)
    return tuple(grade for grade in found if grade is not None)


def check_ids(grades: Iterable[Grade], path: Path, ids: Collection[str], log: FaultLog) -> None:
    """Log grades of answers to no test example."""
    for grade in grades:
        if grade.id not in ids:
            hint = suggestion(grade.id, list(ids), "the ids of the test examples")
            log.add(
                path, grade.place.line if grade.place else None, f"no test example has the id {quoted(grade.id)}", hint
            )


def by_answer(grades: Iterable[Grade]) -> Mapping[tuple[str, str], float]:
    """The grade of each answer, by the id of its example and its text without case and extra spacing; the mean where
    several people graded it."""
    found: dict[tuple[str, str], list[float]] = {}
    for grade in grades:
        found.setdefault((grade.id, normalised(grade.answer)), []).append(grade.grade)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _grade(row: FileRow, path: Path, log: FaultLog) -> Grade | None:
    before = len(log)
    for name in _KEYS:
        if name not in row.values:
            near = nearest(name, [key for key in row.values if key not in _KEYS])
            hint = f'rename "{near}" to "{name}"' if near else f"every line needs {LINE}"
            log.add(path, row.line, f'"{name}" is missing', hint)
    if len(log) > before:
        return None
    id, answer, grade = (row.values[name] for name in _KEYS)
    if not isinstance(id, str | int) or isinstance(id, bool):
        log.add(path, row.line, f'"id" is {type_name(id)}', "write the id of the test example")
    if not isinstance(answer, str):
        log.add(path, row.line, f'"answer" is {type_name(answer)}, not a text', "write the answer as it was given")
    value = float(grade) if isinstance(grade, int | float) and not isinstance(grade, bool) else math.nan
    if not 0 <= value <= 1:
        said = quoted(grade) if isinstance(grade, str) else type_name(grade) if math.isnan(value) else f"{value:g}"
        log.add(path, row.line, f'"grade" is {said}', "a number from 0 (wrong) to 1 (as good as the reference)")
    return None if len(log) > before else Grade(str(id), str(answer), value, Place(path.name, row.line))
