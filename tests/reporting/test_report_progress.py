"""Live progress: plain lines in a log, a moving line on a terminal, nothing when silent."""

from __future__ import annotations

import io
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from advisor.measuring.attempt import read_run
from advisor.measuring.comparing import compare
from advisor.measuring.progress import RacePlace
from advisor.measuring.reading import read_comparison, record_path
from advisor.measuring.records import Answer
from advisor.progress import counted, wait
from advisor.reporting import LiveProgress
from advisor.tasks import Example, Task
from advisor.verdict import decide
from advisor.verdict.so_far import so_far

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(progress: LiveProgress) -> None:
    with progress:
        progress.begin("rag:k=3", 1, 2)
        progress.step("fit", None)
        progress.step("predict", 40)
        progress.advance(16)
        progress.advance(24)
        progress.end("rag:k=3", "ok")
        progress.begin("[red]head[/red]", 2, 2)
        progress.end("[red]head[/red]", "skipped: needs [a] classification\ntask")


def test_a_log_gets_one_line_for_each_approach_and_step() -> None:
    stream, ticks = io.StringIO(), itertools.count(step=4)
    run(LiveProgress(stream, clock=lambda: float(next(ticks))))
    assert stream.getvalue().splitlines() == [
        "[1/2] rag:k=3",
        "  fit: 4.0 s",
        "  predict: 40 in 4.0 s (10.0/s)",
        "[1/2] rag:k=3: ok, 20 s",
        "[2/2] [red]head[/red]: skipped: needs [a] classification task",
    ]


def test_silence() -> None:
    for stream in (io.StringIO(), Terminal()):
        run(LiveProgress(stream, silent=True))
        assert stream.getvalue() == ""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    def of(columns: int) -> Terminal:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", "12")
        return Terminal()

    return of


def test_a_terminal_sees_movement_and_keeps_the_outcomes(terminal: Callable[[int], Terminal]) -> None:
    stream = terminal(100)
    run(LiveProgress(stream))
    written = stream.getvalue()
    assert "[1/2] rag:k=3: ok" in written
    assert "[2/2] [red]head[/red]: skipped: needs [a] classification task" in written
    assert "predict" in written and "/40" in written
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert written.rindex(shown) > written.rindex(hidden)


@pytest.fixture(scope="module")
def numbers() -> Task:
    examples = tuple(Example(f"q{i}", f"what is number {i}", f"it is {i}") for i in range(24))
    return Task("numbers", "qa", "Answer.", "token_f1", train=examples[:12], test=examples[12:])


@pytest.fixture(scope="module")
def measured(
    numbers: Task, make_model: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Path]]:
    """Records of three rows, by their specs."""
    folder = tmp_path_factory.mktemp("measured")
    found = compare(numbers, make_model(), ["majority", "zero-shot", "few-shot:k=2"], out=folder)
    return {run.spec: [record_path(folder / found.key, run.spec, run.seed)] for run in found.runs}


def go(progress: LiveProgress, task: Task, measured: dict[str, list[Path]]) -> None:
    for number, (spec, records) in enumerate(measured.items(), start=1):
        progress.begin(spec, number, len(measured))
        progress.step("predict", 4)
        progress.advance(4)
        progress.row(spec, records, task)
        progress.end(spec, "ok")


@pytest.mark.parametrize("columns", [60, 100])
def test_rows_that_are_done_stand_in_a_table_of_the_terminals_width(
    terminal: Callable[[int], Terminal], numbers: Task, measured: dict[str, list[Path]], columns: int
) -> None:
    stream = terminal(columns)
    with LiveProgress(stream) as progress:
        go(progress, numbers, measured)
        progress.begin("lora", 4, 4)
        progress.step("fit", None)
        before = len(stream.getvalue())
        progress.step("train", 10)
        redrawn = stream.getvalue()[before:]
        assert all(name in redrawn for name in ("quality so far", "majority", "few-shot:k=2", "train"))
    left = [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", stream.getvalue())) if line]
    assert all(cell_len(line) <= columns for line in left)
    table = left[-4:]
    assert table[0].split()[:5] == ["done", "quality", "so", "far", "fit"]
    assert [line.split()[0] for line in table[1:]] == list(measured)
    assert all(re.search(r"\d\.\d{3} \[\d\.\d\d, \d\.\d\d\] ", line) for line in table[1:])
    assert all(" ms" in line for line in table[1:])


def test_a_table_that_is_higher_than_the_terminal_shows_its_end(
    terminal: Callable[[int], Terminal], numbers: Task, measured: dict[str, list[Path]]
) -> None:
    stream, records = terminal(80), measured["majority"]
    with LiveProgress(stream) as progress:
        go(progress, numbers, {f"row-{number}": records for number in range(20)})
        before = len(stream.getvalue())
        progress.step("load", None)
        redrawn = ESCAPE.sub("", stream.getvalue()[before:])
        assert "more above" in redrawn and "row-19" in redrawn and "row-0 " not in redrawn
        assert redrawn.count("\n") < 12
    assert ESCAPE.sub("", stream.getvalue()).rstrip().splitlines()[-20].startswith("row-0 ")


def test_a_log_gets_the_figures_on_the_line_of_each_row(numbers: Task, measured: dict[str, list[Path]]) -> None:
    stream = io.StringIO()
    with LiveProgress(stream) as progress:
        go(progress, numbers, measured)
    ends = [line for line in stream.getvalue().splitlines() if ": ok" in line]
    assert len(ends) == 3
    assert re.fullmatch(
        r"\[1/3\] majority: ok, \S+ s; quality so far 0\.\d{3} \[.*\], fit <0\.1 s, p50 \S+ ms", ends[0]
    )


def test_what_is_so_far_is_what_the_report_will_say(numbers: Task, measured: dict[str, list[Path]]) -> None:
    answers = {one.id: Answer(one.answers) for one in numbers.test}
    (run,) = filter(None, map(read_run, measured["majority"]))
    found = so_far(numbers.metric, answers, [run])
    row = next(r for r in decide(read_comparison(measured["majority"][0].parents[1])).rows if r.spec == "majority")
    assert found is not None and row.latency is not None
    assert (found.quality, found.p50_ms) == (row.quality, pytest.approx(row.latency.p50))
    assert so_far(numbers.metric, answers, [replace(run, status="interrupted")]) is None


def test_waiting_is_said_with_how_long(terminal: Callable[[int], Terminal]) -> None:
    told = [("the other one", float(second)) for second in (0, 1, 59, 61, 100, 130, 200, 250)]
    log, screen = io.StringIO(), terminal(100)
    for stream in (log, screen):
        with LiveProgress(stream):
            for what, seconds in told:
                assert wait(what, seconds)
    assert log.getvalue().splitlines() == [
        "waiting for the other one",
        "still waiting for the other one, 1 min 1 s",
        "still waiting for the other one, 2 min 10 s",
        "still waiting for the other one, 4 min 10 s",
        "waited 4 min 10 s for the other one",
    ]
    shown = ESCAPE.sub("", screen.getvalue())
    assert "waiting for the other one" in shown and "still" not in shown
    assert shown.rstrip().endswith("waited 4 min 10 s for the other one")
    assert not wait("nobody listens", 0)


def test_runs_beside_each_other_have_a_bar_each(terminal: Callable[[int], Terminal]) -> None:
    stream = terminal(100)
    with LiveProgress(stream) as progress:
        lanes = [progress.lane(f"lora:rank={rank}") for rank in (4, 8)]
        for lane in lanes:
            lane.step("train", 20)
        before = len(stream.getvalue())
        lanes[0].advance(5)
        lanes[1].step("predict", 9)
        both = ESCAPE.sub("", stream.getvalue()[before:])
        assert re.search(r"lora:rank=4  train.* 5/20", both) and re.search(r"lora:rank=8  predict.* 0/9", both)
        for lane in lanes:
            lane.close()
    log = io.StringIO()
    with LiveProgress(log) as progress:
        lane = progress.lane("lora")
        lane.step("train", 20)
        lane.close()
    assert log.getvalue() == ""


def test_a_race_shows_how_it_stands(terminal: Callable[[int], Terminal]) -> None:
    first = [RacePlace("head", 16, 0.75), RacePlace("lora", 0, None)]
    later = [first[0], RacePlace("lora", 16, 0.25, "beaten")]
    log, screen = io.StringIO(), terminal(60)
    for stream in (log, screen):
        with LiveProgress(stream) as progress:
            progress.standing(first)
            progress.standing(later)
            progress.step("predict", 16)
    assert log.getvalue().splitlines() == [
        "  head: quality so far 0.750 over 16 race examples",
        "  lora: quality so far 0.250 over 16 race examples; beaten",
    ]
    shown = ESCAPE.sub("", screen.getvalue())
    assert re.search(r"race +quality so far +examples", shown)
    assert re.search(r"lora +0\.250 +16 +beaten", shown)


def test_a_step_that_there_was_no_time_for_is_no_line() -> None:
    stream = io.StringIO()
    with LiveProgress(stream) as progress:
        progress.begin("first measurements", 1, 1)
        for name in ("zero-shot, 16", "few-shot, 16"):
            progress.step(name, 16)
        progress.end("first measurements", "ok; no time for zero-shot and few-shot")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[1/1] first measurements"
    assert len(lines) == 2 and lines[1].endswith("; no time for zero-shot and few-shot")


def test_items_are_counted_only_where_they_take_longer_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, said in ((0.0, []), (0.3, ["read rows: 10 in 2.0 s (5.0/s)"])):
        ticks, stream, clock = itertools.count(), io.StringIO(), itertools.count(step=2)
        monkeypatch.setattr(time, "monotonic", lambda s=seconds, t=ticks: s * next(t))
        with LiveProgress(stream, clock=lambda c=clock: float(next(c))):  # type: ignore[misc]
            assert list(counted(range(10), "read rows")) == list(range(10))
        assert stream.getvalue().splitlines() == said


def test_calls_out_of_order_do_no_harm() -> None:
    stream = io.StringIO()
    with LiveProgress(stream) as progress:
        progress.advance()
        progress.end("zero-shot", "already done")
        progress.step("fit", 10)
    assert "zero-shot: already done" in stream.getvalue()


def test_an_error_inside_ends_the_step_and_goes_on_up() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), LiveProgress(stream) as progress:
        progress.begin("lora", 1, 1)
        progress.step("fit", 10)
        progress.advance(3)
        raise KeyboardInterrupt
    assert "fit: 3 in" in stream.getvalue()


def test_an_ascii_log() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with LiveProgress(stream) as progress:
        progress.end("kölsch", "ok")
    assert raw.getvalue().startswith(b"k?lsch: ok")
