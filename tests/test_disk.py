"""Files that are whole or not there, and disks that cannot take them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from advisor.disk import NoRoom, intact, no_room, place_whole, seal, write_whole, writing


def test_a_file_is_the_old_one_or_all_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_whole(path, "first\n")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text() == "first\n"
    assert [found.name for found in path.parent.iterdir()] == ["a.json"]


def test_a_folder_is_known_again_until_a_bit_of_it_flips(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "inner").mkdir(parents=True)
    (work / "inner" / "weights").write_bytes(bytes(range(256)) * 100)
    (work / "names.json").write_text("[]")
    assert not intact(work)
    place_whole(work, tmp_path / "kept")
    assert intact(tmp_path / "kept")
    assert not work.exists()
    for change in (_flip, _truncate, _add, Path.unlink):
        copy = tmp_path / "copy"
        (copy / "inner").mkdir(parents=True)
        (copy / "inner" / "weights").write_bytes((tmp_path / "kept" / "inner" / "weights").read_bytes())
        seal(copy)
        assert intact(copy)
        change(copy / "inner" / "weights")
        assert not intact(copy)
        for found in sorted(copy.rglob("*"), reverse=True):
            found.rmdir() if found.is_dir() else found.unlink()
        copy.rmdir()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1000] ^= 4
    path.write_bytes(data)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _add(path: Path) -> None:
    path.with_name("more").write_text("")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "there is no space left"),
        (OSError(errno.EROFS, "Read-only file system"), "it cannot be written to"),
        (RuntimeError("Error in virtual ... write error: No space left on device"), "no space left on device"),
        (OSError(errno.EFBIG, "File too large"), "the file may not grow any larger"),
    ],
)
def test_a_full_disk_is_told_from_other_errors(error: Exception, said: str) -> None:
    found = no_room(error, "runs/a")
    assert isinstance(found, NoRoom)
    assert found.what.startswith("runs/a: ")
    assert said.lower() in found.what.lower()
    try:
        raise ValueError("cannot save") from error
    except ValueError as caught:
        assert no_room(caught, "runs/a") is not None
    assert no_room(ValueError("no"), "runs/a") is None
    assert no_room(FileNotFoundError(errno.ENOENT, "gone"), "runs/a") is None


def test_what_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoRoom, match="file: cannot be written to") as caught, writing(tmp_path / "file"):
        (tmp_path / "file" / "deeper").mkdir()
    assert "name another place" in caught.value.hint
