"""The user's own measured comparisons, from which advice learns besides those that ship. They stay on this machine.

The same data kept under two names would vouch for itself: its errors would be taken for those on a new task, and the
intervals come out far too narrow. So cases are grouped by what their inputs are, not by what they are called. Cases
that ship, and old ones, hold no sketch of their inputs; beside them a case of the same name counts as the same data,
which at worst makes intervals wider than they need be.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from advisor.advise.features import features
from advisor.advise.learning import Case
from advisor.advise.readings import Probes
from advisor.advise.rules import family
from advisor.advise.sketch import same_data, sketch
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
    """All cases that were kept, the newest of the same data at each size.

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
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text: {error.reason}", "convert it, or delete it") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_case(json.loads(line)))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path}:{number}: is no measured case", "delete the line, or the file") from error
    return list({(case.task, case.features.get("train")): case for case in grouped(found)}.values())


def _case(found: dict[str, Any]) -> Case:
    case = Case(**found)
    case.features.get("train")
    if not all(isinstance(value, int) for value in case.sketch):
        raise ValueError
    return case


def grouped(cases: Sequence[Case]) -> list[Case]:
    """The cases in their order, with the same `task` where they are of the same data, whatever it was called, and with
    another where they are not.

    Two cases of which one has no sketch are of the same data where they have the same name.
    """
    groups: list[list[int]] = []
    for place, case in enumerate(cases):
        near = [group for group in groups if any(_same(case, cases[other]) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append(sorted([place, *(other for group in near for other in group)]))
    found, names = list(cases), Counter[str]()
    for group in sorted(groups):
        name = cases[group[0]].task
        names[name] += 1
        label = name if names[name] == 1 else f"{name} ({names[name]})"
        for place in group:
            found[place] = replace(cases[place], task=label)
    return found


def _same(first: Case, second: Case) -> bool:
    if first.sketch and second.sketch:
        return same_data(first.sketch, second.sketch)
    return first.task == second.task


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
    return Case(task.name, features(described, task.kind, task.metric, probes), qualities, sketch(task))
