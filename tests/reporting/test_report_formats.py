"""Formats of a report: those that other packages bring, names that are unknown, and what a block may hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from advisor.advice import Answers, Estimate, ask
from advisor.errors import UserError
from advisor.reporting import check_format, report
from advisor.reporting.blocks import (
    Argument,
    Bullets,
    Code,
    Column,
    Conclusion,
    Detail,
    Details,
    Gap,
    Heading,
    Issue,
    Item,
    Names,
    Numbered,
    Only,
    Paragraph,
    Remark,
    Remarks,
    Report,
    Sign,
    Table,
    TableRow,
)
from advisor.reporting.markdown import markdown
from advisor.reporting.pictures import Figure, Mark
from advisor.reporting.terminal import terminal

ROOT = Path(__file__).parents[2]
FORMATS = """
from advisor.reporting.blocks import Heading, Report, Table

def outline(report: Report, /, *, width: int, color: bool) -> str:
    blocks = list(report.shown_on("page"))
    titles = [block.title for block in blocks if isinstance(block, Heading)]
    rows = [row.name.text for block in blocks if isinstance(block, Table) for row in block.rows]
    return "\\n".join([report.title.upper(), f"{width} {color}", *titles, *rows, "Köln"]) + "\\n"

def raising(report, /, *, width, color):
    raise RuntimeError("out of ink")

def speechless(report, /, *, width, color):
    return None

constant = 7
"""
POINTS = {
    "outline": "thirdparty:outline",
    "raising": "thirdparty:raising",
    "speechless": "thirdparty:speechless",
    "constant": "thirdparty:constant",
    "absent": "nowhere:render",
    "markdown": "thirdparty:raising",
}
EVIL = "\x1b[2J<b>|`x`[a](b) $a$\u202e"


@pytest.fixture
def advisor(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """The command line in a process of its own, where a package with formats is installed."""
    (tmp_path / "thirdparty.py").write_text(FORMATS, encoding="utf-8")
    info = tmp_path / "thirdparty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    points = "".join(f"{name} = {value}\n" for name, value in POINTS.items())
    (info / "entry_points.txt").write_text(f"[advisor.reports]\n{points}")
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"output": "label", "classes": 5, "labelled": 100}))

    def run(*options: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
        places = os.pathsep.join([str(tmp_path), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": places, "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "advisor.cli", "ask", "--answers", str(answers), *options]
        return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="module")
def estimate() -> Estimate:
    return ask(Answers(output="label", classes=5, labelled=100))


def test_a_format_of_another_package_sets_the_blocks(
    advisor: Callable[..., subprocess.CompletedProcess[bytes]], estimate: Estimate
) -> None:
    said = advisor("--format", "outline", encoding="ascii")
    assert (said.returncode, said.stderr) == (0, b"")
    title, surface, *lines, town = said.stdout.decode("ascii").splitlines()
    assert title.startswith("ADVISOR: WHAT TO EXPECT OF ")
    assert surface == "100 False"
    assert {"Advice", "Why", "What to do first"} <= set(lines)
    assert {option.spec for option in estimate.options} <= set(lines)
    assert town == "K?ln"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raising", "report format 'raising' (thirdparty:raising) fails: RuntimeError: out of ink"),
        ("speechless", "report format 'speechless' (thirdparty:speechless) gives no text"),
        ("constant", "thirdparty:constant is registered as report format 'constant' but cannot be called"),
        ("absent", "report format 'absent' (nowhere:render) fails: ModuleNotFoundError: No module named 'nowhere'"),
        ("outlien", "report format 'outlien' is unknown"),
    ],
)
def test_a_broken_package_is_one_clear_line(
    advisor: Callable[..., subprocess.CompletedProcess[bytes]], name: str, reason: str
) -> None:
    said = advisor("--format", name)
    assert (said.returncode, said.stdout) == (2, b"")
    first, hint = said.stderr.decode().splitlines()
    assert first == f"error: {reason}"
    assert hint.startswith("  try: did you mean 'outline'?" if name == "outlien" else "  try: update or uninstall")


def test_nobody_takes_the_place_of_what_is_built_in(
    advisor: Callable[..., subprocess.CompletedProcess[bytes]], estimate: Estimate
) -> None:
    assert advisor("--format", "markdown").stdout.decode() == report(estimate, "markdown")


def test_an_unknown_format_is_the_users_mistake_and_the_nearest_is_named(estimate: Estimate) -> None:
    with pytest.raises(UserError, match="'markdwon' is unknown") as raised:
        report(estimate, "markdwon")
    assert raised.value.hint == "did you mean 'markdown'? installed are terminal, markdown, html, json"
    with pytest.raises(UserError, match="'pdf' is unknown"):
        check_format("pdf")
    for name in ("terminal", "markdown", "json"):
        check_format(name)


@pytest.fixture
def everything() -> Report:
    """One block of each kind, and text from elsewhere in every place that holds text."""
    row = TableRow(Code(EVIL), "1", "!", EVIL, "good", remark=EVIL)
    missing = TableRow(EVIL, "", "", instead=EVIL * 9)
    table = Table(
        (row, missing),
        (
            Column((EVIL, "quality"), [("0.5", "[0.1, 0.9]"), ""], left=True, note=EVIL),
            Column(("cost",), [EVIL, ""], EVIL, ["$1", ""], rank=1),
            Column(("shown",), ["on a screen", ""], on="screen"),
            Column(("set",), ["on a page", ""], on="page"),
        ),
        Names(EVIL),
        (Sign(EVIL), Sign("* only on a screen", "screen")),
    )
    return Report(
        EVIL,
        (
            Details((Detail(EVIL, EVIL, EVIL), Detail(Code(EVIL), EVIL, follows=True))),
            Heading(EVIL),
            Paragraph((EVIL, f"{EVIL}."), "strong"),
            Bullets([EVIL]),
            Numbered((Item(EVIL, Code(EVIL)), Item(EVIL, EVIL))),
            Remarks((Remark(Code(EVIL), [EVIL], "1"),)),
            Issue(EVIL, "grave", EVIL, EVIL, EVIL, [(EVIL, EVIL)], 3),
            table,
            Figure(EVIL, (1.0, 100.0), ((1.0, EVIL), (100.0, "$100")), (Mark(1.0, 0.5, "1"),), notes=(EVIL,)),
            Only("screen", (Gap(), Paragraph(("seen on a screen",)))),
            Only("page", (Only("page", (Paragraph(("read on a page",)),)),)),
            Conclusion(EVIL, "Use it.", "good", EVIL, (Argument("why", "", [EVIL]), Argument("but", "But", [EVIL]))),
        ),
    )


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_a_terminal_gets_no_control_characters_and_no_line_that_is_too_long(everything: Report, width: int) -> None:
    text = terminal(everything, width=width, color=False)
    assert not set("\x1b\u202e") & set(text)
    assert all(cell_len(line) <= max(width, 40) for line in text.splitlines())
    assert "seen on a screen" in text and "read on a page" not in text
    assert terminal(everything, width=width, color=True).count("\x1b[1m") > 3


def test_markdown_gets_no_markup_from_elsewhere_and_begins_with_the_conclusion(everything: Report) -> None:
    text = markdown(everything, width=100, color=False)
    assert text.split("\n\n")[1] == "**Use it.**"
    assert not set("\x1b\u202e") & set(text)
    marked_up = text[: text.index("```text")]
    assert "<b>" not in marked_up.replace("\\<b", "") and "](b)" not in marked_up.replace("\\](b", "")
    assert "read on a page" in text and "seen on a screen" not in text
    (table,) = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(table) == 3  # the row without figures stands below
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "0.5 [0.1, 0.9]" in table[2]
