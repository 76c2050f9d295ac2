"""What others took of a GPU, told by its management library: here one that says what it is told to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from advisor.models.local.gpu import Watch

OWN = 100


@dataclass
class Entry:
    pid: int
    smUtil: int = 0
    timeStamp: int = 1


@dataclass
class Library:
    """Lists `at_work`, and what each did in `samples`."""

    at_work: list[int]
    samples: list[Entry] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    class NVMLError_NotFound(Exception):
        pass

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Entry]:
        return [Entry(pid) for pid in self.at_work]

    def nvmlDeviceGetProcessUtilization(self, handle: Any, since: int) -> list[Entry]:
        self.asked.append(since)
        if not self.samples:
            raise self.NVMLError_NotFound
        return self.samples


def share(library: Library) -> float | None:
    """Of a moment's time."""
    watch = Watch(library, None, OWN)
    began, before = time.perf_counter(), watch()
    if before is None:
        return None
    time.sleep(0.05)
    after, passed = watch(), time.perf_counter() - began
    assert after is not None
    return (after - before) / passed


def test_alone_nobody_takes_anything() -> None:
    assert share(Library([OWN], [Entry(OWN, 90)])) == 0.0
    assert share(Library([])) == 0.0
    assert share(Library([17], [Entry(17, 90)])) == 0.0  # this one, by the number that it has outside its container


def test_what_the_others_did_is_added_up() -> None:
    samples = [Entry(OWN, 30), Entry(7, 40, 5), Entry(7, 60, 6), Entry(8, 10, 6)]
    library = Library([OWN, 7, 8], samples)
    assert share(library) == pytest.approx(0.6, rel=0.2)
    assert library.asked[-1] == 6  # each sample counts once
    assert share(Library([OWN, 7, 8], [Entry(7, 80), Entry(8, 80)])) == pytest.approx(1.0, rel=0.2)
    assert share(Library([OWN, 7])) == 0.0  # at work, but idle


def test_processes_that_cannot_be_told_apart_are_not_guessed() -> None:
    assert share(Library([7, 8], [Entry(7, 80)])) is None


def test_a_library_that_fails_ends_nothing() -> None:
    assert share(Library(None)) is None  # type: ignore[arg-type]
