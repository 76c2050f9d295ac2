"""Task folders that somebody else packed: links, pipes, names and sizes."""

from __future__ import annotations

import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.errors import UserError
from advisor.intake import Bound, read_bytes
from advisor.tasks import TableSource, load_table, load_task
from advisor.tasks.textfile import FileBounds

Write = Callable[..., Path]
Report = Callable[..., str]
SMALL = FileBounds(document=Bound(0.001, "--max-document-mb"), table=Bound(0.002, "--max-table-mb"))


@pytest.fixture
def pages(write: Write) -> Path:
    folder = write() / "documents"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("hunter2")
    return folder


@pytest.mark.parametrize("name", ["sub", "b.txt", "b", "gone.txt"])
def test_a_link_below_documents_that_leaves_the_task_is_a_fault(
    pages: Path, secret: Path, report: Report, name: str
) -> None:
    end = {"sub": secret, "gone.txt": secret / "gone.txt"}.get(name, secret / "secret.txt")
    (pages / name).symlink_to(end)
    seen, tried = report(pages.parent).split("\n")
    assert seen == f"error: documents/{name}: is a link that leads out of the task, to {end}"
    assert "take the link away" in tried


def test_documents_that_are_a_link_out_of_the_task_are_a_fault(write: Write, secret: Path, report: Report) -> None:
    folder = write()
    (folder / "documents").symlink_to(secret)
    assert report(folder).startswith("error: documents: is a link that leads out of the task")


def test_links_within_the_task_are_read(pages: Path) -> None:
    (pages.parent / "more").mkdir()
    (pages.parent / "more" / "c.txt").write_text("three")
    (pages / "more").symlink_to("../more")
    (pages / "b.txt").symlink_to("a.txt")
    assert [document.id for document in load_task(pages.parent).documents] == ["a", "b", "more/c"]


def test_a_folder_of_documents_that_is_named_by_hand_may_be_a_link(write: Write, secret: Path, tmp_path: Path) -> None:
    (tmp_path / "named").symlink_to(secret)
    source = TableSource(
        write() / "train.jsonl", kind="qa", instruction="A.", test=write() / "test.jsonl", documents=tmp_path / "named"
    )
    assert [document.id for document in load_table(source).documents] == ["secret"]
    (secret / "out.txt").symlink_to(tmp_path / "desk" / "task.toml")
    with pytest.raises(UserError, match=r"out.txt: is a link that leads out of the task"):
        load_table(source)


def test_a_table_that_is_a_link_out_of_the_task_is_read_and_named(write: Write, tmp_path: Path) -> None:
    folder = write()
    (folder / "test.jsonl").rename(tmp_path / "t.jsonl")
    (folder / "test.jsonl").symlink_to(tmp_path / "t.jsonl")
    (folder / "train.jsonl").rename(folder / "other.jsonl")
    (folder / "train.jsonl").symlink_to("other.jsonl")
    assert load_task(folder).caveats == ("test.jsonl is a link to a file outside of the task's folder, which was read",)


@pytest.mark.parametrize("name", ["f.txt", "f", "f.sock"])
def test_a_pipe_among_the_documents_is_a_fault(pages: Path, report: Report, name: str) -> None:
    os.mkfifo(pages / name)
    assert report(pages.parent).startswith(f"error: documents/{name}: is a pipe, not a file\n  try: take it away")


def test_a_socket_among_the_documents_is_a_fault(pages: Path, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pages)  # a socket's whole path is short
    with socket.socket(socket.AF_UNIX) as own:
        own.bind("s.txt")
        assert report(pages.parent).startswith("error: documents/s.txt: is a socket, not a file")


@pytest.mark.parametrize("name", ["task.toml", "train.jsonl", "dev.jsonl", "test.jsonl", "documents.jsonl"])
def test_a_pipe_in_place_of_a_part_is_a_fault(write: Write, report: Report, name: str) -> None:
    folder = write()
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert f"error: {name}: is a pipe, not a file\n  try: name a file" in report(folder)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl", ".conll", ".parquet"])
def test_a_table_that_is_no_file_or_too_large_is_a_fault(tmp_path: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    pipe, large = tmp_path / f"pipe{ending}", tmp_path / f"large{ending}"
    os.mkfifo(pipe)
    large.write_bytes(b"a" * 2_001)
    for path, seen in ((pipe, "is a pipe, not a file"), (large, "holds 0.0 MB, more than the 0.002 MB that are read")):
        with pytest.raises(UserError) as caught:
            load_table(TableSource(path, kind="qa", instruction="A."), split=0.5, bounds=SMALL)
        assert caught.value.what == f"{path}: {seen}"


def test_a_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"zero\.jsonl: is a device, not a file"):
        load_table(TableSource(tmp_path / "zero.jsonl", kind="qa", instruction="A."), split=0.5)


@pytest.mark.parametrize("name", ["b.txt", "b"])
def test_a_document_is_measured_before_it_is_read(pages: Path, name: str) -> None:
    """Ten terabytes, of which the disk holds none: reading them would not end."""
    (pages / name).write_text("begins with words\n" * 5_000)
    os.truncate(pages / name, 10**13)
    with pytest.raises(UserError) as caught:
        load_task(pages.parent)
    assert caught.value.what == f"{pages / name}: holds 10,000,000 MB, more than the 50 MB that are read"
    assert "--max-document-mb 10000000" in caught.value.hint


def test_the_bound_of_a_document_can_be_raised(pages: Path) -> None:
    (pages / "b.txt").write_text("word " * 300)
    with pytest.raises(UserError, match=r"more than the 0\.001 MB"):
        load_task(pages.parent, bounds=SMALL)
    assert len(load_task(pages.parent).documents) == 2


def test_a_small_parquet_file_that_unpacks_to_much_is_a_fault(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "bomb.parquet"
    parquet.write_table(pyarrow.table({"input": ["a" * 1_000] * 5_000, "target": ["b"] * 5_000}), path)
    bounds = FileBounds(table=Bound(1, "--max-table-mb"))
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match=r"holds 1\.0 MB, more than the 1 MB|holds 1\.\d MB"):
        load_table(TableSource(path, kind="qa", instruction="A."), split=0.5, bounds=bounds)


def test_a_damaged_parquet_file_is_a_fault_wherever_it_is_damaged(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"input": ["a", "b"] * 4, "target": ["c", "d"] * 4}), path)
    whole, faults = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        try:
            load_table(TableSource(path, kind="qa", instruction="A."), split=0.5)
        except UserError as error:
            faults += "rows.parquet" in str(error)
    assert faults > len(whole) / 10


@pytest.mark.parametrize("name", [b"b\xff.txt", b"caf\xe9.md"])
def test_a_name_that_is_not_utf8_is_a_fault(pages: Path, report: Report, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(pages) + b"/" + name)).write_text("two")
    seen, tried = report(pages.parent).split("\n")
    assert seen == f"error: documents/{name.decode('utf-8', 'backslashreplace')}: the name is not UTF-8"
    assert "mv " in tried


def test_a_folder_whose_name_is_not_utf8_is_one_fault(pages: Path, report: Report) -> None:
    below = Path(os.fsdecode(os.fsencode(pages) + b"/\xe9"))
    below.mkdir()
    (below / "c.txt").write_text("three")
    (below / "d.txt").write_text("four")
    assert report(pages.parent).count("error: ") == 1


@pytest.mark.parametrize("place", ["{0}", "desk/{0}", "{0}/desk", "\0"])
def test_a_path_that_no_file_system_takes_is_named(tmp_path: Path, place: str) -> None:
    path = tmp_path / place.format("a" * 300)
    with pytest.raises(UserError, match=r"cannot be looked at: File name too long|no such folder"):
        load_task(path)
    source = TableSource(path.with_suffix(".csv"), kind="qa", instruction="A.", documents=path)
    with pytest.raises(UserError, match=r"cannot be looked at: File name too long|no such file"):
        load_table(source, split=0.5)


def test_a_name_too_long_for_the_folder_of_its_results_is_a_fault(write: Write, report: Report) -> None:
    toml = f'[task]\nname = "{"ä" * 150}"\nkind = "qa"\ninstruction = "b"\n'
    assert "is too long for a folder's name" in report(write(task_toml=toml))


def test_a_small_file_takes_no_more_memory_than_it_holds(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert read_bytes(tmp_path / "small", Bound(500)) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
