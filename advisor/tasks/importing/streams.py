"""Rows of one file, and opening its text: packed or not, in any encoding that Python knows."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn, cast

from advisor.errors import UserError
from advisor.intake import NotRead, odd_kind, there
from advisor.tasks.faults import Fault, Faults, nearest
from advisor.tasks.importing.contract import Unclear
from advisor.tasks.importing.rows import RowSource, Unread
from advisor.tasks.task import Place
from advisor.tasks.textfile import marked_encoding, near_path

_LONGEST = 64_000_000  # characters of a line
_LEFT = "cp1252, latin-1, cp1250, cp1251, mac-roman, shift-jis, gb18030, big5, euc-kr"


class RowStream(RowSource):
    """A file that is read row by row.

    Attributes:
        where: the file's name, with the sheet where it has some; as places show it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = path.name
        self.names: tuple[str, ...] = ()
        self.notes: list[str] = []

    def unread(self, line: int, what: str, hint: str) -> Unread:
        """A row that cannot be read."""
        return Unread(what, hint, Place(self.where, line))

    def refuse(self, line: int | None, what: str, hint: str) -> NoReturn:
        """Raise the fault that ends the reading."""
        refuse(self.path, line, what, hint)


def refuse(path: Path, line: int | None, what: str, hint: str) -> NoReturn:
    """Raise a fault of a whole file."""
    raise Faults([Fault(str(path), line, what, hint)]) from None


def check_file(path: Path) -> None:
    """Raise UserError unless a path is a file that may be read to its end."""
    if not there(path):
        raise UserError(f"{path}: no such file", near_path(path) or "check the path")
    if kind := odd_kind(path.stat().st_mode):
        raise NotRead(path, f"is {kind}", "name a file; what a pipe gives can be written to one first")


def ending_of(path: Path) -> str:
    """The ending of a file's name in small letters, behind which it may be packed: `.csv` of `rows.CSV.gz`."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def encoding_of(path: Path, asked: str = "") -> str:
    """The encoding of a text file: the one asked for, else what its byte order mark tells, else UTF-8.

    Raises:
        UserError: there is no such encoding, or the file cannot be read.
    """
    if asked:
        try:
            return codecs.lookup(asked).name
        except LookupError:
            near = nearest(asked, _LEFT.split(", "))
            hint = f"did you mean {near}?" if near else f"one that Python knows, such as {_LEFT}"
            raise UserError(f"--encoding is {asked!r}, which is not known", hint) from None
    with _bytes_of(path) as file:
        start = file.read(4)
    return marked_encoding(start).lower() or "utf-8-sig"


@contextmanager
def text_of(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Open a file's text with its line ends as they are.

    Raises:
        Faults: in the body: it cannot be read on.
        Unclear: in the body: it is in another encoding.
    """
    with _bytes_of(path) as raw:
        try:
            with io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
                yield file
        except UnicodeDecodeError as error:
            _undecodable(path, encoding, error)
        except UnicodeError as error:  # UTF-16 without its mark
            refuse(path, None, f"not {encoding.upper()}: {error}", "name the encoding: --encoding utf-16-le")


def numbered_lines(path: Path, asked: str = "") -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, from 1."""
    with text_of(path, encoding_of(path, asked)) as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST), ""), 1):
            if len(line) == _LONGEST:
                refuse(path, number, f"the line is longer than {_LONGEST // 10**6} million signs", "write a row a line")
            yield number, line.rstrip("\r\n")


@contextmanager
def _bytes_of(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacked where its name ends in .gz."""
    try:
        with cast("IO[bytes]", gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")) as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it ends too early"
        refuse(path, None, f"cannot be read: {reason}", "check that the file is whole, and yours to read")


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> NoReturn:
    if encoding != "utf-8-sig":
        refuse(path, None, f"not {encoding}: {error.reason}", f"name another --encoding, such as {_LEFT}")
    with _bytes_of(path) as raw:
        head = raw.read(4096)
        raw.seek(0)
        line, byte, rest = _first_broken(raw)
    if head.count(0) > len(head) / 4:
        hint = "name it: --encoding utf-16-le; in Excel: File, Save As, CSV UTF-8"
        refuse(path, 1, "not UTF-8, but UTF-16 without its mark, or no text at all", hint)
    if 0 in head:
        refuse(path, None, "no text: it holds zero bytes", "name the file of the table, or its --encoding")
    what = f"not UTF-8: byte 0x{byte:02x}"
    if rest:
        hint = "the rest is UTF-8, so that these bytes are probably damaged: put right the line, or name an --encoding"
        refuse(path, line, what, hint)
    which = "which encoding is it in? cp1252 is that of a Western Windows"
    raise Unclear(f"{path}:{line}: {what}; {which}", "encoding", "--encoding", tuple(_LEFT.split(", "))) from None


def _first_broken(raw: IO[bytes]) -> tuple[int, int, bool]:
    """The first line that is no UTF-8, its first broken byte, and whether lines of other letters are UTF-8."""
    found = (1, 0)
    broken = good = 0
    for number, line in enumerate(raw, 1):
        if line.isascii():
            continue
        try:
            line.decode()
            good += 1
        except UnicodeDecodeError as error:
            if not broken:
                found = (number, line[error.start])
            broken += 1
    return *found, good > broken
