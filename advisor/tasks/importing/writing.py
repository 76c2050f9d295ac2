"""Writing a task folder: its files row by row, its settings, and all of it at once under its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from advisor.disk import clear, settle, writing
from advisor.errors import UserError
from advisor.intake import there

_MADE_BY = "task.toml"


class FolderWriter:
    """The files of a task folder that is being written; each begins with its first row."""

    def __init__(self, work: Path, stack: ExitStack) -> None:
        self._work = work
        self._stack = stack
        self._files: dict[str, IO[str]] = {}
        self.counts: dict[str, int] = {}

    def add(self, part: str, values: Mapping[str, object]) -> None:
        """Write one row of `train`, `dev`, `test`, `documents` or `preferences`."""
        with writing(self._work):
            if part not in self._files:
                path = self._work / f"{part}.jsonl"
                self._files[part] = self._stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
            self._files[part].write(json.dumps(values, ensure_ascii=False, default=str) + "\n")
        self.counts[part] = self.counts.get(part, 0) + 1

    def close(self) -> Path:
        """End the files; the folder with them, which is not yet under its name."""
        self._stack.close()
        return self._work

    def settings(self, text: str) -> None:
        """Write the settings."""
        with writing(self._work):
            (self._work / _MADE_BY).write_text(text, encoding="utf-8")


def check_out(folder: Path, overwrite: bool) -> None:
    """Raise UserError where something is in the way."""
    if there(folder) and not folder.is_dir():
        raise UserError(f"{folder}: is a file", "name a new folder with --out")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise UserError(f"{folder}: is there already, and not empty", "name a new folder with --out, or --overwrite")
    if not there(folder / _MADE_BY):
        raise UserError(f"{folder}: is no task folder, which alone --overwrite replaces", "name another one with --out")


@contextmanager
def folder_writer(folder: Path) -> Iterator[FolderWriter]:
    """Write a folder beside its place, and put it there when all is written; what was there is gone then.

    Raises:
        NoRoom: the disk is full, or cannot be written to.
    """
    folder = folder.resolve()
    work, old = (folder.with_name(f"{folder.name}.{state}") for state in ("importing", "replaced"))
    with writing(folder.parent):
        clear(work, old)
        work.mkdir(parents=True)
    try:
        with ExitStack() as stack:
            yield FolderWriter(work, stack)
        with writing(folder.parent):
            if there(folder):
                folder.rename(old)
            settle(work, folder)
    finally:
        clear(work, old)


def toml_text(value: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_table(name: str, values: Mapping[str, object]) -> Iterator[str]:
    """The lines of one table: texts, numbers, truth values and lists of texts; empty ones are left out."""
    yield f"[{name}]"
    for key, value in values.items():
        label = key if key.replace("_", "").isalnum() and key.isascii() else toml_text(key)
        if isinstance(value, str) and value:
            yield f"{label} = {toml_text(value)}"
        elif isinstance(value, bool):
            yield f"{label} = {str(value).lower()}"
        elif isinstance(value, int | float):
            yield f"{label} = {value!r}"
        elif isinstance(value, list | tuple) and value:
            yield f"{label} = [{', '.join(toml_text(str(item)) for item in value)}]"
    yield ""
