"""Advisor's speed side by side with the libraries people use instead, installed from their packages.

    python -m benchmarks.speed all [--pairs 5] [--threads N] [--data FOLDER] [--smoke]
    python -m benchmarks.speed scoring generation ...
    python -m benchmarks.speed table

Each benchmark writes `<name>.json` after every pair, in the folder of `benchmarks/results/speed` that is named after
how the processor multiplies (bfloat16, amx, float32); `table` writes `benchmarks/README.md` from all of them. A smoke
run takes tiny random models and one pair, writes to `runs/bench-smoke` and passes over what needs a peer that is not
installed.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.speed import RESULTS, ROOT

PEERS: dict[str, tuple[str, ...]] = {  # of the dependency group `bench`, which a benchmark needs
    "scoring": ("lm_eval",),
    "generation": (),
    "embedding": (),
    "retrieval": ("rank_bm25", "langchain_classic"),
    "training": ("trl", "datasets"),
    "tuners": ("trl", "datasets"),
    "ceiling": (),
    "overhead": (),
    "whole-labels": ("lm_eval", "trl", "datasets"),
    "whole-questions": ("lm_eval", "trl", "datasets"),
    "again": (),
}
NAMES = tuple(PEERS)


def main() -> int:
    """Run what was asked for; exits with 1 where a benchmark failed or its sides did not agree."""
    options = parser("python -m benchmarks.speed", __doc__ or "", NAMES).parse_args()
    if options.names == ["table"]:
        import_module("benchmarks.speed.table").write(RESULTS, ROOT / "benchmarks" / "README.md")
        return 0
    names = list(NAMES) if options.names == ["all"] else options.names
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"error: there is no benchmark {unknown[0]!r}\n  try: {', '.join(NAMES)}, all or table", file=sys.stderr)
        return 2
    settle(options.threads)
    if len(names) > 1 and not options.smoke:  # what one leaves in memory does not slow the next
        return max(_alone(name) for name in names)
    return max(_run(name, options) for name in names)


def parser(prog: str, text: str, names: tuple[str, ...]) -> argparse.ArgumentParser:
    """The options that all benchmarks have in common."""
    found = argparse.ArgumentParser(prog=prog, description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found.add_argument("names", nargs="+", metavar="NAME", help=f"{', '.join(names)}, all, or table")
    found.add_argument("--pairs", type=int, default=5, help="runs of each side; default 5, in a smoke run 1")
    found.add_argument("--minutes", type=float, default=15, help="a case begins no further pair after; default 15")
    found.add_argument("--threads", type=int, default=cores, help="default: all usable cores")
    found.add_argument("--smoke", action="store_true", help="tiny sizes, a tiny random model, one pair")
    found.add_argument("--train", type=int, default=200, help="training examples of whole comparisons; default 200")
    found.add_argument("--test", type=int, default=50, help="test examples of whole comparisons; default 50")
    found.add_argument("--data", type=Path, help="folder of task folders; default: the project's examples")
    found.add_argument("--out", type=Path, help=f"folder for the results; default: in {RESULTS.relative_to(ROOT)}")
    return found


def settle(threads: int) -> None:
    """Before torch is loaded, for this process and those it starts."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["ADVISOR_CACHE"] = "off"  # cold speed is what is measured
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # it wonders at a model that is loaded already
    os.environ["KINETO_LOG_LEVEL"] = "99"  # the profiler's own lines


def absent(name: str, peers: tuple[str, ...], smoke: bool) -> int | None:
    """The exit status where a peer that `name` needs is not installed, told in a line; None where all are."""
    missing = [peer for peer in peers if find_spec(peer) is None]
    if not missing:
        return None
    hint = "python -m pip install --group bench"
    if smoke:
        print(f"{name}: skipped, {' and '.join(missing)} not installed; {hint}", file=sys.stderr, flush=True)
        return 0
    print(f"error: {name} needs {' and '.join(missing)}, not installed here\n  try: {hint}", file=sys.stderr)
    return 2


def _alone(name: str) -> int:
    rest = [argument for argument in sys.argv[1:] if argument not in {*NAMES, "all"}]
    return subprocess.run([sys.executable, "-m", "benchmarks.speed", name, *rest], check=False).returncode


def _run(name: str, options: argparse.Namespace) -> int:
    status = absent(name, PEERS[name], options.smoke)
    if status is not None:
        return status
    module, _, part = name.partition("-")
    job = getattr(import_module(f"benchmarks.speed.{module}"), part or "run")
    return int(import_module("benchmarks.speed.record").keep(name, job, options))


if __name__ == "__main__":
    sys.exit(main())
