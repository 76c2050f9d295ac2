"""What an import is asked for, and what it did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from advisor.intake import there
from advisor.tasks.importing.contract import ImportChoices, ImportSource
from advisor.tasks.importing.splitting import SplitRule
from advisor.tasks.importing.tallies import RowReason
from advisor.tasks.task import Kind

COUNTED = ("train", "dev", "test", "documents", "preferences")
"""The files of a task folder, in the order in which they are named."""
SHOWN = 5
"""Examples that are shown as they will be used."""
_AT_ONCE = 1 << 20  # bytes


@dataclass(frozen=True)
class ImportRequest:
    """What is imported, and how.

    Attributes:
        source: a file, a folder, or a name such as `hf:squad`.
        test, dev: files of those splits alone.
        documents: a file or folder of documents.
        documents_after, test_after: of a change: the documents then, and questions with the answers that are right.
        rule: how rows are split; None: a fifth is the test where the source has none.
        name: of the task; empty: that of the source.
        metric, labels: as in `task.toml`; empty for the defaults.
    """

    source: str
    asked: ImportChoices = field(default_factory=ImportChoices)
    test: str = ""
    dev: str = ""
    documents: str = ""
    documents_after: str = ""
    test_after: str = ""
    rule: SplitRule | None = None
    name: str = ""
    metric: str = ""
    labels: tuple[str, ...] = ()

    @property
    def sources(self) -> list[ImportSource]:
        """The sources of examples, the main one first."""
        given = [(self.source, ""), (self.test, "test"), (self.dev, "dev")]
        paths = {name: None if is_name(name) else Path(name) for name, _ in given}
        return [ImportSource(name, paths[name], split, self.asked) for name, split in given if name]

    def digests(self) -> tuple[str, str]:
        """A digest of the source's bytes, empty where it is none, and one of all that decides what the import gives."""
        bytes_ = hashlib.sha256()
        others = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for name in filter(None, (self.test, self.dev, self.documents, self.documents_after, self.test_after)):
            for block in _blocks(Path(name)):
                others.update(block)
        own = "" if is_name(self.source) else self.source
        if own:
            for block in _blocks(Path(own)):
                bytes_.update(block)
        source = bytes_.hexdigest() if own else ""
        others.update(source.encode())
        return source, others.hexdigest()[:16]


@dataclass(frozen=True)
class Shown:
    """An example as it will be used; `evidence`: whether it names documents."""

    split: str
    input: str
    answer: str
    evidence: bool = False


@dataclass(frozen=True)
class Imported:
    """What an import understood and wrote.

    Attributes:
        format: in the words of people.
        columns: by what they are.
        split: how the splits came about.
        counts: rows by file of the folder: train, dev, test, documents, preferences.
        labels: the number of different answers of a classification, else 0.
        notes: what was guessed, and how the source is read.
        dropped: rows that were left out; `changed`: those that were put right.
        examples: five of them.
        open_questions: test questions whose answers after a change nobody has given.
        caveats: of the task that was read back; None where it is too large to be.
    """

    source: str
    folder: Path
    name: str
    format: str
    kind: Kind
    instruction: str
    columns: Mapping[str, str]
    split: str
    seed: int
    counts: Mapping[str, int]
    labels: int
    notes: tuple[str, ...]
    dropped: tuple[RowReason, ...]
    changed: tuple[RowReason, ...]
    examples: tuple[Shown, ...]
    sha256: str
    key: str
    caveats: tuple[str, ...] | None = None
    open_questions: int = 0


def is_name(source: str) -> bool:
    """Whether a source is a name and no path: `hf:squad`."""
    before, colon, _ = source.partition(":")
    return bool(colon) and before.isalnum() and len(before) > 1 and not there(Path(source))


def _blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, or the names and bytes of a folder's files, in order."""
    files = sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            yield file.relative_to(path).as_posix().encode("utf-8", "surrogateescape") + b"\0"
        if not file.is_file():
            continue
        with file.open("rb") as opened:
            while block := opened.read(_AT_ONCE):
                yield block
