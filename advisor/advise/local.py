"""The user's own measured comparisons, from which advice learns besides those that ship. They stay on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from advisor.advise.features import features
from advisor.advise.learning import Case
from advisor.advise.readings import Probes
from advisor.advise.rules import family
from advisor.decide import Decision
from advisor.errors import UserError
from advisor.tasks import Task
from advisor.tasks.description import describe
from advisor.tasks.material import Material


def place() -> Path:
    """The file: `$ADVISOR_CASES`, else in the user's data folder."""
    named = os.environ.get("ADVISOR_CASES")
    if named:
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "advisor" / "cases.jsonl"


def local_cases() -> list[Case]:
    """All cases that were kept, the newest of each task at each size.

    Raises:
        UserError: the file cannot be read as cases.
    """
    path = place()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "mend it, or delete it") from error
    found: dict[tuple[str, float | None], Case] = {}
    for number, line in enumerate(lines, start=1):
        try:
            case = Case(**json.loads(line))
            found[case.task, case.features.get("train")] = case
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{path}:{number}: is no measured case", "delete the line, or the file") from error
    return list(found.values())


def keep(case: Case) -> Path:
    """Add a case; returns where."""
    path = place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(case), ensure_ascii=False) + "\n")
    except OSError as error:
        mend = "name another file in ADVISOR_CASES, or leave --learn out"
        raise UserError(f"{path}: cannot be written: {error.strerror}", mend) from error
    return path


def case_of(task: Task, decision: Decision, probes: Probes | None) -> Case:
    """What a finished comparison on a task teaches: the qualities of the approaches that were complete."""
    described = describe(Material(task))
    qualities = {
        family(row.spec): row.quality.value
        for row in reversed(decision.rows)  # of several with other parameters the best counts
        if row.status == "ok" and row.quality is not None and not row.control
    }
    return Case(task.name, features(described, task.kind, task.metric, probes), qualities)
