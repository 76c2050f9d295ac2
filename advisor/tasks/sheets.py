"""Tables as documents: one document for each row where there are texts in them, else the whole table as one text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from advisor.tasks.delimited import Record, records_in
from advisor.tasks.faults import FaultLog, listed
from advisor.tasks.forms import is_blank
from advisor.tasks.task import Document, Place

TEXTS = ("text", "content", "contents", "body", "passage", "document", "context", "page_content", "paragraph", "chunk")
IDS = ("id", "doc_id", "docid", "_id", "document_id", "documentid", "uid", "uuid", "passage_id", "chunk_id", "key")
TITLES = ("title", "heading", "headline", "subject", "name")


def documents_of(text: str, path: Path, alone: bool, log: FaultLog) -> Iterator[Document]:
    """Yield the documents of a table's text; what is odd about rows is logged.

    Args:
        path: the file, in messages and places.
        alone: whether the table is all that there is; else its name stands in the ids of rows that have none.
    """
    records, fault = records_in(text, path.suffix.lower(), (*TEXTS[:1], *IDS[:1], *TITLES[:1]))
    if fault:
        log.add(
            path, fault[0], f"not a valid table: {fault[1]}", "put cells with separators or quotes in double quotes"
        )
        return
    if len(records) < 2:
        log.add(path, None, "the table has no rows", "write a line of column names and the rows below it")
        return
    header = [cell.strip() for cell in records[0][1]]
    texts = _named(header, TEXTS)
    if texts is None:
        log.note(f"{path.name} has no column of texts ({listed(header)}), so the whole table is one document")
        yield Document(path.stem, path.stem, "\n".join(_lines(header, records[1:])), Place(path.name))
        return
    ids, titles = _named(header, IDS), _named(header, TITLES)
    used = [header[at] for at in (ids, titles, texts) if at is not None]
    left = [name for name in header if name not in used]
    note = f"{path.name} is read as one document for each row, by its columns {listed(used)}"
    log.note(note + (f"; left out: {listed(left)}" if left else ""))
    yield from _rows(records, (ids, titles, texts), "" if alone else f"{path.stem}:", (path, log))


def _rows(
    records: Sequence[Record],
    columns: tuple[int | None, int | None, int],
    prefix: str,
    where: tuple[Path, FaultLog],
) -> Iterator[Document]:
    ids, titles, texts = columns
    path, log = where
    width = len(records[0][1])
    for line, cells in records[1:]:
        if len(cells) != width:
            what = f"the row has {len(cells)} cells, the header {width}"
            log.add(path, line, what, "put cells with separators in double quotes")
        elif is_blank(cells[texts]):
            log.add(path, line, "the document is empty", "write its text, or take the row away")
        else:
            identity = cells[ids].strip() if ids is not None else ""
            title = cells[titles].strip() if titles is not None else ""
            yield Document(identity or f"{prefix}{line}", title, cells[texts].strip(), Place(path.name, line))


def _named(header: Sequence[str], names: Sequence[str]) -> int | None:
    """The position of the first of the names that is a column's."""
    folded = [name.casefold() for name in header]
    return next((folded.index(name) for name in names if name in folded), None)


def _lines(header: Sequence[str], records: Sequence[Record]) -> Iterator[str]:
    """Each row with the names of its columns, so that a part of the table can be understood alone."""
    for _, cells in records:
        named = zip(header, cells, strict=False)
        yield "; ".join(f"{name}: {' '.join(cell.split())}" for name, cell in named if cell.strip())
