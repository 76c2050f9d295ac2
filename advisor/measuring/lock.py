"""One process and one kind of results a run folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from advisor.disk import writing
from advisor.errors import UserError
from advisor.measuring.reading import JOURNAL

CURVES = "curves.jsonl"
KINDS = {JOURNAL: "a comparison", CURVES: "learning curves"}
"""What a run folder may hold, by its journal."""


@contextmanager
def alone(folder: Path, kind: str = JOURNAL) -> Iterator[None]:
    """Keeps a second process out of the same run folder; a killed one leaves no lock behind.

    Args:
        kind: the journal that is written there, one of `KINDS`.

    Raises:
        UserError: another process works there, the folder is one of another kind, or cannot be written to.
    """
    for journal, what in KINDS.items():
        if journal != kind and (folder / journal).exists():
            raise UserError(f"{folder}: holds {what}, not {KINDS[kind]}", "name another folder with --out")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "wait for it to end, or name another folder with --out"
            raise UserError(f"{folder}: another advisor is at work in this folder", hint) from None
        yield
