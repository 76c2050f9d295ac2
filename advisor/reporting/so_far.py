"""The rows that are done while others are still measured, and how a race stands: figures without a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from advisor.measuring.attempt import read_run
from advisor.measuring.progress import RacePlace
from advisor.measuring.records import Answer
from advisor.reporting.characters import pad, shorten
from advisor.reporting.figures import decimals, duration, milliseconds, quality
from advisor.tasks import Task
from advisor.verdict.so_far import SoFar, so_far

QUALITY, FIT, P50, GAP = 18, 8, 8, 2  # columns
NAME = 16  # of which a spec has at least so many
NOTE = 24


@dataclass(frozen=True, slots=True)
class _Row:
    spec: str
    figures: SoFar
    note: str = ""

    @property
    def cells(self) -> tuple[str, str, str]:
        """Quality, fit and latency."""
        found = self.figures
        fit = "" if found.fit_seconds is None else duration(found.fit_seconds, compact=True)
        return quality(found.quality), fit, "" if found.p50_ms is None else f"{milliseconds(found.p50_ms)} ms"

    @property
    def in_words(self) -> str:
        """The figures on a line of a log."""
        value, fit, alone = self.cells
        more = [f"fit {fit}"] * bool(fit) + [f"p50 {alone}"] * bool(alone)
        return ", ".join([f"quality so far {value}", *more])


class RowsSoFar:
    """What is known of rows and races until now."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._places: dict[str, RacePlace] = {}

    def add(self, spec: str, records: Sequence[Path], task: Task) -> None:
        """Read the figures of a row that is measured."""
        answers = {one.id: Answer(one.answers, one.evidence or ()) for one in task.test}
        try:
            runs = [run for path in records if (run := read_run(path))]
            figures = so_far(task.metric, answers, runs)
        except Exception:  # noqa: BLE001 - what cannot be told yet, the report tells; measuring goes on
            return
        if figures:
            self._rows[spec] = _Row(spec, figures)
            self._places = {}  # the race is over

    def note(self, spec: str, outcome: str) -> str:
        """How a row came to its end, and its figures in words; empty where there are none."""
        if spec not in self._rows:
            return ""
        self._rows[spec] = replace(self._rows[spec], note=outcome)
        return self._rows[spec].in_words

    def race(self, places: Sequence[RacePlace]) -> list[str]:
        """How a race stands now; what is new about it, in words."""
        new = [place for place in places if self._places.get(place.spec) != place and place.quality is not None]
        self._places = {place.spec: place for place in places}
        return [
            f"  {one.spec}: quality so far {decimals(one.quality)} over {one.examples} race examples"
            + (f"; {one.state}" if one.state else "")
            for one in new
        ]

    def lines(self, width: int, most: int | None = None) -> list[Text]:
        """A table of the rows in the order in which they ended, or of the race while it goes on.

        Args:
            width: columns of the terminal.
            most: lines; the rows that ended first give way.
        """
        if self._places:
            head: tuple[str, ...] = ("race", "quality so far", "examples", "")
            rows: list[tuple[str, ...]] = [
                (one.spec, decimals(one.quality) if one.examples else "", f"{one.examples}", one.state)
                for one in self._places.values()
            ]
            widths: tuple[int, ...] = (QUALITY, FIT, NOTE if width >= NAME + 4 * GAP + QUALITY + FIT + NOTE else 12)
        else:
            head = ("done", "quality so far", "fit", "p50", "")
            rows = [(one.spec, *one.cells, one.note) for one in self._rows.values()]
            room = width - NAME - QUALITY - FIT - P50 - 5 * GAP
            widths = (QUALITY, FIT, P50, NOTE if room >= NOTE else 0)
        if not rows:
            return []
        over = 0 if most is None else max(0, len(rows) + 1 - max(2, most))
        if over:
            rows, head = rows[over:], (f"done ({over} more above)", *head[1:])
        name = _name_width(width, widths, [head[0], *(row[0] for row in rows)])
        return [Text(_line(head, name, widths), style="dim"), *(Text(_line(row, name, widths)) for row in rows)]


def _name_width(width: int, widths: Sequence[int], names: Sequence[str]) -> int:
    room = width - sum(widths) - GAP * sum(1 for one in widths if one) - 1
    return max(NAME, min(room, max(map(len, names))))


def _line(cells: Sequence[str], name: int, widths: Sequence[int]) -> str:
    parts = [pad(shorten(cells[0], name), name)]
    last = len(widths) - 1
    for number, (cell, width) in enumerate(zip(cells[1:], widths, strict=True)):
        if width:
            parts.append(pad(shorten(cell, width), width, right=0 < number < last))
    return (" " * GAP).join(parts).rstrip()
