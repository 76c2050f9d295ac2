"""Reading tables: examples from CSV, TSV, JSON, Parquet and CoNLL files, by the columns that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from advisor.extras import needed
from advisor.intake import Bound, NotRead, read_bytes, there, too_large
from advisor.tasks.columns import Columns, of_table
from advisor.tasks.conll import CONLL_ENDINGS, read_conll
from advisor.tasks.delimited import DELIMITED, Choose, read_delimited
from advisor.tasks.faults import FaultLog, listed
from advisor.tasks.jsonfile import JSON_ENDINGS, FileRow, read_json
from advisor.tasks.textfile import BOUNDS, near_path

ENDINGS = (*DELIMITED, *JSON_ENDINGS, ".parquet", *CONLL_ENDINGS)
_ELSEWHERE = {
    ".xlsx": "in Excel: File, Save As, CSV UTF-8",
    ".xls": "in Excel: File, Save As, CSV UTF-8",
    ".ods": "in LibreOffice: File, Save As, Text CSV",
}
_BATCH = 1024  # rows of a Parquet file that are unpacked at once

Table = tuple[Columns, list[FileRow]]


@dataclass(frozen=True)
class TableSource:
    """A task given as tables, with the settings that `task.toml` would hold.

    Attributes:
        train: file of the training examples: .csv, .tsv, .jsonl, .ndjson, .json (a list of objects), .parquet or
            .conll, with a header where the format has one. Columns named `id`, `targets` and `evidence` are read where
            present.
        input: the column of the inputs, or several, which are joined with their names. The columns of chat files
            (`messages`, `conversations`), Alpaca's and SQuAD's need not be named.
        target: the column of the targets; may be that of the input where both stand in a conversation, whose last turn
            of the assistant is then the target.
        kind: classification, qa, generation or extraction.
        instruction: what the model is told.
        test: file of the test examples; without one, `load_table` needs a split.
        dev: file of the development examples.
        group: the column whose rows of one value stand on one side of a split; `group` by default, where it is there.
        metric: the metric; by kind if None.
        labels: the labels of a classification; those in train if None.
        documents: a .jsonl file, or a folder, an archive or a file of documents.
        name: the task's name; by default the train file's stem, or its folder's name if that is `train`.
    """

    train: str | Path
    _: KW_ONLY
    input: str | Sequence[str] = ()
    target: str = ""
    kind: str
    instruction: str
    test: str | Path | None = None
    dev: str | Path | None = None
    group: str | None = None
    metric: str | None = None
    labels: Sequence[str] | None = None
    documents: str | Path | None = None
    name: str | None = None

    @property
    def task_name(self) -> str:
        """The given name, or the one derived from the train file."""
        path = Path(self.train)
        return self.name or (path.resolve().parent.name if path.stem == "train" else path.stem)

    @property
    def columns(self) -> Columns:
        """The columns that were named."""
        inputs = (self.input,) if isinstance(self.input, str) else tuple(self.input)
        return Columns(tuple(filter(None, inputs)), self.target, self.group or Columns.group)


def read_table(path: Path, asked: Columns, log: FaultLog, bound: Bound = BOUNDS.table) -> Table | None:
    """Read the chosen columns of a table and its rows.

    Args:
        path: the file; its ending tells the format.
        asked: the columns that the user named.
        log: where faults go.
        bound: how large the file may be.

    Returns:
        None if the table as a whole could not be read.

    Raises:
        UserError: a Parquet file without pyarrow installed.
    """
    ending = path.suffix.lower()
    if not there(path) or path.is_dir():
        what = "is a folder, not a table" if path.is_dir() else "no such file"
        log.add(path, None, what, lambda: near_path(path) or f"give a file ending in {listed(ENDINGS, 9)}")
        return None

    def choose(seen: Sequence[str]) -> Columns | None:
        return of_table(asked, seen, path, log)

    if ending in DELIMITED:
        return read_delimited(path, (*asked.inputs, asked.target), choose, log, bound)
    if ending == ".parquet":
        return _read_parquet(path, choose, log, bound)
    if ending in JSON_ENDINGS or ending in CONLL_ENDINGS:
        example = (asked if asked.inputs and asked.target else Columns()).line
        rows = read_json(path, log, example, bound) if ending in JSON_ENDINGS else read_conll(path, log, bound)
        if not rows:
            return None if rows is None else (Columns(), rows)
        columns = choose(tuple(dict.fromkeys(column for row in rows for column in row.values)))
        return None if columns is None else (columns, rows)
    what = f'unknown ending "{path.suffix}"' if path.suffix else "the file has no ending"
    how = f" ({_ELSEWHERE[ending]})" if ending in _ELSEWHERE else ""
    log.add(path, None, what, f"save the table as one of {listed(ENDINGS, 9)}{how}")
    return None


def _read_parquet(path: Path, choose: Choose, log: FaultLog, bound: Bound) -> Table | None:
    with needed(f"{path}: reading Parquet", "parquet"):
        import pyarrow
        import pyarrow.parquet
    try:
        with pyarrow.parquet.ParquetFile(pyarrow.BufferReader(read_bytes(path, bound))) as file:
            names: list[str] = file.schema_arrow.names
            columns = choose(names)
            if columns is None:
                return None
            wanted = columns.wanted(names)
            records: list[tuple[object, ...]] = []
            size = 0
            for batch in file.iter_batches(columns=list(wanted), batch_size=_BATCH):
                size += batch.nbytes  # a small file may hold much when it is unpacked
                if size > bound.bytes:
                    raise too_large(path, size, bound)
                records += zip(*(batch.column(name).to_pylist() for name in wanted), strict=True)
    except NotRead as error:
        log.add(path, None, error.seen, error.hint)
        return None
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:  # damaged in any place
        message = str(error).split("\n", 1)[0].rstrip(".")
        log.add(path, None, f"not a readable Parquet file: {message}", "write the file again")
        return None
    rows = [FileRow(number, dict(zip(wanted, cells, strict=True))) for number, cells in enumerate(records, 1)]
    return columns, rows
