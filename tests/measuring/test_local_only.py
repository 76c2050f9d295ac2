"""Where no text of a task may leave the machine, nothing elsewhere is asked, from wherever it is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.comparing import compare
from advisor.models.hosted.address import place_of
from advisor.tasks import Limits, Task


def elsewhere(scripted: ModuleType, place: str) -> Any:
    """A scripted model that says that it is served there."""

    class Elsewhere(scripted.ScriptedModel):
        def describe(self) -> dict[str, Any]:
            return {**super().describe(), "place": place}

    return Elsewhere(name="a model")


def test_a_model_elsewhere_is_refused_and_asked_nothing(numbers: Task, scripted: ModuleType, tmp_path: Path) -> None:
    model = elsewhere(scripted, "network")
    kept = replace(numbers, limits=Limits(local_only=True))
    with pytest.raises(UserError, match="a model: would send texts to another machine"):
        compare(kept, model, ["zero-shot"], out=tmp_path)
    assert not model.prompts
    compare(numbers, model, ["zero-shot"], out=tmp_path)
    assert model.prompts


def test_a_server_on_this_machine_is_here(numbers: Task, scripted: ModuleType, tmp_path: Path) -> None:
    model = elsewhere(scripted, "machine")
    compare(replace(numbers, limits=Limits(local_only=True)), model, ["zero-shot"], out=tmp_path)
    assert model.prompts


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", "process"),
        ("http://127.0.0.1:8000/v1#e", "machine"),
        ("https://embeddings.example/v1#e", "network"),
        ("openai:text-embedding-3-small", "network"),
        ("my-gateway:e", "network"),
    ],
)
def test_where_an_embedder_is_follows_from_its_name(name: str, place: str) -> None:
    assert place_of(name) == place
