"""Advice against measured outcomes.

    python -m benchmarks.decisions measure --data FOLDER [--task NAME ...] [--out runs/decisions]

`measure` runs the comparisons that are missing, cheap ones first; it can be killed and called again, and several
processes may share the work.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import advisor
from benchmarks.decisions.cells import cells, measure


def main() -> None:
    """One step."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=("measure",))
    parser.add_argument("--data", type=Path, required=True, help="a folder of task folders")
    parser.add_argument("--task", action="append", help="only this one; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("runs/decisions"))
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.data.glob("*/task.toml"))
    chosen = [path for path in folders if not options.task or path.name in options.task]
    measure(cells(chosen, options.out), advisor.load_model("embedded"))


if __name__ == "__main__":
    main()
