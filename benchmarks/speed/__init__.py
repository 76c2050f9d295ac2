"""Advisor's speed beside that of the libraries people use instead; see `benchmarks/README.md`."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed"
SMOKE = ROOT / "runs" / "bench-smoke"
WORK = ROOT / "runs" / "bench"
