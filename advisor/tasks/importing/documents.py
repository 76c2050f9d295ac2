"""Importing documents: a folder, an archive or a file of texts, PDF, Word and their like, or a table of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from advisor.tasks.archives import archive_ending
from advisor.tasks.collecting import is_collected
from advisor.tasks.delimited import DELIMITED
from advisor.tasks.documents import document_line, import_documents
from advisor.tasks.faults import Fault, FaultLog, Faults
from advisor.tasks.folders import is_hidden
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.contract import Dropped, ImportChoices, Record
from advisor.tasks.importing.files import BINARY, ENDINGS, stream_of
from advisor.tasks.importing.naming import split_of
from advisor.tasks.importing.rows import SourceRow
from advisor.tasks.importing.streams import ending_of
from advisor.tasks.jsonfile import JSON_ENDINGS
from advisor.tasks.sheets import IDS, TEXTS, TITLES
from advisor.tasks.task import Place
from advisor.tasks.values import plain

_LOOKED = 10_000  # files by which a folder is told


class DocumentFiles:
    """Documents alone; those that cannot be read are dropped, each with its reason.

    Attributes:
        notes: what was understood; complete once all is read.
    """

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self._path = path

    def read(self) -> Iterator[Record | Dropped]:
        """Yield a record for each document, and what was dropped where it was met."""
        if not self._path.is_dir() and ending_of(self._path) in (*JSON_ENDINGS, *BINARY):
            yield from self._rows()
            return
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

    def _rows(self) -> Iterator[Record | Dropped]:
        """The documents of a table, one a row."""
        documents = 0
        first: Dropped | None = None
        for row in stream_of(self._path, ImportChoices()) or ():
            found = _of_row(row) if isinstance(row, SourceRow) else Dropped(f"{row.what} ({row.hint})", row.place)
            documents += isinstance(found, Record)
            first = first or (found if isinstance(found, Dropped) else None)
            yield found
        if not documents and first:
            raise Faults([Fault(str(self._path), first.place.line, first.why)])

    def _dropped(self, fault: Fault) -> Dropped:
        why = f"{fault.what} (try: {fault.hint})" if fault.hint else fault.what
        file = os.path.relpath(fault.file, self._path.parent)
        return Dropped(why, Place(file, fault.line or 0))


def _of_row(row: SourceRow) -> Record | Dropped:
    text = _value(row.values, TEXTS)
    if not isinstance(text, str) or is_blank(text):
        return Dropped(f"the document has no text (its columns may be: {', '.join(TEXTS[:4])}, ...)", row.place)
    found: dict[str, object] = {"id": _value(row.values, IDS), "title": _value(row.values, TITLES) or "", "text": text}
    pages = row.values.get("pages")
    return Record("documents", found | ({"pages": pages} if pages else {}), row.place)


def _value(values: Mapping[str, object], names: Sequence[str]) -> object:
    folded = {name.casefold(): name for name in reversed(list(values))}
    return next((plain(values[folded[name]]) for name in names if name in folded), None)


def documents_alone(path: Path) -> str:
    """The kinds of the documents that a source holds and nothing else to import, with their counts; empty for none."""
    if not path.is_dir():
        return f"1 {archive_ending(path.name) or path.suffix.lower()}" if _is_document(path) else ""
    kinds: Counter[str] = Counter()
    tables = 0
    for file in islice(_files(path), _LOOKED):
        is_table = ending_of(file) in ENDINGS
        if is_table and (split_of(file.stem) or file.stem.lower() in ("corpus", "queries")):
            return ""
        tables += is_table
        kinds[file.suffix.lower()] += not is_table and _is_document(file)
    if kinds.total() <= tables:
        return ""
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common() if count)


def documents_beside(folder: Path) -> Iterator[tuple[str, str]]:
    """The folders of documents in a folder, as it is shown, with the kinds that each holds; none below a file."""
    for inner in sorted(folder.iterdir()) if folder.is_dir() else ():
        if inner.is_dir() and not is_hidden(inner.name) and (kinds := documents_alone(inner)):
            yield str(inner), kinds


def _is_document(path: Path) -> bool:
    return is_collected(path) and path.suffix.lower() not in DELIMITED


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield from (Path(root, name) for name in files if not is_hidden(name))
