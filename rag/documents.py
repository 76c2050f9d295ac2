"""The file in which passages are kept: a head, then one LangChain document a line, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from advisor.errors import UserError

DOCUMENTS_FILE = "documents.jsonl"
SCHEMA = 1
_HEAD, _ROW = {"schema"}, {"number", "id", "text", "metadata"}


def write_documents(folder: Path, documents: Iterable[tuple[int, Document]], count: int, **facts: Any) -> None:
    """Write documents with their numbers into an existing folder, one after the other.

    Args:
        count: of the documents.
        facts: what else the head says, such as a checksum of a file beside it.

    Raises:
        UserError: a document's metadata cannot be written as JSON.
    """
    with (folder / DOCUMENTS_FILE).open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps({"schema": SCHEMA, "documents": count, **facts}) + "\n")
        for number, document in documents:
            file.write(_line(number, document) + "\n")


def read_documents(folder: Path) -> tuple[dict[str, Any], Iterator[tuple[int, Document]]]:
    """The head, and the documents with their numbers, which are read and checked as they are asked for.

    Raises:
        UserError: the file is missing, cut short, of another schema or no such file; here or at the faulty line.
    """
    path = folder / DOCUMENTS_FILE
    rows = _rows(path)
    head = next(rows, None)
    if head is None:
        raise damaged(path, "it is cut short")
    if head["schema"] != SCHEMA:
        raise damaged(path, f"it has schema {head['schema']}, this version reads {SCHEMA}")
    return head, ((row["number"], _document(row)) for row in rows)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for place, line in enumerate(file, start=1):
                if not line.endswith("\n"):
                    raise damaged(path, "it is cut short")
                yield _parsed(path, place, line)
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, f"it cannot be read ({error})") from error


def damaged(path: Path, what: str) -> UserError:
    """The error for a file of an index that is not as it was written."""
    return UserError(f"{path}: {what}", f"delete {path.parent} and run again; it will be built anew")


def _line(number: int, document: Document) -> str:
    row = {"number": number, "id": document.id, "text": document.page_content, "metadata": document.metadata}
    try:
        return json.dumps(row, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the metadata of document {document.id} cannot be written as JSON: {error}",
            "keep to strings, numbers, booleans, lists and objects in metadata",
        ) from error


def _parsed(path: Path, place: int, line: str) -> dict[str, Any]:
    wanted = _HEAD if place == 1 else _ROW
    try:
        row = json.loads(line)
    except ValueError as error:
        raise damaged(path, f"line {place} is not JSON") from error
    if not isinstance(row, dict) or not wanted <= row.keys():
        raise damaged(path, f"line {place} lacks {', '.join(sorted(wanted))}")
    return row


def _document(row: Mapping[str, Any]) -> Document:
    return Document(row["text"], id=row["id"], metadata=row["metadata"])
