"""Text files and JSON lines: from bytes to rows, with the place of every fault."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from pathlib import Path

from advisor.tasks.faults import FaultLog, nearest

_WIDE = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
PARTS = ("task.toml", "train.jsonl", "dev.jsonl", "test.jsonl", "documents.jsonl", "documents")


@dataclass(frozen=True, slots=True)
class Row:
    """One record of an examples or documents file: its 1-based line and its values by column."""

    line: int
    values: dict[str, object]


def read_text(path: Path, log: FaultLog) -> str | None:
    """The file's text from UTF-8, without a byte order mark; None after a fault was noted."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        log.add(path, None, "no such file", lambda: near_path(path) or "check the path")
        return None
    except OSError as error:
        log.add(path, None, f"cannot be read: {error.strerror}", "check that it is a file you may read")
        return None
    for mark, name in _WIDE:
        if data.startswith(mark):
            log.add(path, 1, f"the file is {name}, not UTF-8", _convert(path, name))
            return None
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        _log_undecodable(path, data, log)
        return None


def read_json_lines(path: Path, log: FaultLog, example: str) -> list[Row] | None:
    """One row for each line that is a JSON object; blank lines are skipped.

    Args:
        path: a .jsonl file.
        log: where faults go.
        example: a line as it should be, shown in mends.

    Returns:
        The good rows, or None if the file as a whole could not be read.
    """
    text = read_text(path, log)
    if text is None:
        return None
    if _is_one_list(text):
        mend = f"write each object on a line of its own: jq -c '.[]' {path.name} > lines.jsonl"
        log.add(path, 1, "the file is one JSON list, not one object a line", mend)
        return None
    rows = []
    for number, line in enumerate(text.split("\n"), 1):  # str.splitlines would also cut at U+2028
        if line and not line.isspace():
            values = _object(path, number, line, log, example)
            if values is not None:
                rows.append(Row(number, values))
    return rows


def parse_json(text: str) -> object:
    """The JSON value of `text`.

    Raises:
        ValueError: it is not JSON, nested too deeply, or holds half of a surrogate pair, which no
            encoding could write.
    """
    try:
        value: object = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ascii(error.object[error.start])[1:-1]
            raise ValueError(f"{half} is half of a surrogate pair") from None
    return value


def near_path(path: Path) -> str:
    """A mend that names the file or folder nearest to a missing one; empty if none is near.

    Files that have a part of their own in a task folder are not taken for a misspelt other one.
    """
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.name not in PARTS]
    except OSError:
        return f"{path.parent} does not exist either" if not path.parent.exists() else ""
    near = nearest(path.name, names)
    return f"did you mean {path.parent / near}?" if near else ""


def _object(path: Path, number: int, line: str, log: FaultLog, example: str) -> dict[str, object] | None:
    try:
        value = parse_json(line)
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {error.msg} at column {error.colno}"
        log.add(path, number, what, _json_mend(line, example))
    except ValueError as error:
        log.add(path, number, f"not valid JSON: {error}", f"every line is one JSON object, e.g. {example}")
    else:
        if isinstance(value, dict):
            return value
        what = f"the line is {type_name(value)}, not an object"
        log.add(path, number, what, f"every line is one JSON object, e.g. {example}")
    return None


def type_name(value: object) -> str:
    """What a JSON value is, with its article, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a value of type {type(value).__name__}")


def _json_mend(line: str, example: str) -> str:
    if line.rstrip().endswith(","):
        return "take away the comma at the end of the line; lines of JSON are not joined by commas"
    if line.lstrip().startswith("{'"):
        return f"JSON needs double quotes, e.g. {example}"
    return f"every line is one whole JSON object, e.g. {example}"


def _is_one_list(text: str) -> bool:
    if not text.lstrip().startswith("["):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _log_undecodable(path: Path, data: bytes, log: FaultLog) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        log.add(path, line, what, _convert(path, "WINDOWS-1252"))


def _convert(path: Path, encoding: str) -> str:
    sure = "" if encoding.startswith("UTF") else " (if that is its encoding)"
    return f"convert it: iconv -f {encoding} -t UTF-8 {path.name} > converted{path.suffix}{sure}"
