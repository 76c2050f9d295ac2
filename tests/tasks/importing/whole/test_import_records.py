"""What becomes of the records of a format that is no table: documents, evidence, preferences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import pytest

from advisor.tasks.importing import opening
from advisor.tasks.importing.contract import Dropped, ImportSource, Record, SourceFormat
from advisor.tasks.task import Place

from .conftest import Import

Given = Sequence[Record | Dropped]


class Made(SourceFormat):
    """A format whose records a test gives."""

    name: ClassVar[str] = "made"
    called: ClassVar[str] = "a file of a test"
    given: ClassVar[Given] = ()

    @classmethod
    def recognise(cls, source: ImportSource) -> Self | None:
        return cls() if source.path and source.path.suffix == ".made" else None

    def read(self) -> Iterator[Record | Dropped]:
        yield from self.given
        self.notes.append("all was read")
        self.instruction = "Do as told."


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> type[Made]:
    monkeypatch.setattr(opening, "WHOLE", (Made, *opening.WHOLE))
    return Made


def _pairs(count: int) -> list[Record]:
    return [
        Record("preferences", {"input": f"q{n // 2}", "chosen": "good", "rejected": f"bad {n}"}, Place("t.made", n + 1))
        for n in range(count)
    ]


def _read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_documents_evidence_and_what_the_format_says(import_file: Import, made: type[Made]) -> None:
    documents = [("d1", "One."), ("d2", "Two."), ("d1", "One again."), ("d2", "Two."), ("d3", " ")]
    made.given = [
        *(Record("documents", {"id": key, "text": text}, Place("t.made", 1)) for key, text in documents),
        *(
            Record("examples", {"input": f"q{n}", "target": f"a{n}", "evidence": ["d1", "d3"]}, Place("t.made", n))
            for n in range(10)
        ),
        Dropped("it is odd", Place("t.made", 99)),
    ]
    done = import_file("t.made", "x")
    assert [document.id for document in done.task.documents] == ["d1", "d2"]
    assert done.task.train[0].evidence == ("d1",)
    assert (done.task.kind, done.task.instruction) == ("qa", "Do as told.")
    assert {reason.why: reason.count for reason in done.said.dropped} == {
        "another document has that id already": 1,
        "the document is empty": 1,
        "it is odd": 1,
    }
    assert "all was read" in done.said.notes


def test_preferences_alone_give_the_examples_too(import_file: Import, made: type[Made]) -> None:
    made.given = _pairs(20)
    done = import_file("t.made", "x", kind="generation")
    assert done.said.counts == {"train": 8, "test": 2, "preferences": 16}
    tested = {example.input for example in done.task.test}
    assert tested.isdisjoint(row["input"] for row in _read(done.said.folder / "preferences.jsonl"))
    assert done.why.keys() == {"the preference is about an input of test or dev"}


def test_preferences_beside_examples_add_none(import_file: Import, made: type[Made]) -> None:
    made.given = [
        *_pairs(4),
        *(Record("examples", {"input": f"x{n}", "target": f"a{n}"}, Place("t.made", n)) for n in range(10)),
    ]
    done = import_file("t.made", "x", kind="generation")
    assert done.said.counts == {"train": 8, "test": 2, "preferences": 4}
