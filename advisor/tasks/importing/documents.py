"""Importing documents: a folder, an archive or a file of texts, PDF, Word and their like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Self

from advisor.tasks.archives import archive_ending
from advisor.tasks.collecting import is_collected
from advisor.tasks.delimited import DELIMITED
from advisor.tasks.documents import document_line, import_documents
from advisor.tasks.faults import Fault, FaultLog
from advisor.tasks.importing.contract import Dropped, ImportSource, Record, SourceFormat
from advisor.tasks.jsonfile import JSON_ENDINGS
from advisor.tasks.task import Place

_TABLES = (*DELIMITED, *JSON_ENDINGS, ".parquet", ".arrow", ".xlsx")
_SPLITS = ("train", "test", "dev", "valid", "validation", "corpus", "queries")
_LOOKED = 10_000  # files by which a folder is told


class DocumentFiles(SourceFormat):
    """Documents alone; those that cannot be read are dropped, each with its reason."""

    name = "documents"
    called = "documents"
    examples_of = "a folder or archive (.zip, .tar.gz) of .md, .txt, .rst, .html, .pdf, .docx, .pptx, .csv; or one file"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @classmethod
    def recognise(cls, source: ImportSource) -> Self | None:
        """A folder of more documents than tables and without splits, an archive, or a file; tables if it is said."""
        path = source.path
        if path is None or source.asked.format not in ("", cls.name):
            return None
        told = source.asked.format == cls.name
        if path.is_dir():
            return cls(path) if told or _holds_documents(path) else None
        return cls(path) if _is_document(path) or (told and is_collected(path)) else None

    def read(self) -> Iterator[Record | Dropped]:
        """Yield a record for each document, and what was dropped where it was met."""
        log = FaultLog()
        said = documents = 0
        for document in import_documents(self._path, log):
            yield from map(self._dropped, log.faults[said:])
            said, documents = len(log), documents + 1
            yield Record("documents", document_line(document), document.place or Place(self._path.name))
        if not documents:
            log.raise_if_any()
        yield from map(self._dropped, log.faults[said:])
        self.notes += log.notes

    def _dropped(self, fault: Fault) -> Dropped:
        why = f"{fault.what} (try: {fault.hint})" if fault.hint else fault.what
        file = os.path.relpath(fault.file, self._path.parent)
        return Dropped(why, Place(file, fault.line or 0))


def _is_document(path: Path) -> bool:
    ending = path.suffix.lower()
    return bool(archive_ending(path.name)) or (ending not in DELIMITED and is_collected(path))


def _holds_documents(folder: Path) -> bool:
    documents = tables = 0
    for path in islice(_files(folder), _LOOKED):
        is_table = path.suffix.lower() in _TABLES
        if is_table and path.stem.lower() in _SPLITS:
            return False
        tables += is_table
        documents += not is_table and _is_document(path)
    return documents > tables


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in files if not name.startswith("."))
