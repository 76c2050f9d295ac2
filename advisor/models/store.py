"""What was computed before, on disk by content: bounded, safe to delete, safe with several processes at once.

An entry is one file, named by a digest of all that decides what is in it. It is written beside its place and renamed
into it, so that nobody reads half of one; one that is damaged or vanishes is as good as none. When there is too much,
what was not used for longest goes.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeVar

from advisor.disk import clear
from advisor.errors import UserError

PLACE, BOUND = "ADVISOR_CACHE", "ADVISOR_CACHE_GB"
OFF = "off"
GIGABYTES = 4.0
WORK = ".writing-"
LEFT_OVER = 3600.0  # seconds after which a file that is still being written is what a kill left behind
UNCHECKED = 100  # the folder is measured again once a process has added one part in so many of its bound

T = TypeVar("T")
_fresh: ContextVar[bool] = ContextVar("fresh", default=False)


def cache_folder() -> Path:
    """Where converted models and results are kept: `$ADVISOR_CACHE`, else `advisor` in the user's cache folder.

    `ADVISOR_CACHE=off` keeps no results; a converted model then lies in the user's cache folder.
    """
    named = os.environ.get(PLACE)
    if named and named != OFF:
        return expanded(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "advisor"


def scratch_folder(what: str) -> Path:
    """A folder of this process for `what` does not fit into memory, gone when the process ends; one that a kill left
    behind is removed by whoever asks next.

    Raises:
        UserError: the cache folder cannot be written to.
    """
    home = cache_folder() / "scratch"
    try:
        home.mkdir(parents=True, exist_ok=True)
        for folder in home.iterdir():
            owner, _, number = folder.name.rpartition("-")
            if owner.endswith(f"-{_host()}") and not _runs(number):
                clear(folder)
        folder = Path(tempfile.mkdtemp(prefix=f"{what}-", suffix=f"-{_host()}-{os.getpid()}", dir=home))
    except OSError as error:
        raise UserError(
            f"{home}: cannot be written to: {error.strerror}", "name a folder that can be in ADVISOR_CACHE"
        ) from error
    atexit.register(clear, folder)
    return folder


def _host() -> str:
    """This machine or container, which may share the folder with others."""
    return re.sub(r"\W", "", platform.node()) or "here"


def _runs(pid: str) -> bool:
    """Whether there is a process of this number; True where that cannot be told."""
    if os.name == "nt":  # where asking would end it
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return True
    return True


def expanded(name: str) -> Path:
    """The path that a user named, with `~` and `~somebody` as the folders they stand for.

    Raises:
        UserError: there is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(f"{name}: there is no home folder of that name", "write the whole path") from error


def current() -> Store | None:
    """The store that the environment names; None where it is switched off.

    Raises:
        UserError: `ADVISOR_CACHE_GB` is not a number from 0 on.
    """
    text = os.environ.get(BOUND) or str(GIGABYTES)
    try:
        limit = int(float(text) * 1e9)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise UserError(f"{BOUND} is {text!r}", f"a number of gigabytes, for example {BOUND}={GIGABYTES:g}")
    if not limit or os.environ.get(PLACE) == OFF:
        return None
    try:
        return _opened(cache_folder() / "store", limit)
    except RuntimeError:  # nobody can say where this user's home is
        return None


@cache
def _opened(folder: Path, limit: int) -> Store:
    return Store(folder, limit)


@contextmanager
def fresh() -> Iterator[None]:
    """While the block runs nothing is taken from the store; what is computed is still kept there."""
    token = _fresh.set(True)
    try:
        yield
    finally:
        _fresh.reset(token)


def wants_fresh() -> bool:
    """Whether a `fresh` block is running."""
    return _fresh.get()


def digest(*parts: object) -> str:
    """Hex digest of plain JSON values."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """A folder of entries.

    Args:
        folder: made when it is first written to.
        limit: bytes that all entries may take together.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._unchecked = limit  # nothing is known of what other processes left

    def read(self, name: str, reader: Callable[[BinaryIO], T]) -> T | None:
        """What `reader` makes of an entry; None where there is none, or it is damaged and so removed.

        Args:
            name: kind and digest, `embeddings/0a1b....npz`.
            reader: raises where the contents are not what was written.
        """
        if wants_fresh():
            return None
        path = self.folder / name
        try:
            with path.open("rb") as file:
                found = reader(file)
        except OSError:
            return None
        except Exception:  # noqa: BLE001 - damaged, whatever reading it raises: it is computed anew
            _remove(path)
            return None
        with suppress(OSError):
            os.utime(path)
        return found

    def write(self, name: str, writer: Callable[[BinaryIO], None]) -> None:
        """Keep what `writer` writes. A full or read-only disk is no error, and what exceeds the bound is not kept."""
        path = self.folder / name
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, work = tempfile.mkstemp(prefix=WORK, dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    writer(file)
                    size = file.tell()
                if size <= self.limit:
                    Path(work).replace(path)
                    self._unchecked += size
            finally:
                _remove(Path(work))
            if self._unchecked * UNCHECKED >= self.limit:
                self._trim()

    def _trim(self) -> None:
        """Drop what was not used for longest until the rest is within the bound."""
        entries = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):
                found = path.stat()
                if path.is_dir():
                    continue
                if not path.name.startswith(WORK):
                    entries.append((found.st_mtime_ns, str(path), found.st_size))
                elif time.time() - found.st_mtime > LEFT_OVER:
                    _remove(path)
        total = sum(size for _, _, size in entries)
        for _, path_, size in sorted(entries):
            if total <= self.limit:
                break
            _remove(Path(path_))
            total -= size
        self._unchecked = 0


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
