"""Records on disk between the two passes over them, so that memory does not grow with a source."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from advisor.disk import writing
from advisor.tasks.importing.contract import Part, Record
from advisor.tasks.task import Place


def spool_file() -> IO[str]:
    """A file without a name, which is gone once it is closed."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass")


class Spool:
    """Records written to a file and read back in order; whoever makes the file closes it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._place = Path(tempfile.gettempdir())

    def put(self, record: Record) -> None:
        """Write one record."""
        row = [record.part, record.values, record.place.file, record.place.line, record.split]
        with writing(self._place):
            self._file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def records(self) -> Iterator[Record]:
        """All records, in order."""
        with writing(self._place):
            self._file.seek(0)
        for line in self._file:
            part, values, file, number, split = json.loads(line)
            found: Part = part
            yield Record(found, values, Place(file, number), split)
