"""Reading the records of one large JSON value without holding it whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import TextIO

from advisor.tasks.jsonfile import parse_json

_AT_ONCE = 1 << 16  # characters; doubled for each record that is longer
_LONGEST_WORD = 8  # such as -Infinity, of which half may have been read
_MOST = 256_000_000  # characters of one record


class CutOff(ValueError):
    """Raised where the text ends before its JSON does."""


class JsonStream:
    """Walks through a list of records, or through an object that holds one.

    Attributes:
        line: where it stands, from 1.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at = "", 0
        self._ended = False
        self.line = 1

    def records(self, not_lists: Collection[str]) -> Iterator[tuple[str, object]]:
        """The items of the list; of an object those of its lists of objects, with their keys, or itself without one.

        Args:
            not_lists: keys whose lists are part of a record, such as the turns of a conversation.

        Raises:
            ValueError: it is not JSON; `CutOff` where it ends within a record.
        """
        if self._peek() == "[":
            yield from (("", item) for item in self._items())
            return
        if self._peek() != "{":
            raise ValueError("it begins with neither a list nor an object")
        self._take("{")
        values: dict[str, object] = {}
        found = False
        while self._peek() == '"':
            key = str(self._value())
            self._take(":")
            if self._peek() == "[" and key not in not_lists and self._second() == "{":
                found = True
                yield from ((key, item) for item in self._items())
            else:
                values[key] = self._value()
            if self._peek() != ",":
                break
            self._take(",")
        self._take("}")
        if not found:
            yield "", values

    def _items(self) -> Iterator[object]:
        self._take("[")
        while self._peek() != "]":
            yield self._value()
            if self._peek() != ",":
                break
            self._take(",")
        self._take("]")

    def _value(self) -> object:
        """The value that comes next."""
        self._peek()
        size = _AT_ONCE
        while True:
            end = 0
            try:
                _, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._goes_on(error):
                    self._move(min(error.pos, len(self._text)))
                    raise ValueError(error.msg) from None
            except RecursionError:
                raise ValueError("nested too deeply") from None
            if end and (end < len(self._text) or self._ended):  # a number may go on behind what was read
                value = parse_json(self._text[self._at : end])
                self._move(end)
                return value
            if self._ended:
                raise CutOff("it ends within a record")
            if len(self._text) - self._at > _MOST:
                raise ValueError(f"one record is longer than {_MOST // 10**6} million characters")
            self._more(size)
            size *= 2

    def _goes_on(self, error: json.JSONDecodeError) -> bool:
        """Whether an error may be there only since the text ends where it does."""
        return error.pos >= len(self._text.rstrip()) - _LONGEST_WORD or error.msg.startswith("Unterminated")

    def _peek(self) -> str:
        """The next sign that is no white space, without taking it; raises where there is none."""
        while True:
            at = self._at
            while at < len(self._text) and self._text[at] in " \t\r\n":
                at += 1
            self._move(at)
            if at < len(self._text):
                return self._text[at]
            if self._ended:
                raise CutOff("it ends too early")
            self._more(_AT_ONCE)

    def _second(self) -> str:
        """The sign after the next one, white space left out."""
        while not (rest := self._text[self._at + 1 :].lstrip()[:1]) and not self._ended:
            self._more(_AT_ONCE)
        return rest

    def _take(self, sign: str) -> None:
        if self._peek() != sign:
            raise ValueError(f'"{sign}" is missing')
        self._move(self._at + 1)

    def _move(self, at: int) -> None:
        self.line += self._text.count("\n", self._at, at)
        self._at = at

    def _more(self, size: int) -> None:
        more = self._file.read(size)
        self._ended = not more
        self._text = self._text[self._at :] + more
        self._at = 0
