"""Grades that people gave, kept in the run folder: what judges are held against without the task folder; and answers
for them to grade."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.measuring.judges import is_judge
from advisor.measuring.records import Comparison
from advisor.models.store import digest
from advisor.tasks import Grade
from advisor.tasks.forms import normalised
from advisor.tasks.grades import by_answer

GRADES = "grades.jsonl"


def write_grades(path: Path, grades: Sequence[Grade]) -> dict[str, Any]:
    """What people said of answers, which judges are held against without the task folder; returns what the head says
    of it."""
    if not grades:
        return {}
    rows = [{"id": grade.id, "answer": grade.answer, "grade": grade.grade} for grade in grades]
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))
    return {"grades": digest(rows)}


def read_grades(path: Path, known: str | None) -> tuple[Grade, ...]:
    """Grades of answers.

    Args:
        known: their digest; None where there are none.

    Raises:
        UserError: the file is not there, or was damaged.
    """
    if known is None:
        return ()
    try:
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        found = tuple(Grade(row["id"], row["answer"], float(row["grade"])) for row in rows)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        rows, found = [], ()
    if digest(rows) != known:
        raise UserError(f"{path}: is damaged", "the same advisor compare writes it anew and measures nothing again")
    return found


def to_grade(comparison: Comparison, number: int, seed: int) -> list[dict[str, Any]]:
    """Answers of a comparison that people are to grade, as lines of a grades file whose grades are open.

    Test examples are drawn at random, so that means can be corrected by the grades; of each the answers of all rows are
    taken, so that differences can be. Nothing says which row gave an answer, and each is there once. What was graded
    before is left out, and so are controls, which nobody chooses: a person's time goes into rows that may be.

    Args:
        number: of answers; the last example is taken whole, so that there may be a few more.

    Raises:
        UserError: the records hold no inputs to judge answers by, or answers are labels and nobody's judgement is held
            against grades.
    """
    _check_gradable(comparison)
    done = by_answer(comparison.grades)
    runs = [run for run in comparison.runs if run.status == "ok" and not run.control]
    rng = random.Random(seed)
    ids = list(comparison.answers)
    rng.shuffle(ids)
    given: dict[str, list[str]] = {}
    for run in runs:
        for prediction in run.predictions:
            if not prediction.failure:
                given.setdefault(prediction.id, []).append(prediction.answer)
    found: list[dict[str, Any]] = []
    for i in ids:
        answers = {normalised(text): text for text in reversed(given.get(i, []))}
        open_ = [text for form, text in answers.items() if (i, form) not in done]
        rng.shuffle(open_)
        if len(found) >= number:
            break
        known = comparison.answers[i]
        shown = {"input": known.input, "reference": list(known.targets)}
        found += [{"id": i, **shown, "answer": text, "grade": None} for text in open_]
    return found


def _check_gradable(comparison: Comparison) -> None:
    task = comparison.task
    if not comparison.texts:
        raise UserError(
            f"{comparison.folder}: its records hold no questions (--no-texts), so that its answers cannot be graded",
            "advisor compare without --no-texts measures it again with them",
        )
    if task.kind == "classification" and not any(map(is_judge, (task.metric, *task.metrics))):
        raise UserError(
            f"{comparison.folder}: is a classification: a label is right or wrong, and there is nothing to grade",
            f"advisor report {comparison.folder} tells how many are right",
        )
