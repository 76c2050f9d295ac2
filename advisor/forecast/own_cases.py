"""The user's own measured comparisons, from which the forecast learns besides the shipped ones. They stay on this
machine.

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

from advisor.approaches import family
from advisor.disk import writing
from advisor.errors import UserError
from advisor.forecast.features import features
from advisor.forecast.learning import Case
from advisor.forecast.sketch import same_data, sketch
from advisor.intake import Bound, finite, json_of, read_bytes
from advisor.measuring.lines import append
from advisor.pilot.readings import Probes
from advisor.tasks import Task
from advisor.tasks.description import describe
from advisor.tasks.material import Material
from advisor.verdict import Decision

_LARGEST = Bound(200)
_MOST = 1e9  # features are shares, and logarithms of counts


def place() -> Path:
    """The file of the user's cases: `$ADVISOR_CASES`, else in the user's data folder."""
    named = os.environ.get("ADVISOR_CASES")
    if named:
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "advisor" / "cases.jsonl"


def local_cases() -> list[Case]:
    """All cases that were kept; of the same data at the same size, the newest.

    Raises:
        UserError: the file cannot be read as cases.
    """
    path, found = place(), []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            found.append(_case(json_of(line.decode())))
        except (ValueError, TypeError) as error:
            what = "is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else "is no measured case"
            raise UserError(f"{path}:{number}: {what}", "delete the line, or the file") from error
    return list({(case.task, case.features.get("train")): case for case in grouped(found)}.values())


def _lines(path: Path) -> list[bytes]:
    """The lines of a file without a last one that a kill cut short."""
    try:
        *lines, last = read_bytes(path, _LARGEST).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "fix it, or delete it") from error
    return [*lines, last] if last and not _torn(last) else lines


def _torn(line: bytes) -> bool:
    """Whether a line may be a case cut short by a kill: no whole case, and no line of another kind."""
    try:
        json_of(line)
    except (UnicodeDecodeError, json.JSONDecodeError):
        return line.startswith(b"{")
    except ValueError:
        pass
    return False


def _case(found: object) -> Case:
    """Parse the case in a line.

    Raises:
        ValueError, TypeError: it is none.
    """
    if not isinstance(found, dict):
        raise TypeError
    case = Case(**found)
    numbers = isinstance(case.features, dict) and isinstance(case.qualities, dict)
    numbers = numbers and all(value is None or _is_number(value, _MOST) for value in case.features.values())
    numbers = numbers and all(_is_number(value, 1) and value >= 0 for value in case.qualities.values())
    hashes = isinstance(case.sketch, list | tuple) and all(type(value) is int for value in case.sketch)
    if not (isinstance(case.task, str) and numbers and hashes):
        raise ValueError
    return case


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, int | float) and finite(value) and abs(value) <= most


def grouped(cases: Sequence[Case]) -> list[Case]:
    """The cases in order, with equal `task` exactly where they are of the same data, whatever they were called.

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
    """Append a case and return the file.

    Raises:
        UserError: the file cannot be written to, or holds something else.
    """
    local_cases()  # a file that holds something else is not touched
    path = place()
    whole = _lines(path)
    try:
        with writing(path.parent):
            if whole and path.read_bytes().endswith(whole[-1]):  # an editor left no line break, and no kill did
                with path.open("ab") as file:
                    file.write(b"\n")
        append(path, asdict(case))
    except UserError as error:
        hint = "name another file in ADVISOR_CASES, or leave --learn out"
        raise UserError(error.what, hint) from error
    return path


def case_of(task: Task, decision: Decision, probes: Probes | None) -> Case:
    """The case of a finished comparison: its features, and the qualities of complete approaches."""
    described = describe(Material(task))
    qualities = {
        family(row.spec): row.quality.value
        for row in reversed(decision.rows)  # of several with other parameters the best counts
        if row.status == "ok" and row.quality is not None and not row.control
    }
    return Case(task.name, features(described, task.kind, task.metric, probes), qualities, sketch(task))
