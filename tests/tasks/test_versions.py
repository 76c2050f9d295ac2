"""Two versions of a folder of documents."""

from __future__ import annotations

from advisor.tasks import Document
from advisor.tasks.documents import import_documents
from advisor.tasks.faults import FaultLog
from advisor.tasks.versions import DocumentChanges, changes_between
from tests.tasks import made


def test_what_is_new_gone_and_other(tmp_path):
    before, after = tmp_path / "v1", tmp_path / "v2.zip"
    before.mkdir()
    for name, text in (("same", "x"), ("gone", "y"), ("text", "old"), ("title", "# Old\n\nz")):
        (before / f"{name}.md").write_text(text)
    texts = {"text.md": "new", "title.md": "# New\n\nz", "same.md": "x", "added.md": "w"}
    after.write_bytes(made.zipped(texts))
    versions = [import_documents(path, FaultLog()) for path in (before, after)]
    changes = changes_between(*versions)
    assert changes == DocumentChanges(("added",), ("gone",), ("text", "title"), 1)
    assert changes


def test_nothing_changed():
    documents = [Document("a", "ab", "c"), Document("b", "a", "bc")]
    assert not changes_between(documents, reversed(documents))
    assert changes_between([Document("a", "ab", "c")], [Document("a", "a", "bc")]).changed == ("a",)
