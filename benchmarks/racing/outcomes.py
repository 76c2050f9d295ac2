"""The results of replayed races: plain data, and the tables that show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from advisor.tasks.power import LEVEL, MARGIN

SHARE = 0.4
LARGER = 500  # test examples
ENOUGH = 32
WAYS = {"all the time": math.inf, "two fifths": SHARE, "two fifths to choose": SHARE}
CHOOSING = "two fifths to choose"


@dataclass(frozen=True)
class Replay:
    """One replayed race.

    Attributes:
        full, chosen: specs that the full comparison and the finalists' choose.
        right: whether they are the same, or cannot be told apart there.
        lost: quality of the full comparison's choice minus that of the race's, where they are judged.
        share: of the full comparison's time that race and finalists took; `race_share` without the finalists.
        floor: what fitting and measuring the full comparison's choice takes, as a share of the same.
        finalists, approaches: how many there were.
    """

    task: str
    train: int
    way: str
    number: int
    full: str
    chosen: str
    right: bool
    lost: float
    share: float
    race_share: float
    floor: float
    stopped: str
    finalists: int
    approaches: int


def text_of(found: Sequence[Replay], larger: Sequence[Replay]) -> str:
    """Both tables with their explanations."""
    lines = [
        "# Races replayed from finished comparisons",
        "",
        f"`python -m benchmarks.racing.replay`; level {LEVEL:g}, margin {MARGIN:g}. *Right*: the race's choice is the",
        "full comparison's, or cannot be told apart from it. *Time*: median share of the full comparison's that race",
        "and finalists took, in brackets the race alone; *own*: what fitting and measuring the full comparison's",
        "choice takes of it, below which no race can measure it. *Two fifths to choose*: that much for the race alone,",
        "whose favourite is its choice; the test run is not counted.",
        "",
        "## As recorded",
        "",
        "Raced on a random half of the test examples, judged on the other.",
        "",
        *table(found),
        "",
        f"## {LARGER} test examples",
        "",
        f"{LARGER // 2} examples to race on and {LARGER} to judge by, drawn with replacement from those recorded: what",
        "larger test sets would be like, not a measurement of them.",
        "",
        *table(larger),
    ]
    return "\n".join(lines) + "\n"


def table(found: Sequence[Replay]) -> list[str]:
    """One row for each comparison; then sums over all of them."""
    lines = [
        "| task | train | approaches | own | " + " | ".join(f"{way}: right | time" for way in WAYS) + " |",
        "|:--|--:|--:|--:|" + "--:|--:|" * len(WAYS),
    ]
    points = list(dict.fromkeys((replay.task, replay.train) for replay in found))
    for task, train in points:
        rows = [replay for replay in found if (replay.task, replay.train) == (task, train)]
        parts = [_cell([row for row in rows if row.way == way]) for way in WAYS]
        own = median(row.floor for row in rows)
        lines.append(f"| {task} | {train} | {rows[0].approaches} | {own:.0%} | " + " | ".join(parts) + " |")
    groups = {
        "All": found,
        f"With {ENOUGH} training examples or more (fewer leave none to race on, unless there is a dev split)": [
            row for row in found if row.train >= ENOUGH
        ],
        f"Where the full comparison's choice alone takes at most {SHARE:.0%} of the time": [
            row for row in found if row.floor <= SHARE
        ],
    }
    for title, rows in groups.items():
        if rows:
            tasks, many = len({row.task for row in rows}), len({(row.task, row.train) for row in rows})
            lines += ["", f"{title}; {many} comparisons of {tasks} tasks:", ""]
            lines += [f"- {way}: {_words([row for row in rows if row.way == way])}" for way in WAYS]
    return lines


def _cell(rows: Sequence[Replay]) -> str:
    right = fmean(row.right for row in rows)
    return f"{right:.0%} | {median(r.share for r in rows):.0%} ({median(r.race_share for r in rows):.0%})"


def _words(rows: Sequence[Replay]) -> str:
    within = fmean(row.right and row.share <= SHARE for row in rows)
    return (
        f"right in {fmean(row.right for row in rows):.1%} of {len(rows)} races (the very same choice in "
        f"{fmean(row.chosen == row.full for row in rows):.1%}), mean loss of quality "
        f"{fmean(row.lost for row in rows):.4f}; mean time {fmean(row.share for row in rows):.0%} of the full "
        f"comparison's (median {median(row.share for row in rows):.0%}), the race alone "
        f"{fmean(row.race_share for row in rows):.0%}; right and within {SHARE:.0%} of the time in {within:.1%}"
    )
