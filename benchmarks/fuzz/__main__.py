"""python -m benchmarks.fuzz [--minutes N]: every reader in turn, with ever new inputs; writes results/fuzz.md."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from advisor.version import VERSION
from benchmarks.fuzz.inputs import MEGABYTES, SECONDS, check, inputs
from benchmarks.fuzz.readers import READERS, Reader

RESULT = Path(__file__).parents[1] / "results" / "fuzz.md"
AT_ONCE = 200
_HEAD = """# Fuzzing

`python -m benchmarks.fuzz --minutes {minutes:g}`, Advisor {version}, Python {python}, {date}.

Inputs are what a reader takes, with up to five places damaged (hostile pieces, cut, repeated up to 3,000 times), and
random bytes. Each has to give a value or a `UserError` with what fixes it, of at most seven lines, within {seconds:g} s
of processor time and {megabytes} MB.

{total:,} inputs, {failed} failed; the process took at most {memory:,} MB of memory, with all libraries.

| reader | inputs | failed | slowest, s |
|---|---:|---:|---:|
"""


def main() -> int:
    """Run for some minutes; returns 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    minutes = parser.parse_args().minutes
    counts, failed, slowest = Counter[str](), Counter[str](), dict.fromkeys((r.name for r in READERS), 0.0)
    end, turn = time.monotonic() + 60 * minutes, time.time_ns()
    os.environ.pop("ADVISOR_CASES", None)
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            turn += 1
            for reader in READERS:
                failed[reader.name] += _go(reader, Path(folder), turn, counts, slowest)
                if time.monotonic() >= end:
                    break
    rows = [f"| {r.name} | {counts[r.name]:,} | {failed[r.name]} | {slowest[r.name]:.2f} |" for r in READERS]
    head = _HEAD.format(
        minutes=minutes,
        version=VERSION,
        python=platform.python_version(),
        date=datetime.date.today(),
        seconds=SECONDS,
        megabytes=MEGABYTES,
        total=counts.total(),
        failed=failed.total(),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
    )
    RESULT.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))
    return int(failed.total() > 0)


def _go(reader: Reader, folder: Path, turn: int, counts: Counter[str], slowest: dict[str, float]) -> int:
    """A few inputs of one reader; returns how many ways of failing were found."""

    @seed(turn)
    @settings(
        max_examples=AT_ONCE,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(reader))
    def reads(data: bytes) -> None:
        counts[reader.name] += 1
        slowest[reader.name] = max(slowest[reader.name], check(reader, data, folder))

    try:
        reads()
    except Exception:  # noqa: BLE001 - whatever a reader raises is what is looked for
        traceback.print_exc(limit=-4)
        print(f"== {reader.name}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
