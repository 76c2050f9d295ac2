"""Sources written for one test, and what an import makes of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.tasks import Task, load_task
from advisor.tasks.importing.contract import ImportChoices
from advisor.tasks.importing.importer import import_source
from advisor.tasks.importing.result import Imported, ImportRequest
from advisor.tasks.importing.splitting import SplitRule

Rows = Sequence[dict[str, object]]
Content = str | bytes | Rows
Import = Callable[..., "Done"]

OPTIONS = ("test", "dev", "documents", "name", "metric", "labels")


@dataclass(frozen=True)
class Done:
    """What was said and what was written."""

    said: Imported
    task: Task

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Inputs and answers of all splits, in the order of the source."""
        examples = [*self.task.train, *self.task.dev, *self.task.test]
        return [(one.input, one.target) for one in sorted(examples, key=lambda one: int(one.id.split("#")[0]))]

    @property
    def why(self) -> dict[str, tuple[str, ...]]:
        """The places of what was left out, by reason."""
        return {reason.why: reason.places for reason in self.said.dropped}


def write(path: Path, content: Content) -> Path:
    """Write a file as its ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="")
    elif path.suffix in (".csv", ".tsv"):
        text = io.StringIO(newline="")
        names = list(dict.fromkeys(name for row in content for name in row))
        rows = csv.DictWriter(text, names, delimiter="\t" if path.suffix == ".tsv" else ",")
        rows.writeheader()
        rows.writerows(content)
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    elif path.suffix == ".json":
        path.write_text(json.dumps(list(content), ensure_ascii=False), encoding="utf-8")
    elif path.suffix in (".parquet", ".arrow", ".feather"):
        _binary(path, content)
    elif path.suffix == ".xlsx":
        names = list(dict.fromkeys(name for row in content for name in row))
        workbook(path, {"Sheet": [names, *([row.get(name) for name in names] for row in content)]})
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), encoding="utf-8")
    return path


def _binary(path: Path, rows: Rows) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    table = pyarrow.Table.from_pylist(list(rows))
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".feather":
        feather.write_feather(table, path)
    else:
        with pyarrow.ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table)


def workbook(path: Path, sheets: dict[str, Sequence[Sequence[Any]]]) -> Path:
    """Write a workbook of rows of cells; a cell may be (value, number format)."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row, 1):
                value, form = cell if isinstance(cell, tuple) else (cell, "")
                if value is not None:
                    placed = sheet.cell(number, column, value)
                    placed.number_format = form or placed.number_format
    book.save(path)
    return path


@pytest.fixture
def import_file(tmp_path: Path) -> Import:
    """Imports one file, given its name and content, or a path, with what the user says of it."""

    def import_file(file: str | Path, content: Content | None = None, **told: Any) -> Done:
        path = write(tmp_path / file, content) if content is not None else Path(file)
        share = told.pop("split", None)
        rule = SplitRule(share, told.pop("dev_share", 0.0), told.pop("seed", 0), bool(told.get("time")))
        others = {key: told.pop(key) for key in OPTIONS if key in told}
        request = ImportRequest(str(path), ImportChoices(**told), rule=rule if share else None, **others)
        out = tmp_path / "out"
        said = import_source(request, out, overwrite=True)
        return Done(said, load_task(out))

    return import_file


@pytest.fixture
def mistake(import_file: Import) -> Callable[..., str]:
    """The error of an import that fails."""

    def mistake(file: str | Path, content: Content | None = None, **told: Any) -> str:
        with pytest.raises(UserError) as caught:
            import_file(file, content, **told)
        return str(caught.value)

    return mistake


@pytest.fixture
def asked_rows() -> list[dict[str, object]]:
    """Questions with answers of their own."""
    return [{"question": f"Where is box {n}?", "answer": f"On shelf {n}, behind the door."} for n in range(10)]
