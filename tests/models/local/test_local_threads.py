"""How many threads compute: as many as there are cores free when a model is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from advisor.models.contention import Contention, Stand
from advisor.models.load import load_model
from advisor.models.local import threads


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which two threads would compute, and nobody said otherwise."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_whole", None)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("most", "taken", "of", "number"),
    [
        (2, 0.0, 2.0, 2),
        (2, -0.05, 2.0, 2),  # within the error of the counts
        (2, 0.2, 2.0, 2),  # a tenth of the machine is no neighbour
        (2, 0.5, 2.0, 1),
        (2, 1.0, 2.0, 1),
        (2, 1.5, 2.0, 1),
        (2, 2.0, 2.0, 1),
        (8, 4.0, 16.0, 8),  # as many as there are cores, half as many threads
        (8, 12.0, 16.0, 4),
        (64, 0.0, 2.0, 2),  # a container that shows all cores and allows two
        (4, 0.0, 0.0, 4),  # nothing is known
    ],
)
def test_there_are_no_more_threads_than_cores_that_are_free(most: int, taken: float, of: float, number: int) -> None:
    assert threads.fitting(most, Contention(1.0 if of else 0.0, taken, of)) == number


def neighbour(monkeypatch: pytest.MonkeyPatch, share: float) -> Stand:
    """The counts of a machine of two cores, of which another program takes so much; returns those of a second ago."""
    began = Stand(0.0, 0.0, 0.0, (0, 1))
    monkeypatch.setattr(threads, "look", lambda: Stand(1.0, 2 * share + 0.5, 0.5, (0, 1)))
    return began


def test_a_neighbour_is_given_way_to_and_no_longer_when_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    threads.choose(neighbour(monkeypatch, 0.5))
    assert (torch.get_num_threads(), threads.whole()) == (1, 2)
    assert "1 of 2 threads" in caplog.text
    caplog.clear()
    threads.choose(neighbour(monkeypatch, 0.0))
    assert (torch.get_num_threads(), threads.whole()) == (2, 2)
    assert not caplog.text


def test_what_the_user_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    threads.choose(neighbour(monkeypatch, 1.0))
    threads.use(1)
    assert (torch.get_num_threads(), threads.whole()) == (2, 2)


def test_a_record_that_was_begun_with_fewer_goes_on_with_fewer() -> None:
    threads.use(1)
    assert torch.get_num_threads() == 1


def test_a_model_says_on_how_many_threads_it_runs_and_how_many_there_would_be(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.models.local.loading.look", lambda: neighbour(monkeypatch, 0.9))
    told = load_model(str(llama_folder), device="cpu", dtype="float32").describe()
    assert (told["threads"], told["threads_alone"]) == (1, 2)
