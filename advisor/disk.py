"""Atomic writes with checksums, and full or read-only disks.

This module lies below every room. What is written is synced before it takes its name, so that a power cut leaves the
old file or all of the new one; a folder carries checksums of its files, so that one that was damaged later is found.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from advisor.errors import UserError

SEAL = "checksums.json"
_NO_ROOM = {
    errno.ENOSPC: "there is no space left",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file may not grow any larger",
    errno.EROFS: "it cannot be written to",
    errno.EIO: "the disk fails",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AS_TEXT = ("no space left on device", "disk quota exceeded", "file too large", "read-only file system", "os error 28")
"""What libraries say that raise errors of their own."""
_AT_ONCE = 1 << 22  # bytes


class NoRoom(UserError):
    """A write failed because the disk is full or cannot be written to; no fault of the work at hand."""


def no_room(error: BaseException, place: Path | str) -> NoRoom | None:
    """Translate an error into `NoRoom` where it means a full or read-only disk; None for other errors.

    Args:
        place: the folder that was written to.
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, NoRoom):
            return found
        if isinstance(found, OSError) and found.errno in _NO_ROOM:
            return NoRoom(f"{place}: {_NO_ROOM[found.errno]}", _hint(found.errno in _FULL))
        if any(text in str(found).lower() for text in _AS_TEXT):
            return NoRoom(f"{place}: {str(found).strip().splitlines()[-1]}", _hint(full=True))
        found = found.__cause__ or found.__context__
    return None


def _hint(full: bool) -> str:
    way = "free some space there" if full else "make it writable, or name another place"
    return f"{way}; the same command goes on from what is recorded"


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn errors of the file system inside the context into `NoRoom`.

    Args:
        place: the folder that is written to.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        found = no_room(error, place) or NoRoom(f"{place}: cannot be written to: {reason}", _hint(full=False))
        raise found from error


def put(stream: TextIO, text: str) -> None:
    """Write text to standard output and flush it.

    Raises:
        NoRoom: the disk behind it is full.
        BrokenPipeError: nobody reads it any more.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise no_room(error, "standard output") or error from error


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically: a reader finds the old file or all of the new one, whenever the writer is killed.

    Raises:
        NoRoom: the disk is full, or cannot be written to.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        work = path.with_name(path.name + ".writing")
        try:
            with work.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            work.replace(path)
        finally:
            work.unlink(missing_ok=True)
        sync(path.parent)


def place_whole(work: Path, folder: Path) -> None:
    """Rename a finished work folder to its final name, with checksums, after all of it is synced to disk."""
    seal(work)
    settle(work, folder)


def settle(work: Path, folder: Path) -> None:
    """Rename a finished work folder to its final name, after all of it is synced to disk."""
    for path in sorted(work.rglob("*")):
        sync(path)
    sync(work)
    work.rename(folder)
    sync(folder.parent)


def seal(folder: Path) -> None:
    """Write the checksums of all files in a folder beside them."""
    found = {name: checksum(folder / name) for name in _files(folder)}
    (folder / SEAL).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def intact(folder: Path) -> bool:
    """Whether a folder's files match their checksums; False where there are none."""
    try:
        known = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        return isinstance(known, dict) and known == {name: checksum(folder / name) for name in _files(folder)}
    except (OSError, ValueError, RecursionError):
        return False


def checksum(path: Path) -> int:
    """The CRC-32 of a file's bytes: it detects damage, not tampering."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            found = zlib.crc32(block, found)
    return found


def sync(path: Path) -> None:
    """Sync a file, or a folder's entries, to disk where the system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def clear(*paths: Path) -> None:
    """Delete folders or files if they exist."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(name for path in found if (name := path.relative_to(folder).as_posix()) != SEAL)
