"""What changed between two versions of a collection of documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from advisor.tasks.task import Document


@dataclass(frozen=True)
class DocumentChanges:
    """The ids of the documents that are new, gone, or have another title or text, in the order of their version."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: int = 0

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.removed or self.changed)

    @property
    def counts(self) -> list[str]:
        """How many changed, are new and are gone, in words; what is none is left out."""
        parts = ((self.changed, "changed"), (self.added, "new"), (self.removed, "gone"))
        return [f"{len(ids):,} {how}" for ids, how in parts if ids]


def changes_between(before: Iterable[Document], after: Iterable[Document]) -> DocumentChanges:
    """Compare two versions by the ids of their documents; of their texts only digests are held."""
    old = {document.id: _digest(document) for document in before}
    added, changed, seen = [], [], set()
    for document in after:
        seen.add(document.id)
        if document.id not in old:
            added.append(document.id)
        elif old[document.id] != _digest(document):
            changed.append(document.id)
    removed = [identity for identity in old if identity not in seen]
    same = len(old) - len(removed) - len(changed)
    return DocumentChanges(tuple(added), tuple(removed), tuple(changed), same)


def _digest(document: Document) -> bytes:
    return hashlib.sha256(
        f"{len(document.title)} {document.title}{document.text}".encode("utf-8", "surrogatepass")
    ).digest()
