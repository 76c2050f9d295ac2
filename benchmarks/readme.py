"""Puts the report of a run folder into README.md, between its two marks, as `advisor report` prints it.

python -m benchmarks.readme runs/handbook-qa
"""

from __future__ import annotations

import sys
from pathlib import Path

import advisor

BEGIN, END = "<!-- report: python -m benchmarks.readme -->", "<!-- end of report -->"


def main() -> None:
    """Replace the text between the marks."""
    readme = Path(__file__).parents[1] / "README.md"
    text = readme.read_text(encoding="utf-8")
    report = advisor.report(advisor.decide(advisor.read_comparison(sys.argv[1])))
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n```text\n{report.rstrip()}\n```\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
