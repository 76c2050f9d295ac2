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
    (pages / "~$open.md").write_text("x")  # an office program's, beside a file that is open
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
    ("line", "what", "hint"),
    [
        ('{"id": "a", "text": "y"}', 'the document id "a" is already used on line 1', "its own id"),
        ('{"id": "b", "text": " "}', "the document is empty", "take the line away"),
        ('{"docid": "b", "text": "y"}', '"id" is missing', 'rename "docid" to "id"'),
        ('{"_id": "b", "text": "y"}', '"id" is missing', 'rename "_id" to "id"'),
        ('{"id": "b", "body": "y"}', '"text" is missing', 'rename "body" to "text"'),
        ('{"id": "b", "text": ["y"]}', '"text" is a list, not a text', "write it in quotes"),
        ('{"id": "b", "title": ["y"], "text": "y"}', '"title" is a list, not a text', "write it in quotes"),
        ('{"id": ["b"], "text": "y"}', '"id" is a list', "write it as text"),
        ("{", "not valid JSON", "one whole JSON object"),
    ],
)
def test_a_faulty_line(write, report, line, what, hint):
    seen, tried = report(write(documents_jsonl=f'{{"id": "a", "text": "x"}}\n{line}\n')).split("\n")
    assert seen.startswith(f"error: documents.jsonl:2: {what}")
    assert hint in tried


def test_faults_of_a_folder(write, report):
    folder = write(documents_jsonl="")
    (folder / "documents").mkdir()
    assert "there are both documents.jsonl and documents/" in report(folder)
    (folder / "documents.jsonl").unlink()
    assert report(folder).startswith("error: documents: the folder holds no text file")
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


def test_text_in_every_form_is_read_whatever_the_case_of_its_ending(write):
    folder = write()
    pages = folder / "documents"
    pages.mkdir()
    (pages / "a.MARKDOWN").write_text("# Löhne\n\nJeden Monat.")
    (pages / "b.Rst").write_text("======\nUrlaub\n======\n\nDreißig Tage.\n\nMehr\n----\nNie.")
    (pages / "c.HTM").write_text(
        "<!doctype html><title>営業 &amp; 時間</title><style>p {}</style><script>if (a < b) {}</script>"
        "<h1>ignored</h1><p>朝九時から\n<b>夕方</b>まで。<pre>a\n  b</pre><ul><li>one<li>two</ul>"
    )
    (pages / "d.mdx").write_text("Plain.")
    (pages / "e.html").write_text("<h1><svg><title>Link</title></svg>Intro</h1><p>x")
    (pages / "notes").write_text("Без окончания.")
    task = load_task(folder)
    assert task.documents == (
        Document("a", "Löhne", "Jeden Monat."),
        Document("b", "Urlaub", "Dreißig Tage.\n\n## Mehr\nNie."),
        Document("c", "営業 & 時間", "# ignored\n朝九時から 夕方まで。\na\n  b\none\ntwo"),
        Document("d", "d", "Plain."),
        Document("e", "Intro", "# Intro\nx"),
        Document("notes", "notes", "Без окончания."),
    )
    assert task.caveats == ()


def test_files_that_are_not_read_are_counted_by_kind_and_named(write, report):
    folder = write()
    pages = folder / "documents"
    pages.mkdir()
    (pages / "a.txt").write_text("x")
    for name in ("one.tex", "two.TEX", "three.doc", "four.png"):
        (pages / name).write_bytes(b"\0")
    (pages / "binary").write_bytes(b"\0\1")
    (caveat,) = load_task(folder).caveats
    assert caveat == (
        "5 files of documents are not read: 2 .tex, 1 without ending, 1 .png, 1 .doc; convert: "
        "pandoc FILE.tex -t plain -o FILE.txt, soffice --convert-to docx FILE.doc"
    )
    (pages / "a.txt").unlink()
    assert "the folder holds no text file, only 2 .tex, 1 without ending" in report(folder)


def test_a_second_file_of_the_same_name_keeps_its_ending_in_its_id(write):
    folder = write()
    (folder / "documents").mkdir()
    for name in ("a.html", "a.md", "b.htm"):
        (folder / "documents" / name).write_text(f"<p>{name}" if "h" in name else name)
    assert [document.id for document in load_task(folder).documents] == ["a.html", "a", "b"]


def test_line_numbers_are_no_names_to_suggest(write, report):
    rows = [{"input": "x", "target": "y", "evidence": ["k2"]}]
    nameless = report(write(train_jsonl=rows, documents_jsonl=[{"text": "one"}, {"text": "two"}]))
    assert 'try: the 2 documents have no ids but their line numbers: give each its "id"' in nameless
    some = [{"id": "k1", "text": "one"}, {"text": "two"}]
    assert report(write(train_jsonl=rows, documents_jsonl=some)).endswith("try: the ids of the 2 documents: k1")


def test_an_empty_file_of_documents(write, report):
    assert report(write(documents_jsonl="\n")).startswith("error: documents.jsonl: the file holds no documents\n")


def test_pages_are_read_back(write):
    rows = [{"id": "a", "title": "A", "text": "one\n\ntwo", "pages": [0, 5]}, {"id": "b", "text": "x", "pages": []}]
    task = load_task(write(documents_jsonl=rows))
    assert [document.pages for document in task.documents] == [(0, 5), ()]
    bare = [{key: value for key, value in row.items() if key != "pages"} for row in rows]
    assert load_task(write(documents_jsonl=bare)).fingerprint == task.fingerprint


@pytest.mark.parametrize("pages", [[1], [0, 9], [0, 3, 2], ["0"], 0, [True]])
def test_pages_that_are_none(write, report, pages):
    text = report(write(documents_jsonl=[{"id": "a", "text": "one two", "pages": pages}]))
    assert text.startswith('error: documents.jsonl:1: "pages" is not a list of the places in "text"')


def test_headings_of_html_and_restructured_text_are_those_of_markdown(write):
    folder = write()
    pages = folder / "documents"
    pages.mkdir()
    (pages / "a.html").write_text(
        "<title>T</title><h1>One <b>x</b></h1><p>a<h2><div>Two</div></h2>b<h3>Open<p>c</h3>d<h2></h2>"
    )
    (pages / "b.rst").write_text("T\n===\n\nA\n---\na\n\nB\n~~~\nb\n\nC\n---\n\n::\n\n  x\n  ---\n\nrow\nD\n---\n")
    one, two = load_task(folder).documents
    assert one.text == "# One x\na\n## Two\nb\n### Open\nc\nd"
    assert two.text == "## A\na\n\n### B\nb\n\n## C\n\n::\n\n  x\n  ---\n\nrow\nD\n---"
