"""What a model elsewhere was asked, by the step that it was asked in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from advisor.approaches import Approach, Prediction, Predictor
from advisor.errors import Interrupted
from advisor.measuring.again import time_again
from advisor.measuring.comparing import compare
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.tasks import Query, Task


@dataclass(frozen=True)
class Paid(Approach):
    """Counts one request of ten tokens for each query; its server is gone at the request of that number."""

    name: ClassVar[str] = "paid"
    sent: ClassVar[list[str]] = []
    gone: ClassVar[set[int]] = set()

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        return Asking(self)

    def restore(self, folder: Path, task: Task, model: LanguageModel) -> Predictor:
        return Asking(self)


class Asking(Predictor):
    def __init__(self, approach: Paid) -> None:
        self.approach = approach

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        for query in queries:
            self.approach.sent.append(query.id)
            clock.called(requests=1, prompt=10)
            if len(self.approach.sent) in self.approach.gone:
                raise Interrupted("the server is gone; the same command goes on from there")
        return [Prediction(query.id, query.input) for query in queries]

    def save(self, folder: Path) -> None:
        pass


@pytest.fixture
def paid() -> type[Paid]:
    Paid.sent.clear()
    Paid.gone.clear()
    return Paid


def calls(number: int) -> dict[str, int]:
    return {"requests": number, "prompt": 10 * number}


def test_each_call_is_one_of_its_step(numbers: Task, model: Any, paid: Any, tmp_path: Path) -> None:
    (run,) = compare(numbers, model, [paid()], out=tmp_path).runs
    assert run.calls == {"predict": calls(70), "latency": calls(2 + 16)}


@pytest.mark.parametrize("gone", [71, 74], ids=["warming up", "behind a first latency"])
def test_what_broke_off_while_latency_was_measured_is_none_of_the_predictions(
    gone: int, numbers: Task, model: Any, paid: Any, tmp_path: Path
) -> None:
    paid.gone.add(gone)
    (run,) = compare(numbers, model, [paid()], out=tmp_path).runs
    assert run.status == "interrupted"
    assert run.calls["predict"] == calls(70)
    assert run.calls["latency"] == calls(gone - 70)
    (run,) = compare(numbers, model, [paid()], out=tmp_path).runs
    assert (run.status, run.calls["predict"]) == ("ok", calls(70))
    assert run.calls["latency"]["requests"] == len(paid.sent) - 70


def test_what_broke_off_while_answering_is_one_of_the_predictions(
    numbers: Task, model: Any, paid: Any, tmp_path: Path
) -> None:
    paid.gone.add(40)
    (run,) = compare(numbers, model, [paid()], out=tmp_path).runs
    assert run.calls == {"predict": calls(40)}


def test_times_measured_anew_leave_the_calls_as_they_were(
    numbers: Task, model: Any, paid: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = compare(numbers, model, [paid()], out=tmp_path).runs
    monkeypatch.setattr("advisor.measuring.again.parse", lambda spec: paid())  # which no package brings
    (after,) = time_again(numbers, [model], [paid()], out=tmp_path).runs
    assert len(paid.sent) > 2 * 70
    assert after.timed_again
    assert after.calls == before.calls


def test_batches_that_are_repeated_for_their_time_are_no_calls_of_the_predictions(
    numbers: Task, model: Any, paid: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.measuring.timing.REPEATS", 3)
    (run,) = compare(numbers, model, [paid()], out=tmp_path).runs
    assert len(paid.sent) > 70 + 18
    assert run.calls == {"predict": calls(70), "latency": calls(18)}
