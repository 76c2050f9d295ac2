"""Finding run folders below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from advisor.errors import UserError
from advisor.intake import shown
from advisor.measuring.lock import KINDS

_DEEPEST = 4
"""Folders below each other in which run folders are looked for."""


def is_run_folder(folder: Path) -> bool:
    """Whether a folder holds records of a comparison or of learning curves."""
    return any((folder / journal).is_file() for journal in KINDS)


def run_folders(root: Path) -> Iterator[Path]:
    """The run folders below a folder, by name; what lies in one of them belongs to it.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        yield from _below(root, _DEEPEST)
    except OSError as error:
        raise UserError(f"{shown(root)}: cannot be read: {error.strerror}", "name a folder of run folders") from error


def _below(folder: Path, deeper: int) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        inner = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    for name in inner:
        path = folder / name
        if is_run_folder(path):
            yield path
        elif deeper > 1 and os.access(path, os.R_OK | os.X_OK):
            yield from _below(path, deeper - 1)


def is_current(path: Path, folder: Path) -> bool:
    """Whether a file that was made of a run folder's records is newer than all of them."""
    try:
        made = path.stat().st_mtime_ns
        records = [*folder.glob("*.jsonl"), *folder.glob("*/*.jsonl"), *folder.glob("race/*.jsonl")]
        return all(record.stat().st_mtime_ns <= made for record in records)
    except OSError:
        return False
