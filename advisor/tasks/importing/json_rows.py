"""Rows of JSON, one after the other: an object on each line, one list of objects, or an object that holds one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from advisor.tasks.faults import listed
from advisor.tasks.importing.contract import ImportChoices
from advisor.tasks.importing.json_stream import CutOff, JsonStream
from advisor.tasks.importing.naming import split_of
from advisor.tasks.importing.rows import SAMPLED, Read, SourceRow
from advisor.tasks.importing.streams import RowStream, encoding_of, ending_of, numbered_lines, text_of
from advisor.tasks.jsonfile import CONVERSATIONS, holds_columns, json_hint, parse_json, squad_questions, type_name
from advisor.tasks.task import Place

_LINE = '{"input": "...", "target": "..."}'
_LIST = f"write one list of objects: [{_LINE}, ...]"
_CUT_OFF = "the file may have been cut off: fetch it again"
_AT_ONCE = 1 << 16  # characters


class JsonRows(RowStream):
    """A JSON file; of a list the number of the record stands in place of the line."""

    def __init__(self, path: Path, asked: ImportChoices) -> None:
        super().__init__(path)
        self._encoding = encoding_of(path, asked.encoding)
        with text_of(path, self._encoding) as file:
            start = _first_sign(file)
            if not start:
                self.refuse(None, "the file is empty", f"write one object a line: {_LINE}")
            self._is_list = start[0] == "["
            self._by_line = not self._is_list and (ending_of(path) != ".json" or _is_lines(start, file))
        found = (row for row in islice(self, SAMPLED) if isinstance(row, SourceRow))
        self.names = tuple(dict.fromkeys(name for row in found for name in row.values))

    def __iter__(self) -> Iterator[Read]:
        """All rows; lines that are no object are not read."""
        yield from self._lines() if self._by_line else self._records()

    def _lines(self) -> Iterator[Read]:
        for number, line in numbered_lines(self.path, self._encoding):
            if not line or line.isspace():
                continue
            try:
                value = parse_json(line)
            except ValueError as error:
                yield self.unread(number, *_no_json(line, error))
                continue
            if isinstance(value, dict):
                yield SourceRow(value, Place(self.where, number))
            else:
                hint = f"every line is one object: {_LINE}"
                yield self.unread(number, f"the line is {type_name(value)}, not an object", hint)

    def _records(self) -> Iterator[Read]:
        with text_of(self.path, self._encoding) as file:
            stream = JsonStream(file)
            number = 0
            keys: dict[str, str] = {}
            try:
                for key, item in stream.records(CONVERSATIONS):
                    if key not in keys:
                        keys[key] = split_of(key)
                        self._check(keys, item)
                    for row in squad_questions(item) if isinstance(item, dict) and "paragraphs" in item else [item]:
                        number += 1
                        if isinstance(row, dict):
                            yield SourceRow(row, Place(self.where, number), keys[key])
                        else:
                            yield self.unread(number, f"the entry is {type_name(row)}, not an object", _LIST)
            except UnicodeError:  # which is a ValueError too
                raise
            except ValueError as error:
                hint = _CUT_OFF if isinstance(error, CutOff) else _LIST
                self.refuse(stream.line, f"not valid JSON: {error}, in entry {number + 1}", hint)

    def _check(self, keys: Mapping[str, str], item: object) -> None:
        """Raise Faults for lists of which nobody knows what they are for, and for columns in place of rows."""
        if len(keys) > 1 and not all(keys.values()):
            what = f"the file holds several lists of objects: {listed(keys)}"
            self.refuse(None, what, "write each to its own file, or call them train, dev and test")
        if "" in keys and not self._is_list and isinstance(item, dict) and holds_columns(item):
            hint = f'write rows: DataFrame.to_json("{self.path.stem}.jsonl", orient="records", lines=True)'
            self.refuse(None, f"the file holds columns, not rows: {listed(item)}", hint)


def _no_json(line: str, error: ValueError) -> tuple[str, str]:
    """What is wrong with a line that is no JSON, and what mends it."""
    if not isinstance(error, json.JSONDecodeError):
        return f"the line is not valid JSON: {error}", f"every line is one object: {_LINE}"
    ended = error.pos >= len(line.rstrip()) - 1 and error.msg != "Extra data"
    if ended or error.msg.startswith("Unterminated"):
        return "the line ends before its JSON does", _CUT_OFF
    return f"the line is not valid JSON: {error.msg}", json_hint(line, _LINE)


def _first_sign(file: TextIO) -> str:
    """The beginning of a text from its first sign on that is no white space; empty without one."""
    while block := file.read(_AT_ONCE):
        if block := block.lstrip():
            return block
    return ""


def _is_lines(start: str, file: TextIO) -> bool:
    """Whether a text holds one object a line: the first line ends one, and the next begins one."""
    before = ""
    for block in chain([start], iter(lambda: file.read(_AT_ONCE), "")):
        head, found, rest = block.partition("\n")
        before = (before + head)[-2:]
        if found:
            return before.rstrip().endswith("}") and (rest + file.read(_AT_ONCE)).lstrip().startswith("{")
    return False
