"""The files below a folder that may come from anywhere: no link out of it, no pipe, no name that cannot be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from advisor.intake import link_out, odd_kind, shown
from advisor.tasks.faults import FaultLog


def files_below(folder: Path, home: str, log: FaultLog) -> Iterator[str]:
    """Yield the relative paths, with `/`, of all files below the folder except hidden ones; faults are logged.

    Args:
        home: the real path that links may not lead out of.
    """

    def unread(error: OSError) -> None:
        log.add(shown(error.filename), None, f"cannot be read: {error.strerror}", "see that you may read it")

    if not _stays(folder, home, log):
        return
    seen = set()
    for root, folders, files in os.walk(folder, onerror=unread, followlinks=True):
        real = os.path.realpath(root)
        seen_before = real in seen  # a link back to a folder above, or a second link to the same one
        seen.add(real)
        visible = () if seen_before else [name for name in folders if not is_hidden(name)]
        folders[:] = [
            name for name in visible if _is_named(Path(root, name), log) and _stays(Path(root, name), home, log)
        ]
        for name in () if seen_before else files:
            path = Path(root, name)
            if not is_hidden(name) and _is_named(path, log) and _stays(path, home, log) and _is_file(path, log):
                yield path.relative_to(folder).as_posix()


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not a person's own: hidden, or an office program's beside an open one."""
    return name.startswith((".", "~$"))


def _is_named(path: Path, log: FaultLog) -> bool:
    """Whether a file name is valid text, as ids and records need; else a fault is logged."""
    if path.name.isascii() or shown(path.name) == path.name:
        return True
    log.add(shown(path), None, "the name is not UTF-8", f"rename it, in its folder: mv {_pattern(path.name)} NAME")
    return False


def _pattern(name: str) -> str:
    """A file name as a shell pattern, with wildcards for bytes that cannot be typed."""
    return "".join("?" if 0xD800 <= ord(sign) <= 0xDFFF else sign for sign in name)


def _stays(path: Path, home: str, log: FaultLog) -> bool:
    """Whether a path stays inside the task folder; else a fault is logged, since a foreign folder may link anywhere."""
    end = link_out(path, home)
    if end:
        hint = "put a copy of what belongs to the task in its place, or take the link away"
        log.add(path, None, f"is a link that leads out of the task, to {shown(end)}", hint)
    return not end


def _is_file(path: Path, log: FaultLog) -> bool:
    """Whether a path is a regular file, or missing; else a fault is logged."""
    try:
        kind = odd_kind(path.stat().st_mode)
    except OSError:  # a broken link, which reading reports
        return True
    if kind:
        log.add(path, None, f"is {kind}", "take it away; documents are files")
    return not kind
