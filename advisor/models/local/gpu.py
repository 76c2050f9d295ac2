"""What other processes take of an NVIDIA GPU, where its management library (`nvidia-ml-py`) is installed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch


def others_on(device: torch.device) -> Callable[[], float | None] | None:
    """What says how many seconds of a GPU others took; None where it cannot be told."""
    with suppress(Exception):  # not installed, no driver, a part of a GPU: whatever the library may raise
        import pynvml

        pynvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        return Watch(pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"), os.getpid())
    return None


class Watch:
    """Adds up what others take, from one call to the next.

    The library knows what share each process had in the last seconds, not since when: of a longer step these stand
    for the whole of it.

    Args:
        library: `pynvml`, or what has the same functions.
        handle: of the GPU, as the library gives it.
        own: this process, by its number.
    """

    def __init__(self, library: Any, handle: Any, own: int) -> None:
        self._library = library
        self._handle = handle
        self._own = own
        self._seconds = 0.0
        self._then, self._stamp = time.perf_counter(), 0

    def __call__(self) -> float | None:
        """Seconds of the GPU that others took since the first call; None where processes cannot be told apart.

        Within a container they have other numbers than outside; so only where this one is listed, or alone.
        """
        try:
            at_work = {entry.pid for entry in self._library.nvmlDeviceGetComputeRunningProcesses(self._handle)}
            if self._own not in at_work and len(at_work) > 1:
                return None
            share = self._share() if at_work - {self._own} and self._own in at_work else 0.0
        except Exception:  # noqa: BLE001 - whatever the library may raise: then it cannot be told
            return None
        now = time.perf_counter()
        self._seconds += share * (now - self._then)
        self._then = now
        return self._seconds

    def _share(self) -> float:
        try:
            samples = self._library.nvmlDeviceGetProcessUtilization(self._handle, self._stamp)
        except self._library.NVMLError_NotFound:  # nobody did anything
            return 0.0
        used: dict[int, list[int]] = {}
        for sample in samples:
            self._stamp = max(self._stamp, int(sample.timeStamp))
            if sample.pid != self._own:
                used.setdefault(sample.pid, []).append(int(sample.smUtil))
        return min(1.0, sum(sum(shares) / len(shares) for shares in used.values()) / 100)
