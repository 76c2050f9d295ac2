"""Small files of every format, written by hand: Word, PowerPoint, Excel, OpenDocument, EPUB, PDF."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from html import escape

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_P = "http://schemas.openxmlformats.org/presentationml/2006/main"
_S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_REL = "http://schemas.openxmlformats.org/package/2006/relationships"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """An archive of files; stored and without dates, so that it is always the same."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def docx(paragraphs: Sequence[str | tuple[int, str] | list[list[str]]], title: str = "") -> bytes:
    """A Word file of paragraphs, headings `(level, text)` and tables (lists of rows)."""
    body = "".join(_block(paragraph) for paragraph in paragraphs)
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{n}"><w:name w:val="heading {n}"/>'
        f'<w:pPr><w:outlineLvl w:val="{n - 1}"/></w:pPr></w:style>'
        for n in (1, 2, 3)
    )
    files = {
        "[Content_Types].xml": _types(
            {
                "/word/document.xml": f"{_WORD}.document.main+xml",
                "/word/styles.xml": f"{_WORD}.styles+xml",
            }
        ),
        "_rels/.rels": _relations({"rId1": ("officeDocument", "word/document.xml"), **_core(title)}),
        "word/document.xml": f'{_HEAD}<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>',
        "word/styles.xml": f'{_HEAD}<w:styles xmlns:w="{_W}">{styles}</w:styles>',
        "word/_rels/document.xml.rels": _relations({"rId1": ("styles", "styles.xml")}),
    }
    return zipped(files | _core_file(title))


def _block(paragraph: str | tuple[int, str] | list[list[str]]) -> str:
    if isinstance(paragraph, str):
        return f'<w:p><w:r><w:t xml:space="preserve">{escape(paragraph)}</w:t></w:r></w:p>'
    if isinstance(paragraph, tuple):
        style = f'<w:pPr><w:pStyle w:val="Heading{paragraph[0]}"/></w:pPr>'
        return f"<w:p>{style}<w:r><w:t>{escape(paragraph[1])}</w:t></w:r></w:p>"
    rows = ("".join(f"<w:tc>{_block(cell)}</w:tc>" for cell in row) for row in paragraph)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"


def pptx(slides: Sequence[tuple[str, Sequence[str]]], title: str = "") -> bytes:
    """A PowerPoint file of slides: a title and lines each."""
    names = [f"slide{number}.xml" for number in range(1, len(slides) + 1)]
    listed = "".join(f'<p:sldId id="{256 + n}" r:id="rId{n + 1}"/>' for n in range(len(slides)))
    main = "application/vnd.openxmlformats-officedocument.presentationml"
    files = {
        "[Content_Types].xml": _types(
            {"/ppt/presentation.xml": f"{main}.presentation.main+xml"}
            | {f"/ppt/slides/{name}": f"{main}.slide+xml" for name in names}
        ),
        "_rels/.rels": _relations({"rId1": ("officeDocument", "ppt/presentation.xml"), **_core(title)}),
        "ppt/presentation.xml": f'{_HEAD}<p:presentation xmlns:p="{_P}" xmlns:r="{_R}">'
        f"<p:sldIdLst>{listed}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": _relations(
            {f"rId{n + 1}": ("slide", f"slides/{name}") for n, name in enumerate(names)}
        ),
    }
    shown = {f"ppt/slides/{name}": _slide(*slide) for name, slide in zip(names, slides, strict=True)}
    return zipped(files | shown | _core_file(title))


def _slide(title: str, lines: Sequence[str]) -> str:
    shapes = _shape(2, '<p:ph type="title"/>', [title]) + _shape(3, '<p:ph idx="1"/>', lines)
    tree = "<p:nvGrpSpPr><p:cNvPr id='1' name=''/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>"
    spaces = f'xmlns:p="{_P}" xmlns:a="{_A}" xmlns:r="{_R}"'
    return f"{_HEAD}<p:sld {spaces}><p:cSld><p:spTree>{tree}{shapes}</p:spTree></p:cSld></p:sld>"


def _shape(number: int, placeholder: str, lines: Sequence[str]) -> str:
    text = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in lines)
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="s{number}"/><p:cNvSpPr/><p:nvPr>{placeholder}</p:nvPr>'
        f"</p:nvSpPr>"
        f"<p:spPr/><p:txBody><a:bodyPr/>{text}</p:txBody></p:sp>"
    )


def xlsx(sheets: Mapping[str, Sequence[Sequence[str]]]) -> bytes:
    """An Excel file of texts."""
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    names = [f"sheet{number}.xml" for number in range(1, len(sheets) + 1)]
    listed = "".join(f'<sheet name="{escape(s)}" sheetId="{n}" r:id="rId{n}"/>' for n, s in enumerate(sheets, 1))
    files = {
        "[Content_Types].xml": _types(
            {"/xl/workbook.xml": f"{main}.sheet.main+xml"}
            | {f"/xl/worksheets/{n}": f"{main}.worksheet+xml" for n in names}
        ),
        "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{_S}" xmlns:r="{_R}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(
            {f"rId{n}": ("worksheet", f"worksheets/{name}") for n, name in enumerate(names, 1)}
        ),
    }
    return zipped(files | {f"xl/worksheets/{n}": _sheet(rows) for n, rows in zip(names, sheets.values(), strict=True)})


def _sheet(rows: Sequence[Sequence[str]]) -> str:
    cells = (
        f'<row r="{r}">'
        + "".join(
            f'<c r="{chr(64 + c)}{r}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for c, cell in enumerate(row, 1)
        )
        + "</row>"
        for r, row in enumerate(rows, 1)
    )
    return f'{_HEAD}<worksheet xmlns="{_S}"><sheetData>{"".join(cells)}</sheetData></worksheet>'


def odt(paragraphs: Sequence[str | tuple[int, str]]) -> bytes:
    """An OpenDocument text of paragraphs and headings."""
    body = "".join(
        f"<text:p>{escape(p)}</text:p>"
        if isinstance(p, str)
        else f'<text:h text:outline-level="{p[0]}">{escape(p[1])}</text:h>'
        for p in paragraphs
    )
    office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    content = (
        f'{_HEAD}<office:document-content xmlns:office="{office}" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    mime = "application/vnd.oasis.opendocument.text"
    manifest = (
        f'{_HEAD}<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<m:file-entry m:full-path="/" m:media-type="{mime}"/></m:manifest>'
    )
    return zipped({"mimetype": mime, "content.xml": content, "META-INF/manifest.xml": manifest})


def epub(chapters: Mapping[str, str], title: str) -> bytes:
    """An EPUB of chapters, heading to text."""
    pages = {
        f"c{n}.xhtml": f'{_HEAD}<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{escape(h)}</title></head>'
        f"<body><h1>{escape(h)}</h1><p>{escape(text)}</p></body></html>"
        for n, (h, text) in enumerate(chapters.items())
    }
    items = "".join(f'<item id="{p[:-6]}" href="{p}" media-type="application/xhtml+xml"/>' for p in pages)
    spine = "".join(f'<itemref idref="{p[:-6]}"/>' for p in pages)
    package = (
        f'{_HEAD}<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="i">x</dc:identifier><dc:title>{escape(title)}</dc:title><dc:language>en</dc:language>'
        f"</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        f'{_HEAD}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    files = {"mimetype": "application/epub+zip", "META-INF/container.xml": container, "content.opf": package}
    return zipped(files | pages)


def _types(parts: Mapping[str, str]) -> str:
    overrides = "".join(f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in parts.items())
    return (
        f'{_HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    lines = (
        f'<Relationship Id="{name}" Type="{kind if ":" in kind else f"{_R}/{kind}"}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'{_HEAD}<Relationships xmlns="{_REL}">{"".join(lines)}</Relationships>'


def _core(title: str) -> dict[str, tuple[str, str]]:
    kind = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
    return {"rId9": (kind, "docProps/core.xml")} if title else {}


def _core_file(title: str) -> dict[str, str | bytes]:
    if not title:
        return {}
    return {
        "docProps/core.xml": f"{_HEAD}<cp:coreProperties "
        'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></cp:coreProperties>'
    }


LIGATURES = {"\x80": "ﬁ", "\x81": "ﬀ", "\x82": "\u00ad"}
"""Characters of the PDF's font that stand for one sign of Unicode."""


def pdf(pages: Sequence[Sequence[str | tuple[int, str]]], title: str = "", *, encrypted: bool = False) -> bytes:
    """A PDF of pages of lines with a text layer; `(size, text)` is set in that size, others in 11 points.

    A page without lines holds an image, as scanners make them.
    """
    codes = "".join(f"<{ord(c):02x}> <{ord(u):04x}>\n" for c, u in LIGATURES.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
        "1 begincodespacerange <00> <ff> endcodespacerange\n1 beginbfrange <20> <7e> <0020> endbfrange\n"
        f"{len(LIGATURES)} beginbfchar\n{codes}endbfchar endcmap end end"
    )
    widths = " ".join(["500"] * 224)
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{' '.join(f'{10 + 2 * n} 0 R' for n in range(len(pages)))}] /Count {len(pages)} >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /FirstChar 32 /LastChar 255 "
        f"/Widths [{widths}] /ToUnicode 4 0 R >>",
        4: _stream(cmap),
        5: _stream(
            "\x00\xff" * 32,
            "/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8 ",
        ),
        6: f"<< /Title ({title}) >>" if title else "<< >>",
    }
    for number, lines in enumerate(pages):
        resources = "<< /Font << /F1 3 0 R >> /XObject << /I 5 0 R >> >>"
        objects[10 + 2 * number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources {resources} "
            f"/Contents {11 + 2 * number} 0 R >>"
        )
        objects[11 + 2 * number] = _stream(_shown(lines) if lines else "500 0 0 700 50 50 cm /I Do")
    if encrypted:
        objects[7] = f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{'ab' * 32}> /U <{'cd' * 32}> >>"
    return _file(objects, encrypted)


def _shown(lines: Sequence[str | tuple[int, str]]) -> str:
    parts, at = [], 790
    for line in lines:
        size, text = line if isinstance(line, tuple) else (11, line)
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        parts.append(f"BT /F1 {size} Tf 60 {at} Td ({escaped}) Tj ET")
        at -= size + 5
    return "\n".join(parts)


def _stream(content: str, head: str = "") -> str:
    return f"<< {head}/Length {len(content)} >>\nstream\n{content}\nendstream"


def _file(objects: Mapping[int, str], encrypted: bool) -> bytes:
    data = bytearray(b"%PDF-1.5\n")
    places = {}
    for number, content in objects.items():
        places[number] = len(data)
        data += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start, last = len(data), max(objects)
    rows = [f"{places[n]:010d} 00000 n \n" if n in places else "0000000000 65535 f \n" for n in range(last + 1)]
    locked = "/Encrypt 7 0 R /ID [<00> <00>] " if encrypted else ""
    data += f"xref\n0 {last + 1}\n{''.join(rows)}".encode()
    data += f"trailer << /Size {last + 1} /Root 1 0 R /Info 6 0 R {locked}>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(data)
