"""What other processes take of the processor, and of the GPU, while something is timed.

Linux keeps count of the time that each core was busy; what this process and its children did not do themselves, others
did. Time that a virtual machine's host took away counts as theirs. The counts move in hundredths of a second, so that a
short moment alone says little; moments that follow each other without a gap add up to what was taken in all.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BUSY = 0.1
"""The share of what a step could use beyond which what others took is said."""
ENOUGH = 0.2
"""Seconds below which the counts say too little: they are a hundredth of a second off at either end."""
_TICKS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")  # as proc(5) orders them
_IDLE = ("idle", "iowait")
_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Stand:
    """How the counts stand at one moment.

    Attributes:
        seconds: on the wall, from any beginning.
        busy: core-seconds in which the cores that this process may use were not idle.
        own: core-seconds of this process and its children.
        cores: numbers of the cores that it may use.
        quota: cores' worth of time that a container is allowed; None where it is not limited.
        group: core-seconds of all processes in that container; None without a quota.
        gpu: seconds of the GPU that others took; None where that cannot be told.
    """

    seconds: float
    busy: float
    own: float
    cores: tuple[int, ...]
    quota: float | None = None
    group: float | None = None
    gpu: float | None = None


@dataclass(slots=True)
class Contention:
    """What others took during a step, or several added up; nothing where it cannot be told.

    Attributes:
        seconds: on the wall, of the moments in which it could be told.
        taken: core-seconds that others took; below 0 within the error of the counts.
        of: core-seconds that there were to be had.
        gpu: seconds of the GPU that others took.
        gpu_of: seconds in which that could be told.
    """

    seconds: float = 0.0
    taken: float = 0.0
    of: float = 0.0
    gpu: float = 0.0
    gpu_of: float = 0.0

    def add(self, more: Contention) -> None:
        """Add what was taken at another time."""
        self.seconds += more.seconds
        self.taken += more.taken
        self.of += more.of
        self.gpu += more.gpu
        self.gpu_of += more.gpu_of

    @property
    def cores(self) -> float:
        """How many there were to be had, on average."""
        return self.of / self.seconds if self.seconds else 0.0

    @property
    def share(self) -> float | None:
        """Share of the processor that others took, from 0 to 1; None where too little is known."""
        return min(1.0, max(0.0, self.taken / self.of)) if self.seconds >= ENOUGH and self.of else None

    @property
    def gpu_share(self) -> float | None:
        """Share of the GPU's time that others took, from 0 to 1; None where too little is known."""
        return min(1.0, max(0.0, self.gpu / self.gpu_of)) if self.gpu_of >= ENOUGH else None


def between(before: Stand | None, after: Stand | None) -> Contention:
    """What others took from one moment to another.

    Where a container is limited to less than its cores, others take something if the machine has less left than that
    limit, or if they use it up within the container.
    """
    if before is None or after is None or before.cores != after.cores:
        return Contention()
    seconds, cores = after.seconds - before.seconds, len(after.cores)
    own = after.own - before.own
    taken, of = after.busy - before.busy - own, cores * seconds
    if after.quota is not None and after.quota < cores:
        allowed = after.quota * seconds
        taken, of = max(0.0, allowed - (of - taken)), allowed
        if before.group is not None and after.group is not None:
            taken = max(taken, after.group - before.group - own)
    load = Contention(seconds, taken, of)
    if before.gpu is not None and after.gpu is not None:
        load.gpu, load.gpu_of = after.gpu - before.gpu, seconds
    return load


def look(gpu: Callable[[], float | None] | None = None) -> Stand | None:
    """How the counts stand now; None where there are none, as on other systems than Linux. Takes a tenth of a ms.

    Args:
        gpu: says how many seconds of it others took since any beginning.
    """
    try:
        cores = tuple(sorted(os.sched_getaffinity(0)))
        busy = busy_seconds(Path("/proc/stat").read_text(), cores, os.sysconf("SC_CLK_TCK"))
    except (AttributeError, OSError, ValueError):
        return None
    if busy is None:
        return None
    quota = _quota()
    group = _group_seconds() if quota is not None else None
    return Stand(time.perf_counter(), busy, _own_seconds(), cores, quota, group, gpu() if gpu else None)


def busy_seconds(stat: str, cores: tuple[int, ...], ticks: int) -> float | None:
    """Core-seconds in which these cores were not idle.

    Args:
        stat: the text of `/proc/stat`.
        ticks: a second.

    Returns:
        None where a core is not listed, or nothing was ever counted, as some sandboxes have it.
    """
    wanted = {f"cpu{core}" for core in cores}
    busy = total = 0
    for line in stat.splitlines():
        name, *fields = line.split() or [""]
        if name in wanted:
            wanted.remove(name)
            counts = dict(zip(_TICKS, map(int, fields), strict=False))
            total += sum(counts.values())
            busy += sum(count for kind, count in counts.items() if kind not in _IDLE)
    return busy / ticks if not wanted and total else None


def _own_seconds() -> float:
    """Core-seconds of this process, of its children that ended and of those that live."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + _of_children(os.getpid())


def _of_children(process: int) -> float:
    """Core-seconds of the processes below one that live, and of theirs."""
    seconds = 0.0
    with suppress(OSError):  # it may end at any moment
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                for child in (thread / "children").read_text().split():
                    seconds += _of_process(child) + _of_children(int(child))
    return seconds


def _of_process(process: str) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # user and system, its ended children's too
    return 0.0


def _quota() -> float | None:
    """Cores' worth of time that the container is allowed, by either version of Linux's control groups."""
    with suppress(OSError, ValueError):  # "max" stands for no limit
        quota, period = map(int, (_GROUP / "cpu.max").read_text().split())
        return quota / period
    with suppress(OSError, ValueError):
        quota, period = (int((_GROUP / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else None
    return None


def _group_seconds() -> float | None:
    with suppress(OSError, ValueError, StopIteration):
        rows = (line.split() for line in (_GROUP / "cpu.stat").read_text().splitlines())
        return next(int(value) for name, value in rows if name == "usage_usec") / 1e6
    with suppress(OSError, ValueError):
        return int((_GROUP / "cpuacct" / "cpuacct.usage").read_text()) / 1e9
    return None
