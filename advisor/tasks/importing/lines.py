"""Rows of files, one after the other: JSON lines, JSON lists, delimited text, Parquet and Arrow."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Protocol

from advisor.extras import needed
from advisor.intake import odd_kind
from advisor.tasks.delimited import SEPARATORS
from advisor.tasks.faults import Fault, Faults
from advisor.tasks.importing.contract import ImportSource
from advisor.tasks.importing.stream import CutOff, JsonStream
from advisor.tasks.jsonfile import CONVERSATIONS, json_hint, parse_json, squad_questions, type_name
from advisor.tasks.task import Place

LINE = '{"...": "..."}'
LONGEST = 64_000_000  # bytes of one line
_LONGEST_CELL = 2**31 - 1
_BATCH = 1_024  # rows of a Parquet file that are unpacked at once
_SPLITS = {
    "train": ("train", "training", "trn"),
    "dev": ("dev", "devel", "valid", "validation", "val", "eval", "evaluation", "testa"),
    "test": ("test", "testing", "tst", "testb", "heldout"),
}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as a source holds it; `split` is empty where the source does not tell."""

    values: Mapping[str, object]
    place: Place
    split: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that could not be read; `what` has the same words for the same reason."""

    what: str
    hint: str
    place: Place


Read = SourceRow | Unread


class RowSource(Protocol):
    """Rows that can be gone through again and again."""

    def __iter__(self) -> Iterator[Read]: ...


@dataclass(frozen=True)
class DataFiles:
    """The files of a source with the split of each, as rows."""

    files: tuple[tuple[Path, str], ...]

    def __iter__(self) -> Iterator[Read]:
        for path, split in self.files:
            for row in rows_of(path):
                yield row if isinstance(row, Unread) else SourceRow(row.values, row.place, split)


def data_files(source: ImportSource, endings: tuple[str, ...] = ()) -> DataFiles | None:
    """The files of a source that may hold rows; None where there are none.

    A file is itself, with the split that the user told. In a folder the names of files tell their splits; where one
    tells it, those that do not are not read.
    """
    endings = endings or tuple(READERS)
    path = source.path
    if path is None:
        return None
    if not path.is_dir():
        return DataFiles(((path, source.split),)) if _ending(path) in endings and path.is_file() else None
    inside = sorted(file for file in path.iterdir() if _ending(file) in endings and file.is_file())
    named = [(file, split) for file in inside if (split := split_of(file.name))]
    files = named or [(file, "") for file in inside]
    return DataFiles(tuple((file, source.split or split) for file, split in files)) if files else None


def split_of(name: str) -> str:
    """The split that a name tells (`train-v2.0.json`, `validation`); empty where it tells none."""
    words = re.split(r"[^a-z]+", name.casefold())
    return next((split for word in words for split, names in _SPLITS.items() if word in names), "")


def first_rows(rows: RowSource, count: int = 20) -> list[SourceRow]:
    """The first readable rows; fewer where the file is shorter or cannot be read on."""
    found = []
    try:
        for row in islice(rows, 2 * count):
            if isinstance(row, SourceRow):
                found.append(row)
    except Faults:
        pass
    return found[:count]


def rows_of(path: Path) -> Iterator[Read]:
    """The rows of one file.

    Raises:
        Faults: it cannot be read as a whole.
    """
    try:
        if kind := odd_kind(path.stat().st_mode):
            raise fault(path, None, f"is {kind}", "name a file; what a pipe gives can be written to one first")
        empty = True
        for row in READERS[_ending(path)](path):
            empty = False
            yield row
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it ends too early"
        raise fault(
            path, None, f"cannot be read: {reason}", "check that the file is whole, and yours to read"
        ) from None
    if empty:
        yield Unread("the file is empty", "write the rows to it, or take it away", Place(path.name))


def numbered_lines(path: Path) -> Iterator[tuple[int, str | Unread]]:
    """The lines of a text file with their numbers, from 1; what is not UTF-8 is told line by line."""
    with opened(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), 1):
            if len(raw) > LONGEST:
                raise fault(path, number, f"the line is longer than {LONGEST // 10**6} MB", "write one row a line")
            try:
                yield number, raw.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                yield number, Unread("the line is not UTF-8", f"convert it: {_iconv(path)}", Place(path.name, number))


def opened(path: Path) -> IO[bytes]:
    """A file opened behind its byte order mark, unpacked where its name ends in .gz.

    Raises:
        Faults: it is in UTF-16 or UTF-32.
    """
    file: IO[bytes] = path.open("rb")
    if path.name.lower().endswith(".gz"):
        file.close()
        file = gzip.GzipFile(path)  # type: ignore[assignment]
    begin = file.read(4)
    for name, marks in (
        ("UTF-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
        ("UTF-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
    ):
        if begin.startswith(marks):
            file.close()
            raise fault(path, 1, f"the file is {name}, not UTF-8", f"convert it: {_iconv(path, name)}")
    file.seek(len(codecs.BOM_UTF8) if begin.startswith(codecs.BOM_UTF8) else 0)
    return file


def fault(path: Path, line: int | None, what: str, hint: str) -> Faults:
    """One fault of a whole file, to be raised."""
    return Faults([Fault(str(path), line, what, hint)])


def _iconv(path: Path, encoding: str = "WINDOWS-1252") -> str:
    sure = "" if encoding.startswith("UTF") else " (if that is its encoding)"
    return f"iconv -f {encoding} -t UTF-8 {path.name} > converted{path.suffix}{sure}"


def _ending(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _json_lines(path: Path) -> Iterator[Read]:
    for number, line in numbered_lines(path):
        if isinstance(line, Unread):
            yield line
        elif line and not line.isspace():
            yield _parsed(path, number, line)


def _parsed(path: Path, number: int, line: str) -> Read:
    place = Place(path.name, number)
    try:
        value = parse_json(line)
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else ""
        ended = isinstance(error, json.JSONDecodeError) and error.pos >= len(line.rstrip()) - 1
        cut = (ended and reason != "Extra data") or reason.startswith("Unterminated")
        what = "the line ends before its JSON does" if cut else "the line is not valid JSON"
        hint = "the file may have been cut off: fetch it again" if cut else json_hint(line, LINE)
        if "surrogate" in str(error):
            what, hint = "the line holds half of a surrogate pair", "write the character whole"
        return Unread(what, hint, place)
    if not isinstance(value, dict):
        return Unread(f"the line is {type_name(value)}, not an object", f"every line is one object: {LINE}", place)
    return SourceRow(value, place)


def _json(path: Path) -> Iterator[Read]:
    """A .json file: a list of objects, an object that holds one, SQuAD's nesting, or in truth JSON lines."""
    with opened(path) as file:
        lines = _is_lines(file)
    if lines:
        yield from _json_lines(path)
        return
    with opened(path) as file:
        stream = JsonStream(file)
        number = 0
        try:
            for item in stream.records(CONVERSATIONS):
                for row in squad_questions(item) if isinstance(item, dict) and "paragraphs" in item else [item]:
                    number += 1
                    place = Place(path.name, number)
                    if isinstance(row, dict):
                        yield SourceRow(row, place)
                    else:
                        hint = f"write one list of objects: [{LINE}, ...]"
                        yield Unread(f"the entry is {type_name(row)}, not an object", hint, place)
        except CutOff:
            what = "the file ends before its JSON does"
            yield Unread(what, "it may have been cut off: fetch it again", Place(path.name, number + 1))
        except UnicodeDecodeError:
            raise fault(path, stream.line, "not UTF-8", f"convert it: {_iconv(path)}") from None
        except ValueError as error:
            hint = f"write one list of objects: [{LINE}, ...]"
            raise fault(path, stream.line, f"not valid JSON: {error}", hint) from None


def _is_lines(file: IO[bytes]) -> bool:
    """Whether a .json file holds one object a line."""
    before, begun = b"", False
    while block := file.read(1 << 16):
        if not begun and not (block := block.lstrip()):
            continue
        if not begun and not block.startswith(b"{"):
            return False
        begun = True
        head, found, rest = block.partition(b"\n")
        before = (before + head)[-2:]
        if found:
            return before.rstrip().endswith(b"}") and (rest + file.read(1 << 10)).lstrip().startswith(b"{")
    return False


def _delimited(path: Path) -> Iterator[Read]:
    try:
        yield from _cells(path)
    except csv.Error as error:
        hint = 'put cells with line breaks or quotes in double quotes, and double the quotes in them: "5"" pipe"'
        raise fault(path, None, f"not a valid table: {error}", hint) from None


def _cells(path: Path) -> Iterator[Read]:
    """Delimited text with a header; the separator is the sign that the header holds most often."""
    bad: list[Unread] = []

    def lines() -> Iterator[str]:
        for _, line in numbered_lines(path):
            if isinstance(line, Unread):
                bad.append(line)
            yield "" if isinstance(line, Unread) else line + "\n"

    given = lines()
    head = next(given, "")
    separator = max(SEPARATORS, key=head.count)
    csv.field_size_limit(_LONGEST_CELL)
    names = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
    reader = csv.reader(given, delimiter=separator)
    begin = 2
    for cells in reader:
        yield from bad
        bad.clear()
        place = Place(path.name, begin)
        begin = reader.line_num + 2
        if len(cells) == len(names):
            yield SourceRow(dict(zip(names, cells, strict=True)), place)
        elif cells:
            hint = f"put cells with {SEPARATORS[separator]} in them in double quotes"
            yield Unread("the row has not as many cells as the header", hint, place)


def _parquet(path: Path) -> Iterator[Read]:
    with needed(f"{path}: reading Parquet", "parquet"):
        import pyarrow
        import pyarrow.parquet
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from _batches(path, file.iter_batches(batch_size=_BATCH))
    except (pyarrow.ArrowException, ValueError, KeyError, OverflowError) as error:
        raise _damaged(path, "Parquet", error) from None


def _arrow(path: Path) -> Iterator[Read]:
    with needed(f"{path}: reading Arrow", "parquet"):
        import pyarrow
    try:
        with pyarrow.memory_map(str(path)) as file:
            try:
                found = pyarrow.ipc.open_file(file)
                batches = (found.get_batch(n) for n in range(found.num_record_batches))
            except pyarrow.ArrowInvalid:
                file.seek(0)
                batches = iter(pyarrow.ipc.open_stream(file))
            yield from _batches(path, batches)
    except (pyarrow.ArrowException, ValueError) as error:
        raise _damaged(path, "Arrow", error) from None


def _damaged(path: Path, name: str, error: Exception) -> Faults:
    reason = str(error).split("\n", 1)[0].rstrip(".")
    return fault(path, None, f"not a readable {name} file: {reason}", "write the file again")


def _batches(path: Path, batches: Iterator[object]) -> Iterator[Read]:
    number = 0
    for batch in batches:
        for at in range(0, batch.num_rows, _BATCH):  # type: ignore[attr-defined]
            for values in batch.slice(at, _BATCH).to_pylist():  # type: ignore[attr-defined]
                number += 1
                yield SourceRow(values, Place(path.name, number))


READERS: dict[str, Callable[[Path], Iterator[Read]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _delimited,
    ".tsv": _delimited,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
