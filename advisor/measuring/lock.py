"""One process and one kind of results a run folder."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from advisor import progress
from advisor.disk import writing
from advisor.errors import UserError
from advisor.measuring.reading import JOURNAL

CURVES = "curves.jsonl"
KINDS = {JOURNAL: "a comparison", CURVES: "learning curves"}
"""What a run folder may hold, by its journal."""
LOCK = ".lock"
LOOK = 0.2  # seconds between two looks at a folder that another process works in

log = logging.getLogger(__name__)


@contextmanager
def alone(folder: Path, kind: str = JOURNAL) -> Iterator[None]:
    """Keeps a second process out of the same run folder until the first is done, for which it waits and says so; a
    killed one leaves no lock behind.

    Args:
        kind: the journal that is written there, one of `KINDS`.

    Raises:
        UserError: this process itself works there already, the folder is one of another kind, or cannot be written to.
    """
    for journal, what in KINDS.items():
        if journal != kind and (folder / journal).exists():
            raise UserError(f"{folder}: holds {what}, not {KINDS[kind]}", "name another folder with --out")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a+")  # it holds the number of the process at work
    with lock as file:
        _wait_for(file, folder)
        with writing(folder):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield


def at_work(folder: Path) -> bool:
    """Whether a process works in a run folder, whose records grow then while they are read."""
    try:
        with (folder / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, or the disk knows no locks
        return False
    return False


def _wait_for(file: IO[str], folder: Path) -> None:
    """Take the lock, once whoever holds it is done.

    Raises:
        UserError: this very process holds it, so that waiting would never end.
    """
    began, heard = time.monotonic(), True
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            number = file.read(20).strip()
        if number == str(os.getpid()):
            hint = "wait for it to end, or name another folder with --out"
            raise UserError(f"{folder}: another advisor is at work in this folder", hint)
        what = f"another advisor{f', process {number},' if number.isdecimal() else ''} that is at work in {folder}"
        if not progress.wait(what, time.monotonic() - began) and heard:
            heard = False
            log.warning("note: waiting for %s", what)
        time.sleep(LOOK)
