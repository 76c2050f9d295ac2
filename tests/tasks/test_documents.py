"""Reading documents."""

from __future__ import annotations

import pytest

from advisor.tasks import Document, load_task


def test_a_folder_of_markdown_and_text(write):
    folder = write()
    pages = folder / "documents"
    (pages / "sub").mkdir(parents=True)
    (pages / ".hidden").mkdir()
    (pages / "b.md").write_bytes(b"```sh\r\n# a comment\r\n```\r\n\r\n# Refunds #\r\n\r\nWithin a week.\r\n")
    (pages / "a.v2.txt").write_text("Plain words.\n", encoding="utf-8")
    (pages / "sub" / "c.MD").write_text("## Second\nNo first heading.", encoding="utf-8")
    (pages / "sub" / "data.json").write_text("{}")
    (pages / ".hidden" / "d.md").write_text("x")
    (pages / "loop").symlink_to(pages)
    assert load_task(folder).documents == (
        Document("a.v2", "a.v2", "Plain words."),
        Document("b", "Refunds", "```sh\n# a comment\n```\n\n\nWithin a week."),
        Document("sub/c", "c", "## Second\nNo first heading."),
    )


def test_documents_in_lines(write):
    lines = '{"id": 5, "text": "a"}\n{"text": "b", "title": null}\n{"id": "x", "title": "T", "text": "c"}\n'
    task = load_task(write(documents_jsonl=lines))
    assert task.documents == (Document("5", "", "a"), Document("2", "", "b"), Document("x", "T", "c"))


@pytest.mark.parametrize(
    ("line", "what", "mend"),
    [
        ('{"id": "a", "text": "y"}', 'the document id "a" is already used on line 1', "its own id"),
        ('{"id": "b", "text": " "}', "the document is empty", "take the line away"),
        ('{"id": "b", "body": "y"}', '"text" is missing', 'rename "body" to "text"'),
        ('{"id": "b", "text": ["y"]}', '"text" is a list, not a text', "write it in quotes"),
        ('{"id": "b", "title": 3, "text": "y"}', '"title" is a number, not a text', "write it in quotes"),
        ('{"id": ["b"], "text": "y"}', '"id" is a list', "write it as text"),
        ("{", "not valid JSON", "one whole JSON object"),
    ],
)
def test_a_faulty_line(write, report, line, what, mend):
    seen, tried = report(write(documents_jsonl=f'{{"id": "a", "text": "x"}}\n{line}\n')).split("\n")
    assert seen.startswith(f"error: documents.jsonl:2: {what}")
    assert mend in tried


def test_faults_of_a_folder(write, report):
    folder = write(documents_jsonl="")
    (folder / "documents").mkdir()
    assert "there are both documents.jsonl and documents/" in report(folder)
    (folder / "documents.jsonl").unlink()
    assert report(folder).startswith("error: documents: the folder holds no .md or .txt file")
    (folder / "documents" / "a.md").write_text("# Only a heading\n")
    (folder / "documents" / "a.txt").write_text("x")
    (folder / "documents" / "b.txt").write_bytes(b"\xff\xfe")
    assert report(folder) == (
        "error: documents/a.md: the document has a heading but no text\n"
        "  try: write its text, or take the file away\n"
        'error: documents/a.txt: the document id "a" is already that of a.md\n'
        "  try: rename one of the two files\n"
        "error: documents/b.txt:1: the file is UTF-16, not UTF-8\n"
        "  try: convert it: iconv -f UTF-16 -t UTF-8 b.txt > converted.txt"
    )


def test_an_empty_file_of_documents(write, report):
    assert report(write(documents_jsonl="\n")).startswith("error: documents.jsonl: the file holds no documents\n")
