"""Reading documents: JSON lines here, folders, archives and files of other programs by `collecting`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from advisor.intake import there
from advisor.tasks.collecting import Doubles, collected, is_collected
from advisor.tasks.faults import FaultLog, nearest, quoted
from advisor.tasks.forms import is_blank
from advisor.tasks.jsonfile import JSON_ENDINGS, FileRow, read_json, type_name
from advisor.tasks.sheets import IDS, TEXTS
from advisor.tasks.task import Document, Place
from advisor.tasks.textfile import BOUNDS, FileBounds, near_path
from advisor.tasks.values import plain

_LINE = '{"id": "...", "title": "...", "text": "..."}'


def read_documents(
    path: Path, log: FaultLog, bounds: FileBounds = BOUNDS, home: Path | None = None
) -> tuple[Document, ...]:
    """Read the documents of a .jsonl file, a folder, an archive or a single file; faults are logged.

    Files of a folder that are not read are counted by their kind in a note.

    Args:
        path: the file or folder.
        log: where faults go.
        bounds: how large files may be.
        home: the task's folder, which no link of a folder of documents may lead out of; by default `path`.
    """
    if not there(path):
        log.add(path, None, "no such file or folder", lambda: near_path(path) or "check the path")
        return ()
    if path.is_dir() or is_collected(path):
        return tuple(collected(path, log, bounds, home or path))
    if path.suffix.lower() not in JSON_ENDINGS:
        hint = f"give a .jsonl file with lines like {_LINE}, or a folder or archive of documents"
        if path.suffix.lower() == ".parquet":
            hint += f'; pandas.read_parquet("{path.name}").to_json("documents.jsonl", orient="records", lines=True)'
        log.add(path, None, "documents cannot be read from this kind of file", hint)
        return ()
    before = len(log)
    rows = read_json(path, log, _LINE, bounds.table)
    if rows == [] and len(log) == before:
        log.add(path, None, "the file holds no documents", f"write one document a line: {_LINE}")
    lines: dict[str, int] = {}
    found = (_document(row, path, lines, log) for row in rows or ())
    return tuple(document for document in found if document is not None)


def import_documents(source: Path, log: FaultLog, bounds: FileBounds = BOUNDS) -> Iterator[Document]:
    """Yield the documents of a folder, an archive or a single file, as an import takes them: one file at a time.

    A file that cannot be read is a fault in the log, and the others are read. Texts that are not UTF-8 are read by
    their likeliest encoding. Encodings, what was passed over, and which documents have the same text or nearly the
    same are notes in the log, once all is read.

    Args:
        source: is there.
    """
    doubles = Doubles()
    for document in collected(source, log, bounds, source, guess=True):
        doubles.see(document)
        yield document
    for note in doubles.notes():
        log.note(note)


def document_line(document: Document) -> dict[str, object]:
    """A document as a line of `documents.jsonl` holds it."""
    line: dict[str, object] = {"id": document.id, "title": document.title, "text": document.text}
    return line | ({"pages": list(document.pages)} if document.pages else {})


def _document(row: FileRow, path: Path, lines: dict[str, int], log: FaultLog) -> Document | None:
    before = len(log)
    identity, title, text = (plain(row.values.get(key)) for key in ("id", "title", "text"))
    if identity is None or identity == "":
        identity = str(row.line)
        other = next((key for key in row.values if key.casefold() in IDS), None)
        if other and "id" not in row.values:
            log.add(path, row.line, '"id" is missing', f'rename "{other}" to "id"')
    if not isinstance(identity, str):
        log.add(path, row.line, f'"id" is {type_name(identity)}', 'write it as text, e.g. "id": "d1"')
    first = lines.setdefault(str(identity), row.line)
    if first != row.line:
        what = f"the document id {quoted(str(identity))} is already used on line {first}"
        log.add(path, row.line, what, "give every document its own id")
    if title is not None and not isinstance(title, str):
        log.add(path, row.line, f'"title" is {type_name(title)}, not a text', "write it in quotes")
    if "text" not in row.values:
        near = _near_text(row)
        hint = f'rename "{near}" to "text"' if near else f"every line needs a text, e.g. {_LINE}"
        log.add(path, row.line, '"text" is missing', hint)
    elif not isinstance(text, str):
        log.add(path, row.line, f'"text" is {type_name(text)}, not a text', f"write it in quotes: {_LINE}")
    elif is_blank(text):
        log.add(path, row.line, "the document is empty", 'write its "text", or take the line away')
    pages = row.values.get("pages")
    if not _are_pages(pages, text):
        what = '"pages" is not a list of the places in "text" where pages begin, from 0 up'
        log.add(path, row.line, what, 'write them in characters, as "pages": [0, 1800, 3650], or leave them out')
    if len(log) > before:
        return None
    places = tuple(int(page) for page in pages) if isinstance(pages, list) else ()
    return Document(str(identity), str(title or ""), str(text), Place(path.name, row.line), places)


def _are_pages(pages: object, text: object) -> bool:
    """Whether a value is missing, or rising places in a text of which the first is 0."""
    if pages is None or pages == []:
        return True
    if not isinstance(pages, list) or not all(type(page) is int for page in pages):
        return False
    return pages[0] == 0 and pages == sorted(pages) and pages[-1] <= len(str(text))


def _near_text(row: FileRow) -> str | None:
    others = [key for key in row.values if key not in ("id", "title")]
    return next((key for key in others if key.casefold() in TEXTS), None) or nearest("text", others)
