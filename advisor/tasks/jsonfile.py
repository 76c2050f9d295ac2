"""Reading JSON files into rows: one object a line, or one list of objects; every fault has its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from advisor.intake import Bound, json_of
from advisor.tasks.faults import FaultLog, listed
from advisor.tasks.textfile import BOUNDS, read_text

JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
CONVERSATIONS = ("messages", "conversations")
"""Names under which a whole conversation stands, as a list of turns."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One record of a file: its values by column, and its 1-based line.

    In files without lines of their own, Parquet and a JSON list, the line is the number of the record.
    """

    line: int
    values: dict[str, object]


def read_json(path: Path, log: FaultLog, example: str, bound: Bound = BOUNDS.table) -> list[FileRow] | None:
    """Read the rows of a JSON file: one for each line, each object of a list, or each question of SQuAD's nesting.

    Args:
        path: a .jsonl, .ndjson or .json file. A list may also stand in an object under one key (`{"data": [...]}`).
        log: where faults go.
        example: a line as it should be, shown in hints.
        bound: how large the file may be.

    Returns:
        The good rows, or None if the file as a whole could not be read; blank lines are skipped.
    """
    text = read_text(path, log, bound)
    if text is None:
        return None
    whole = path.suffix.lower() == ".json"
    try:
        value = parse_json(text)
    except ValueError as error:
        if whole and not _begins_with_an_object(text):
            line = error.lineno if isinstance(error, json.JSONDecodeError) else None
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            log.add(path, line, f"not valid JSON: {reason}", f"write one list of objects: [{example}, ...]")
            return None
        return _lines(path, text, log, example)
    records = _records(value, whole)
    if records is not None:
        return [FileRow(number, record) for number, record in enumerate(records, 1)]
    if whole and isinstance(value, dict) and len(several := _lists_in(value)) > 1:
        log.add(path, None, f"the file holds several lists of objects: {listed(several)}", "write each to its own file")
        return None
    if whole and isinstance(value, dict) and holds_columns(value):
        hint = f'write rows: DataFrame.to_json("{path.stem}.jsonl", orient="records", lines=True)'
        log.add(path, None, f"the file holds columns, not rows: {listed(value)}", hint)
        return None
    if isinstance(value, dict):  # a file of one example, on however many lines
        return [FileRow(text[: text.index("{")].count("\n") + 1, value)]
    if whole:
        what = "the list holds no objects" if isinstance(value, list) else f"the file is {type_name(value)}"
        log.add(path, None, what, f"write one list of objects: [{example}, ...]")
        return None
    return _lines(path, text, log, example)


def parse_json(text: str) -> object:
    """Parse the JSON value of `text`.

    Raises:
        ValueError: it is not JSON, nested too deeply, holds a number of too many digits, or half of a surrogate pair,
            which no encoding could write.
    """
    value: object = json_of(text)
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ascii(error.object[error.start])[1:-1]
            raise ValueError(f"{half} is half of a surrogate pair") from None
    return value


def type_name(value: object) -> str:
    """The name of a JSON value's type with its article, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a value of type {type(value).__name__}")


def _begins_with_an_object(text: str) -> bool:
    """Whether the first line is a whole object: many .json files are JSON lines."""
    first = text.lstrip().split("\n", 1)[0]
    try:
        return isinstance(json_of(first), dict)
    except ValueError:
        return False


def _records(value: object, whole: bool) -> list[dict[str, object]] | None:
    """The objects of a list, given directly or as the only list in an object; None if there is no such list."""
    if isinstance(value, list):
        return value if value and all(isinstance(item, dict) for item in value) else None
    if not isinstance(value, dict):
        return None
    data = value.get("data")
    if isinstance(data, list) and _is_nested_squad(data):
        return [question for article in data for question in squad_questions(article)]
    lists = list(_lists_in(value).values())
    return lists[0] if whole and len(lists) == 1 else None


def _lists_in(value: Mapping[str, object]) -> dict[str, list[dict[str, object]]]:
    """The lists of objects that an object holds, by key; turns of a conversation do not count."""
    return {key: found for key, item in value.items() if key not in CONVERSATIONS and (found := _list(item))}


def _list(value: object) -> list[dict[str, object]] | None:
    return value if isinstance(value, list) and value and all(isinstance(item, dict) for item in value) else None


def _is_nested_squad(data: list[object]) -> bool:
    return any(isinstance(item, dict) and "paragraphs" in item for item in data)


def squad_questions(article: object) -> Iterator[dict[str, object]]:
    """Yield the questions of one article in SQuAD's nesting (paragraphs, qas), each with its passage."""
    for entry in _objects([article]):
        for paragraph in _objects(entry.get("paragraphs")):
            for asked in _objects(paragraph.get("qas")):
                answers = [answer.get("text") for answer in _objects(asked.get("answers"))]
                yield {
                    "id": asked.get("id"),
                    "title": entry.get("title"),
                    "context": paragraph.get("context"),
                    "question": asked.get("question"),
                    "answers": {"text": answers},
                    "is_impossible": asked.get("is_impossible"),
                }


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def holds_columns(value: Mapping[str, object]) -> bool:
    """Whether an object's values are columns: lists, or objects with the same keys."""
    columns = list(value.values())
    if len(columns) < 2:
        return False
    if all(isinstance(column, list) and column for column in columns):
        return True
    keys = [tuple(column) if isinstance(column, dict) else () for column in columns]
    return bool(keys[0]) and len(set(keys)) == 1


def _lines(path: Path, text: str, log: FaultLog, example: str) -> list[FileRow]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):  # str.splitlines would also cut at U+2028
        if line and not line.isspace():
            values = _object(path, number, line, log, example)
            if values is not None:
                rows.append(FileRow(number, values))
    return rows


def _object(path: Path, number: int, line: str, log: FaultLog, example: str) -> dict[str, object] | None:
    try:
        value = parse_json(line)
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {error.msg} at column {error.colno}"
        log.add(path, number, what, json_hint(line, example))
    except ValueError as error:
        log.add(path, number, f"not valid JSON: {error}", f"every line is one JSON object, e.g. {example}")
    else:
        if isinstance(value, dict):
            return value
        what = f"the line is {type_name(value)}, not an object"
        log.add(path, number, what, f"every line is one JSON object, e.g. {example}")
    return None


def json_hint(line: str, example: str) -> str:
    """What is likely to mend a line that is no JSON object."""
    if line.rstrip().endswith(","):
        return "take away the comma at the end of the line; lines of JSON are not joined by commas"
    if line.lstrip().startswith("{'"):
        return f"JSON needs double quotes, e.g. {example}"
    return f"every line is one whole JSON object, e.g. {example}"
