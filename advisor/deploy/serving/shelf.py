"""The documents of a served row since they were changed: kept beside the run, so that a restart answers from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from advisor.deploy.serving.bounds import DOCUMENTS_BYTES, MOST_DOCUMENTS, TurnedAway, invalid
from advisor.deploy.serving.shapes import DocumentBody, DocumentsRequest
from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.intake import Bound, json_of, read_bytes
from advisor.tasks import Document
from advisor.tasks.documents import document_line

LARGEST = Bound(20 * DOCUMENTS_BYTES / 1e6)


class DocumentShelf:
    """Documents in a file.

    Args:
        path: where they are kept; there is no file until they are changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def documents(self) -> tuple[Document, ...] | None:
        """Those of the last change; None where there was none.

        Raises:
            UserError: the file cannot be read.
        """
        try:
            lines = read_bytes(self.path, LARGEST).decode("utf-8").split("\n")
            rows = [json_of(line) for line in lines if line.strip()]
            return tuple(Document(str(row["id"]), str(row["title"]), str(row["text"])) for row in rows)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.path}: cannot be read ({type(error).__name__})",
                "delete it; the row then answers from the documents that it was measured with",
            ) from None

    def after(self, change: DocumentsRequest) -> tuple[Document, ...]:
        """All documents after a change, which is not kept yet.

        Raises:
            TurnedAway: it cannot be made.
        """
        if change.documents is not None:
            if change.upsert or change.delete:
                raise invalid("give all documents, or what is put in and taken out, not both", "documents")
            return tuple(_by_id(change.documents, "documents").values())
        if not change.upsert and not change.delete:
            raise invalid("give documents, or upsert, or delete", "documents")
        before = self.documents()
        if before is None:
            said = "the row keeps pieces of its documents only: give all of them once, as documents"
            raise TurnedAway(409, "invalid", "no_documents_yet", said, "upsert")
        found = {document.id: document for document in before}
        if any(gone not in found for gone in change.delete):
            raise invalid("no document has an id that is to be deleted", "delete")
        found |= _by_id(change.upsert, "upsert")
        left = tuple(document for document in found.values() if document.id not in set(change.delete))
        if not 0 < len(left) <= MOST_DOCUMENTS:
            raise invalid(f"{len(left):,} documents would be left; 1 to {MOST_DOCUMENTS:,} can be", "delete")
        return left

    def keep(self, documents: Sequence[Document]) -> None:
        """Write them, whole or not at all."""
        lines = (json.dumps(document_line(document), ensure_ascii=False) for document in documents)
        write_whole(self.path, "".join(f"{line}\n" for line in lines))


def _by_id(given: Sequence[DocumentBody], param: str) -> dict[str, Document]:
    found = {one.id: Document(one.id, one.title, one.text) for one in given}
    if len(found) < len(given):
        raise invalid("two documents have the same id", param)
    if not all(document.text.strip() for document in found.values()):
        raise invalid("a document is empty", param)
    return found
