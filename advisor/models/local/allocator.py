"""How this process takes memory from Linux: kept, and in huge pages.

Activations of a batch are large and short-lived. glibc gives such blocks back at once and the kernel fills every page
of the next one with zeros again: copying 120 MB ran at 2 GB/s that way and at 17 GB/s from pages that were kept. Torch
reads its switch for huge pages once, at its first allocation, so this has to come before.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

LIMIT = "ADVISOR_MEMORY_GB"
"""Names the memory that this process is to keep to, in GB (`shortage.limit`)."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # names and values of glibc's malloc.h
KEPT = 2**31 - 1  # bytes that may stay free at the end of the heap: as many as the parameter holds
MAPPED_FROM = 2**17  # bytes of a block that is given back as soon as it is freed, where that is wanted
LARGEST_IN_HEAP = 2**30  # bytes of a block that is taken from the heap, not mapped anew each time


def keep_memory() -> None:
    """Keep freed memory for the next tensor and use huge pages; does nothing where the C library is another.

    Where addresses are limited (`ulimit -v`), freed memory is given back instead: the heap would hold them all in the
    end, and oneDNN, which maps the code that it makes, had none beside 400 MB that were free. So it is where the user
    named a limit: what is kept is missing elsewhere.
    """
    if not os.environ.get(LIMIT):
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, MAPPED_FROM if _limited() else LARGEST_IN_HEAP)
        if not _limited():
            library.mallopt(M_TRIM_THRESHOLD, KEPT)


def one_heap() -> None:
    """Have threads that compute in turns take memory from the same heap; before they do: glibc else gives each one of
    its own, each of which keeps what its thread once needed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def trim() -> None:
    """Give memory that was freed and kept back to the system."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _limited() -> bool:
    if os.environ.get(LIMIT):
        return True
    try:
        import resource  # not on Windows
    except ImportError:
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def kept() -> int:
    """Bytes that were freed and are kept for the next tensor, where the C library can tell."""
    try:
        tell = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):
        return 0
    tell.restype = _Heap
    return int(tell().fordblks)


class _Heap(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]
