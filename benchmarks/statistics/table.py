"""The table of promised and measured rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "statistics.md"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        what: is claimed.
        where: under which circumstances.
        nominal: what it should be; None where nothing was promised.
        measured: what it was.
        count: out of how many.
        most: whether `nominal` is the most that is allowed, and not what is aimed at.
    """

    what: str
    where: str
    nominal: float | None
    measured: float
    count: int
    most: bool = False

    @property
    def missed(self) -> bool:
        """Whether a bound is exceeded by more than chance explains (two standard errors)."""
        if not self.most or self.nominal is None:
            return False
        error = math.sqrt(max(self.nominal * (1 - self.nominal), 1e-4) / max(1, self.count))
        return self.measured > self.nominal + 2 * error


def write(sections: dict[str, Sequence[Line]], contradictions: tuple[int, int], path: Path = RESULTS) -> None:
    """Write all sections as Markdown."""
    blocks = [
        "# The statistics of the verdict, simulated",
        "`python -m benchmarks.statistics`. Comparisons are drawn of which the truth is known (answers right or wrong; "
        "an example is as hard for one approach as for another with a chance of one half unless said otherwise) and "
        "judged by Advisor's own rules. *At most* marks bounds; ! what exceeds one by more than chance explains. "
        "Learning curves and macro F1 have tables of their own (growth.md, macro.md).",
        f"Contradictions in {contradictions[1]:,} simulated reports: **{contradictions[0]}** (star against letters, "
        "interval against p-value, diagnosis against letters, verdict against alternatives, corrected interval).",
    ]
    for title, lines in sections.items():
        rows = ["| what | where | nominal | measured | of |", "|---|---|---|---|---|"]
        rows += [_row(line) for line in lines]
        blocks += [f"## {title}", "\n".join(rows)]
    path.write_text("\n\n".join(blocks) + "\n")


def _row(line: Line) -> str:
    nominal = "" if line.nominal is None else f"{'at most ' if line.most else ''}{line.nominal:g}"
    mark = " !" if line.missed else ""
    return f"| {line.what} | {line.where} | {nominal} | {line.measured:.3f}{mark} | {line.count:,} |"
