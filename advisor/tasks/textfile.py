"""Reading text files: from bytes to text, with the place of every fault."""

from __future__ import annotations

import codecs
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
    try:
        data = read_bytes(path, bound)
    except NotRead as error:
        log.add(path, None, error.seen, error.hint)
        return None
    except FileNotFoundError:
        log.add(path, None, "no such file", lambda: near_path(path) or "check the path")
        return None
    except OSError as error:
        log.add(path, None, f"cannot be read: {error.strerror}", "check that it is a file you may read")
        return None
    for mark, name in _WIDE:
        if data.startswith(mark):
            log.add(path, 1, f"the file is {name}, not UTF-8", _convert(path, name))
            return None
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        _log_undecodable(path, data, log)
        return None


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
