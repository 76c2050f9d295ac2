"""Reading documents from a JSON lines file or a folder of Markdown, reStructuredText, HTML and plain text files."""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from advisor.intake import link_out, odd_kind, shown, there
from advisor.tasks.faults import FaultLog, listed, nearest, quoted
from advisor.tasks.forms import is_blank
from advisor.tasks.jsonfile import JSON_ENDINGS, FileRow, read_json, type_name
from advisor.tasks.markup import from_html, from_markdown, from_rst
from advisor.tasks.task import Document, Place
from advisor.tasks.textfile import BOUNDS, FileBounds, near_path, read_text
from advisor.tasks.values import plain

_LINE = '{"id": "...", "title": "...", "text": "..."}'
_MARKED: dict[str, Callable[[str, str], tuple[str, str]]] = {
    **dict.fromkeys((".md", ".markdown", ".mdx", ".mkd"), from_markdown),
    **dict.fromkeys((".html", ".htm", ".xhtml"), from_html),
    ".rst": from_rst,
}
_ENDINGS = (*_MARKED, ".txt", ".text", ".adoc", ".org")
_NAMED_FIRST = (".md", ".txt")  # of files whose names differ in the ending alone, these are named without it
_CONVERTED = {
    ".pdf": "pdftotext FILE.pdf",
    ".docx": "pandoc FILE.docx -t plain -o FILE.txt",
    ".odt": "pandoc FILE.odt -t plain -o FILE.txt",
    ".epub": "pandoc FILE.epub -t plain -o FILE.txt",
    ".rtf": "pandoc FILE.rtf -t plain -o FILE.txt",
    ".tex": "pandoc FILE.tex -t plain -o FILE.txt",
    ".ipynb": "jupyter nbconvert --to markdown FILE.ipynb",
    ".doc": "soffice --convert-to txt FILE.doc",
    ".pptx": "soffice --convert-to pdf FILE.pptx, then pdftotext FILE.pdf",
}
_SNIFFED = 1 << 16  # bytes that tell whether a file without ending holds text
_TEXT_ALIASES = ("content", "contents", "body", "passage", "document", "context", "page_content", "paragraph", "chunk")
_ID_ALIASES = ("doc_id", "docid", "_id", "document_id", "documentid", "uid", "uuid", "passage_id", "chunk_id", "key")


def read_documents(
    path: Path, log: FaultLog, bounds: FileBounds = BOUNDS, home: Path | None = None
) -> tuple[Document, ...]:
    """Read the documents of a .jsonl file or of a folder of text files; faults are logged.

    Files of a folder that are not read are counted by their kind in a note.

    Args:
        path: the file or folder.
        log: where faults go.
        bounds: how large files may be.
        home: the task's folder, which no link of a folder of documents may lead out of; by default `path`.
    """
    if there(path) and path.is_dir():
        return _read_folder(path, log, bounds, home or path)
    if not there(path):
        log.add(path, None, "no such file or folder", lambda: near_path(path) or "check the path")
        return ()
    if path.suffix.lower() not in JSON_ENDINGS:
        hint = f"give a .jsonl file with lines like {_LINE}, or a folder of text files"
        if path.suffix.lower() in (".csv", ".tsv", ".parquet"):
            read = "parquet" if path.suffix.lower() == ".parquet" else "csv"
            hint += f'; pandas.read_{read}("{path.name}").to_json("documents.jsonl", orient="records", lines=True)'
        log.add(path, None, "documents cannot be read from this kind of file", hint)
        return ()
    before = len(log)
    rows = read_json(path, log, _LINE, bounds.table)
    if rows == [] and len(log) == before:
        log.add(path, None, "the file holds no documents", f"write one document a line: {_LINE}")
    lines: dict[str, int] = {}
    found = (_document(row, path, lines, log) for row in rows or ())
    return tuple(document for document in found if document is not None)


def _document(row: FileRow, path: Path, lines: dict[str, int], log: FaultLog) -> Document | None:
    before = len(log)
    identity, title, text = (plain(row.values.get(key)) for key in ("id", "title", "text"))
    if identity is None or identity == "":
        identity = str(row.line)
        other = next((key for key in row.values if key.casefold() in _ID_ALIASES), None)
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
    if len(log) > before:
        return None
    return Document(str(identity), str(title or ""), str(text), Place(path.name, row.line))


def _near_text(row: FileRow) -> str | None:
    others = [key for key in row.values if key not in ("id", "title")]
    return next((key for key in others if key.casefold() in _TEXT_ALIASES), None) or nearest("text", others)


def _read_folder(folder: Path, log: FaultLog, bounds: FileBounds, home: Path) -> tuple[Document, ...]:
    before = len(log)
    names = sorted(_files(folder, os.path.realpath(home), log))
    texts = [name for name in names if _is_text(folder / name)]
    _note_unread(sorted(set(names) - set(texts)), folder, log)
    if not texts and len(log) == before:
        hint = "put the documents there as .md, .txt, .html or .rst files"
        log.add(folder, None, "the folder holds no text file" + (f", only {_kinds(names)}" if names else ""), hint)
    identities = _identities(texts)
    files = {identity: name for name, identity in reversed(identities.items())}
    documents = []
    for name in texts:
        identity = identities[name]
        if files[identity] != name:
            what = f"the document id {quoted(identity)} is already that of {files[identity]}"
            log.add(folder / name, None, what, "rename one of the two files")
        text = read_text(folder / name, log, bounds.document)
        if text is not None:
            documents.append(_from_file(folder, name, identity, text, log))
    return tuple(documents)


def _identities(names: Iterable[str]) -> dict[str, str]:
    """The document id of each file: its name without the ending, or with it where another file has that id already.

    Markdown and plain text come first, and two of them may have the same id, which is a fault.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name in sorted(names, key=lambda name: (PurePosixPath(name).suffix.lower() not in _NAMED_FIRST, name)):
        path = PurePosixPath(name)
        identity = str(path.with_suffix(""))
        taken = identity in seen and path.suffix.lower() not in _NAMED_FIRST
        found[name] = name if taken else identity
        seen.add(identity)
    return found


def _files(folder: Path, home: str, log: FaultLog) -> Iterator[str]:
    """Yield the relative paths, with `/`, of all files below the folder except hidden ones; faults are logged.

    Args:
        home: the real path that links may not lead out of.
    """

    def unread(error: OSError) -> None:
        log.add(shown(error.filename), None, f"cannot be read: {error.strerror}", "see that you may read it")

    if not _stays(folder, home, log):
        return
    seen = set()
    for root, folders, files in os.walk(folder, onerror=unread, followlinks=True):
        real = os.path.realpath(root)
        seen_before = real in seen  # a link back to a folder above, or a second link to the same one
        seen.add(real)
        visible = () if seen_before else [name for name in folders if not name.startswith(".")]
        folders[:] = [
            name for name in visible if _is_named(Path(root, name), log) and _stays(Path(root, name), home, log)
        ]
        for name in () if seen_before else files:
            path = Path(root, name)
            if not name.startswith(".") and _is_named(path, log) and _stays(path, home, log) and _is_file(path, log):
                yield path.relative_to(folder).as_posix()


def _is_named(path: Path, log: FaultLog) -> bool:
    """Whether a file name is valid text, as ids and records need; else a fault is logged."""
    if path.name.isascii() or shown(path.name) == path.name:
        return True
    log.add(shown(path), None, "the name is not UTF-8", f"rename it, in its folder: mv {_pattern(path.name)} NAME")
    return False


def _pattern(name: str) -> str:
    """A file name as a shell pattern, with wildcards for bytes that cannot be typed."""
    return "".join("?" if 0xD800 <= ord(sign) <= 0xDFFF else sign for sign in name)


def _stays(path: Path, home: str, log: FaultLog) -> bool:
    """Whether a path stays inside the task folder; else a fault is logged, since a foreign folder may link anywhere."""
    end = link_out(path, home)
    if end:
        hint = "put a copy of what belongs to the task in its place, or take the link away"
        log.add(path, None, f"is a link that leads out of the task, to {shown(end)}", hint)
    return not end


def _is_file(path: Path, log: FaultLog) -> bool:
    """Whether a path is a regular file, or missing; else a fault is logged."""
    try:
        kind = odd_kind(path.stat().st_mode)
    except OSError:  # a broken link, which reading reports
        return True
    if kind:
        log.add(path, None, f"is {kind}", "take it away; documents are files")
    return not kind


def _is_text(path: Path) -> bool:
    """Whether a file is read as text: by its ending, or by its content where it has none."""
    if path.suffix:
        return path.suffix.lower() in _ENDINGS
    try:
        with path.open("rb") as file:
            start = file.read(_SNIFFED)
        return b"\0" not in start and not is_blank(codecs.getincrementaldecoder("utf-8")().decode(start))
    except (OSError, UnicodeDecodeError):
        return False


def _note_unread(names: list[str], folder: Path, log: FaultLog) -> None:
    if not names:
        return
    endings = {Path(name).suffix.lower() for name in names}
    ways = [way for ending, way in _CONVERTED.items() if ending in endings]
    how = f"; convert: {', '.join(ways)}" if ways else ""
    are = "is" if len(names) == 1 else "are"
    files = "1 file" if len(names) == 1 else f"{len(names):,} files"
    log.note(f"{files} of {folder.name} {are} not read: {_kinds(names)}{how}")


def _kinds(names: list[str]) -> str:
    """The number of files by ending, most frequent first: `2 .pdf, 1 .docx`."""
    counts = Counter(Path(name).suffix.lower() or "without ending" for name in names)
    return listed([f"{count:,} {ending}" for ending, count in counts.most_common()])


def _from_file(folder: Path, name: str, identity: str, text: str, log: FaultLog) -> Document:
    path = folder / name
    title, text = path.stem, text.replace("\r\n", "\n")
    split = _MARKED.get(path.suffix.lower())
    if split is not None:
        title, text = split(text, title)
    if is_blank(text):
        seen = "the document is empty" if title == path.stem else "the document has a heading but no text"
        log.add(path, None, seen, "write its text, or take the file away")
    return Document(identity, title, text.strip(), Place(f"{folder.name}/{name}"))
