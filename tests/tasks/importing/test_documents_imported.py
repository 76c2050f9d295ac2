"""Documents as a source of an import."""

from __future__ import annotations

import gzip
import json

import pytest

from advisor.tasks import Faults
from advisor.tasks.importing.contract import Dropped, Record
from advisor.tasks.importing.documents import DocumentFiles, documents_alone
from tests.tasks import made


def test_a_folder_of_documents(tmp_path):
    source = tmp_path / "book"
    source.mkdir()
    (source / "a.md").write_text("# A\n\nText.")
    (source / "b.txt").write_text(" ")
    (source / "c.png").write_bytes(b"\0")
    found = DocumentFiles(source)
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
    found = DocumentFiles(tmp_path / "a.pdf")
    (record,) = found.read()
    assert isinstance(record, Record)
    assert record.values == {"id": "a", "title": "a", "text": "One.\n\nTwo.", "pages": [0, 6]}


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "a.txt").write_text(" ")
    found = DocumentFiles(tmp_path / "a.txt")
    with pytest.raises(Faults, match="the document is empty"):
        list(found.read())


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.jsonl.gz"])
def test_a_table_of_documents(tmp_path, name):
    rows = [{"_id": "a", "title": "A", "text": "One."}, {"doc_id": 7, "Contents": "Two."}, {"_id": "c", "text": None}]
    text = json.dumps(rows) if name == "d.json" else "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    one, two, three = DocumentFiles(tmp_path / name).read()
    assert one.values == {"id": "a", "title": "A", "text": "One."}
    assert two.values == {"id": "7", "title": "", "text": "Two."}
    assert isinstance(three, Dropped)
    assert str(three.place) == f"{name}:3"
    (tmp_path / "none.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(Faults, match=r"none.jsonl:1: the document has no text"):
        list(DocumentFiles(tmp_path / "none.jsonl").read())


def test_documents_alone_are_known(tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "train.jsonl").write_text(json.dumps({"input": "x", "target": "y"}))
    (tmp_path / "rows" / "README.md").write_text("About the rows.")
    (tmp_path / "rows" / "notes.md").write_text("More.")
    assert not documents_alone(tmp_path / "rows")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text("A.")
    (tmp_path / "texts" / "b.md").write_text("A.")
    (tmp_path / "texts" / "c.txt").write_text("A.")
    assert documents_alone(tmp_path / "texts") == "2 .md, 1 .txt"
    for name, known in {"a.md": "1 .md", "a.tar.gz": "1 .tar.gz", "a.csv": "", "a.jsonl": ""}.items():
        assert documents_alone(tmp_path / name) == known
