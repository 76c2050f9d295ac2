"""Documents as people have them: a folder, an archive or a file, one after the other, and what was left out."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from advisor.extras import install
from advisor.tasks.archives import Archive, archive_ending
from advisor.tasks.delimited import DELIMITED
from advisor.tasks.faults import FaultLog, listed, quoted, short
from advisor.tasks.folders import files_below
from advisor.tasks.forms import is_blank
from advisor.tasks.markup import from_html, from_markdown, from_rst
from advisor.tasks.minhash import LONGEST, near_pairs, squeezed
from advisor.tasks.office import KINDS, Unreadable
from advisor.tasks.reader_process import ReaderProcess, library_for
from advisor.tasks.sheets import documents_of
from advisor.tasks.task import Document, Place
from advisor.tasks.textfile import FileBounds, guessed_text, marked_encoding, read_data, text_of

_MARKED: dict[str, Callable[[str, str], tuple[str, str]]] = {
    **dict.fromkeys((".md", ".markdown", ".mdx", ".mkd"), from_markdown),
    **dict.fromkeys((".html", ".htm", ".xhtml"), from_html),
    ".rst": from_rst,
}
TEXTS = (*_MARKED, ".txt", ".text", ".adoc", ".org")
_NAMED_FIRST = (".md", ".txt")  # of files whose names differ in the ending alone, these are named without it
_PACKED = (".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
_CONVERTED = {
    ".tex": "pandoc FILE.tex -t plain -o FILE.txt",
    ".doc": "soffice --convert-to docx FILE.doc",
    ".ppt": "soffice --convert-to pptx FILE.ppt",
    ".xls": "soffice --convert-to xlsx FILE.xls",
}
_SNIFFED = 1 << 16  # bytes that tell whether a file without ending holds text
_COMPARED, _HELD = 2_000, 4_000_000  # documents that are compared for being nearly the same, and their characters

Load = Callable[[], bytes | None]


@dataclass(frozen=True)
class _Leaf:
    """One file, in a folder or an archive.

    Attributes:
        name: relative to the source, with `/`.
        path: as messages show it; of an archive's, below the archive.
        place: as a document's place shows it.
        load: its bytes; None after a fault was logged.
    """

    name: str
    path: Path
    place: str
    load: Load

    @property
    def ending(self) -> str:
        """The ending of the name, in small letters."""
        return PurePosixPath(self.name).suffix.lower()


class Collector:
    """Reads documents one file at a time; faults and notes are logged.

    Faults are those of single files: whoever wants the good ones takes them, and lists the others.

    Args:
        guess: whether texts that are not UTF-8 are read by their likeliest encoding, and noted; else they are faults.
    """

    def __init__(self, log: FaultLog, bounds: FileBounds, *, guess: bool = False) -> None:
        self._log, self._bounds, self._guess = log, bounds, guess
        self._reader = ReaderProcess()
        self._taken: dict[str, str] = {}
        self._unread: list[str] = []
        self._guessed: dict[str, list[str]] = {}
        self._running: dict[str, tuple[str, ...]] = {}

    def folder(self, folder: Path, home: Path) -> Iterator[Document]:
        """Yield the documents of a folder, by the names of their files; none leads out of `home`."""
        before = len(self._log)
        names = sorted(files_below(folder, os.path.realpath(home), self._log))
        leaves = [_Leaf(name, folder / name, f"{folder.name}/{name}", self._loader(folder / name)) for name in names]
        good = [leaf for leaf in leaves if archive_ending(leaf.name) or self._is_read(leaf)]
        self._unread += sorted({leaf.name for leaf in leaves} - {leaf.name for leaf in good})
        if not good and len(self._log) == before:
            hint = "put the documents there as .md, .txt, .html, .rst, .pdf or .docx files"
            only = f", only {_kinds(names)}" if names else ""
            self._log.add(folder, None, f"the folder holds no text file{only}", hint + _extra(names))
        identities = _identities(leaf.name for leaf in good if not archive_ending(leaf.name))
        for leaf in good:
            if archive_ending(leaf.name):
                yield from self._archive(leaf.path, f"{leaf.name[: -len(archive_ending(leaf.name))]}/")
            else:
                yield from self._documents(leaf, identities[leaf.name])
        self._note_all(folder.name)

    def file(self, path: Path) -> Iterator[Document]:
        """Yield the documents of an archive, a table or any other single file; none if it cannot be read."""
        if archive_ending(path.name):
            yield from self._archive(path, "")
        else:
            leaf = _Leaf(path.name, path, path.name, self._loader(path))
            yield from self._documents(leaf, str(PurePosixPath(path.name).with_suffix("")), alone=True)
        self._note_all(path.name)

    def close(self) -> None:
        """End the process that reads, if there is one."""
        self._reader.close()

    def _loader(self, path: Path) -> Load:
        ending = path.suffix.lower()
        bound = self._bounds.table if ending in DELIMITED else self._bounds.document
        return lambda: read_data(path, self._log, bound)

    def _archive(self, path: Path, prefix: str) -> Iterator[Document]:
        if not path.is_file() or path.stat().st_size > self._bounds.table.bytes:
            read_data(path, self._log, self._bounds.table)  # which says so
            return
        before = len(self._log)
        archive = Archive(path, self._log)
        names = archive.names()
        good = [name for name in names if _is_known(name) or not PurePosixPath(name).suffix]
        self._unread += [f"{path.name}/{name}" for name in sorted(set(names) - set(good))]
        if not good and len(self._log) == before:
            only = f", only {_kinds(names)}" if names else ""
            self._log.add(path, None, f"the archive holds no text file{only}", "pack the documents" + _extra(names))
        root = _root_of(names)
        identities = _identities(name[len(root) :] for name in good)
        for name, data in archive.files(good, self._bounds.document):
            if not PurePosixPath(name).suffix and not _is_text(data[:_SNIFFED]):
                self._unread.append(f"{path.name}/{name}")
                continue
            short_name = name[len(root) :]
            leaf = _Leaf(short_name, path / name, f"{path.name}/{name}", lambda data=data: data)  # type: ignore[misc]
            yield from self._documents(leaf, prefix + identities[short_name])

    def _documents(self, leaf: _Leaf, identity: str, *, alone: bool = False) -> Iterator[Document]:
        data = leaf.load()
        if data is None:
            return
        if leaf.ending in KINDS:
            found = self._extracted(leaf, data, identity)
        else:
            text = self._text(leaf, data)
            if text is None:
                return
            if leaf.ending in DELIMITED:
                rows = documents_of(text, leaf.path, alone, self._log)
                found = (replace(row, place=Place(leaf.place, row.place.line if row.place else 0)) for row in rows)
            else:
                found = iter([_from_text(leaf, identity, text)])
        for document in found:
            if self._is_good(document, leaf):
                yield document

    def _is_good(self, document: Document, leaf: _Leaf) -> bool:
        line = document.place.line or None if document.place else None
        where = leaf.name if line is None else f"{leaf.name}:{line}"
        first = self._taken.setdefault(document.id, where)
        if first != where:
            what = f"the document id {quoted(document.id)} is already that of {first}"
            self._log.add(
                leaf.path, line, what, "rename one of the two files" if line is None else "give it its own id"
            )
        elif is_blank(document.text):
            bare = document.title == PurePosixPath(leaf.name).stem
            seen = "the document is empty" if bare else "the document has a heading but no text"
            self._log.add(leaf.path, None, seen, "write its text, or take the file away")
        else:
            return True
        return False

    def _extracted(self, leaf: _Leaf, data: bytes, identity: str) -> Iterator[Document]:
        if not data:
            self._log.add(leaf.path, None, "the file is empty, it has not one byte", "write it again, or take it away")
            return
        try:
            found = self._reader.read(data, leaf.ending, self._bounds.document.bytes)
        except Unreadable as error:
            self._log.add(leaf.path, None, *error.args)
            return
        if found["running"]:
            self._running[leaf.name] = tuple(found["running"])
        title = found["title"] or PurePosixPath(leaf.name).stem
        yield Document(identity, title, found["text"], Place(leaf.place), tuple(found["pages"]))

    def _text(self, leaf: _Leaf, data: bytes) -> str | None:
        if self._guess and not _is_utf8(data) and (guessed := guessed_text(data)):
            self._guessed.setdefault(guessed[1], []).append(leaf.name)
            return guessed[0]
        if b"\0" in data and not marked_encoding(data):  # whose encoding is told in its place
            hint = "write it as UTF-8, or take it away"
            self._log.add(leaf.path, None, "holds zero bytes, as UTF-16 does, or what is no text", hint)
            return None
        return text_of(leaf.path, data, self._log)

    def _is_read(self, leaf: _Leaf) -> bool:
        """Whether a file is read: by its ending, or by its content where it has none."""
        return _is_known(leaf.name) if leaf.ending else _holds_text(leaf.path)

    def _note_all(self, name: str) -> None:
        if self._unread:
            ways = [way for ending, way in _CONVERTED.items() if any(n.lower().endswith(ending) for n in self._unread)]
            nested = [n for n in self._unread if archive_ending(n) or PurePosixPath(n).suffix.lower() in _PACKED]
            how = f"; convert: {', '.join(ways)}" if ways else ""
            how += f"; unpack: {listed(nested, 3)}" if nested else ""
            are = "is" if len(self._unread) == 1 else "are"
            left = f"{_files(len(self._unread))} of {name} {are} not read: {_kinds(self._unread)}"
            self._log.note(left + how + _extra(self._unread))
        for encoding, files in self._guessed.items():
            are = "is" if len(files) == 1 else "are"
            self._log.note(f"{_files(len(files))} {are} not UTF-8 and {are} read as {encoding}: {listed(files, 5)}")
        if self._running:
            file, lines = next(iter(self._running.items()))
            example = listed((quoted(short(line, 40)) for line in lines), 3)
            what = "lines that stand on many pages, and page numbers, are left out"
            self._log.note(f"{what} in {_files(len(self._running))}, as {example} in {file}")


class Doubles:
    """Which documents have the same text as another, or nearly the same; of the texts little is held.

    Near ones are looked for among the first documents alone.
    """

    def __init__(self) -> None:
        self._first: dict[bytes, str] = {}
        self._same: list[str] = []
        self._texts: list[tuple[str, str]] = []
        self._held = 0
        self._is_cut = False

    def see(self, document: Document) -> None:
        """Take note of a document."""
        text = squeezed(document.text[:LONGEST])
        rest = document.text[LONGEST:]
        digest = hashlib.blake2b(f"{text}\0{rest}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        first = self._first.setdefault(digest, document.id)
        self._is_cut = len(self._texts) >= _COMPARED or self._held >= _HELD
        if first != document.id:
            self._same.append(f"{document.id} ({first})")
        elif text and not self._is_cut:
            self._held += len(text)
            self._texts.append((document.id, text))

    def notes(self) -> Iterator[str]:
        """Yield what is to be said."""
        if self._same:
            yield f"{_documents(len(self._same))} the same text as another: {listed(self._same, 5)}"
        near = near_pairs(list(dict.fromkeys(text for _, text in self._texts)), lambda first, second: True)
        if near:
            pairs = [f"{self._texts[pair.second][0]} ({self._texts[pair.first][0]})" for pair in near]
            among = f" among the first {len(self._texts):,}" if self._is_cut else ""
            count = _documents(len({pair.second for pair in near}))
            yield f"{count} nearly the same text as another{among}: {listed(pairs, 5)}"


def collected(path: Path, log: FaultLog, bounds: FileBounds, home: Path, *, guess: bool = False) -> Iterator[Document]:
    """Yield the documents of a folder, an archive or a file; faults of single files and notes are logged.

    Args:
        path: is there.
        home: what no link of a folder may lead out of.
        guess: as of `Collector`.
    """
    with closing(Collector(log, bounds, guess=guess)) as collector:
        yield from collector.folder(path, home) if path.is_dir() else collector.file(path)


def is_collected(path: Path) -> bool:
    """Whether a file is one that `collected` reads, by its name."""
    return bool(archive_ending(path.name)) or _is_known(path.name)


def _is_known(name: str) -> bool:
    ending = PurePosixPath(name).suffix.lower()
    return ending in TEXTS or ending in DELIMITED or bool(library_for(ending))


def _identities(names: Iterable[str]) -> dict[str, str]:
    """The document id of each file: its name without the ending, or with it where another file has that id already.

    Markdown and plain text come first, and two of them may have the same id, which is a fault; then other texts.
    """

    def rank(name: str) -> tuple[int, str]:
        ending = PurePosixPath(name).suffix.lower()
        return (0 if ending in _NAMED_FIRST else 1 if ending in TEXTS or not ending else 2), name

    found: dict[str, str] = {}
    seen: set[str] = set()
    for name in sorted(names, key=rank):
        path = PurePosixPath(name)
        identity = str(path.with_suffix(""))
        taken = identity in seen and path.suffix.lower() not in _NAMED_FIRST
        found[name] = name if taken else identity
        seen.add(identity)
    return found


def _root_of(names: Iterable[str]) -> str:
    """The folder, with `/`, that all files of an archive lie in; empty where there is none."""
    roots = {name.split("/", 1)[0] if "/" in name else "" for name in names}
    root = roots.pop() if len(roots) == 1 else ""
    return f"{root}/" if root else ""


def _holds_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _is_text(file.read(_SNIFFED))
    except OSError:
        return False


def _is_text(start: bytes) -> bool:
    """Whether the beginning of a file is text."""
    try:
        return b"\0" not in start and not is_blank(codecs.getincrementaldecoder("utf-8")().decode(start))
    except UnicodeDecodeError:
        return False


def _is_utf8(data: bytes) -> bool:
    """Whether bytes are text in UTF-8; UTF-16 of plain letters would pass, with zeros."""
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _from_text(leaf: _Leaf, identity: str, text: str) -> Document:
    title, text = PurePosixPath(leaf.name).stem, text.replace("\r\n", "\n")
    split = _MARKED.get(leaf.ending)
    if split is not None:
        title, text = split(text, title)
    return Document(identity, title, text.strip(), Place(leaf.place))


def _extra(names: Iterable[str]) -> str:
    """The command that installs what reads some of the files; empty where it is there, or nothing reads them."""
    endings = {PurePosixPath(name).suffix.lower() for name in names}
    missing = sorted(ending for ending in endings if ending in KINDS and not library_for(ending))
    return f"; to read {', '.join(missing)}: {install('documents')}" if missing else ""


def _kinds(names: Iterable[str]) -> str:
    """The number of files by ending, most frequent first: `2 .pdf, 1 .docx`."""
    counts = Counter(PurePosixPath(name).suffix.lower() or "without ending" for name in names)
    return listed([f"{count:,} {ending}" for ending, count in counts.most_common()])


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _documents(count: int) -> str:
    return "1 document has" if count == 1 else f"{count:,} documents have"
