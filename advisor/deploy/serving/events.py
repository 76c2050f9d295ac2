"""The log of a server: one JSON object a line on stderr, without texts unless they are asked for."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from advisor.cleaning import escaped


class EventLog:
    """Writes events.

    Args:
        texts: whether what was asked and answered is written too, and what errors say, which may quote it.
        stream: stderr where None.
    """

    def __init__(self, texts: bool = False, stream: TextIO | None = None) -> None:
        self.texts = texts
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, event: str, texts: dict[str, str] | None = None, **facts: Any) -> None:
        """One event, with its facts, and with texts where they are asked for."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        if self.texts:
            line |= texts or {}
        told = escaped(json.dumps(line, ensure_ascii=False))
        with self._lock, suppress(OSError, ValueError):  # nobody reads it any more
            stream = self._stream or sys.stderr
            stream.write(told + "\n")
            stream.flush()

    def error(self, error: BaseException, **facts: Any) -> None:
        """What went wrong, and where in the program."""
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
        self.write("error", {"said": str(error)}, kind=type(error).__name__, where=where, **facts)


class LoggedEvents(logging.Handler):
    """Takes what libraries log into the same lines; a warning of theirs may quote, so that only its place is told."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line for a record."""
        if record.exc_info and record.exc_info[1] is not None:
            self.log.error(record.exc_info[1], logger=record.name)
        else:
            self.log.write("log", {"said": record.getMessage()}, logger=record.name, level=record.levelname.lower())
