"""The file in which passages are kept: a head, then one LangChain document a line, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from advisor.errors import UserError

DOCUMENTS_FILE = "documents.jsonl"
SCHEMA = 1
_HEAD, _ROW = {"schema"}, {"number", "id", "text", "metadata"}


def write_documents(folder: Path, documents: Iterable[tuple[int, Document]], **facts: Any) -> None:
    """Write documents with their numbers into an existing folder.

    Args:
        facts: what else the head says, such as a checksum of a file beside it.

    Raises:
        UserError: a document's metadata cannot be written as JSON.
    """
    kept = list(documents)
    with (folder / DOCUMENTS_FILE).open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps({"schema": SCHEMA, "documents": len(kept), **facts}) + "\n")
        for number, document in kept:
            file.write(_line(number, document) + "\n")


def read_documents(folder: Path) -> tuple[dict[str, Any], list[tuple[int, Document]]]:
    """The head, and the documents with their numbers, checked line by line.

    Raises:
        UserError: the file is missing, cut short, of another schema or no such file.
    """
    path = folder / DOCUMENTS_FILE
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, f"it cannot be read ({error})") from error
    found = [_parsed(path, place, line) for place, line in enumerate(lines[:-1], start=1)]
    if not found or lines[-1]:
        raise damaged(path, "it is cut short")
    head, *rows = found
    if head["schema"] != SCHEMA:
        raise damaged(path, f"it has schema {head['schema']}, this version reads {SCHEMA}")
    return head, [(row["number"], _document(row)) for row in rows]


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
