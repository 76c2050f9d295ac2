"""The files of a source that may hold rows: which they are, of which split, and how each is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from advisor.errors import UserError
from advisor.tasks.delimited import DELIMITED
from advisor.tasks.importing.binary_tables import ArrowRows
from advisor.tasks.importing.contract import ImportChoices, ImportSource
from advisor.tasks.importing.json_rows import JsonRows
from advisor.tasks.importing.naming import split_of
from advisor.tasks.importing.rows import Read, RowSource, SourceRow
from advisor.tasks.importing.streams import RowStream, check_file, encoding_of, ending_of, text_of
from advisor.tasks.importing.text_tables import DelimitedRows
from advisor.tasks.importing.workbooks import SheetRows
from advisor.tasks.jsonfile import JSON_ENDINGS

WORKBOOKS = (".xlsx", ".xlsm")
BINARY = (".parquet", ".arrow", ".feather", ".ipc")
ENDINGS = (*DELIMITED, *JSON_ENDINGS, *WORKBOOKS, *BINARY)
"""Of files that hold rows; texts and JSON may be packed behind them (.gz)."""
_ELSEWHERE = {
    ".xls": "in Excel: File, Save As, .xlsx",
    ".xlsb": "in Excel: File, Save As, .xlsx",
    ".ods": "in LibreOffice: File, Save As, .xlsx",
    ".zip": "unpack it first; documents of an archive are named with --documents",
}


class DataFiles(RowSource):
    """The rows of files, one file after the other, with the split of each."""

    def __init__(self, files: Sequence[tuple[RowStream, str]]) -> None:
        self.files = tuple(files)
        self.names = files[0][0].names

    @property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """Those of all files; of several files, with their names."""
        several = len(self.files) > 1
        return [f"{stream.where}: {note}" if several else note for stream, _ in self.files for note in stream.notes]

    @property
    def agree(self) -> bool:
        """Whether all files have the same columns."""
        return all(set(stream.names) == set(self.names) for stream, _ in self.files)

    def __iter__(self) -> Iterator[Read]:
        """All rows."""
        for stream, split in self.files:
            if split:
                yield from (replace(row, split=split) if isinstance(row, SourceRow) else row for row in stream)
            else:
                yield from stream


def data_files(source: ImportSource) -> DataFiles | None:
    """The rows of a file or of a folder's files; None where there are none.

    Raises:
        UserError: a file cannot be read, or is of a kind that is not.
        Unclear: only the user can say how it is read.
    """
    if source.path is None:
        return None
    if not source.path.is_dir():
        stream = stream_of(source.path, source.asked)
        return DataFiles([(stream, source.split)]) if stream else None
    found = []
    for path, split in named_files(source, ENDINGS):
        if stream := stream_of(path, source.asked):
            stream.where = path.relative_to(source.path).with_name(stream.where).as_posix()
            found.append((stream, split))
    return DataFiles(found) if found else None


def named_files(source: ImportSource, endings: Collection[str]) -> list[tuple[Path, str]]:
    """The files of a source with the split that each one's name, or its folder's, tells; it may be none.

    Where the name of any tells one, those that tell none are left out. Folders of documents are no part of it.
    """
    path = source.path
    if path is None:
        return []
    if not path.is_dir():
        return [(path, source.split)] if ending_of(path) in endings and path.is_file() else []
    files = sorted(file for file in path.rglob("*") if ending_of(file) in endings and _is_shown(file, path))
    found = [(file, split_of(file.name.split(".")[0]) or _of_folders(file, path)) for file in files]
    named = [(file, split) for file, split in found if split]
    return [(file, source.split or split) for file, split in named or found]


def _is_shown(file: Path, folder: Path) -> bool:
    inner = file.relative_to(folder).parts
    return file.is_file() and not any(part.startswith((".", "documents", "test_after")) for part in inner)


def _of_folders(file: Path, folder: Path) -> str:
    inner = file.relative_to(folder).parts[:-1]
    return next((split for part in reversed(inner) if (split := split_of(part))), "")


def stream_of(path: Path, asked: ImportChoices) -> RowStream | None:
    """The rows of a file, by its ending; a text of another ending is a table if the user said its format.

    Raises:
        UserError: it cannot be read, or is of a kind that is not.
    """
    check_file(path)
    ending = ending_of(path)
    packed = path.suffix.lower() == ".gz"
    if packed and ending in (*WORKBOOKS, *BINARY, ".tar"):
        raise UserError(f"{path}: is packed", f"unpack it first: gunzip {path.name}")
    if ending in _ELSEWHERE:
        raise UserError(f"{path}: {ending} files are not read", _ELSEWHERE[ending])
    if ending in WORKBOOKS:
        return SheetRows(path, asked)
    if ending in BINARY:
        return ArrowRows(path)
    if ending in JSON_ENDINGS:
        return JsonRows(path, asked)
    if ending not in (*DELIMITED, ".txt") and not asked.format:
        return None
    if ending not in DELIMITED and _begins_json(path, asked):
        return JsonRows(path, asked)
    return DelimitedRows(path, asked)


def _begins_json(path: Path, asked: ImportChoices) -> bool:
    with text_of(path, encoding_of(path, asked.encoding)) as file:
        return file.read(1_000).lstrip()[:1] in ("{", "[")
