"""Which device and number format suit this machine."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from advisor.errors import UserError
from advisor.models.load import SPREAD
from advisor.models.local.allocator import trim
from advisor.models.local.shortage import limit

CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
NATIVE = {torch.bfloat16: {"avx512_bf16", "amx_bf16", "bf16"}, torch.float16: {"avx512_fp16", "amx_fp16", "asimdhp"}}
ELSEWHERE = {"disk", "meta"}  # where parts of a model may lie that are brought to a device when it computes
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(asked: str | None) -> torch.device:
    """The device asked for, else the first GPU, else the CPU; of all there are, the first.

    Raises:
        UserError: the device is unknown or not there.
    """
    if asked in (None, SPREAD):
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(str(asked))
        torch.empty(1, device=device).item()  # the device "meta" makes tensors, but they hold nothing
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"device {asked!r} cannot be used: {reason}", "--device cpu, or cuda:0 where a GPU is"
        ) from None
    return device


def choose_dtype(asked: str | None, device: torch.device) -> torch.dtype:
    """The number format asked for, else bfloat16 where the hardware multiplies it natively, else float32.

    A CPU without bfloat16 instructions emulates them, up to hundreds of times slower than float32.

    Raises:
        UserError: the name is unknown.
    """
    if asked is not None:
        if asked not in DTYPES:
            raise UserError(f"dtype {asked!r} is unknown", "--dtype " + " | ".join(DTYPES))
        return DTYPES[asked]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and NATIVE[torch.bfloat16] & cpu_flags():
        return torch.bfloat16
    return torch.float32


def devices_of(module: Any) -> list[str]:
    """Where the parts of a model lie, the first one's first: GPUs (`cuda:0`), `cpu`, `disk`; one in most cases."""
    placed = getattr(module, "hf_device_map", None) or {"": module.device}
    found = dict.fromkeys(f"cuda:{where}" if isinstance(where, int) else str(where) for where in placed.values())
    return list(found) if found.keys() - ELSEWHERE else ["cpu", *found]  # which computes what all lies elsewhere


def device_of(module: Any) -> torch.device:
    """Where a model's tokens go in: where its embedding lies, or is brought to when it computes, as what else does not
    fit is: to the first GPU that has any of it, else to the CPU."""
    own = torch.device(module.device)
    if own.type != "meta":  # what lies elsewhere meanwhile
        return own
    return next((place for place in _computing(module) if place.type != "cpu"), torch.device("cpu"))


def _computing(module: Any) -> list[torch.device]:
    """Devices that a model lies on, all but the disk."""
    return [torch.device(where) for where in devices_of(module) if where not in ELSEWHERE]


def _gpus_of(module: Any) -> list[torch.device]:
    return [device for device in _computing(module) if device.type == "cuda"]


def gpus() -> int:
    """How many GPUs of NVIDIA's or AMD's there are."""
    return torch.cuda.device_count()


def emulated(dtype: torch.dtype, device: torch.device) -> str:
    """What a reader must know of a number format that the processor does not multiply; empty where it does.

    It is as exact as elsewhere, but every figure of time is that of the emulation.
    """
    flags = cpu_flags() if device.type == "cpu" else set()
    if not flags or dtype == torch.float32 or NATIVE[dtype] & flags:
        return ""
    name = str(dtype).removeprefix("torch.")
    return (
        f"This processor has no instructions for {name} and emulates it, up to hundreds of times slower than float32: "
        "no figure of time or cost says anything of another machine (--dtype float32)."
    )


def cpu_flags() -> set[str]:
    """Instruction set extensions as Linux names them; empty where it cannot be told."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    found = (line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features")))
    return set(next(found, []))


def device_name(device: torch.device) -> str:
    """The processor's or GPU's name, as a person would look for it in a price list."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or f"{platform.machine()} CPU"


def names_of(module: Any) -> str:
    """The names of what a model computes on: `2 x NVIDIA H200`; what lies on a disk is computed elsewhere."""
    return in_words(map(device_name, _computing(module)))


def in_words(names: Iterable[str]) -> str:
    """Names of devices, each once, with how many there are."""
    found = Counter(names)
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in found.items())


def reset_peak_memory(module: Any) -> None:
    """Begin to watch a model's memory anew."""
    if cards := _gpus_of(module):
        for card in cards:
            torch.cuda.reset_peak_memory_stats(card)
        return
    gc.collect()
    trim()  # what was freed and kept is not of what comes now
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the highest resident size


def peak_memory(module: Any) -> int | None:
    """Highest memory since the reset, in bytes: allocated on a model's GPUs, each at its highest, else resident in the
    process; None where it cannot be told."""
    if cards := _gpus_of(module):
        return sum(int(torch.cuda.max_memory_allocated(card)) for card in cards)
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return None


def usable_memory() -> int | None:
    """Bytes of the machine, of the container, or that the user allows, whichever are fewest; None where it cannot be
    told."""
    found = [size] if (size := limit()) is not None else []
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not on every system
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" stands for none
            found.append(int(Path(file).read_text()))
    return min(found, default=None)


def device_memory(module: Any) -> int | None:
    """Bytes of the memory of a model's GPUs, else of the machine's; None where it cannot be told."""
    if cards := _gpus_of(module):
        found = sum(int(torch.cuda.get_device_properties(card).total_memory) for card in cards)
        return min(found, limit() or found)
    return usable_memory()
