"""The terminal report: fits its width, keeps what it is given literally, says what is unknown."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len

from advisor.cleaning import plain
from advisor.reporting import report, show
from advisor.reporting.blocks import Detail, Details, Report
from advisor.reporting.characters import fold_spec, shorten
from advisor.reporting.plot import cluster, plot
from advisor.reporting.scatter import scatter
from advisor.reporting.terminal import terminal
from advisor.verdict.cells import Interval
from advisor.verdict.decision import Cost, Decision

WIDTHS = [40, 60, 80, 100, 140]
LONG = "few-shot:k=8,select=nearest+lora:rank=16,lr=0.0002"


def line_with(text: str, page: str) -> str:
    return next(line for line in page.splitlines() if text in line)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_asked(
    full: Decision, single: Decision, nothing_eligible: Decision, hostile: Decision, width: int
) -> None:
    for decision in (full, single, nothing_eligible, hostile):
        for line in report(decision, width=width).splitlines():
            assert cell_len(line) <= width, line
            assert line == line.rstrip()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_spec_is_whole_however_it_is_folded(full: Decision, width: int) -> None:
    lines = report(full, width=width).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  ! 4 "))
    end = next(i for i, line in enumerate(lines) if line.startswith("    5 "))
    first = lines[start][6 : lines[start].index(" 0.612")]
    folded = first + "".join(lines[start + 1 : end])
    assert "".join(folded.split()) == LONG


def test_without_colour_no_escape_codes_and_with_colour_the_same_words(full: Decision) -> None:
    bare, coloured = report(full), report(full, color=True)
    assert "\x1b" not in bare
    assert "\x1b[" in coloured
    assert [plain(line) for line in coloured.splitlines()] == [plain(line) for line in bare.splitlines()]


def test_the_same_input_gives_the_same_bytes(full: Decision, monkeypatch: pytest.MonkeyPatch) -> None:
    before = report(full, "terminal")
    monkeypatch.setenv("COLUMNS", "55")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    assert report(full, "terminal") == before


def test_marks_figures_and_unknown_costs(full: Decision) -> None:
    page = report(full)
    assert line_with(" 2 rag:k=3+lora", page).startswith("  ? 2")
    assert "0.709 [0.63, 0.79]" in line_with(" 2 rag:k=3+lora", page)
    assert "best" in line_with(" 2 rag:k=3+lora", page)
    assert "31 min 14 s" in line_with(" 2 rag:k=3+lora", page)  # fitting and indexing
    assert line_with(" 1 oracle", page).startswith("  c 1")
    assert "c control: for the diagnosis, never chosen" in page
    assert "-0.097*" in line_with("! 4 few-shot", page)
    assert "unknown" in line_with("5 few-shot:k=4", page)
    assert "$0" not in line_with("5 few-shot:k=4", page)
    assert "Not decided. Provisionally rag:k=3+lora:rank=16" in page
    assert page.endswith("runs/helpdesk\n")


def test_tokens_of_reasoning_are_shown_among_the_written_ones(full: Decision) -> None:
    rows = tuple(replace(row, reasoning_tokens=61.5) if row.spec == "zero-shot" else row for row in full.rows)
    reasoned = replace(full, rows=rows)
    page = report(reasoned, width=200)
    assert "311 / 69" in line_with("zero-shot", page)
    assert "311 / 7" in line_with("few-shot:k=4", page)
    assert "reasoning tokens" in report(reasoned, "markdown")
    assert "reasoning tokens" not in report(full, "markdown")


def test_a_decided_choice_is_marked(single: Decision) -> None:
    page = report(single)
    assert line_with("zero-shot", page).startswith("  > 1 zero-shot")
    assert "> recommended" in page
    assert "Use zero-shot." in page
    assert "Break-even" not in page and "Diagnosis" not in page and "against cost" not in page


def test_rows_without_a_result_say_why_in_short_and_below_in_full(full: Decision) -> None:
    page = report(full)
    row = line_with("lora:rank=256,", page)
    assert "failed: OutOfMemoryError" in row and row.endswith("...")
    assert "a smaller batch or rank needs less" in page[page.index("Without a result") :]
    assert "skipped: needs a classification task" in line_with("  head ", page)
    assert "interrupted" in line_with("  lora:rank=16 ", page)


def test_nothing_eligible(nothing_eligible: Decision) -> None:
    page = report(nothing_eligible)
    assert "No approach can be recommended: none is eligible." in page
    assert "> recommended" not in page and "provisional" not in page


def test_no_rows_at_all(full: Decision) -> None:
    empty = replace(full, rows=())
    assert "No approach was recorded." in report(empty)
    assert "## Method" in report(empty, "markdown")


def test_what_the_user_wrote_is_shown_literally(hostile: Decision) -> None:
    for color in (False, True):
        page = report(hostile, width=140, color=color)
        assert "[red]desk[/red] | <b>bold</b> :smile: `x` $a$ Köln 日本" in page
        assert "boom [/] | <script> at line 2" in page
        assert "\x1b[2J" not in page


def test_an_encoding_without_box_characters(hostile: Decision) -> None:
    page = report(hostile, encoding="ascii")
    page.encode("ascii")
    assert "---" in page and "K?ln" in page
    report(hostile, encoding="latin-1").encode("latin-1")
    report(hostile, encoding="no-such-encoding").encode("ascii")


def test_figures_that_are_no_numbers(full: Decision) -> None:
    nan = float("nan")
    odd = replace(full.rows[1], quality=Interval(0.7, nan, nan), cost=Cost(nan, nan, nan), fit_seconds=nan)
    rows = (odd, replace(full.rows[2], quality=Interval(nan, nan, nan)))
    page = report(replace(full, rows=rows))
    assert "nan" not in page
    assert "0.700 " in line_with(" 1 rag:k=3+lora", page)


def test_show_writes_a_file_plainly(full: Decision) -> None:
    stream = io.StringIO()
    show(full, stream)
    assert stream.getvalue() == report(full)


def test_show_fills_a_terminal_with_colour_unless_unwanted(full: Decision, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, bare = Terminal(), Terminal()
    show(full, coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    show(full, bare)
    assert coloured.getvalue() == report(full, width=80, color=True)
    assert bare.getvalue() == report(full, width=80)


def test_touching_labels_are_joined() -> None:
    assert cluster([(3, "1"), (4, "2"), (9, "3")], 60) == [(3, "1,2"), (9, "3")]
    assert cluster([(5, "2"), (5, "1")], 60) == [(5, "1,2")]
    assert cluster([(59, "1"), (59, "12"), (57, "3")], 60) == [(54, "3,1,12")]
    assert cluster([], 60) == []


def drawn(decision: Decision) -> list[str]:
    figure = scatter(decision)
    assert figure
    return plot(figure)


def test_the_picture_falls_back_to_latency_and_names_what_it_leaves_out(full: Decision) -> None:
    assert any("not placed, cost unknown: 5" in line for line in drawn(full))
    unpriced = replace(full, rows=tuple(replace(r, cost=Cost(None, None, None)) for r in full.rows))
    lines = drawn(unpriced)
    assert any("p50 latency in ms" in line for line in lines)
    assert not any("unknown" in line for line in lines)
    picture = "\n".join(lines[:12])
    for key in "123456":
        assert key in picture.replace("0.741", "").replace("0.545", "").replace("0.310", "")


def test_a_picture_needs_two_points(single: Decision) -> None:
    assert scatter(single) is None


def test_points_of_one_quality_and_one_cost(full: Decision) -> None:
    twins = tuple(replace(full.rows[1], spec=f"lora:rank={i}") for i in (1, 2))
    assert any("1,2" in line for line in drawn(replace(full, rows=twins)))


def test_folding_and_shortening() -> None:
    assert fold_spec("zero-shot", 20) == ["zero-shot"]
    assert fold_spec(LONG, 16) == ["few-shot:k=8,", "select=nearest", "+lora:rank=16,", "lr=0.0002"]
    assert fold_spec("lora:targets=all-linear", 12) == ["lora:", "targets=all-", "linear"]
    assert fold_spec("", 12) == [""]
    assert shorten("abcdefgh", 6) == "abc..."
    assert shorten("日本日本", 7) == "日本..."
    assert plain("a\n\tb\x1b[31mc\x07\u202e") == "a bc"


def test_a_long_label_never_touches_its_figure() -> None:
    long = "a label that is longer than there is room for in a list"
    block = Details((Detail("short", "said of it", "0.5"), Detail(long, "said too", "0.25")))
    lines = [line.strip() for line in terminal(Report("title", (block,)), width=120, color=False).splitlines()]
    assert lines[lines.index(long) + 1].startswith("0.25")


def test_what_computes_elsewhere_on_this_machine_is_named(full: Decision) -> None:
    """Its revision is among the model's facts; what matters to a reader is the program and its version."""
    served = replace(full.comparison.model, id="vllm:owner/model", place="machine", engine="vLLM 0.32.0")
    text = report(replace(full, comparison=replace(full.comparison, model=served)))
    assert "vllm:owner/model, served on this machine by vLLM 0.32.0, float32" in " ".join(text.split())
    elsewhere = replace(served, place="network", engine="")
    text = report(replace(full, comparison=replace(full.comparison, model=elsewhere)))
    assert "vllm:owner/model, served elsewhere" in " ".join(text.split())


def test_how_it_was_trained_stands_in_a_table(full: Decision) -> None:
    """Of what was trained by gradient alone, on a screen and on a page."""
    assert "How it was trained" not in report(full)
    learned = {"rag:k=3+lora:rank=16": (68_400, "merged"), LONG: (9_000, "attached")}
    rows = [replace(row, tokens_seen=None) for row in full.rows]
    rows = [
        replace(r, tokens_seen=learned[r.spec][0], served=learned[r.spec][1]) if r.spec in learned else r for r in rows
    ]
    trained = replace(full, rows=tuple(rows))
    page = report(trained, width=100)
    table = page[page.index("How it was trained") :].split("\n\n")[0]
    for title in ("trained", "parameters", "tokens", "seen", "peak", "memory", "left", "behind", "served"):
        assert title in table
    figures = line_with("4.88 M", table)
    for figure in ("rag:k=3+lora:rank=16", "68,400", "1.31 GB", "9.73 MB", "merged"):
        assert figure in figures
    assert "9,000" in table and "attached" in table
    assert "latency was measured in the form that is served" in " ".join(page.split())
    assert all(cell_len(line) <= 100 for line in page.splitlines())
    written = report(trained, "markdown")
    assert "## How it was trained" in written
    assert line_with("| 68,400 |", written).count("|") == line_with("| 9,000 |", written).count("|") == 8
    assert "erplexity" not in written
    rows = [replace(r, perplexity=(31.26, 9.4)) if r.spec == LONG else r for r in rows]
    written = report(replace(full, rows=tuple(rows)), "markdown")
    assert "31.3 > 9.4" in line_with("| 9,000 |", written)
    assert line_with("| 68,400 |", written).count("|") == line_with("| 9,000 |", written).count("|") == 9
    assert "Perplexity is that of a sample of the raw text that was learned" in written
