"""What `advisor answer` prints of an answer that names its sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from advisor.approaches import Citation, Prediction, Predictor
from advisor.commands.answer import put_answers
from advisor.models import Passage
from advisor.tasks import Query


class Cites(Predictor):
    """Names the second of two passages."""

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The same for each."""
        passages = Passage("a", "", "x"), Passage("handbook", "Holi\x1bdays", "y", where="page 4")
        cited = (Citation(2, "handbook"),)
        return [Prediction(q.id, "thirty", ("a", "handbook"), passages=passages, citations=cited) for q in queries]

    def save(self, folder: Path) -> None:
        """Nothing to keep."""


class Plain(Predictor):
    """Was not asked for its sources."""

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The same for each."""
        return [Prediction(query.id, "thirty") for query in queries]

    def save(self, folder: Path) -> None:
        """Nothing to keep."""


def test_sources_stand_below_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    put_answers(Cites().predict([Query("1", "how many")]), as_json=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "thirty"
    assert second.startswith("  [2] handbook: Holi") and second.endswith("days (page 4)") and "\x1b" not in second


def test_sources_stand_in_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    put_answers(Cites().predict([Query("1", "how many")]), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["text"] == "thirty"
    assert found["citations"] == [{"number": 2, "source": "handbook", "title": "Holi\x1bdays", "where": "page 4"}]


def test_without_sources_nothing_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    put_answers(Plain().predict([Query("1", "how many")]), as_json=False)
    put_answers(Plain().predict([Query("1", "how many")]), as_json=True)
    text, line = capsys.readouterr().out.splitlines()
    assert text == "thirty" and "citations" not in json.loads(line)
