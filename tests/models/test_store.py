"""The store: bounded, safe to delete and to damage, safe with two processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from advisor.errors import UserError
from advisor.models.store import Store, cache_folder, current, fresh, scratch_folder

ROOT = Path(__file__).parents[2]


def writing(data: bytes) -> Callable[[BinaryIO], None]:
    def write(file: BinaryIO) -> None:
        file.write(data)

    return write


def whole(file: BinaryIO) -> bytes:
    return file.read()


def refuse(file: BinaryIO) -> bytes:
    raise ValueError(f"{len(file.read())} bytes that are not what was written")


def names(store: Store) -> list[str]:
    return sorted(path.name for path in store.folder.rglob("*") if path.is_file())


def test_room_on_disk_is_ones_own_until_the_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process that has ended left here is removed; not what one that runs, or another machine, may be using."""
    monkeypatch.setenv("ADVISOR_CACHE", str(tmp_path))
    command = [
        sys.executable,
        "-c",
        "import os; from advisor.models.store import scratch_folder; print(scratch_folder('a')); os._exit(0)",
    ]
    left = Path(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip())
    elsewhere = left.with_name(f"a-x-otherhost-{left.name.rpartition('-')[2]}")
    elsewhere.mkdir()
    assert left.is_dir()
    own, another = scratch_folder("b"), scratch_folder("b")
    assert own != another
    assert {path.name for path in left.parent.iterdir()} == {elsewhere.name, own.name, another.name}


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ADVISOR_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be written to") as caught:
        scratch_folder("a")
    assert "ADVISOR_CACHE" in caught.value.hint


@pytest.fixture
def small(tmp_path: Path) -> Store:
    """Room for three entries of 100 bytes."""
    return Store(tmp_path / "store", 300)


def test_what_was_written_is_read(small: Store) -> None:
    assert small.read("a/1", whole) is None
    small.write("a/1", writing(b"one"))
    assert small.read("a/1", whole) == b"one"
    small.write("a/1", writing(b"another"))
    assert small.read("a/1", whole) == b"another"
    assert names(small) == ["1"]


def test_what_was_not_used_for_longest_goes_first(small: Store) -> None:
    for name in "123":
        small.write(name, writing(b"x" * 100))
        time.sleep(0.02)
    assert small.read("1", whole)
    time.sleep(0.02)
    small.write("4", writing(b"x" * 100))
    assert names(small) == ["1", "3", "4"]
    small.write("5", writing(b"x" * 250))
    assert names(small) == ["5"]


def test_what_is_larger_than_all_may_be_is_not_kept_and_drives_nothing_out(small: Store) -> None:
    small.write("1", writing(b"x" * 100))
    small.write("2", writing(b"x" * 301))
    assert names(small) == ["1"]


def test_what_other_processes_wrote_counts_too(small: Store) -> None:
    small.write("mine", writing(b"x" * 100))
    time.sleep(0.02)
    Store(small.folder, 10**6).write("theirs", writing(b"x" * 250))
    small.write("new", writing(b"x" * 10))
    assert names(small) == ["new", "theirs"]


def test_a_damaged_entry_is_as_good_as_none_and_goes(small: Store) -> None:
    small.write("1", writing(b"one"))
    assert small.read("1", refuse) is None
    assert names(small) == []


def test_a_write_that_fails_leaves_nothing(small: Store) -> None:
    def half(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small.write("1", half)
    assert names(small) == []


def test_what_a_kill_left_half_written_goes_after_a_while(small: Store) -> None:
    small.write("a/1", writing(b"one"))
    for name, age in ((".writing-old", 7200), (".writing-now", 0)):
        path = small.folder / "a" / name
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    small.write("a/2", writing(b"two"))
    assert names(small) == [".writing-now", "1", "2"]


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store", 300)
    store.write("1", writing(b"one"))
    assert store.read("1", whole) is None


def test_it_may_be_deleted_at_any_time(small: Store) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"one")
        for path in small.folder.rglob("*"):
            path.unlink()
        small.folder.rmdir()

    small.write("0", writing(b"x"))
    small.write("1", write)
    assert small.read("1", whole) is None
    small.write("1", writing(b"one"))
    assert small.read("1", whole) == b"one"


def test_a_fresh_block_reads_nothing_but_writes(small: Store) -> None:
    small.write("1", writing(b"one"))
    with fresh():
        assert small.read("1", whole) is None
        small.write("1", writing(b"anew"))
    assert small.read("1", whole) == b"anew"


def test_where_it_lies_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_CACHE_GB", "0.5")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("ADVISOR_CACHE", raising=False)
    store = current()
    assert store is not None
    assert (store.folder, store.limit) == (tmp_path / "xdg" / "advisor" / "store", 500_000_000)
    monkeypatch.setenv("ADVISOR_CACHE", str(tmp_path / "own"))
    assert (store := current()) is not None
    assert store.folder == tmp_path / "own" / "store"


@pytest.mark.parametrize(("name", "value"), [("ADVISOR_CACHE", "off"), ("ADVISOR_CACHE_GB", "0")])
def test_it_can_be_switched_off(kept: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert current() is not None
    monkeypatch.setenv(name, value)
    assert current() is None
    assert cache_folder().name != "off"  # a converted model still needs its place


@pytest.mark.parametrize("value", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_no_number_is_told(kept: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ADVISOR_CACHE_GB", value)
    with pytest.raises(UserError, match="ADVISOR_CACHE_GB is"):
        current()


BUSY = """
import sys, random
from pathlib import Path
from advisor.models.store import Store
store, seed = Store(Path(sys.argv[1]), 20_000), int(sys.argv[2])
rng, found = random.Random(seed), 0
for _ in range(1500):
    name = rng.randrange(40)
    data = bytes([name]) * 1000
    seen = store.read(f"a/{name}", lambda file: file.read())
    assert seen in (None, data), (name, seen)
    found += seen is not None
    if seen is None:
        store.write(f"a/{name}", lambda file: file.write(data))
print(found)
"""


def test_two_processes_share_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", BUSY, str(tmp_path), str(seed)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for seed in range(2)
    ]
    found = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(int(count) > 100 for count in found)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 22_000
