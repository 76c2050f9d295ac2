"""Whether an attempt ended because the system killed its process for memory.

Linux counts such kills since it was started. An attempt notes the count where it begins; if it is found interrupted and
more were counted meanwhile, it was most likely one of them. After the second time at the same place the approach is
recorded as failed, so that the same command does not die of it for ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.measuring.records import Run

TWICE = 2
"""Kills of one approach at the same place, after which it is not tried again."""
_COUNTS = Path("/proc/vmstat")
_START = Path("/proc/sys/kernel/random/boot_id")


def kills() -> dict[str, Any] | None:
    """How many processes the system has killed for memory, and since which start of it; None where it does not say."""
    try:
        counts = dict(line.split() for line in _COUNTS.read_text().splitlines())
        return {"boot": _START.read_text().strip(), "count": int(counts["oom_kill"])}
    except (OSError, ValueError, KeyError):
        return None


def noted(before: Run | None) -> dict[str, Any]:
    """What an attempt notes where it begins or goes on; nothing where the system keeps no count."""
    found = kills()
    if found is None:
        return {}
    answered = len(before.predictions) if before else 0
    return {"kills": found | {"here": killed_here(before), "answered": answered}}


def killed_here(before: Run | None) -> int:
    """How often in a row the process was killed for memory at the same place: without one more answer between."""
    if before is None or before.status != "interrupted" or not before.kills:
        return 0
    now, then = kills(), before.kills
    if now is None or now["boot"] != then.get("boot") or now["count"] <= then.get("count", now["count"]):
        return 0
    return 1 + (then.get("here", 0) if then.get("answered") == len(before.predictions) else 0)


def given_up(before: Run | None) -> str | None:
    """Why an approach is not tried again; None where it is."""
    if before is not None and before.given_up:
        return before.error
    times = killed_here(before)
    if before is None or times < TWICE:
        return None
    step = f"after {len(before.predictions):,} answers" if before.predictions else "before the first answer"
    return (
        f"not enough memory: the system killed the process {times} times here, {step}; free memory or take a smaller "
        "model, and try it again with --fresh"
    )
