"""Texts out of PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF and notebooks, by Kreuzberg or PDFium.

What is read here comes from anywhere, and the libraries are native code: this runs in a process of its own
(`reader_process.py`), which may be killed. Nothing is recognised in pictures, nothing is fetched.

Of Kreuzberg's outputs those are used that lose nothing: of PDFs the text of each page, since its Markdown drops what
looks like a tag and rewrites `:l` and `++`; the headings of that Markdown are looked for among the lines. Of others the
tree of the document, without the escapes of Markdown.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

from advisor.extras import needed
from advisor.tasks.pages import PageHeading, joined, tidy

_OOXML = "application/vnd.openxmlformats-officedocument"
KINDS = {
    ".pdf": "application/pdf",
    ".docx": f"{_OOXML}.wordprocessingml.document",
    ".pptx": f"{_OOXML}.presentationml.presentation",
    ".xlsx": f"{_OOXML}.spreadsheetml.sheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".epub": "application/epub+zip",
    ".rtf": "application/rtf",
    ".ipynb": "application/x-ipynb+json",
}
_ZIPS = (".docx", ".pptx", ".xlsx", ".odt", ".epub")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # how Office writes what has a password, and wrote everything until 2007
_MARK = "[[page-mark-7f3a {page_num}]]"  # between slides; no white space around it survives
_MARKED = re.compile(r"\s*\[\[page-mark-7f3a \d+\]\]\s*")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_HEADING = re.compile(r"(#{1,6}) +(.+)")
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));")
_WIDE = {"amp": "＆", "lt": "＜", "gt": "＞", "quot": "＂", "apos": "＇"}
_NO_TITLE = re.compile(
    r"(?i)microsoft (?:word|powerpoint|excel)\b.*|(?:powerpoint|word)?[ -]*(?:presentation|document|slides?)?[ \d]*|"
    r"untitled.*|title|.*\.(?:docx?|pptx?|xlsx?|odt|pdf|tex|dvi|indd|qxd)"
)
_LONGEST_TITLE = 300  # characters


class Unreadable(Exception):
    """A file without text that could be read; what was seen, and what fixes it."""

    def __init__(self, seen: str, hint: str) -> None:
        super().__init__(seen, hint)


class _Found(NamedTuple):
    title: str
    text: str
    pages: tuple[int, ...] = ()
    running: tuple[str, ...] = ()


def extract(data: bytes, ending: str, by: str, longest: int) -> dict[str, Any]:
    """The title (may be empty), text, pages and running lines of a file.

    Args:
        ending: one of `KINDS`.
        by: the library, kreuzberg or pypdfium2 (which reads PDF alone).
        longest: characters of the text that are not too many.

    Raises:
        Unreadable: it is damaged, has a password, or holds no text.
    """
    if data.startswith(_OLE):
        raise Unreadable(
            "has a password, or was written by an Office of before 2007",
            f"save it again as {ending}, without a password",
        )
    if ending in _ZIPS and not data.startswith(b"PK"):
        raise Unreadable(f"is no {ending} file, whatever its name says", "write it again, or take it away")
    if ending == ".pdf":
        found = _pdf_by_kreuzberg(data) if by == "kreuzberg" else _pdf_by_pdfium(data)
    else:
        found = _slides(data) if ending == ".pptx" else _tree(data, ending)
    if not found.text.strip():
        raise _without_text(ending)
    if len(found.text) > longest:
        raise Unreadable(f"holds {len(found.text):,} characters, more than the {longest:,} that are read", "split it")
    return found._asdict()


def _without_text(ending: str) -> Unreadable:
    if ending == ".pdf":
        return Unreadable(
            "the PDF holds no text, only pictures, as scanners write it", "recognise its text: ocrmypdf IN.pdf OUT.pdf"
        )
    return Unreadable("the document is empty", "write its text, or take the file away")


def _kreuzberg(data: bytes, ending: str, **wanted: Any) -> Any:
    with needed(f"reading {ending}", "documents"):
        import kreuzberg
    pages = kreuzberg.PageConfig(extract_pages=True, insert_page_markers=ending == ".pptx", marker_format=_MARK)
    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        pages=pages,
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
        **wanted,
    )
    try:
        return kreuzberg.extract_bytes_sync(data, KINDS[ending], config=config)
    except (kreuzberg.KreuzbergError, OSError, ValueError, RuntimeError) as error:
        raise _refused(str(error), ending) from None


def _refused(message: str, ending: str) -> Unreadable:
    if "password" in message.lower() or "encrypt" in message.lower():
        return Unreadable(
            "has a password", f"save it without one{': qpdf --decrypt IN.pdf OUT.pdf' if ending == '.pdf' else ''}"
        )
    return Unreadable(f"is damaged, or no {ending} file", "write it again, or take it away")


def _pdf_by_kreuzberg(data: bytes) -> _Found:
    result = _kreuzberg(data, ".pdf", output_format="markdown")
    lines = (_HEADING.fullmatch(line) for line in result.content.split("\n"))
    headings = [PageHeading(len(line[1]), _ESCAPE.sub(r"\1", line[2])) for line in lines if line]
    found = joined([page["content"] for page in result.pages or ()], headings)
    first = next((heading.text for heading in headings[:1] if heading.level == 1), "")
    return _Found(_title(result.metadata.get("title")) or tidy(first), found.text, found.starts, found.running)


def _pdf_by_pdfium(data: bytes) -> _Found:
    with needed("reading .pdf", "documents"):
        import pypdfium2
    try:
        file = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise _refused(str(error), ".pdf") from None
    texts = []
    for page in file:
        part = page.get_textpage()
        texts.append(part.get_text_bounded())
        part.close()
        page.close()
    headings = [PageHeading(mark.level + 1, mark.get_title()) for mark in file.get_toc()]
    found = joined(texts, headings)
    return _Found(_title(file.get_metadata_dict().get("Title")), found.text, found.starts, found.running)


def _slides(data: bytes) -> _Found:
    result = _kreuzberg(data, ".pptx", output_format="plain")
    slides = [slide.strip() for slide in _MARKED.split(result.content)[1:]]
    heads = [slide.split("\n", 1)[0] for slide in slides]
    headings = [PageHeading(2, head) for slide, head in zip(slides, heads, strict=True) if "\n" in slide]
    found = joined(slides, headings, printed=False)
    return _Found(_title(result.metadata.get("title")) or tidy(heads[0] if heads else ""), found.text, found.starts)


def _tree(data: bytes, ending: str) -> _Found:
    result = _kreuzberg(_with_signs(data) if ending == ".docx" else data, ending, include_document_structure=True)
    nodes = [node["content"] for node in (result.document or {}).get("nodes", ())]
    blocks = [block for node in nodes if (block := _block(node))]
    title = _title(result.metadata.get("title"))
    if blocks and blocks[0].startswith("# ") and ending != ".epub":
        title, blocks = blocks[0][2:], blocks[1:]  # as of Markdown
    return _Found(tidy(title), tidy("\n\n".join(blocks)).strip())


def _block(node: dict[str, Any]) -> str:
    kind, text = node["node_type"], str(node.get("text") or "").strip()
    if kind in ("heading", "title"):
        return f"{'#' * min(6, node.get('level') or 1)} {' '.join(text.split())}" if text else ""
    if kind == "table":
        return "\n".join(_rows(node["grid"]))
    if kind == "code" and text:
        return f"```\n{text}\n```"
    return f"- {text}" if kind == "list_item" and text else text


def _rows(grid: dict[str, Any]) -> Iterator[str]:
    """The rows of a table in Markdown, the first one as its header."""
    rows: dict[int, dict[int, str]] = {}
    for cell in grid["cells"]:
        rows.setdefault(cell["row"], {})[cell["col"]] = " ".join(str(cell["content"]).split()).replace("|", "\\|")
    for number, row in sorted(rows.items()):
        cells = [row.get(column, "") for column in range(grid["cols"])]
        if any(cells):
            yield f"| {' | '.join(cells)} |"
            if number == 0:
                yield f"|{' --- |' * len(cells)}"


def _with_signs(data: bytes) -> bytes:
    """A Word file whose `&amp;` and the like are wide signs, which `tidy` makes narrow again.

    Kreuzberg 4.10.4 drops every reference of Word's XML: AT&T is read as ATT, and x < 5 as x 5.
    """
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
            for item in old.infolist():
                content = old.read(item)
                if item.filename.startswith("word/") and item.filename.endswith(".xml"):
                    with suppress(UnicodeDecodeError):
                        content = _REFERENCE.sub(_sign, content.decode()).encode()
                new.writestr(item.filename, content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise _refused(str(error), ".docx") from None
    return buffer.getvalue()


def _sign(found: re.Match[str]) -> str:
    code = int(found[1]) if found[1] else int(found[2], 16) if found[2] else 0
    name = found[3] or {38: "amp", 60: "lt", 62: "gt", 34: "quot", 39: "apos"}.get(code, "")
    if name:
        return _WIDE[name]
    return chr(code) if 31 < code < 0xD800 or 0xDFFF < code < 0x110000 else " "


def _title(given: object) -> str:
    """A title of a file's metadata; empty where a program wrote it."""
    title = " ".join(tidy(str(given or "")).split())
    return "" if _NO_TITLE.fullmatch(title) or len(title) > _LONGEST_TITLE else title


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more: a line of JSON (`size`, `ending`, `by`) and the file's bytes each."""
    while line := requests.readline():
        asked = json.loads(line)
        data = requests.read(asked["size"])
        try:
            answer = extract(data, asked["ending"], asked["by"], asked["longest"])
        except Unreadable as error:
            answer = {"seen": error.args[0], "hint": error.args[1]}
        except MemoryError:
            answer = {"seen": "needs more memory to be read than it may take", "hint": "split it, or take it away"}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
