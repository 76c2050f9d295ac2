"""Rows of a table, one after the other: what every kind of table gives, and opening its text."""

from __future__ import annotations

import codecs
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from advisor.errors import UserError
from advisor.intake import NotRead, odd_kind, there
from advisor.tasks.faults import Fault, Faults, nearest
from advisor.tasks.importing.contract import Dropped
from advisor.tasks.jsonfile import FileRow
from advisor.tasks.textfile import near_path

SAMPLED = 1_000  # rows by which columns are told
_WIDE = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEFT = "latin-1, cp1252, cp1250, cp1251, mac-roman, shift-jis, gb18030, big5, euc-kr"


class RowStream(ABC):
    """A table that is read row by row; nothing is held that grows with it.

    Attributes:
        names: of the columns, in order; of JSON, those of the first rows.
        where: the file's name, with the sheet where it has some; as places show it.
        notes: what was understood, in sentences.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = path.name
        self.names: tuple[str, ...] = ()
        self.notes: list[str] = []

    @abstractmethod
    def rows(self) -> Iterator[FileRow | Dropped]:
        """All rows, from the first one.

        Raises:
            Faults: the table cannot be read on.
        """

    def refuse(self, line: int | None, what: str, hint: str) -> NoReturn:
        """Raise the fault that ends the reading."""
        raise Faults([Fault(str(self.path), line, what, hint)]) from None


def check_file(path: Path) -> None:
    """Raise UserError unless a path is a file that may be read to its end."""
    if not there(path):
        raise UserError(f"{path}: no such file", near_path(path) or "check the path")
    if kind := odd_kind(path.stat().st_mode):
        raise NotRead(path, f"is {kind}", "name a file; what a pipe gives can be written to one first")


def encoding_of(path: Path, asked: str) -> str:
    """The encoding of a text file: the one asked for, else what its byte order mark tells, else UTF-8.

    Raises:
        UserError: there is no such encoding.
    """
    if asked:
        try:
            return codecs.lookup(asked).name
        except LookupError:
            near = nearest(asked, _LEFT.split(", "))
            hint = f"did you mean {near}?" if near else f"one that Python knows, such as {_LEFT}"
            raise UserError(f"--encoding is {asked!r}, which is not known", hint) from None
    with path.open("rb") as file:
        start = file.read(4)
    return next((name for mark, name in _WIDE if start.startswith(mark)), "utf-8-sig")


@contextmanager
def text_of(stream: RowStream, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Open a table's text with its line ends as they are; text that is in another encoding is a fault with its line."""
    with stream.path.open("rb") as raw:
        try:
            with io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
                yield file
        except UnicodeDecodeError as error:
            _undecodable(stream, encoding, error)
        except UnicodeError as error:  # UTF-16 without its mark
            stream.refuse(None, f"not {encoding.upper()}: {error}", f"name the encoding: --encoding {_LEFT[:7]}")


def _undecodable(stream: RowStream, encoding: str, error: UnicodeDecodeError) -> NoReturn:
    if encoding != "utf-8-sig":
        stream.refuse(None, f"not {encoding}: {error.reason}", f"name another --encoding, such as {_LEFT}")
    with stream.path.open("rb") as raw:
        head = raw.read(4096)
        line, byte, rest = _first_broken(raw)
    if head.count(0) > len(head) / 4:
        hint = "name it: --encoding utf-16-le; in Excel: File, Save As, CSV UTF-8"
        stream.refuse(1, "not UTF-8, but UTF-16 without its mark, or no text at all", hint)
    few = "the rest is UTF-8, so that these bytes are probably damaged: put right the line" if rest else "name it"
    hint = f"{few}; --encoding cp1252 where the file is of a Western Windows, or {_LEFT}"
    stream.refuse(line, f"not UTF-8: byte 0x{byte:02x}", hint)


def _first_broken(raw: BinaryIO) -> tuple[int, int, bool]:
    """The first line that is no UTF-8, its first broken byte, and whether lines of other letters are UTF-8."""
    raw.seek(0)
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
