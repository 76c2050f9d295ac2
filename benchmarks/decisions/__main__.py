"""Advice against measured outcomes.

    python -m benchmarks.decisions measure --data FOLDER [--task NAME ...]   # the comparisons that are missing
    python -m benchmarks.decisions probe --data FOLDER                       # the probes of what is measured
    python -m benchmarks.decisions collect --data FOLDER                     # -> benchmarks/results/decisions.jsonl
    python -m benchmarks.decisions unseen                                    # -> benchmarks/results/unseen.jsonl
    python -m benchmarks.decisions learn                                     # -> advisor/forecast/learned.json
    python -m benchmarks.decisions score                                     # -> benchmarks/results/decisions.*
    python -m benchmarks.decisions all --data FOLDER

`measure` and `probe` begin with the cheap grid points; they can be killed and called again, and several processes may
share the work; points in the committed table are not measured again. FOLDER holds public tasks, or is `examples`.
`collect` adds what is finished to that table; `unseen`, `learn` and `score` need nothing else. `unseen` comes before
`learn`: it scores the advice for tasks that nothing was learned from yet.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import advisor
from advisor.forecast import learned
from benchmarks.decisions import report, table, unseen
from benchmarks.decisions.grid import GridPoint, grid, measure
from benchmarks.decisions.probing import probed, read_probes
from benchmarks.decisions.scoring import case_of

STEPS = ("measure", "probe", "collect", "unseen", "learn", "score")
COEFFICIENTS = Path(learned.__file__).with_name(learned.COEFFICIENTS)


def main() -> None:
    """One step, or all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=(*STEPS, "all"))
    parser.add_argument("--data", type=Path, help="a folder of task folders")
    parser.add_argument("--task", action="append", help="only this one; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("runs/decisions"))
    options = parser.parse_args()
    for step in STEPS if options.step == "all" else (options.step,):
        if step == "measure":
            known = {(point.task, point.train) for point in table.read()} if table.TABLE.exists() else set()
            missing = [one for one in _grid(parser, options) if (one.task.name, one.size) not in known]
            measure(missing, advisor.load_model("embedded"))
        elif step == "probe":
            probed(_grid(parser, options), advisor.load_model("embedded"))
        elif step == "collect":
            found = _grid(parser, options)
            table.write(table.collected(found, read_probes(found)))
        elif step == "unseen":
            print(unseen.text(unseen.record(unseen.scored_unseen(table.read(), learned.shipped()))))
        elif step == "learn":
            known = learned.learn([case_of(point) for point in table.read()])
            text = json.dumps(table.short(asdict(known)), indent=1)
            COEFFICIENTS.write_text(text + "\n", encoding="utf-8")
        else:
            print(report.write(table.read()))


def _grid(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[GridPoint]:
    if options.data is None:
        parser.error(f"{options.step} needs --data")
    folders = sorted(path.parent for path in options.data.glob("*/task.toml"))
    return grid([path for path in folders if not options.task or path.name in options.task], options.out)


if __name__ == "__main__":
    main()
