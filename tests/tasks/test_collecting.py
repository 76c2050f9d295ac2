"""Documents of folders, archives and files of other programs."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from advisor.tasks import Document, Faults, load_task
from advisor.tasks.documents import document_line, import_documents, read_documents
from advisor.tasks.faults import FaultLog
from advisor.tasks.textfile import FileBounds
from tests.tasks import made


@pytest.fixture(scope="module", autouse=True)
def kreuzberg() -> None:
    pytest.importorskip("kreuzberg", reason="the extra documents is not installed")


def imported(source: Path) -> tuple[list[Document], FaultLog]:
    log = FaultLog()
    return list(import_documents(source, log)), log


def faults_of(log: FaultLog, source: Path) -> list[str]:
    return [f"{fault.place.replace(f'{source}/', '')}: {fault.what}" for fault in log.faults]


MANUAL = [
    ["Manual of X 1", (20, "The Manual"), "The o\x81ice \x80nds xml:lang <MIME>", "that is bro-", "ken o\x82ff.", "1"],
    ["Manual of X 2", (15, "Refunds"), "Well-known costs of 10 GBP, well-", "known to all.", "Step 1", "2"],
    ["Manual of X 3", (15, "Hours"), "From nine to five, on every day", "of the week.", "Step 2", "3"],
    ["Manual of X 4", (15, "Places"), "At the door.", "Step 3", "4"],
]


def test_a_folder_of_every_kind(write):
    folder = write()
    pages = folder / "documents"
    (pages / "sub").mkdir(parents=True)
    (pages / "plain.txt").write_text("Plain ﬁle.")
    (pages / "sub" / "manual.pdf").write_bytes(made.pdf(MANUAL, "The Title"))
    table = [["Item", "Price"], ["R&D", "2"]]
    word = made.docx([(1, "Handbook"), "AT&T: x < 5 ﬁne 10²", (2, "Refunds"), table], "Stale")
    (pages / "word.docx").write_bytes(word)
    (pages / "deck.pptx").write_bytes(made.pptx([("First", ["one", "two"]), ("Second", ["three"])]))
    (pages / "prices.xlsx").write_bytes(made.xlsx({"Prices": table, "Empty": []}))
    (pages / "open.odt").write_bytes(made.odt([(1, "Top"), "a & b", (2, "Sub"), "more"]))
    (pages / "book.epub").write_bytes(made.epub({"One": "first", "Two": "second"}, "Book"))
    (pages / "rich.rtf").write_bytes(rb"{\rtf1\ansi Caf\'e9 \b open\b0.\par}")
    cells = [{"cell_type": "markdown", "source": ["# Head\n", "text"], "metadata": {}}]
    (pages / "note.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    task = load_task(folder)
    found = {document.id: document for document in task.documents}
    assert found["plain"].text == "Plain ﬁle."
    assert found["word"] == Document(
        "word", "Handbook", "AT&T: x < 5 fine 10²\n\n## Refunds\n\n| Item | Price |\n| --- | --- |\n| R&D | 2 |"
    )
    assert found["deck"] == Document("deck", "First", "## First\n\none\n\ntwo\n\n## Second\n\nthree")
    assert [found["deck"].text[at:].split("\n")[0] for at in found["deck"].pages] == ["## First", "## Second"]
    assert found["prices"].text == "## Prices\n\n| Item | Price |\n| --- | --- |\n| R&D | 2 |"
    assert found["open"] == Document("open", "Top", "a & b\n\n## Sub\n\nmore")
    assert found["book"] == Document("book", "Book", "# One\n\nfirst\n\n# Two\n\nsecond")
    assert found["rich"].text == "Café open."
    assert found["note"] == Document("note", "Head", "text")
    assert str(found["sub/manual"].place) == "documents/sub/manual.pdf"
    (caveat,) = task.caveats
    assert caveat.startswith("lines that stand on many pages, and page numbers, are left out in 1 file, as ")


def test_a_pdf_has_pages_headings_and_whole_words(tmp_path):
    (tmp_path / "manual.pdf").write_bytes(made.pdf(MANUAL, "The Title"))
    (document,), log = imported(tmp_path / "manual.pdf")
    assert (document.id, document.title) == ("manual", "The Title")
    pages = [
        document.text[start:end].strip() for start, end in zip(document.pages, (*document.pages[1:], None), strict=True)
    ]
    assert pages == [  # without `Step 1` and so on, which count the pages as a footer does
        "# The Manual\n\nThe office finds xml:lang <MIME>\nthat is broken off.",
        "## Refunds\n\nWell-known costs of 10 GBP, well-known to all.",
        "## Hours\n\nFrom nine to five, on every day\nof the week.",
        "## Places\n\nAt the door.",
    ]
    assert not log.faults
    (note,) = log.notes
    assert '"Manual of X 1"' in note and "manual.pdf" in note
    line = document_line(document)
    assert line["pages"] == list(document.pages)
    (tmp_path / "documents.jsonl").write_text(json.dumps(line))
    (again,) = read_documents(tmp_path / "documents.jsonl", FaultLog())
    assert (again, again.pages) == (document, document.pages)


FAULTS = {
    "scan.pdf": (made.pdf([[], []]), "the PDF holds no text, only pictures, as scanners write it"),
    "locked.pdf": (made.pdf([["x"]], encrypted=True), "has a password"),
    "cut.pdf": (b"%PDF-1.4 no more", "is damaged, or no .pdf file"),
    "none.pdf": (b"", "the file is empty, it has not one byte"),
    "page.docx": (b"<html>saved as Word", "is no .docx file, whatever its name says"),
    "cut.docx": (b"PK\3\4cut", "is damaged, or no .docx file"),
    "other.docx": (made.zipped({"a.txt": "x"}), "is damaged, or no .docx file"),
    "old.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "has a password, or was written by an Office"),
    "blank.docx": (made.docx(["", " "]), "the document is empty"),
    "cut.xlsx": (b"PK\3\4cut", "is damaged, or no .xlsx file"),
    "only.md": (b"# A heading\n", "the document has a heading but no text"),
    "nothing.txt": (b"\n", "the document is empty"),
    "chinese.txt": ("营业时间".encode("gb18030"), "not UTF-8: byte 0xbc at offset 6"),
    "picture.txt": (b"\x89PNG\r\n\x1a\n\0\0\0", "holds zero bytes, as UTF-16 does, or what is no text"),
    "binary.txt": (b"MZ\0\1\2 no text", "holds zero bytes, as UTF-16 does, or what is no text"),
    "open.csv": (b'id,text\na,"b\n', "not a valid table"),
    "wide.csv": (b"id,text\na,b,c\n", "the row has 3 cells, the header 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_read_is_named_with_its_reason_and_the_rest_is_read(tmp_path, name):
    source = tmp_path / "source"
    source.mkdir()
    content, what = FAULTS[name]
    (source / name).write_bytes(content)
    (source / "zz.txt").write_text("Good.")
    documents, log = imported(source)
    assert [document.id for document in documents] == ["zz"]
    (fault,) = faults_of(log, source)
    assert fault.startswith(name) and what in fault
    assert log.faults[0].hint
    with pytest.raises(Faults, match=name):
        log.raise_if_any()


def test_a_task_folder_with_a_scanned_pdf_says_how_to_read_it(write, report):
    folder = write()
    (folder / "documents").mkdir()
    (folder / "documents" / "scan.pdf").write_bytes(made.pdf([[]]))
    assert report(folder) == (
        "error: documents/scan.pdf: the PDF holds no text, only pictures, as scanners write it\n"
        "  try: recognise its text: ocrmypdf IN.pdf OUT.pdf"
    )


def test_encodings_are_guessed_when_importing_and_said(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "wide.txt").write_bytes("Öffnungszeiten".encode("utf-16"))
    (source / "bare.txt").write_bytes("Opening hours".encode("utf-16-le"))
    (source / "west.md").write_bytes("# Preise\n\nZehn € für jeden – „Gäste“.".encode("cp1252"))
    (source / "told.html").write_bytes('<meta charset="windows-1251"><p>Часы работы'.encode("cp1251"))
    documents, log = imported(source)
    assert {document.id: document.text for document in documents} == {
        "bare": "Opening hours",
        "told": "Часы работы",
        "west": "Zehn € für jeden – „Gäste“.",
        "wide": "Öffnungszeiten",
    }
    assert sorted(log.notes) == [
        "1 file is not UTF-8 and is read as UTF-16-LE: bare.txt",
        "1 file is not UTF-8 and is read as UTF-16: wide.txt",
        "1 file is not UTF-8 and is read as Windows-1252: west.md",
        "1 file is not UTF-8 and is read as windows-1251: told.html",
    ]


def test_equal_and_nearly_equal_documents_are_named(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    text = "The desk is open from nine to five on every day of the week but Sunday, and closed on holidays."
    (source / "a.txt").write_text(text)
    (source / "b.md").write_text(f"# Hours\n\n{text.upper()}")
    (source / "c.txt").write_text(text.replace("holidays", "bank holidays"))
    (source / "d.txt").write_text("Money is given back within a week after the goods have come back to us.")
    _, log = imported(source)
    assert list(log.notes) == [
        "1 document has the same text as another: b (a)",
        "1 document has nearly the same text as another: c (a)",
    ]


def test_rows_of_a_table_are_documents_where_they_have_texts(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "faq.csv").write_text(
        "\ufeffKey;Title;Body;Url\nf1;Hours;Nine\nto five;x\n".replace("Nine\nto five", '"Nine\nto five"')
    )
    (source / "bare.tsv").write_text("text\tlang\nOne\ten\nTwo\tde\n")
    (source / "prices.csv").write_text("item,price\npen,2\nink,\n")
    documents, log = imported(source)
    assert documents == [
        Document("bare:2", "", "One"),
        Document("bare:3", "", "Two"),
        Document("f1", "Hours", "Nine\nto five"),
        Document("prices", "prices", "item: pen; price: 2\nitem: ink"),
    ]
    assert [str(document.place) for document in documents[1:3]] == ["source/bare.tsv:3", "source/faq.csv:2"]
    assert list(log.notes) == [
        "bare.tsv is read as one document for each row, by its columns text; left out: lang",
        "faq.csv is read as one document for each row, by its columns Key, Title, Body; left out: Url",
        "prices.csv has no column of texts (item, price), so the whole table is one document",
    ]
    assert [document.id for document in imported(source / "bare.tsv")[0]] == ["2", "3"]


def packed(kind: str, files: dict[str, bytes]) -> bytes:
    if kind == "zip":
        return made.zipped(files)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("ending", "kind"), [("zip", "zip"), ("tar", ""), ("tgz", "gz"), ("tar.bz2", "bz2"), ("tar.xz", "xz")]
)
def test_an_archive_is_read_as_its_folder_would_be(tmp_path, ending, kind):
    files = {
        "book/b.pdf": made.pdf([["Pages of text."]]),
        "book/b.md": b"# B\n\nText.",
        "book/.hidden.txt": b"x",
        "__MACOSX/book/b.md": b"x",
        "book/sub/c.html": b"<h1>C</h1>c",
        "book/inner.zip": b"PK",
        "book/x.png": b"\0",
        "book/README": b"Read me.",
        "book/bin": b"\0\1",
    }
    archive = tmp_path / f"docs.{ending}"
    archive.write_bytes(packed(kind, files))
    documents, log = imported(archive)
    assert documents == [
        Document("b.pdf", "b", "Pages of text."),
        Document("b", "B", "Text."),
        Document("sub/c", "C", "# C\nc"),
        Document("README", "README", "Read me."),
    ]
    assert str(documents[2].place) == f"docs.{ending}/book/sub/c.html"
    (note,) = log.notes
    assert note.startswith(f"3 files of docs.{ending} are not read: 1 .zip, 1 .png, 1 without ending; ")
    assert note.endswith(f"unpack: docs.{ending}/book/inner.zip")
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / archive.name).write_bytes(archive.read_bytes())
    assert [document.id for document in imported(outer)[0]] == [
        "docs/b.pdf",
        "docs/b",
        "docs/sub/c",
        "docs/README",
    ]


def test_what_is_odd_in_an_archive_is_named_and_never_followed(tmp_path):
    path = tmp_path / "odd.zip"
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        for name in ("../out.txt", "/abs.txt", "C:/win.txt", "good.txt", "late.txt"):
            archive.writestr(name, "text of late.txt" if name == "late.txt" else "text")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"text of late.txt", b"texx of late.txt"))
    documents, log = imported(path)
    assert [document.id for document in documents] == ["good"]
    assert sorted(faults_of(log, path)) == [
        "../out.txt: the name leads out of the archive",
        "/abs.txt: the name leads out of the archive",
        "C:/win.txt: the name leads out of the archive",
        "late.txt: cannot be unpacked: Bad CRC-32 for file 'late.txt'",
        "link.txt: is a link",
    ]
    tar = tmp_path / "odd.tar"
    with tarfile.open(tar, "w") as archive:
        info = tarfile.TarInfo("link.txt")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
        info = tarfile.TarInfo("pipe.txt")
        info.type = tarfile.FIFOTYPE
        archive.addfile(info)
    assert faults_of(imported(tar)[1], tar) == ["link.txt: is a link", "pipe.txt: is no file"]


def test_bombs_are_not_unpacked(tmp_path):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"a" * 12_000_000)
    documents, log = imported(bomb)
    assert not documents
    assert "a.txt is unpacked to more than 200 times its size" in log.faults[0].what
    for ending, pack in ((".tar.xz", lzma.compress), (".tar.bz2", bz2.compress)):
        file = tmp_path / f"bomb{ending}"
        file.write_bytes(pack(packed("", {"a.txt": b"a" * 12_000_000})))
        documents, log = imported(file)
        assert not documents
        assert "is unpacked to more than 200 times its size" in log.faults[0].what


@pytest.mark.parametrize("name", ["cut.zip", "cut.tar.gz", "cut.tar", "cut.tar.xz"])
def test_a_damaged_archive(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\3\4 no archive")
    documents, log = imported(tmp_path / name)
    assert not documents
    assert log.faults[0].what.startswith("the archive is damaged, or none of its kind (")


def test_sizes_are_bounded(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.zip").write_bytes(made.zipped({"big.txt": "x" * 2000, "small.txt": "x"}))
    (source / "b.docx").write_bytes(made.docx(["x" * 9000]))
    log = FaultLog()
    bound = FileBounds().document
    documents = read_documents(source, log, FileBounds(document=type(bound)(0.001, "--max-document-mb")))
    assert [document.id for document in documents] == ["a/small"]
    assert [fault.what for fault in log.faults] == ["holds 0.0 MB, more than the 0.001 MB that are read"] * 2


def test_an_archive_or_a_table_stands_in_for_a_folder_of_documents(tmp_path):
    archive = tmp_path / "docs.zip"
    archive.write_bytes(made.zipped({"k1.txt": "Nine to five."}))
    assert read_documents(archive, FaultLog()) == (Document("k1", "k1", "Nine to five."),)
    log = FaultLog()
    (tmp_path / "pic.png").write_bytes(b"\0")
    assert read_documents(tmp_path / "pic.png", log) == ()
    assert log.faults[0].what == "documents cannot be read from this kind of file"
