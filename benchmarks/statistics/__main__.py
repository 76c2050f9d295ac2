"""Simulates what the verdict's statistics promise, and writes `benchmarks/results/statistics.md`.

    python -m benchmarks.statistics [NAME ...] [--repeats 400] [--reports 1000]

Names: intervals, levels, power, seeds, assurance, winner; all of them without. What is not named keeps its place in
`benchmarks/results/statistics.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.statistics.contradictions import contradictory
from benchmarks.statistics.experiments import EXPERIMENTS
from benchmarks.statistics.table import RESULTS, Line, write


def main() -> None:
    """Simulate, write, and exit with 1 where a bound is exceeded or a report contradicts itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], metavar="NAME")
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--reports", type=int, default=1000)
    options = parser.parse_args()
    path = RESULTS.with_suffix(".json")
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in options.names or EXPERIMENTS:
        experiment, share = EXPERIMENTS[name]
        lines = []
        for line in experiment(np.random.default_rng(1), max(2, round(share * options.repeats))):
            print(f"{name}: {line.what}, {line.where}: {line.measured:.3f}", file=sys.stderr, flush=True)
            lines.append(asdict(line))
        known[name] = lines
        path.write_text(json.dumps(known, indent=1) + "\n")
    if options.reports:
        found = contradictory(np.random.default_rng(2), options.reports)
        print(*sorted(set(found)), sep="\n", file=sys.stderr)
        known["contradictions"] = [len(found), options.reports]
        path.write_text(json.dumps(known, indent=1) + "\n")
    sections = {name: [Line(**line) for line in known[name]] for name in EXPERIMENTS if name in known}
    contradictions = known.get("contradictions", (0, 0))
    write(sections, (contradictions[0], contradictions[1]))
    missed = any(line.missed for lines in sections.values() for line in lines)
    sys.exit(int(missed or contradictions[0] > 0))


if __name__ == "__main__":
    main()
