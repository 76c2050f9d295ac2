"""Bounded reading of input from outside: files, JSON, TOML and arguments.

This module lies below every room. A file is read only where it is one and no larger than it may be, so that a pipe, a
device or a forgotten dump neither hangs nor fills the memory; what is parsed is nested no deeper than functions that
walk through it may go.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.errors import UserError

DEEPEST = 64
"""Levels of a nested value, and parts of a key."""
_MB = 1_000_000
_AT_ONCE = 1 << 20  # bytes
_KINDS = (
    (stat.S_ISDIR, "a folder, not a file"),
    (stat.S_ISFIFO, "a pipe, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)
# Many parts of one key take tomllib a time that grows with their square.
_LONG_KEY = re.compile(
    r"""(?:(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}""" % DEEPEST,  # noqa: UP031
)

_ESCAPED = re.compile("[\udc80-\udcff]")  # as Python keeps bytes of names and arguments that are not UTF-8


@dataclass(frozen=True)
class Bound:
    """The size limit of a file.

    Attributes:
        option: the command-line option that changes it; empty without one.
    """

    megabytes: float
    option: str = ""

    @property
    def bytes(self) -> int:
        """The limit in bytes."""
        return int(self.megabytes * _MB)


BY_HAND = Bound(16)
"""For what people write themselves: settings, prices, answers."""


class NotRead(UserError):
    """A file that is refused.

    Attributes:
        seen: what was seen, without the file's name.
    """

    def __init__(self, path: Path, seen: str, hint: str) -> None:
        super().__init__(f"{shown(path)}: {seen}", hint)
        self.seen = seen


def read_bytes(path: Path, bound: Bound = BY_HAND) -> bytes:
    """Read a file's bytes within the size limit.

    Raises:
        NotRead: it is no regular file, or larger than it may be.
        OSError: the system does not give it.
    """
    try:
        found = path.stat()
    except ValueError:  # a name with a zero byte in it
        raise NotRead(path, "no such file", "check the path") from None
    if kind := odd_kind(found.st_mode):
        raise NotRead(path, f"is {kind}", "name a file; what a pipe gives can be written to one first")
    if found.st_size > bound.bytes:
        raise too_large(path, found.st_size, bound)
    # It is read to a byte behind the bound, whatever the system says of its size, and never waited for.
    with os.fdopen(
        os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
    ) as file:
        data = bytearray()  # in steps, since Python sets as much memory aside as it is asked to read
        while len(data) <= bound.bytes and (more := file.read(min(_AT_ONCE, bound.bytes + 1 - len(data)))):
            data += more
    if len(data) > bound.bytes:
        raise too_large(path, len(data), bound)
    return bytes(data)


def too_large(path: Path, size: int, bound: Bound) -> NotRead:
    """The error for a file above its size limit."""
    seen = f"holds {_megabytes(size)} MB, more than the {bound.megabytes:g} MB that are read"
    if not bound.option:
        return NotRead(path, seen, "check that it is the file that was meant, and shorten it")
    return NotRead(path, seen, f"split it or take it away, or let it be read: {bound.option} {-(-size // _MB)}")


def _megabytes(size: int) -> str:
    return f"{size / _MB:,.1f}" if size < 100 * _MB else f"{size / _MB:,.0f}"


def odd_kind(mode: int) -> str:
    """The name of a file type other than a regular file; empty for a regular file."""
    return next((kind for is_it, kind in _KINDS if is_it(mode)), "")


def there(path: Path) -> bool:
    """Whether a path exists, also behind a link.

    Raises:
        UserError: the system takes it for no path, or does not say.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError:
        return False
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be looked at: {error.strerror}", "check the path") from None
    return True


def link_out(path: Path, home: str) -> str:
    """The target of a link that ends outside `home`, a real path; empty for any other path."""
    if not path.is_symlink():
        return ""
    end = os.path.realpath(path)
    return "" if os.path.commonpath([end, home]) == home else end


def json_of(text: str | bytes, strict: bool = False) -> Any:
    """Parse JSON.

    Args:
        strict: whether NaN and Infinity, which Python reads and RFC 8259 does not have, are errors.

    Raises:
        ValueError: it is none (a `json.JSONDecodeError`), nested too deeply, or holds a number of too many digits.
    """
    try:
        value = json.loads(text, parse_constant=_no_number if strict else None)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:  # Python's own bound
        raise ValueError(_TOO_LONG) from None
    openings = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if openings > DEEPEST and too_deep(value):  # counting is quick, and lets most lines by
        raise ValueError(_TOO_DEEP)
    return value


def _no_number(name: str) -> float:
    raise json.JSONDecodeError(f"{name} is no number of JSON", name, 0)


def toml_of(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none (a `tomllib.TOMLDecodeError`), nested too deeply, or holds a number of too many digits.
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {DEEPEST} parts")
    try:
        value = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError(_TOO_LONG) from None
    if too_deep(value):
        raise ValueError(_TOO_DEEP)
    if any(isinstance(leaf, int) and leaf.bit_length() > _LONGEST for leaf in _leaves(value)):
        raise ValueError(_TOO_LONG)  # written in base 16, which Python's own bound does not hold for
    return value


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


_LONGEST = 14_000  # bits; about as many as 4,300 digits, beyond which Python writes no number
_TOO_DEEP = f"nested too deeply, in more than {DEEPEST} levels"
_TOO_LONG = "a number has too many digits"


def too_deep(value: object) -> bool:
    """Whether lists and objects are nested deeper than recursive functions may go."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def finite(value: object) -> bool:
    """Whether a value is a finite number of reasonable size: no truth value, no NaN, not 400 digits long."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1.7e308


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed anywhere: bytes that are not UTF-8 as `\\xff`."""
    text = _ESCAPED.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", os.fspath(path))
    return text.encode("utf-8", "backslashreplace").decode()


def check_arguments(arguments: Iterable[str]) -> None:
    """Check that every command-line argument is valid text.

    Raises:
        UserError: an argument is not UTF-8.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            seen = shown(argument)
            seen = seen if len(seen) <= 60 else seen[:57] + "..."
            raise UserError(f'an argument is not UTF-8: "{seen}"', "write it in UTF-8; a file can be renamed") from None
