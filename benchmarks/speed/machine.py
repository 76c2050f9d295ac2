"""The machine a benchmark runs on, and its use by other processes meanwhile."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from advisor.measuring.environment import hardware, versions
from advisor.models.local.device import choose_device, choose_dtype, cpu_flags, device_name
from benchmarks.speed import ROOT

PEERS = ("lm_eval", "trl", "datasets", "accelerate", "tokenizers", "langchain-text-splitters")
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "bf16", "sve")
BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal: proc(5), /proc/stat
IDLE = (3, 4)


@dataclass(frozen=True)
class Effort:
    """The time one run took.

    Attributes:
        seconds: by the wall clock.
        cpu_seconds: of this process, all its threads and the processes it waited for.
        others: share of the usable cores' time that was spent on anything else, stolen time included; None where
            it cannot be told.
    """

    seconds: float
    cpu_seconds: float
    others: float | None


@dataclass(frozen=True)
class ClockReading:
    """The clocks at one moment; the difference of two is an `Effort`."""

    wall: float
    own: float
    busy: float | None
    idle: float | None

    @classmethod
    def now(cls) -> ClockReading:
        """Read all clocks, once a GPU has done what it was asked."""
        synchronise()
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        busy, idle = _cores()
        return cls(time.perf_counter(), own, busy, idle)

    def until(self, later: ClockReading) -> Effort:
        """The effort between this reading and a later one."""
        own = later.own - self.own
        others = None
        if None not in (self.busy, later.busy, self.idle, later.idle):
            busy, idle = later.busy - self.busy, later.idle - self.idle  # type: ignore[operator]
            if busy + idle > 0:
                others = min(1.0, max(0.0, busy - own) / (busy + idle))
        return Effort(later.wall - self.wall, own, others)


def synchronise() -> None:
    """Wait for a GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _cores() -> tuple[float | None, float | None]:
    """Busy and idle seconds of the cores that this process may use, since the machine started."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None, None
    usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = os.sysconf("SC_CLK_TCK")
    busy = idle = 0.0
    for line in lines:
        name, *values = line.split()
        if name in usable:
            busy += sum(float(values[i]) for i in BUSY) / ticks
            idle += sum(float(values[i]) for i in IDLE) / ticks
    return busy, idle


def native_dtype() -> str:
    """The number format that Advisor chooses on this machine: bfloat16 where the hardware multiplies it."""
    return str(choose_dtype(None, choose_device(None))).removeprefix("torch.")


def kind() -> str:
    """How this machine multiplies matrices: the number format, or `amx` for a processor with matrix units."""
    dtype = native_dtype()
    on_amx = dtype == "bfloat16" and choose_device(None).type == "cpu" and "amx_bf16" in cpu_flags()
    return "amx" if on_amx else dtype


def describe() -> dict[str, Any]:
    """Hardware, threads, versions and the commit, as a record holds them."""
    return {
        "machine": {
            **hardware(device_name(choose_device(None))),
            "instructions": [flag for flag in INSTRUCTIONS if flag in cpu_flags()],
            "native_dtype": native_dtype(),
        },
        "threads": torch.get_num_threads(),
        "versions": {**versions(), **_peers()},
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": len(_git("status", "--porcelain", "--untracked-files=no").splitlines()),
    }


def _peers() -> dict[str, str]:
    found = {}
    for package in PEERS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
