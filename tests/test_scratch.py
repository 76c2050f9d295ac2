"""What long work keeps: whole or not there, replaced, and no reason to fail."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.scratch import EVERY, Scratch, lending, scratch


def writing(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "text").write_text(text)

    return write


def read(found: Path | None) -> str | None:
    return (found / "text").read_text() if found else None


def test_what_is_kept_last_is_found_by_another_process(tmp_path: Path) -> None:
    one = Scratch(tmp_path / "a")
    assert one.kept("part") is None
    for text in ("first", "second"):
        one.keep("part", writing(text))
    one.keep("other", writing("third"))
    another = Scratch(tmp_path / "a")
    assert read(another.kept("part")) == "second"
    assert read(another.kept("other")) == "third"
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_a_write_that_breaks_off_leaves_what_was_kept_before(tmp_path: Path) -> None:
    def breaks(folder: Path) -> None:
        (folder / "text").write_text("half")
        raise KeyboardInterrupt

    kept = Scratch(tmp_path)
    kept.keep("part", writing("whole"))
    with pytest.raises(KeyboardInterrupt):
        kept.keep("part", breaks)
    assert read(Scratch(tmp_path).kept("part")) == "whole"
    kept.keep("part", writing("next"))
    assert read(Scratch(tmp_path).kept("part")) == "next"


def test_what_was_damaged_is_not_there(tmp_path: Path) -> None:
    kept = Scratch(tmp_path)
    kept.keep("part", writing("whole"))
    found = kept.kept("part")
    assert found
    (found / "text").write_text("other")
    assert kept.kept("part") is None


def test_a_full_disk_ends_the_keeping_and_no_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = Scratch(tmp_path, every=0.0)
    assert kept.due
    kept.keep("part", full)
    assert not kept.due
    assert "no space left" in caplog.text
    kept.keep("part", writing("more"))
    assert kept.kept("part") is None
    with pytest.raises(ValueError, match="own fault"):
        Scratch(tmp_path).keep("part", lambda folder: _fails())


def _fails() -> None:
    raise ValueError("own fault")


def test_what_takes_seconds_is_not_kept(tmp_path: Path) -> None:
    assert EVERY >= 30
    assert not Scratch(tmp_path).due


def test_it_is_lent_for_a_while() -> None:
    assert scratch() is None
    with lending(lent := Scratch(Path("a"))):
        assert scratch() is lent
    assert scratch() is None
