"""Advisor's speed side by side with the libraries people use instead, installed from their packages.

    python -m benchmarks.speed all [--pairs 5] [--threads N] [--smoke]
    python -m benchmarks.speed scoring generation ...
    python -m benchmarks.speed table

Each benchmark writes `benchmarks/results/speed/<name>.json` after every pair; `table` writes `benchmarks/README.md`
from those files. A smoke run takes tiny random models and one pair, and writes to `runs/bench-smoke`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed"
SMOKE = ROOT / "runs" / "bench-smoke"
NAMES = ("scoring", "generation", "embedding", "training", "ceiling", "overhead", "whole")


def main() -> int:
    """Run what was asked for; exits with 1 where a benchmark failed or its sides did not agree."""
    options = _parser().parse_args()
    if options.names == ["table"]:
        return _table()
    names = list(NAMES) if options.names == ["all"] else options.names
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"error: there is no benchmark {unknown[0]!r}\n  try: {', '.join(NAMES)}, all or table", file=sys.stderr)
        return 2
    _set_threads(options.threads)
    if len(names) > 1:  # each in a process of its own: what one leaves in memory does not slow the next
        return max(_alone(name) for name in names)
    return _run(names[0], options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"{', '.join(NAMES)}, all, or table")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each side; default 5, in a smoke run 1")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all usable cores")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one pair")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "datasets", help="public task folders")
    parser.add_argument("--out", type=Path, help=f"folder for the results; default {RESULTS.relative_to(ROOT)}")
    return parser


def _set_threads(threads: int) -> None:
    """Before torch is loaded, for this process and those it starts."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["ADVISOR_CACHE"] = "off"  # cold speed is what is measured
    os.environ["HF_HUB_OFFLINE"] = "1"


def _alone(name: str) -> int:
    rest = [argument for argument in sys.argv[1:] if argument not in {*NAMES, "all"}]
    return subprocess.run([sys.executable, "-m", "benchmarks.speed", name, *rest], check=False).returncode


def _run(name: str, options: argparse.Namespace) -> int:
    machine = import_module("benchmarks.speed.machine")
    record_module = import_module("benchmarks.speed.record")
    chosen = import_module("benchmarks.speed.options").Options(
        pairs=1 if options.smoke else options.pairs,
        smoke=options.smoke,
        data=options.data,
        work=SMOKE if options.smoke else ROOT / "runs" / "bench",
    )
    out = options.out or (SMOKE / "results" if options.smoke else RESULTS)
    head = {"benchmark": name, "smoke": chosen.smoke, "pairs": chosen.pairs, **machine.describe()}
    record = record_module.Record(out / f"{name}.json", head)
    print(f"{name}: {chosen.pairs} pairs, {options.threads} threads", file=sys.stderr, flush=True)
    import_module(f"benchmarks.speed.{name}").run(chosen, record)
    record.finish()
    for gate in record.broken_gates:
        print(f"  {gate}: the sides do not agree", file=sys.stderr)
    return 1 if record.broken_gates else 0


def _table() -> int:
    import_module("benchmarks.speed.table").write(RESULTS, ROOT / "benchmarks" / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
