"""Task folders written for one test."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from advisor.tasks import Faults, load_task

Rows = Sequence[dict[str, object]]
WriteTask = Callable[..., Path]

SETTINGS = '[task]\nname = "desk"\nkind = "{kind}"\ninstruction = "Answer."\n'


def as_lines(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture
def write(tmp_path: Path) -> WriteTask:
    """Writes a good qa task folder, with any file given by keyword in its place (None leaves it out)."""

    def write(*, kind: str = "qa", **files: str | bytes | Rows | None) -> Path:
        folder = tmp_path / "desk"
        content: dict[str, str | bytes | Rows | None] = {
            "task_toml": SETTINGS.format(kind=kind),
            "train_jsonl": [{"input": "How late is it?", "target": "noon"}],
            "test_jsonl": [{"input": "Where am I?", "target": "here"}],
        }
        for key, value in (content | files).items():
            if value is None:
                continue
            path = folder / key.replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(value, bytes):
                path.write_bytes(value)
            else:
                path.write_text(value if isinstance(value, str) else as_lines(value), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def report() -> Callable[..., str]:
    """The text of the faults found on loading a folder, with the folder's own path taken out."""

    def report(folder: Path, **options: float) -> str:
        with pytest.raises(Faults) as caught:
            load_task(folder, **options)  # type: ignore[arg-type]
        return str(caught.value).replace(f"{folder}/", "")

    return report
