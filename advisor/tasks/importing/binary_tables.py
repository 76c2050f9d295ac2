"""Parquet, Arrow and Feather files, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from advisor.extras import needed
from advisor.tasks.importing.rows import Read, SourceRow
from advisor.tasks.importing.streams import RowStream
from advisor.tasks.task import Place

_BATCH = 1024  # rows that are unpacked at once
_MAGIC = b"ARROW1"


class ArrowRows(RowStream):
    """A Parquet file, or one of Arrow's: with an index (Feather too) or as a stream."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with needed(f"{path}: reading {path.suffix.removeprefix('.').capitalize()}", "parquet"):
            import pyarrow
            import pyarrow.feather
            import pyarrow.parquet
        self._arrow = pyarrow
        self._parquet = path.suffix.lower() == ".parquet"
        for schema in self._guarded(self._schema()):
            self.names = tuple(schema.names)

    def __iter__(self) -> Iterator[Read]:
        """All rows."""
        number = 0
        for batch in self._guarded(self._batches()):
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield SourceRow(dict(zip(self.names, cells, strict=True)), Place(self.where, number))

    def _schema(self) -> Iterator[Any]:
        if self._parquet:
            yield self._arrow.parquet.read_schema(self.path)
            return
        with self._opened() as reader:
            yield reader.schema

    def _batches(self) -> Iterator[Any]:
        if self._parquet:
            with self._arrow.parquet.ParquetFile(self.path) as file:
                yield from file.iter_batches(batch_size=_BATCH)
            return
        with self._opened() as reader:
            found = (
                (reader.get_batch(number) for number in range(reader.num_record_batches))
                if hasattr(reader, "num_record_batches")
                else iter(reader)
            )
            for batch in found:
                for start in range(0, batch.num_rows, _BATCH):
                    yield batch.slice(start, _BATCH)

    def _opened(self) -> Any:
        with self.path.open("rb") as file:
            indexed = file.read(len(_MAGIC)) == _MAGIC
        source = self._arrow.memory_map(str(self.path))
        return self._arrow.ipc.open_file(source) if indexed else self._arrow.ipc.open_stream(source)

    def _guarded(self, found: Iterable[Any]) -> Iterator[Any]:
        """What the library gives, with its errors as faults."""
        try:
            yield from found
        except (self._arrow.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:  # damaged anywhere
            message = str(error).split("\n", 1)[0].rstrip(".")
            kind = self.path.suffix.removeprefix(".").capitalize()
            self.refuse(None, f"not a readable {kind} file: {message}", "write the file again")
