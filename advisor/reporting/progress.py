"""Progress of a command, on stderr: a view that is redrawn on a terminal, a few plain lines in a log, or nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from advisor import tasks
from advisor.cleaning import plain
from advisor.measuring.progress import Lane, RacePlace, Silence
from advisor.progress import listening
from advisor.reporting.characters import encodable, shorten
from advisor.reporting.figures import duration
from advisor.reporting.so_far import RowsSoFar

REDRAWN = 5  # times a second
NARROW = 90  # columns below which the bar and the pace of a step are left out
FIRST_AGAIN = 60.0  # seconds after which a log is told again that something is waited for; then after twice as long
WORTH_TELLING = 1.0  # seconds of waiting, or of a step outside of runs, that a log is told of when they are over


class LiveProgress:
    """A progress display, used as a context manager and called by `compare`.

    While it is open it also hears what models and imports tell (`advisor.progress`).

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
        live = not silent and self._console.is_interactive
        self._view = _View(self._console) if live else None
        self._rows = RowsSoFar()
        self._head, self._step = "", ""
        self._begun = self._step_begun = 0.0
        self._total: int | None = None
        self._done = 0
        self._announced = live
        self._bar: TaskID | None = None
        self._waits = _Waiting(self._say, self._view)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(listening(self))
        if self._view:
            self._view.start(self._rows)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if error is not None and not self._head and not self._view:
            self._step = ""  # what went wrong is told by itself
        self._end_step()
        if self._view:
            self._view.stop()

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts, the `index`-th (from 1) of `of`."""
        self._end_step()
        self._head = f"[{index}/{of}] {plain(spec)}"
        self._begun = self._clock()
        self._announced = self._view is not None

    def step(self, name: str, total: int | None) -> None:
        """A step of the approach starts, or one outside of any; `total` examples or optimiser steps, if known."""
        self._end_step()
        name = plain(name)
        if not self._announced and self._head:
            self._say(self._head)
            self._announced = True
        self._step, self._total, self._done, self._step_begun = name, total, 0, self._clock()
        if self._view:
            self._bar = self._view.add(self._head, name, total)

    def advance(self, n: int = 1) -> None:
        """`n` more examples or steps are done."""
        self._waits.end()
        self._done += n
        if self._view and self._bar is not None:
            self._view.bars.advance(self._bar, n)

    def answered(self, prompts: int) -> None:
        """Outside of runs nobody counts prompts."""

    def wait(self, what: str, seconds: float) -> None:
        """Nothing goes on but waiting for `what`, since so many seconds."""
        self._waits.tell(plain(what), seconds)

    def row(self, spec: str, records: Sequence[Path], task: tasks.Task) -> None:
        """An approach is about to end; its figures are read from its records."""
        if not self._silent:
            self._rows.add(plain(spec), records, task)

    def end(self, spec: str, outcome: str) -> None:
        """The approach ended: `ok`, `failed: why`, `already done`, `skipped: why`."""
        self._end_step()
        name, outcome = plain(spec), plain(outcome)
        took = f", {duration(self._clock() - self._begun)}" if outcome == "ok" or outcome.startswith("ok;") else ""
        outcome = outcome.replace("ok", f"ok{took}", 1) if took else outcome
        figures = self._rows.note(name, outcome)
        if not (self._view and figures):
            self._say(f"{self._head or name}: {outcome}" + (f"; {figures}" if figures else ""))
        self._head = ""

    def standing(self, places: Sequence[RacePlace]) -> None:
        """A race goes on."""
        for line in self._rows.race(places):
            if not self._view:
                self._say(line)

    def lane(self, spec: str) -> Lane:
        """A run starts beside others; a log is told of it when its row ends."""
        if not self._head:
            self._end_step()  # what came before the runs, such as loading the model
        return _Lane(self._view, plain(spec)) if self._view else Silence()

    def _end_step(self) -> None:
        self._waits.end()
        if self._view and self._bar is not None:
            self._view.remove(self._bar)
            self._bar = None
        elif self._step:
            seconds = self._clock() - self._step_begun
            if self._head and (self._done or not self._total):  # else there was no time for it
                self._say(f"  {self._step}: {_pace(self._done, seconds)}")
            elif not self._head and seconds >= WORTH_TELLING:
                self._say(f"{self._step}: {_pace(self._done, seconds)}")
        self._step = ""

    def _say(self, line: str) -> None:
        if self._silent:
            return
        if self._view:
            self._view.say(line)
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(encodable(line, encoding) + "\n")
            self._stream.flush()
        except OSError:  # nobody reads it any more, or its disk is full: what is measured matters more
            self._silent = True


class _Waiting:
    """What is waited for: a bar of its own in the view; in a log a line at once, and again ever more seldom.

    Args:
        say: writes a line.
    """

    def __init__(self, say: Callable[[str], None], view: _View | None) -> None:
        self._say = say
        self._view = view
        self._what, self._seconds, self._again = "", 0.0, 0.0
        self._bar: TaskID | None = None
        self._one = threading.RLock()

    def tell(self, what: str, seconds: float) -> None:
        """It is waited for `what`, since so many seconds; threads may tell it."""
        with self._one:
            if what != self._what:
                self.end()
                self._what, self._again = what, FIRST_AGAIN
                if self._view:
                    self._bar = self._view.add("", f"waiting for {what}", None)
                else:
                    self._say(f"waiting for {what}")
            elif not self._view and seconds >= self._again:
                self._again *= 2
                self._say(f"still waiting for {what}, {duration(seconds)}")
            self._seconds = seconds

    def end(self) -> None:
        """It is not waited any more."""
        with self._one:
            if not self._what:
                return
            if self._view and self._bar is not None:
                self._view.remove(self._bar)
            if self._seconds >= WORTH_TELLING:
                self._say(f"waited {duration(self._seconds)} for {self._what}")
            self._what, self._bar = "", None


class _Lane:
    """A bar of a run beside others."""

    def __init__(self, view: _View, head: str) -> None:
        self._view = view
        self._head = head
        self._bar: TaskID | None = view.add(head, "start", None)

    def step(self, name: str, total: int | None) -> None:
        """A step of it starts."""
        self.close()
        self._bar = self._view.add(self._head, plain(name), total)

    def advance(self, n: int = 1) -> None:
        """`n` more are done."""
        if self._bar is not None:
            self._view.bars.advance(self._bar, n)

    def close(self) -> None:
        """It has ended."""
        if self._bar is not None:
            self._view.remove(self._bar)
            self._bar = None


class _View:
    """What a terminal shows: the rows that are done, and below them a bar for each step that goes on.

    It is drawn in its place, so that log lines go above it; when it ends the rows stay and the bars go.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(*_columns(console.width), console=console, auto_refresh=False)
        self._live: Live | None = None
        self._rows = RowsSoFar()

    def start(self, rows: RowsSoFar) -> None:
        """Begin to draw."""
        self._rows = rows
        self._live = Live(
            console=self.console,
            get_renderable=self._drawn,
            transient=True,
            refresh_per_second=REDRAWN,
            redirect_stdout=False,
            redirect_stderr=self.console.file is sys.stderr,
        )
        self._live.start()

    def stop(self) -> None:
        """Draw no more; the cursor is where it was, below the rows."""
        if self._live:
            self._live.stop()
            self._live = None
            for line in self._rows.lines(self.console.width):
                self.console.print(line, soft_wrap=True)

    def add(self, head: str, name: str, total: int | None) -> TaskID:
        """A bar for a step."""
        room = self.console.width - (62 if self.console.width >= NARROW else 24)
        name = shorten(name, max(16, room - min(18, len(head))))
        shown = f"{shorten(head, max(16, room - len(name)))}  {name}" if head else name
        bar = self.bars.add_task(shown, total=total)
        self._redraw()
        return bar

    def remove(self, bar: TaskID) -> None:
        """Without that bar."""
        self.bars.remove_task(bar)
        self._redraw()

    def _redraw(self) -> None:
        """At once: what comes may keep the drawing thread from running."""
        if self._live:
            self._live.refresh()

    def say(self, line: str) -> None:
        """A line that stays, above what is redrawn."""
        self.console.print(Text(shorten(line, self.console.width)), soft_wrap=True)

    def _drawn(self) -> RenderableType:
        bars = self.bars.get_renderable()
        most = self.console.height - len(self.bars.tasks) - 2
        return Group(*self._rows.lines(self.console.width, most), bars)


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


def _columns(width: int) -> list[ProgressColumn]:
    named: list[ProgressColumn] = [SpinnerColumn("line"), TextColumn("{task.description}", markup=False)]
    wide = width >= NARROW
    return [*named, *[BarColumn(bar_width=16)] * wide, _Count(), *[_Rate()] * wide, _Times()]


def _pace(done: int, seconds: float) -> str:
    if not done:
        return duration(seconds)
    pace = f" ({done / seconds:.1f}/s)" if seconds > 0 else ""
    return f"{done} in {duration(seconds)}{pace}"
