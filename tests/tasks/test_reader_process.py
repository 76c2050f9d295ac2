"""The process in which files of other programs are read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.tasks.office import Unreadable, extract
from advisor.tasks.reader_process import ReaderProcess, library_for
from tests.tasks import made

MANY = 10**6
PAGES = [[(20, "Big Title"), "The o\x81ice."], ["Second."]]


@pytest.fixture
def reader():
    reader = ReaderProcess()
    yield reader
    reader.close()


def crash(reader: ReaderProcess) -> None:
    """As native code does."""
    assert reader._process
    os.kill(reader._process.pid, signal.SIGSEGV)
    reader._process.wait()


def test_a_crash_costs_one_file(reader):
    pytest.importorskip("kreuzberg", reason="the extra documents is not installed")
    data = made.docx(["One."])
    assert reader.read(data, ".docx", MANY)["text"] == "One."
    crash(reader)
    with pytest.raises(Unreadable, match="the library that reads it crashed on it"):
        reader.read(data, ".docx", MANY)
    assert reader.read(data, ".docx", MANY)["text"] == "One."


def test_a_file_that_takes_too_long_is_given_up():
    pytest.importorskip("kreuzberg", reason="the extra documents is not installed")
    reader = ReaderProcess(seconds=0.001)
    with pytest.raises(Unreadable, match=r"took more than 0\.001 seconds"):
        reader.read(made.docx(["x"]), ".docx", MANY)
    reader.close()


def test_memory_is_bounded():
    pytest.importorskip("kreuzberg", reason="the extra documents is not installed")
    reader = ReaderProcess(memory=640 << 20)
    with pytest.raises(Unreadable):
        reader.read(b"%PDF-" + b"x" * (100 << 20), ".pdf", MANY)
    assert reader.read(made.pdf(PAGES), ".pdf", MANY)["pages"] == [0, 26]
    reader.close()


def test_texts_that_are_too_long(reader):
    pytest.importorskip("kreuzberg", reason="the extra documents is not installed")
    with pytest.raises(Unreadable, match="holds 60 characters, more than the 50 that are read"):
        reader.read(made.docx(["x" * 60]), ".docx", 50)


def test_pdfs_are_read_by_the_small_library_too():
    pytest.importorskip("pypdfium2", reason="the extra pdf is not installed")
    found = extract(made.pdf(PAGES, "T"), ".pdf", "pypdfium2", MANY)
    assert (found["title"], found["text"], found["pages"]) == ("T", "Big Title\nThe office.\n\nSecond.", (0, 23))
    for data, what in (
        (made.pdf([["x"]], encrypted=True), "has a password"),
        (b"%PDF-1.4", "is damaged"),
        (made.pdf([[]]), "holds no text"),
    ):
        with pytest.raises(Unreadable, match=what):
            extract(data, ".pdf", "pypdfium2", MANY)


def test_without_the_libraries_the_extra_is_named(tmp_path):
    """In a process that sees neither library."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.pdf").write_bytes(made.pdf(PAGES))
    (tmp_path / "docs" / "b.txt").write_text("Text.")
    code = f"""
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in ("kreuzberg", "pypdfium2") else found(name, *a)
from pathlib import Path
from advisor.tasks.documents import read_documents
from advisor.tasks.faults import FaultLog
log = FaultLog()
print([d.id for d in read_documents(Path({str(tmp_path / "docs")!r}), log)], *log.notes, len(log), sep="\\n")
"""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.stdout.splitlines() == [
        "['b']",
        "1 file of docs is not read: 1 .pdf; to read .pdf: pip install 'adaptation-advisor[documents]'",
        "0",
    ]


def test_which_library_reads_what():
    assert library_for(".png") == ""
    if library_for(".docx"):
        assert library_for(".pdf") == "kreuzberg"
