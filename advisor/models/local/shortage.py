"""Memory that does not suffice: how libraries say so, how much there is, and what a user is told.

A shortage has as many names as there are libraries; all that is known of them stands here. One that is foreseen, or
that no smaller batch fixes, becomes `NotEnoughMemory`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.errors import AdvisorError, UserError
from advisor.models.local.allocator import LIMIT, kept, trim

if TYPE_CHECKING:
    import torch

_AS_TEXT = (
    "can't allocate memory",  # torch on a CPU
    "out of memory",  # CUDA and MPS
    "_alloc_failed",  # cuBLAS and its kin
    "bad_alloc",  # C++: FAISS, tokenizers
    "unable to allocate",  # NumPy
    "cannot allocate memory",  # the system, also through safetensors
    "failed to allocate",
    "could not create a memory object",  # oneDNN, which multiplies bfloat16 on CPUs
)
_OF_PRODUCTS = re.compile(r"could not create a primitive$", re.MULTILINE)
"""oneDNN's too; what it lacks is a primitive descriptor where it does not know how to multiply."""
_ASKED = re.compile(r"(?:tried to allocate|unable to allocate|allocating) (\d[\d.]*) ?([KMGT]i?B|bytes)", re.IGNORECASE)
_UNITS = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_ENDLESS = 2**60  # bytes; a limit beyond is none
_CGROUPS = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self")
_MACHINE = Path("/proc/meminfo")
HINT = "close other programs, give the process more memory, or take a smaller model"


class NotEnoughMemory(UserError):
    """What is to be done takes more memory than there is, and no smaller part of it can be done by itself."""


def out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory for what was to be done, on a GPU or on the CPU, in whichever library's words."""
    if isinstance(error, AdvisorError):  # what was said already
        return False
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    said = str(error)
    if any(text in said.lower() for text in _AS_TEXT) or _OF_PRODUCTS.search(said):
        return True
    return error.__cause__ is not None and out_of_memory(error.__cause__)


def tell_shortage(error: Exception) -> None:
    """Let a shortage be told for what it is, where whatever else an attempt may raise says that it cannot be done."""
    if out_of_memory(error):
        raise error


def not_enough(error: BaseException, what: str, device: torch.device, needs: float = 0) -> NotEnoughMemory:
    """What is said of a shortage that nothing fixes here.

    Args:
        what: was to be done, as the beginning of a sentence: `a text of 4,096 tokens`.
        needs: bytes that it takes, where that can be told; the library names the one piece that it asked for, or none.
    """
    asked = _ASKED.search(str(error))
    size = float(asked[1]) * _UNITS[asked[2][0].lower()] if asked else 0
    found = lacking(what, max(size, needs), device)
    if asked:
        return found
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]  # what is free may look like enough
    return NotEnoughMemory(f"{found.what} ({reason})", found.hint)


def lacking(what: str, needs: float, device: torch.device, hint: str = HINT) -> NotEnoughMemory:
    """An error that names what is lacking; `what` and `needs` are as in `not_enough`."""
    free, whose = left(device)
    there = "how much is free cannot be told" if free is None else f"{size_in_words(free)} is free {whose}"
    needed = f"about {size_in_words(needs)}" if needs else "more than there is"
    return NotEnoughMemory(f"not enough memory: {what} needs {needed}, and {there}", hint)


@contextlib.contextmanager
def telling(what: str, device: torch.device, needs: float = 0) -> Iterator[None]:
    """A shortage in the block becomes `NotEnoughMemory`; see `not_enough`."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise not_enough(error, what, device, needs) from error


def in_words(error: BaseException) -> str:
    """An error that nobody foresaw, in one sentence; a shortage by what is known of it."""
    said = f"{type(error).__name__}: {error}".strip()
    if not out_of_memory(error):
        return said
    import torch

    of_gpu = ("CUDA" in said or "MPS" in said) and torch.accelerator.is_available()
    device = torch.accelerator.current_accelerator() if of_gpu else None
    return not_enough(error, "a step", device or torch.device("cpu")).what


def size_in_words(size: float) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6)):,} MB"


def give_back() -> None:
    """Give memory that holds nothing any more back, to the device or to the system."""
    import torch  # which takes seconds to come; who has memory of a GPU has it already

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim()


def left(device: torch.device) -> tuple[int | None, str]:
    """Bytes that can still be had on a device, and by whose measure that is; None where it cannot be told.

    Raises:
        UserError: `ADVISOR_MEMORY_GB` is not a positive number.
    """
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        taken = torch.cuda.memory_allocated(device)
        found = [(free + torch.cuda.memory_reserved(device) - taken, "on the GPU")]
    elif device.type == "mps":
        taken = torch.mps.driver_allocated_memory()
        found = [(max(0, torch.mps.recommended_max_memory() - taken), "on the GPU")]
    else:
        taken = (_kilobytes(_PROCESS / "status", "VmRSS") or 0) - kept()
        found = [*_of_machine(), *_of_process(), *_of_groups()]
    if (most := limit()) is not None:
        found.append((max(0, most - taken), f"of the {size_in_words(most)} that {LIMIT} allows"))
    return min(found, default=(None, ""))


def limit() -> int | None:
    """Bytes that this process is to keep to on the device that it computes on, where the user named a bound, as on a
    machine that is shared; it is kept to by what is chosen, not by force.

    Raises:
        UserError: `ADVISOR_MEMORY_GB` is not a positive number.
    """
    text = os.environ.get(LIMIT)
    if not text:
        return None
    try:
        size = int(float(text) * 1e9)
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise UserError(f"{LIMIT} is {text!r}", f"a number of gigabytes, as in {LIMIT}=8")
    return size


def spare(size: float, device: torch.device) -> bool:
    """Whether so many bytes can be taken for long: as much again has to be left, for what is computed."""
    free, _ = left(device)
    return free is None or 2 * size <= free


def address_space() -> int | None:
    """Bytes that may still be mapped; None where no limit is set."""
    return min((size for size, whose in _of_process() if "ulimit -v" in whose), default=None)


def _of_machine() -> Iterator[tuple[int, str]]:
    if (available := _kilobytes(_MACHINE, "MemAvailable")) is not None:
        yield available + (_kilobytes(_MACHINE, "SwapFree") or 0), "on this machine"


def _of_process() -> Iterator[tuple[int, str]]:
    """What the limits of the process leave, as a shell's `ulimit` sets them."""
    try:
        import resource  # not on Windows
    except ImportError:
        return
    for limit, used, option in ((resource.RLIMIT_AS, "VmSize", "-v"), (resource.RLIMIT_DATA, "VmData", "-d")):
        most, taken = resource.getrlimit(limit)[0], _kilobytes(_PROCESS / "status", used)
        if 0 <= most < _ENDLESS and taken is not None:
            yield (
                max(0, most - taken + kept()),
                f"of the {size_in_words(most)} that the process may take (ulimit {option})",
            )


def _of_groups() -> Iterator[tuple[int, str]]:
    """What the limits of the container leave, or of any control group that the process is in (version 1 or 2).

    Pages of files that were read count as taken there, but are given back before a limit is broken.
    """
    try:
        lines = (_PROCESS / "cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        first = "memory" in controllers.split(",")
        if not first and controllers:
            continue
        root = _CGROUPS / "memory" if first else _CGROUPS
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if first else ("memory.max", "memory.current")
        inside = Path(path.lstrip("/"))
        for folder in (root / part for part in (inside, *inside.parents)):  # a container may see itself as the root
            most, taken = (_number(folder / name) for name in names)
            if most is not None and taken is not None and most < _ENDLESS:
                files = _number(folder / "memory.stat", "total_inactive_file" if first else "inactive_file") or 0
                yield max(0, most - taken + files), f"of the {size_in_words(most)} that the container may take"


def _number(file: Path, name: str = "") -> int | None:
    """The number in a file, or behind a name in it; None where there is none ("max" stands for none)."""
    with contextlib.suppress(OSError, ValueError):
        words = file.read_text().split()
        return int(words[words.index(name) + 1] if name else words[0])
    return None


def _kilobytes(file: Path, name: str) -> int | None:
    found = _number(file, f"{name}:")
    return None if found is None else 1024 * found
