"""Reading documents: one JSON line each, or a folder of Markdown and plain text files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from advisor.tasks.faults import FaultLog, nearest, quoted
from advisor.tasks.task import Document, Place
from advisor.tasks.textfile import Row, near_path, read_json_lines, read_text, type_name

_LINE = '{"id": "...", "title": "...", "text": "..."}'
_ENDINGS = (".md", ".txt")
_TEXT_ALIASES = ("content", "contents", "body", "passage", "document", "context")


def read_documents(path: Path, log: FaultLog) -> tuple[Document, ...]:
    """The documents in a .jsonl file or below a folder of .md and .txt files; faults are noted."""
    if path.is_dir():
        return _read_folder(path, log)
    if not path.exists():
        log.add(path, None, "no such file or folder", lambda: near_path(path) or "check the path")
        return ()
    if path.suffix.lower() not in (".jsonl", ".ndjson"):
        mend = f"give a .jsonl file with lines like {_LINE}, or a folder of .md and .txt files"
        log.add(path, None, "documents cannot be read from this kind of file", mend)
        return ()
    before = len(log)
    rows = read_json_lines(path, log, _LINE)
    if rows == [] and len(log) == before:
        log.add(path, None, "the file holds no documents", f"write one document a line: {_LINE}")
    lines: dict[str, int] = {}
    found = (_document(row, path, lines, log) for row in rows or ())
    return tuple(document for document in found if document is not None)


def _document(row: Row, path: Path, lines: dict[str, int], log: FaultLog) -> Document | None:
    before = len(log)
    identity, title, text = (row.values.get(key) for key in ("id", "title", "text"))
    if identity is None or identity == "":
        identity = row.line
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        log.add(path, row.line, f'"id" is {type_name(identity)}', 'write it as text, e.g. "id": "d1"')
    first = lines.setdefault(str(identity), row.line)
    if first != row.line:
        what = f"the document id {quoted(str(identity))} is already used on line {first}"
        log.add(path, row.line, what, "give every document its own id")
    if title is not None and not isinstance(title, str):
        log.add(path, row.line, f'"title" is {type_name(title)}, not a text', "write it in quotes")
    if "text" not in row.values:
        near = _near_text(row)
        mend = f'rename "{near}" to "text"' if near else f"every line needs a text, e.g. {_LINE}"
        log.add(path, row.line, '"text" is missing', mend)
    elif not isinstance(text, str):
        log.add(path, row.line, f'"text" is {type_name(text)}, not a text', f"write it in quotes: {_LINE}")
    elif not text.strip():
        log.add(path, row.line, "the document is empty", 'write its "text", or take the line away')
    if len(log) > before:
        return None
    return Document(str(identity), str(title or ""), str(text), Place(path.name, row.line))


def _near_text(row: Row) -> str | None:
    others = [key for key in row.values if key not in ("id", "title")]
    return next((key for key in others if key.casefold() in _TEXT_ALIASES), None) or nearest("text", others)


def _read_folder(folder: Path, log: FaultLog) -> tuple[Document, ...]:
    names = sorted(_files(folder))
    if not names:
        log.add(folder, None, "the folder holds no .md or .txt file", "put the documents there as such files")
    documents = []
    seen: dict[str, str] = {}
    for name in names:
        identity = str(PurePosixPath(name).with_suffix(""))
        if identity in seen:
            what = f"the document id {quoted(identity)} is already that of {seen[identity]}"
            log.add(folder / name, None, what, "rename one of the two files")
        seen.setdefault(identity, name)
        text = read_text(folder / name, log)
        if text is not None:
            document = _from_file(folder / name, identity, text, log)
            documents.append(replace(document, place=Place(f"{folder.name}/{name}")))
    return tuple(documents)


def _files(folder: Path) -> Iterator[str]:
    """Relative paths, with `/`, of all .md and .txt files below the folder; hidden ones are left out."""
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = Path(root).resolve()
        folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
        if real in seen:  # a link back to a folder above, or a second link to the same one
            continue
        seen.add(real)
        for name in files:
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                yield (Path(root) / name).relative_to(folder).as_posix()


def _from_file(path: Path, identity: str, text: str, log: FaultLog) -> Document:
    title = path.stem
    text = text.replace("\r\n", "\n")
    if path.suffix.lower() == ".md":
        title, text = _split_heading(text, title)
    if not text.strip():
        seen = "the document is empty" if title == path.stem else "the document has a heading but no text"
        log.add(path, None, seen, "write its text, or take the file away")
    return Document(identity, title, text.strip())


def _split_heading(text: str, otherwise: str) -> tuple[str, str]:
    """The first `# ...` heading outside code fences, and the text without it."""
    lines = text.split("\n")
    fenced = False
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        heading = None if fenced else re.match(r"#\s+(.*?)(\s+#+)?\s*$", line)
        if heading and heading[1]:
            return heading[1], "\n".join(lines[:number] + lines[number + 1 :])
    return otherwise, text
