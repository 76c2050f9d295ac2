"""Tables: examples from CSV, TSV, JSON lines and Parquet, by the columns that the user names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from advisor.errors import UserError
from advisor.tasks.faults import FaultLog, listed, nearest
from advisor.tasks.textfile import Row, near_path, parse_json, read_json_lines, read_text

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_OPTIONAL = ("id", "targets", "evidence")
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True)
class TableSource:
    """A task given as tables, with what `task.toml` would say.

    Attributes:
        train: file of the training examples: .csv, .tsv, .jsonl, .ndjson or .parquet, with a header where
            the format has one. Columns named `id`, `targets` and `evidence` are read where present.
        input: the column of the inputs.
        target: the column of the targets.
        kind: classification, qa, generation or extraction.
        instruction: what the model is told.
        test: file of the test examples; without one, `load_table` needs a split.
        dev: file of the development examples.
        metric: the metric; by kind if None.
        labels: the labels of a classification; those in train if None.
        documents: a .jsonl file, or a folder of .md and .txt files.
        name: the task's name; by default the train file's stem, or its folder's name if that is `train`.
    """

    train: str | Path
    _: KW_ONLY
    input: str
    target: str
    kind: str
    instruction: str
    test: str | Path | None = None
    dev: str | Path | None = None
    metric: str | None = None
    labels: Sequence[str] | None = None
    documents: str | Path | None = None
    name: str | None = None

    @property
    def task_name(self) -> str:
        """The name given, or the one derived from the train file."""
        path = Path(self.train)
        return self.name or (path.resolve().parent.name if path.stem == "train" else path.stem)


class _BadRecord(Exception):
    """A record that breaks the rules of quoting, with the line on which it begins."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_table(path: Path, columns: tuple[str, str], log: FaultLog) -> list[Row] | None:
    """The rows of a table, with the input and target columns and the optional ones that are there.

    Args:
        path: the file; its ending tells the format.
        columns: names of the input column and the target column.
        log: where faults go.

    Returns:
        The rows, or None if the table as a whole could not be read.

    Raises:
        UserError: a Parquet file without pyarrow installed.
    """
    ending = path.suffix.lower()
    if path.is_dir() or not path.exists():
        what = "is a folder, not a table" if path.is_dir() else "no such file"
        log.add(path, None, what, lambda: near_path(path) or f"give a file ending in {listed(ENDINGS)}")
    elif ending in (".jsonl", ".ndjson"):
        return _read_json(path, columns, log)
    elif ending in (".csv", ".tsv"):
        return _read_delimited(path, columns, log)
    elif ending == ".parquet":
        return _read_parquet(path, columns, log)
    else:
        what = f'unknown ending "{path.suffix}"' if path.suffix else "the file has no ending"
        log.add(path, None, what, f"save the table as one of {listed(ENDINGS)}")
    return None


def _has_columns(path: Path, wanted: tuple[str, str], seen: Sequence[str], log: FaultLog) -> bool:
    """Whether the table has the wanted columns exactly once; what is not so is noted."""
    good = True
    for column in dict.fromkeys(wanted):
        count = seen.count(column)
        if count == 0:
            near = nearest(column, seen)
            guess = f'did you mean "{near}"? ' if near else ""
            what = f'there is no column "{column}"'
            log.add(path, None, what, f"{guess}The columns: {listed(seen, 20)}")
        elif count > 1:
            log.add(path, None, f'{count} columns are named "{column}"', "rename all but one")
        good = good and count == 1
    return good


def _read_json(path: Path, columns: tuple[str, str], log: FaultLog) -> list[Row] | None:
    example = json.dumps(dict.fromkeys(columns, "..."), ensure_ascii=False)
    rows = read_json_lines(path, log, example)
    if rows:
        seen = dict.fromkeys(column for row in rows for column in row.values)
        if not _has_columns(path, columns, tuple(seen), log):
            return None
    return rows


def _read_delimited(path: Path, columns: tuple[str, str], log: FaultLog) -> list[Row] | None:
    text = read_text(path, log)
    if text is None:
        return None
    try:
        records = _records(text, path.suffix.lower())
    except _BadRecord as error:
        mend = 'put cells with commas or quotes in double quotes, and double the quotes in them: "5"" pipe"'
        log.add(path, error.line, f"not a valid table: {error}", mend)
        return None
    if not records:
        log.add(path, None, "the file is empty", "begin it with a line of column names")
        return None
    header = [cell.strip() for cell in records[0][1]]
    if not _has_columns(path, columns, header, log):
        return None
    wanted = {header.index(name): name for name in (*_OPTIONAL, *columns) if name in header}
    rows = []
    for line, cells in records[1:]:
        if len(cells) != len(header):
            what = f"the row has {len(cells)} cells, the header {len(header)}"
            log.add(path, line, what, "put cells that contain the separator in double quotes")
            continue
        try:
            rows.append(Row(line, {name: _cell(name, cells[at], columns) for at, name in wanted.items()}))
        except ValueError as error:
            log.add(path, line, str(error), 'write several values as a JSON list: ["...", "..."]')
    return rows


def _records(text: str, ending: str) -> list[tuple[int, list[str]]]:
    """The non-empty records of a delimited text, each with the line on which it begins.

    In a .tsv, quotes count only where they are well formed throughout: many such files hold plain text
    with stray quotes. A .csv whose header has semicolons and no comma is read with semicolons.
    """
    if ending == ".tsv":
        try:
            records = _parse(text, delimiter="\t", strict=True)
            if len({len(cells) for _, cells in records}) <= 1:
                return records
        except _BadRecord:
            pass
        return _parse(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    head = text.lstrip().split("\n", 1)[0]
    return _parse(text, delimiter=";" if ";" in head and "," not in head else ",", strict=True)


def _parse(text: str, **dialect: Any) -> list[tuple[int, list[str]]]:
    longest = csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), **dialect)
    records = []
    line = 1
    try:
        for cells in reader:
            if any(cells):
                records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise _BadRecord(str(error), line) from None
    finally:
        csv.field_size_limit(longest)
    return records


def _cell(name: str, text: str, columns: tuple[str, str]) -> object:
    """A delimited cell as a value: a list where `targets` or `evidence` has brackets, else the text."""
    if name in columns or name == "id":
        return text
    if not text.strip():
        return None
    if not (text.strip().startswith("[") and text.strip().endswith("]")):
        return text
    try:
        value = parse_json(text)
    except ValueError as error:
        raise ValueError(f'the cell "{name}" is not a valid JSON list: {error}') from None
    return _plain(value)


def _read_parquet(path: Path, columns: tuple[str, str], log: FaultLog) -> list[Row] | None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{path}: reading Parquet needs pyarrow", "pip install 'advisor[parquet]'") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names: list[str] = file.schema_arrow.names
            if not _has_columns(path, columns, names, log):
                return None
            wanted = [name for name in dict.fromkeys((*columns, *_OPTIONAL)) if name in names]
            table = file.read(columns=wanted)
            values = [[_plain(value) for value in table.column(name).to_pylist()] for name in wanted]
    except (pyarrow.ArrowException, OSError) as error:
        message = str(error).split("\n", 1)[0].rstrip(".")
        log.add(path, None, f"not a readable Parquet file: {message}", "write the file again")
        return None
    records = enumerate(zip(*values, strict=True), 1)
    return [Row(number, dict(zip(wanted, cells, strict=True))) for number, cells in records]


def _plain(value: object) -> object:
    """A table's value as the text it stands for; lists and objects stay; NaN counts as no value."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return str(value) if isinstance(value, int | float) else value
