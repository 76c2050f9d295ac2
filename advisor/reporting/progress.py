"""Progress of a comparison, on stderr: a live line on a terminal, a few plain lines in a log, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from advisor.cleaning import plain
from advisor.reporting.characters import encodable, shorten
from advisor.reporting.figures import duration


class LiveProgress:
    """A progress display, used as a context manager and called by `compare`.

    Args:
        stream: the stream to write to; stderr by default.
        silent: write nothing at all.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        silent: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._silent = silent
        self._clock = clock
        self._console = Console(file=self._stream, highlight=False)
        self._live = not silent and self._console.is_interactive
        self._bars = _bars(self._console) if self._live else None
        self._head, self._step = "", ""
        self._begun = self._step_begun = 0.0
        self._done = 0
        self._announced = self._live
        self._bar: TaskID | None = None

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_step()
        if self._bars:
            self._bars.stop()

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts, the `index`-th (from 1) of `of`."""
        self._end_step()
        self._head = f"[{index}/{of}] {plain(spec)}"
        self._begun = self._clock()
        self._announced = self._live

    def step(self, name: str, total: int | None) -> None:
        """A step of the approach starts; `total` examples or optimiser steps, if known."""
        self._end_step()
        if not self._announced:
            self._say(self._head)
            self._announced = True
        self._step, self._done, self._step_begun = name, 0, self._clock()
        if self._bars:
            head = shorten(self._head, max(16, self._console.width - 62))
            self._bar = self._bars.add_task(f"{head}  {name}", total=total)

    def advance(self, n: int = 1) -> None:
        """`n` more examples or steps are done."""
        self._done += n
        if self._bars and self._bar is not None:
            self._bars.advance(self._bar, n)

    def end(self, spec: str, outcome: str) -> None:
        """The approach ended: `ok`, `failed: why`, `already done`, `skipped: why`."""
        self._end_step()
        took = f", {duration(self._clock() - self._begun)}" if outcome == "ok" else ""
        self._say(f"{self._head or plain(spec)}: {plain(outcome)}{took}")
        self._head = ""

    def _end_step(self) -> None:
        if self._bars and self._bar is not None:
            self._bars.remove_task(self._bar)
            self._bars.refresh()
            self._bar = None
        elif self._step:
            seconds = self._clock() - self._step_begun
            self._say(f"  {self._step}: {_pace(self._done, seconds)}")
        self._step = ""

    def _say(self, line: str) -> None:
        if self._silent:
            return
        if self._bars:
            width = self._console.width
            self._bars.console.print(Text(shorten(line, width)), soft_wrap=True)
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(encodable(line, encoding) + "\n")
            self._stream.flush()
        except OSError:  # nobody reads it any more, or its disk is full: what is measured matters more
            self._silent = True


class _Count(ProgressColumn):
    """A column with done and total counts."""

    def render(self, task: Task) -> Text:
        """The text of the column."""
        of = f"/{task.total:.0f}" if task.total else ""
        return Text(f"{task.completed:.0f}{of}" if task.completed or of else "")


class _Rate(ProgressColumn):
    """A column with examples per second, since the start of the step."""

    def render(self, task: Task) -> Text:
        """The text of the column."""
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:.1f}/s", style="dim")


class _Times(ProgressColumn):
    """A column with elapsed time, and remaining time where known."""

    def render(self, task: Task) -> Text:
        """The text of the column."""
        words = duration(task.elapsed or 0.0)
        left = task.time_remaining
        return Text(words + (f", {duration(left)} left" if left else ""), style="dim")


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn("line"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        _Count(),
        _Rate(),
        _Times(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=console.file is sys.stderr,
    )


def _pace(done: int, seconds: float) -> str:
    if not done:
        return duration(seconds)
    pace = f" ({done / seconds:.1f}/s)" if seconds > 0 else ""
    return f"{done} in {duration(seconds)}{pace}"
