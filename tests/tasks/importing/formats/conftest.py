"""Files in the formats that people have, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from advisor.tasks.importing.contract import Dropped, ImportChoices, ImportSource, Record, SourceFormat
from advisor.tasks.importing.opening import opened
from advisor.tasks.task import Place


@dataclass
class Imported:
    """What one source gave."""

    format: SourceFormat
    examples: list[dict[str, object]] = field(default_factory=list)
    documents: list[dict[str, object]] = field(default_factory=list)
    preferences: list[dict[str, object]] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    @property
    def pairs(self) -> list[tuple[object, object]]:
        return [(example["input"], example["target"]) for example in self.examples]

    @property
    def notes(self) -> str:
        return "\n".join(self.format.notes)


def source_opened(path: Path | None, name: str = "", split: str = "", **asked: Any) -> SourceFormat:
    """The format of a source."""
    ((_, found),) = opened(ImportSource(name or str(path), path, split, ImportChoices(**asked)))
    return found


@pytest.fixture
def bring() -> Callable[..., Imported]:
    """Imports a source; dropped rows by place."""

    def bring(path: Path | None, name: str = "", split: str = "", **asked: Any) -> Imported:
        format = source_opened(path, name, split, **asked)
        found = Imported(format)
        for item in format.read():
            if isinstance(item, Dropped):
                found.dropped[str(item.place)] = item.why
                continue
            assert isinstance(item, Record)
            getattr(found, item.part).append(item.values)
            if item.part != "documents":
                found.splits.append(item.split)
                found.places.append(item.place)
        return found

    return bring


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file: bytes and texts as they are, a list as JSON lines or, in .json, as one list."""

    def file(name: str, content: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif name.endswith(".json"):
            path.write_text(json.dumps(content), encoding="utf-8")
        else:
            assert isinstance(content, Sequence)
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        return path

    return file
