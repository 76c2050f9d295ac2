"""Documents as a source of an import."""

from __future__ import annotations

import json

import pytest

from advisor.tasks import Faults
from advisor.tasks.importing.contract import Dropped, ImportChoices, ImportSource, Record
from advisor.tasks.importing.documents import DocumentFiles
from tests.tasks import made


def test_a_folder_of_documents(tmp_path):
    source = tmp_path / "book"
    source.mkdir()
    (source / "a.md").write_text("# A\n\nText.")
    (source / "b.txt").write_text(" ")
    (source / "c.png").write_bytes(b"\0")
    found = DocumentFiles.recognise(ImportSource("book", source))
    assert found
    record, dropped = found.read()
    assert isinstance(record, Record) and isinstance(dropped, Dropped)
    assert (record.part, record.values, str(record.place)) == (
        "documents",
        {"id": "a", "title": "A", "text": "Text."},
        "book/a.md",
    )
    assert str(dropped.place) == "book/b.txt"
    assert dropped.why == "the document is empty (try: write its text, or take the file away)"
    assert found.notes == ["1 file of book is not read: 1 .png"]


def test_pages_go_along(tmp_path):
    pytest.importorskip("kreuzberg", reason="the extra documents is not installed")
    (tmp_path / "a.pdf").write_bytes(made.pdf([["One."], ["Two."]]))
    found = DocumentFiles.recognise(ImportSource("a.pdf", tmp_path / "a.pdf"))
    assert found
    (record,) = found.read()
    assert isinstance(record, Record)
    assert record.values == {"id": "a", "title": "a", "text": "One.\n\nTwo.", "pages": [0, 6]}


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "a.txt").write_text(" ")
    found = DocumentFiles.recognise(ImportSource("a.txt", tmp_path / "a.txt"))
    assert found
    with pytest.raises(Faults, match="the document is empty"):
        list(found.read())


def test_what_is_recognised(tmp_path):
    def known(name: str, **asked: str) -> bool:
        return DocumentFiles.recognise(ImportSource(name, tmp_path / name, asked=ImportChoices(**asked))) is not None  # type: ignore[arg-type]

    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "train.jsonl").write_text(json.dumps({"input": "x", "target": "y"}))
    (tmp_path / "rows" / "table.csv").write_text("text\nx\n")
    (tmp_path / "rows" / "README.md").write_text("About the rows.")
    (tmp_path / "rows" / "LICENSE.txt").write_text("Free.")
    (tmp_path / "rows" / "notes.md").write_text("More.")
    assert not known("rows")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text("A.")
    assert known("texts")
    (tmp_path / "texts" / "prices.csv").write_text("a,b\n")
    assert not known("texts")
    assert known("rows", format="documents")
    assert not known("table.csv")
    assert known("table.csv", format="documents")
    assert not known("a.md", format="squad")
    assert not known("a.jsonl")
    assert known("a.md") and known("a.zip") and known("a.tar.gz")
    assert DocumentFiles.recognise(ImportSource("hf:squad")) is None
