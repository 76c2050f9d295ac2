"""Ctrl-C that libraries cannot swallow."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

PATIENCE = 5.0  # seconds in which an interrupted command has usually ended, its tidying up included


@contextmanager
def insisting() -> Iterator[None]:
    """Inside the context, Ctrl-C is raised again every few seconds until the command has ended.

    Python raises KeyboardInterrupt wherever it happens to be. In a destructor, a callback from C or a library that
    catches everything it is ignored there, and the command would go on as if nothing had been said.

    Does nothing outside the main thread, where the system has no timers, and where somebody else handles the signals.
    """
    free = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and hasattr(signal, "setitimer")
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    )
    if not free:
        yield
        return
    signal.signal(signal.SIGINT, _first)
    signal.signal(signal.SIGALRM, _again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _first(number: int, frame: FrameType | None) -> NoReturn:
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
    raise KeyboardInterrupt


def _again(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
