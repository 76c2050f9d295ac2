"""The files of a zip or tar archive that may come from anywhere, read one after the other without unpacking it to disk.

Bounded are the number of files, each file's size, the size of all, and how much more is unpacked than was packed. Links
and names that lead out are never followed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from advisor.intake import Bound, shown, too_large
from advisor.tasks.faults import FaultLog, short
from advisor.tasks.folders import is_hidden

_Opener = Callable[[Path], AbstractContextManager[Any]]
_OPENERS: dict[str, _Opener] = {
    ".tar": lambda path: path.open("rb"),
    **dict[str, _Opener].fromkeys((".tar.gz", ".tgz"), gzip.GzipFile),
    **dict[str, _Opener].fromkeys((".tar.bz2", ".tbz2", ".tbz"), bz2.BZ2File),
    **dict[str, _Opener].fromkeys((".tar.xz", ".txz"), lzma.LZMAFile),
}
ARCHIVES = (".zip", *_OPENERS)
_FILES = 100_000
_TOTAL = 4 << 30  # bytes
_RATIO = 200  # of unpacked to packed bytes; text is packed to a fifth
_UNSUSPECTED = 10 << 20  # bytes that may be unpacked from however few
_DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # a kind of packing that Python does not know
    RuntimeError,
    ValueError,
)


def archive_ending(name: str) -> str:
    """The ending of an archive's name that tells its kind, as `.tar.gz`; empty for other files."""
    lower = name.lower()
    return max((ending for ending in ARCHIVES if lower.endswith(ending)), key=len, default="")


class _TooMuch(ValueError):
    """More is unpacked than may be."""


@dataclass(frozen=True)
class _Member:
    """One entry of an archive; `odd` says what keeps it from being read."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]
    odd: str = ""


class Archive:
    """One archive, walked twice: for the names, and for the files that are wanted."""

    def __init__(self, path: Path, log: FaultLog) -> None:
        self._path, self._log = path, log

    def names(self) -> list[str]:
        """The names of all files except hidden ones, sorted; what is odd about others is logged."""
        seen: set[str] = set()
        for member, name in self._walk():
            if name in seen:
                self._fault(name, "stands twice in the archive", "pack it again")
            elif self._is_good(member, name):
                seen.add(name)
        return sorted(seen)

    def files(self, wanted: Collection[str], bound: Bound) -> Iterator[tuple[str, bytes]]:
        """Yield the name and bytes of each wanted file in the order of the archive; those beyond `bound` are logged."""
        left = set(wanted)
        for member, name in self._walk():
            if name not in left or member.odd:
                continue
            left.remove(name)
            try:
                data = self._read(member, name, bound)
            except _TooMuch as error:
                self._refuse(error)
                return
            if data is not None:
                yield name, data

    def _read(self, member: _Member, name: str, bound: Bound) -> bytes | None:
        try:
            file = member.open()
            data = file.read(bound.bytes + 1) if file else b""
        except _TooMuch:
            raise
        except _DAMAGES as error:
            self._fault(name, f"cannot be unpacked: {short(str(error), 120)}", "pack it again")
            return None
        if len(data) > bound.bytes:
            refused = too_large(Path(name), max(member.size, len(data)), bound)
            self._fault(name, refused.seen, refused.hint)
            return None
        return data

    def _walk(self) -> Iterator[tuple[_Member, str]]:
        """Yield the entries with the names by which they are known; faults that end the reading are logged."""
        total = 0
        try:
            for number, member in enumerate(_members(self._path)):
                total += member.size
                if number >= _FILES:
                    raise _TooMuch(f"holds more than {_FILES:,} files")
                if total > _TOTAL:
                    raise _TooMuch(f"holds more than {_TOTAL >> 30} GB when it is unpacked")
                name = member.name.replace("\\", "/").removeprefix("./")
                if not _is_hidden(name):
                    yield member, name
        except _TooMuch as error:
            self._refuse(error)
        except _DAMAGES as error:
            what = f"the archive is damaged, or none of its kind ({short(str(error), 120)})"
            self._log.add(self._path, None, what, "pack it again")

    def _is_good(self, member: _Member, name: str) -> bool:
        if member.odd:
            self._fault(name, member.odd, "put a copy of the file itself into the archive, or leave it out")
        elif name.startswith("/") or ".." in PurePosixPath(name).parts or name[1:2] == ":":
            self._fault(name, "the name leads out of the archive", "pack it again from inside of its folder")
        elif shown(name) != name:
            self._fault(shown(name), "the name is not UTF-8", "rename the file, and pack it again")
        else:
            return True
        return False

    def _refuse(self, error: _TooMuch) -> None:
        self._log.add(self._path, None, str(error), "unpack what belongs to the documents, and give that folder")

    def _fault(self, name: str, what: str, hint: str) -> None:
        self._log.add(f"{self._path}/{name}", None, what, hint)


def _is_hidden(name: str) -> bool:
    return any((is_hidden(part) and part != "..") or part == "__MACOSX" for part in name.split("/"))


def _members(path: Path) -> Iterator[_Member]:
    ending = archive_ending(path.name)
    return _zipped(path) if ending == ".zip" else _tarred(path, _OPENERS[ending])


def _zipped(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            odd = "is a link" if stat.S_ISLNK(info.external_attr >> 16) else ""
            odd = odd or ("has a password" if info.flag_bits & 1 else "")
            if info.file_size > max(_UNSUSPECTED, _RATIO * info.compress_size):
                raise _TooMuch(f"{short(info.filename)} is unpacked to more than {_RATIO} times its size")
            yield _Member(info.filename, info.file_size, lambda info=info: archive.open(info), odd)  # type: ignore[misc]


def _tarred(path: Path, opener: _Opener) -> Iterator[_Member]:
    most = min(_TOTAL, max(_UNSUSPECTED, _RATIO * path.stat().st_size))
    with opener(path) as raw, tarfile.open(fileobj=_Bounded(raw, most), mode="r:") as archive:  # type: ignore[call-overload]
        for info in archive:
            if info.isdir():
                continue
            odd = "" if info.isfile() else "is a link" if info.issym() or info.islnk() else "is no file"
            yield _Member(info.name, info.size, lambda info=info: archive.extractfile(info), odd)  # type: ignore[misc]
            archive.members = []  # else it keeps them all


class _Bounded:
    """What is unpacked of a tar archive, up to a bound; headers that ask for more are refused before it is read."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._most = file, most

    def read(self, size: int = -1) -> bytes:
        """As files have it."""
        self._check(self._file.tell() + max(0, size))
        return self._file.read(size)

    def seek(self, at: int, whence: int = 0) -> int:
        """As files have it."""
        self._check(at)
        return self._file.seek(at, whence)

    def tell(self) -> int:
        """As files have it."""
        return self._file.tell()

    def _check(self, end: int) -> None:
        if end > self._most + (1 << 16):  # the end of an archive is padded
            raise _TooMuch(f"is unpacked to more than {_RATIO} times its size, or to more than {_TOTAL >> 30} GB")
