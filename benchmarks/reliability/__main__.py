"""Kills comparisons at random moments, sets several at one folder and one store, and fills the disk under them.

    python -m benchmarks.reliability [--kills 1000] [--seed 0] [--work runs/reliability]

Every run that was disturbed is let go on and held against the same one undisturbed: the same answers, none given twice
in one attempt, what was finished untouched, no file torn or left over. The model is a tiny one of random weights; the
conversion of the packaged model is killed with its real weights. The counts go to `benchmarks/results/reliability.md`;
exit code 1 where anything went wrong. Needs a system that forks.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from pathlib import Path

from benchmarks.reliability.disturbances import full_disk, one_folder, one_store
from benchmarks.reliability.kills import Tally, conversion, killed
from benchmarks.reliability.scenarios import scenarios

RESULTS = Path(__file__).parents[1] / "results" / "reliability.md"
CONVERSIONS = 100
"""Kills, one in so many of which strike the conversion of the model: it takes half a minute."""


def main() -> None:
    """Disturb, write, and exit with 1 where something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/reliability"))
    options = parser.parse_args()
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    os.environ["ADVISOR_CACHE"] = str(work / "cache")
    rng = random.Random(options.seed)
    slow = -(-options.kills // CONVERSIONS)
    found = [conversion(work, slow, rng)]
    known = scenarios(work)
    rest = options.kills - slow
    for number, scenario in enumerate(known):
        share = rest // len(known) + (number < rest % len(known))
        found.append(killed(scenario, work, share, rng))
        print(found[-1], file=sys.stderr, flush=True)
    several = [one_folder(known[0], work), one_store(known[0], work), full_disk(known[1], work)]
    write(found, several)
    sys.exit(int(any(tally.wrong for tally in [*found, *several])))


def write(kills: list[Tally], several: list[Tally]) -> None:
    """The tables."""
    total = sum(tally.count for tally in kills)
    lines = [
        "# Reliability",
        "",
        f"`python -m benchmarks.reliability`: {total:,} processes killed (SIGKILL) at random moments, each run then",
        "let go on to its end and held against the same one undisturbed: the same answers, none given twice in an",
        "attempt, what was finished untouched, no torn or left-over file. Full disks, two processes on one folder and",
        "ten on one store likewise. Memory limits: [memory.md](memory.md); what readers of files were fed:",
        "[fuzz.md](fuzz.md); injections through documents: [injections.md](injections.md); faults planted in tasks:",
        "[faults.md](faults.md).",
        "",
        "| what | disturbed | runs ended | wrong |",
        "|---|--:|--:|---|",
    ]
    lines += [f"| {t.what} | {t.count:,} | {t.runs:,} | {'; '.join(t.wrong[:3]) or '0'} |" for t in [*kills, *several]]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
