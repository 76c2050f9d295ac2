"""The clean test: what the knowledge that ships advises for tasks that nobody had measured when it was learned.

Leaving tasks out of a table that the way of learning was chosen with flatters it a little. Here every line was written
before the table was learned from again, with the code as it was then, and is never written anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from advisor.forecast.learned import Knowledge
from benchmarks.decisions.scoring import Advised, advised_by, coverage
from benchmarks.decisions.table import Measured, short

RECORD = Path(__file__).parents[1] / "results" / "unseen.jsonl"


@dataclass(frozen=True)
class Unseen:
    """One grid point of a task that was new.

    Attributes:
        tasks, cells: how many tasks and grid points had been learned from (names as in the record).
        similar: whether one of them was taken to be like this task; if not, rules and averages stood in.
        choices: by policy, the approach that it named.
        qualities: as measured.
        regrets: by profile of limits and policy.
        held, intervals: how many intervals hold what was measured, of how many; `width`: their mean width.
    """

    task: str
    train: int
    tasks: int
    cells: int
    similar: bool
    choices: dict[str, str]
    qualities: dict[str, float]
    regrets: dict[str, dict[str, float]]
    held: int
    intervals: int
    width: float


def scored_unseen(table: Sequence[Measured], known: Knowledge) -> list[Unseen]:
    """Score the grid points of tasks that `known` has learned nothing from."""
    seen = {case.task for case in known.cases}
    others = [point for point in table if point.task in seen]
    new = [point for point in table if point.task not in seen]
    return [_line(one, known) for one in advised_by(known, others, new)]


def _line(one: Advised, known: Knowledge) -> Unseen:
    share, width, intervals = coverage([one])["all"]
    return Unseen(
        task=one.point.task,
        train=one.point.train,
        tasks=known.tasks,
        cells=len(known.cases),
        similar=one.similar,
        choices=dict(one.choices),
        qualities=one.qualities,
        regrets={profile: dict(found) for profile, found in one.regrets.items()},
        held=round(share * intervals),
        intervals=intervals,
        width=width,
    )


def record(found: Sequence[Unseen], path: Path = RECORD) -> list[Unseen]:
    """Append what is not recorded yet and return it."""
    written = {(one.task, one.train) for one in read(path)}
    new = [one for one in found if (one.task, one.train) not in written]
    with path.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(short(asdict(one))) + "\n" for one in new)
    return new


def read(path: Path = RECORD) -> list[Unseen]:
    """All recorded lines, oldest first."""
    if not path.exists():
        return []
    return [Unseen(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def text(found: Sequence[Unseen]) -> str:
    """A table in Markdown: mean regret by policy with every task weighted equally; empty without lines."""
    if not found:
        return ""
    common = [policy for policy in found[0].choices if all(policy in one.choices for one in found)]
    policies = sorted(common, key=lambda policy: _mean(found, policy, "quality first"))
    profiles = list(found[0].regrets)
    held, intervals = sum(one.held for one in found), sum(one.intervals for one in found)
    width = sum(one.width * one.intervals for one in found) / intervals
    tasks = len({one.task for one in found})
    unlike = sum(not one.similar for one in found)
    lines = [
        f"| policy | {' | '.join(f'regret, {profile}' for profile in profiles)} |",
        f"|---|{'---|' * len(profiles)}",
        *(
            f"| {policy} | {' | '.join(f'{_mean(found, policy, profile):.3f}' for profile in profiles)} |"
            for policy in policies
        ),
        "",
        f"{len(found)} grid points of {tasks} tasks, {unlike} of them like nothing known; {held / intervals:.0%} of "
        f"{intervals} intervals hold what was measured (95 % promised, mean width {width:.2f}).",
    ]
    return "\n".join(lines) + "\n"


def _mean(found: Sequence[Unseen], policy: str, profile: str) -> float:
    tasks: dict[str, list[float]] = {}
    for one in found:
        tasks.setdefault(one.task, []).append(one.regrets[profile][policy])
    return sum(sum(regrets) / len(regrets) for regrets in tasks.values()) / len(tasks)
