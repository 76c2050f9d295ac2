"""The Markdown report: well-formed tables, and nothing of the user's acts as markup."""

from __future__ import annotations

import re

from advisor.reporting import report
from advisor.reporting.markdown import code, text
from advisor.verdict.decision import Decision


def tables(page: str) -> list[list[str]]:
    blocks = [block.splitlines() for block in page.split("\n\n")]
    return [block for block in blocks if block[0].startswith("|")]


def cells(line: str) -> list[str]:
    return [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_tables_are_well_formed(
    full: Decision, single: Decision, nothing_eligible: Decision, hostile: Decision
) -> None:
    for decision in (full, single, nothing_eligible, hostile):
        found = tables(report(decision, "markdown"))
        assert len(found) == 2
        for table in found:
            assert all(re.fullmatch(r":--|--:", cell) for cell in cells(table[1]))
            assert len({len(cells(line)) for line in table}) == 1
            assert all(line.startswith("| ") and line.endswith(" |") for line in table)


def test_it_begins_with_the_verdict(full: Decision) -> None:
    blocks = report(full, "markdown").split("\n\n")
    assert blocks[0] == "# Advisor: helpdesk"
    assert blocks[1].startswith("**Not decided. Provisionally rag:k=3+lora:rank=16")
    assert blocks[2].startswith("About 300 test examples")
    assert blocks[3].startswith("- It has the best measured quality")


def test_what_few_read_is_folded(full: Decision) -> None:
    """With blank lines around it, without which GitHub shows the Markdown within as it is written."""
    page = report(full, "markdown")
    for title in ("Costs", "Notes", "Method", "Setup"):
        assert f"## {title}\n\n<details><summary>show</summary>\n\n" in page
    assert page.count("<details>") == page.count("\n\n</details>\n") == 4
    assert "## Results\n\nqa;" in page


def test_its_sections_and_facts(full: Decision) -> None:
    page = report(full, "markdown")
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    sections = [
        "Results",
        "Quality against cost",
        "Quality against latency",
        "Diagnosis",
        "Costs",
        "Notes",
        "Caveats",
        "Method",
        "Setup",
    ]
    assert titles == [f"## {title}" for title in sections]
    facts = [
        "12fd25f77366fa6b3b4b768ec3050bf629380bac",
        "0f1e2d3c4b5a6978",
        "2 seeds",
        "torch 2.13.0",
        "0.020",
    ]
    for fact in facts:
        assert fact in page
    assert "`few-shot:k=4`" in page and "unknown" in page
    assert "nan" not in page.lower().replace("nano", "")


def test_what_the_user_wrote_is_shown_literally(hostile: Decision) -> None:
    page = report(hostile, "markdown")
    assert page.startswith("# Advisor: \\[red\\]desk\\[/red\\] \\| \\<b\\>bold\\</b\\>")
    assert "<script>" not in page and "<b>" not in page
    assert "\x1b" not in page
    report(hostile, "markdown", encoding="ascii").encode("ascii")


def test_escaping() -> None:
    assert text("token_f1 and _this_ *that*") == "token_f1 and \\_this\\_ \\*that\\*"
    assert text("#1 @you $1") == "\\#1 \\@you \\$1"
    assert code("rag:k=3") == "`rag:k=3`"
    assert code("a`b") == "`` a`b ``"
    assert code("a|b") == "a\\|b"


def test_the_same_bytes(full: Decision) -> None:
    assert report(full, "markdown") == report(full, "markdown")
