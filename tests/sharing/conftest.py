"""A kept run folder, judged, to be logged in real libraries."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from advisor.measuring.reading import read_comparison
from advisor.verdict import Decision, decide

KEPT = Path(__file__).parents[1] / "kept"
SECRET = "sk-nobody-may-read-this-0123456789"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A key in the environment, as users have some; and a working folder of its own."""
    for name in ("OPENAI_API_KEY", "ADVISOR_API_KEY", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_DIR", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder of four rows, one of which has left an adapter."""
    found = Path(shutil.copytree(KEPT / "handbook", tmp_path / "runs" / "handbook"))
    adapter = next(found.glob("*/lora*.jsonl")).with_suffix("")
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 1}', encoding="utf-8")
    return found


@pytest.fixture
def decision(folder: Path) -> Decision:
    return decide(read_comparison(folder))


@pytest.fixture
def secret_in() -> Callable[[Path], list[Path]]:
    """The files below a folder that hold the secret."""

    def holding(place: Path) -> list[Path]:
        files = [path for path in place.rglob("*") if path.is_file()]
        assert files
        return [path for path in files if SECRET.encode() in path.read_bytes()]

    return holding
