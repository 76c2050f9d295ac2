"""Reading text files: from bytes to text, with the place of every fault."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from advisor.intake import BY_HAND, Bound, NotRead, read_bytes
from advisor.tasks.faults import FaultLog, nearest

_WIDE = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SNIFFED = 4096  # bytes
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]*(?:charset|encoding)=["']?([\w-]{3,20})""", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
_BEYOND = 0.2  # share of signs beyond ASCII in a text of Western Europe
PARTS = ("task.toml", "train.jsonl", "dev.jsonl", "test.jsonl", "documents.jsonl", "documents")
_DOCUMENT, _TABLE = Bound(50, "--max-document-mb"), Bound(500, "--max-table-mb")


@dataclass(frozen=True)
class FileBounds:
    """Size limits of a task's files: for each document of a folder, and for each table or file of documents."""

    document: Bound = _DOCUMENT
    table: Bound = _TABLE


BOUNDS = FileBounds()


def read_text(path: Path, log: FaultLog, bound: Bound = BY_HAND) -> str | None:
    """Read a UTF-8 file without its byte order mark; None after a fault was logged."""
    data = read_data(path, log, bound)
    return None if data is None else text_of(path, data, log)


def read_data(path: Path, log: FaultLog, bound: Bound) -> bytes | None:
    """Read a file's bytes; None after a fault was logged."""
    try:
        return read_bytes(path, bound)
    except NotRead as error:
        log.add(path, None, error.seen, error.hint)
    except FileNotFoundError:
        log.add(path, None, "no such file", lambda: near_path(path) or "check the path")
    except OSError as error:
        log.add(path, None, f"cannot be read: {error.strerror}", "check that it is a file you may read")
    return None


def text_of(path: Path, data: bytes, log: FaultLog) -> str | None:
    """The text of a file's bytes in UTF-8, without the byte order mark; None after a fault was logged."""
    if name := marked_encoding(data):
        log.add(path, 1, f"the file is {name}, not UTF-8", _convert(path, name))
        return None
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        _log_undecodable(path, data, log)
        return None


def marked_encoding(start: bytes) -> str:
    """The encoding that a byte order mark tells; empty without one, and for that of UTF-8."""
    return next((name for mark, name in _WIDE if start.startswith(mark)), "")


def guessed_text(data: bytes) -> tuple[str, str] | None:
    """The text of bytes that are not UTF-8, and the name of their encoding; None where nothing can be told.

    By a byte order mark, by zero bytes at every second place, by what HTML says of itself, and else Windows-1252, where
    that gives a text of mostly plain letters.
    """
    wide = marked_encoding(data)
    zeros = [data[:_SNIFFED][at::2].count(0) for at in (0, 1)]
    if not wide and max(zeros) > 0.3 * len(data[:_SNIFFED]) / 2 and min(zeros) < 0.1 * max(zeros):
        wide = "UTF-16-LE" if zeros[1] > zeros[0] else "UTF-16-BE"
    told = _DECLARED.search(data[:_SNIFFED])
    for name in filter(None, (wide, told[1].decode() if told else "", "" if wide else "Windows-1252")):
        try:
            text = data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        if name == wide or told or _is_plain(text):
            return text.removeprefix("\ufeff"), name
    return None


def _is_plain(text: str) -> bool:
    """Whether a text may be in a language of Western Europe: few signs beyond ASCII, no control characters."""
    beyond = sum(not sign.isascii() for sign in text)
    return beyond <= _BEYOND * len(text) and not _CONTROL.search(text)


def near_path(path: Path) -> str:
    """A hint that names the file or folder nearest to a missing one; empty if none is near.

    Files that have a part of their own in a task folder are not taken for a misspelt other one.
    """
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.name not in PARTS]
    except FileNotFoundError:
        return f"{path.parent} does not exist either"
    except (OSError, ValueError):
        return ""
    near = nearest(path.name, names)
    return f"did you mean {path.parent / near}?" if near else ""


def _log_undecodable(path: Path, data: bytes, log: FaultLog) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        log.add(path, line, what, _convert(path, "WINDOWS-1252"))


def _convert(path: Path, encoding: str) -> str:
    sure = "" if encoding.startswith("UTF") else " (if that is its encoding)"
    return f"convert it: iconv -f {encoding} -t UTF-8 {path.name} > converted{path.suffix}{sure}"
