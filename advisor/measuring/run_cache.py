"""Finished runs, kept by all that decides them: another comparison takes them from here instead of measuring anew."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from advisor.disk import clear, place_whole
from advisor.measuring.further_records import PREFERRED
from advisor.measuring.lines import append, lines
from advisor.measuring.recall import FORGETTING
from advisor.measuring.scored import SCORED
from advisor.models.store import current

RECORD, PREDICTOR = "record.jsonl", "predictor"
_LAST = ("finished", "again", "after", FORGETTING, PREFERRED, SCORED)  # with which the record of a finished run ends


def take(key: str, path: Path) -> str | None:
    """Copy a finished run to `path` and the folder beside it.

    The record says that it is a copy. A kill at any moment leaves what a kill of the measurement itself would: the
    predictor comes first, and every beginning of the record is that of an interrupted run.

    Args:
        key: digest of what decides the run; empty where it cannot be told.

    Returns:
        When it was measured; None where there is no such run.
    """
    store = current()
    return store.read(f"runs/{key}.zip", partial(_unpack, path=path)) if store and key else None


def put(key: str, path: Path, machine: str) -> None:
    """Keep the run that was just finished at `path`, unless another machine began it: its times are of both."""
    store = current()
    if store and key and _last_attempt(path)[0]["machine"] == machine:
        store.write(f"runs/{key}.zip", partial(_pack, path=path))


def _pack(file: BinaryIO, path: Path) -> None:
    folder = path.with_suffix("")
    with zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        archive.writestr(RECORD, "".join(json.dumps(row) + "\n" for row in _last_attempt(path)))
        archive.mkdir(PREDICTOR)
        for found in sorted(folder.rglob("*")):
            archive.write(found, f"{PREDICTOR}/{found.relative_to(folder).as_posix()}")


def _last_attempt(path: Path) -> list[dict[str, Any]]:
    """The records of the attempt that was finished last; what was damaged before it is left out."""
    rows = list(lines(path))
    first = max(number for number, row in enumerate(rows) if row["type"] == "run")
    return rows[first:]


def _unpack(file: BinaryIO, path: Path) -> str:
    """The archive's own checksums find what was damaged, before anything is put in its place."""
    folder = path.with_suffix("")
    work = folder.with_name(folder.name + ".saving")
    clear(work)
    try:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(work)
        rows: list[dict[str, Any]] = [json.loads(row) for row in (work / RECORD).read_bytes().splitlines()]
        measured = str(rows[0]["started"])
        if rows[0]["type"] != "run" or rows[-1]["type"] not in _LAST:
            raise ValueError("the record is not that of one finished run")
        clear(folder)
        place_whole(work / PREDICTOR, folder)
        clear(work)  # before the record says that all is done, behind which nobody looks here again
        append(path, rows[0], {"type": "reused", "measured": measured}, *rows[1:])
    finally:
        clear(work)
    return measured
