"""Live progress: plain lines in a log, a moving line on a terminal, nothing when silent."""

from __future__ import annotations

import io
import itertools

import pytest

from advisor.reporting import LiveProgress


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


def test_a_terminal_sees_movement_and_keeps_the_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    run(LiveProgress(stream))
    written = stream.getvalue()
    assert "[1/2] rag:k=3: ok" in written
    assert "[2/2] [red]head[/red]: skipped: needs [a] classification task" in written
    assert "predict" in written and "/40" in written
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert written.rindex(shown) > written.rindex(hidden)


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
