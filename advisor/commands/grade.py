"""The command `advisor grade`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from advisor.cleaning import say
from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.intake import there
from advisor.measuring.graded import GRADES, to_grade
from advisor.measuring.reading import read_comparison
from advisor.verdict import words


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which run folder, how many answers, and where they go."""
    parser.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    parser.add_argument("--out", metavar="FILE", default=GRADES, help=f"the file to fill in; default: {GRADES}")
    parser.add_argument("--n", type=int, default=60, metavar="N", help="answers to grade, of all rows; default: 60")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="by which test examples are drawn; default: 0")


def run(options: argparse.Namespace) -> int:
    """Write the answers; returns the exit code."""
    if options.n < 1:
        raise UserError(f"--n is {options.n}", "1 or more")
    out = Path(options.out)
    if there(out):
        raise UserError(f"{out}: is there already", "name another file with --out, or move it away")
    comparison = read_comparison(options.folder)
    rows = to_grade(comparison, options.n, options.seed)
    if not rows:
        raise UserError(f"{options.folder}: holds no answer that is not graded yet", "advisor compare measures some")
    write_whole(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    examples = len({row["id"] for row in rows})
    say(
        f"{out}: {words.many(len(rows), 'answer')} to {words.many(examples, 'test example')}. Put a number from 0 "
        "(wrong) to 1 (as good as the reference) in place of each null, the file into the task folder, and compare "
        "again."
    )
    return 0
