"""On how many threads the processor computes: no more than there are cores free when a model is loaded.

Threads that share the work of a matrix product wait for each other, so that on two threads, of which one has to share
its core with another program, a product takes several times as long as on one. The number is chosen once: another one
gives other times, and in the last bits other results.
"""

from __future__ import annotations

import logging
import math
import os
import time

import torch

from advisor.models.contention import ENOUGH, Contention, Stand, between, look

SHARED = 0.25
"""How much of a core others may take before it no longer counts as free."""
log = logging.getLogger(__name__)
_whole: int | None = None


def asked_for() -> bool:
    """Whether the user said how many threads there are to be."""
    return bool(os.environ.get("OMP_NUM_THREADS"))


def whole() -> int:
    """How many threads there would be without other programs on the machine."""
    return torch.get_num_threads() if asked_for() or _whole is None else _whole


def choose(began: Stand | None) -> None:
    """Use as many threads as cores were free since `began`, unless the user said how many there are to be.

    Waits where that was less than a moment ago, since it could not be told from less.
    """
    global _whole
    if asked_for():
        return
    if _whole is None:
        _whole = torch.get_num_threads()
    if began is not None:
        time.sleep(max(0.0, ENOUGH - (time.perf_counter() - began.seconds)))
    load = between(began, look())
    fit = fitting(_whole, load)
    if load.of:  # a container may allow fewer than it shows; that is no neighbour's doing
        _whole = min(_whole, math.ceil(load.cores))
    if fit < _whole:
        what = "as many threads as there are cores free" if fit > 1 else "one thread, since hardly a core is free"
        log.warning("note: other programs are at work on this machine; %d of %d threads: %s", fit, _whole, what)
    torch.set_num_threads(fit)


def fitting(most: int, load: Contention) -> int:
    """How many threads there are cores for.

    Args:
        most: not more than these.
        load: what others took of the processor; nothing is known of it where it is empty.
    """
    if not load.of:
        return most
    free = (load.of - max(0.0, load.taken)) / load.seconds
    return max(1, min(most, math.floor(free + SHARED)))


def use(number: int) -> None:
    """Compute on so many threads from now on, unless the user said how many there are to be."""
    if not asked_for():
        torch.set_num_threads(number)
